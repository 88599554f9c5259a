"""Pictures that flip in place, as a GIF or MP4 file."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io._atomic import atomic_path

FORMATS = (".gif", ".mp4")

FILM_SECONDS = 10.0
"""Length of a film, which players show once."""

RATE = 10
"""Frames of a film in a second; a picture stays for several of them."""


def write_flip(
    pictures: Sequence[np.ndarray],
    path: str | os.PathLike[str],
    *,
    seconds: float = 0.7,
    overwrite: bool = False,
) -> Path:
    """Write pictures that take turns.

    Parameters
    ----------
    pictures : sequence of ndarray of uint8, shape (Y, X, 3)
        All of one shape.
    path : path-like
        Its ending says what it becomes: ``.gif`` (which goes on for ever) or ``.mp4`` (ten
        seconds, H.264; needs the extra ``video``).
    seconds : float
        How long each is shown.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    VirtualStainError
        If the ending is another, the extra is not installed, or the file cannot be written.
    """
    path = Path(path).expanduser()
    ending = path.suffix.casefold()
    if ending not in FORMATS:
        raise VirtualStainError(
            f"{path.name} is neither a GIF nor an MP4 by its name; let it end in .gif or .mp4."
        )
    if ending == ".mp4":
        _check_video()
    with atomic_path(path, overwrite) as temporary:
        write = _write_gif if ending == ".gif" else _write_film
        write(temporary, [np.ascontiguousarray(picture) for picture in pictures], seconds)
    return path


def _write_gif(path: Path, pictures: list[np.ndarray], seconds: float) -> None:
    from PIL import Image as Picture

    # One palette for all, or what is equal would seem to change.
    tall = Picture.fromarray(np.concatenate(pictures))
    palette = tall.quantize(256, dither=Picture.Dither.NONE)
    frames = [
        Picture.fromarray(one).quantize(palette=palette, dither=Picture.Dither.NONE)
        for one in pictures
    ]
    first, *rest = frames
    first.save(
        path,
        "GIF",
        save_all=True,
        append_images=rest,
        duration=max(20, round(1000 * seconds)),
        loop=0,
        disposal=1,
        optimize=False,
    )


def _write_film(path: Path, pictures: list[np.ndarray], seconds: float) -> None:
    import imageio_ffmpeg

    height, width = (size - size % 2 for size in pictures[0].shape[:2])  # H.264 wants even sizes
    stay = max(1, round(RATE * seconds))
    turns = max(1, math.ceil(FILM_SECONDS * RATE / (stay * len(pictures))))
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (width, height),
        fps=RATE,
        codec="libx264",
        quality=8,
        macro_block_size=2,
        ffmpeg_log_level="error",
    )
    try:
        writer.send(None)
        for _ in range(turns):
            for picture in pictures:
                frame = np.ascontiguousarray(picture[:height, :width])
                for _ in range(stay):
                    writer.send(frame)
    finally:
        writer.close()


def _check_video() -> None:
    try:
        import imageio_ffmpeg  # noqa: F401
    except ImportError as error:
        raise VirtualStainError(
            "MP4 files need imageio-ffmpeg, which is not installed: install "
            "napari-virtual-stain[video], or choose a name that ends in .gif."
        ) from error
