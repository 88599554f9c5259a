"""Which layout a path has, and the pairs or stacks in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.io._channels import pick_channels
from napari_virtual_stain.io.pairs.channels import from_channels
from napari_virtual_stain.io.pairs.csbdeep import from_patches
from napari_virtual_stain.io.pairs.folders import are_folders, from_folders
from napari_virtual_stain.io.pairs.image_files import image_files, is_store
from napari_virtual_stain.io.pairs.in_silico import from_wells, well_files
from napari_virtual_stain.io.pairs.lists import from_list
from napari_virtual_stain.io.pairs.names import by_name, from_names
from napari_virtual_stain.io.pairs.sides import Pairs, check_sizes, reader


def read_pairs(
    path: str | os.PathLike[str],
    *,
    inputs: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
) -> list[tuple[Image, Image]]:
    """Read pairs of input and target images.

    Parameters
    ----------
    path : path-like
        One of

        - a folder of multi-channel TIFF files or OME-Zarrs (or one of these): `inputs` and
          `targets` name channels, and both are needed;
        - a folder with one folder per channel, where files of the same name are a pair: `inputs`
          and `targets` name folders; of two folders, one needs to be named. Several folders
          become channels of one image. Images beside such folders are left out;
        - a folder of TIFF files or OME-Zarrs of one channel each, whose names differ by that of
          the channel alone, as ``A1_bf.tif`` and ``A1_dapi.tif``: `inputs` and `targets` are these
          parts of the names, and both are needed;
        - a folder of PNG files named as those of in silico labeling (Christiansen et al. 2018):
          `inputs` and `targets` name what follows ``channel-``; by default, transmitted light
          and all that is projected;
        - a CSV file whose first line is ``input,target``, and whose others are paths relative to
          it: `inputs` and `targets`, where given, name channels of the files. Those of
          pytorch_fnet will do as well: ``path_signal,path_target``, and
          ``path_tiff,channel_signal,channel_target`` with channels numbered from 0;
        - an ``.npz`` file of patches as CSBDeep writes them (``X``, ``Y`` and ``axes``): one pair,
          with the patches along T. Train with ``TrainingPair(*pair, pooled=True)``, as by itself
          a patch of background would be stretched to the contrast of cells.
    inputs, targets : sequence of str, optional
        Names of channels or folders, see there.

    Returns
    -------
    list of (Image, Image)
        Input and target of each pair, in the order of the file names or of the CSV file. An image
        has a C axis only if it has several channels. Those of the axes T, Z, Y and X that both
        of a pair have are of the same size. Where some of several targets are missing for an
        image, its target has the others. Large images are read when their pixels are asked for.

    Raises
    ------
    VirtualStainError
        If a file, folder or channel is missing or ambiguous, if no pairs are found, or if the
        two of a pair differ in size.

    Warns
    -----
    VirtualStainWarning
        If an image lacks some of the targets.
    """
    path = Path(path).expanduser()
    input_names, target_names = _names(inputs, "an input"), _names(targets, "a target")
    if both := [name for name in input_names if name in target_names]:
        raise VirtualStainError(
            f"{both[0]!r} is given as an input and as a target; a model would learn to copy it."
        )
    pairs = _pairs(path, input_names, target_names)
    for one, other in pairs:
        check_sizes(one, other)
    return [(one.image, other.image) for one, other in pairs]


def read_stacks(
    path: str | os.PathLike[str], *, channels: Sequence[str] | None = None
) -> list[Image]:
    """Read images of which pairs are still to be made, such as z-stacks.

    Parameters
    ----------
    path : path-like
        A folder of TIFF files or OME-Zarrs, or one of these.
    channels : sequence of str, optional
        Channels to take, by name; by default all.

    Returns
    -------
    list of Image
        In the order of the file names.

    Raises
    ------
    VirtualStainError
        If there are none, or one lacks a channel.
    """
    path = Path(path).expanduser()
    files = [path]
    if path.is_dir() and not is_store(path):
        files = list(image_files(path).values())
        if not files:
            raise VirtualStainError(
                f"{path} holds no images: neither TIFF files (*.tif, *.tiff) nor OME-Zarrs."
            )
    read, names = reader(len(files)), _names(channels, "a channel")
    images = [read(file) for file in files]
    return [pick_channels(image, names) for image in images] if names else images


def _pairs(path: Path, inputs: list[str], targets: list[str]) -> Pairs:
    if path.is_dir() and not is_store(path):
        if wells := well_files(path):
            return from_wells(wells, inputs, targets)
        # Folders that are named as asked are what is meant, whatever else lies beside them.
        if are_folders(path, [*inputs, *targets]):
            return from_folders(path, inputs, targets)
        files = list(image_files(path).values())
        if inputs and targets and (named := by_name(files, [*inputs, *targets])):
            first = next(iter(named[inputs[0]].values()))
            if reader(len(files))(first).n_channels == 1:
                return from_names(named, inputs, targets)
        if files:
            return from_channels(files, inputs, targets)
        return from_folders(path, inputs, targets)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return from_list(path, inputs, targets)
    if suffix == ".npz":
        return from_patches(path, inputs, targets)
    return from_channels([path], inputs, targets)


def _names(names: Sequence[str] | None, role: str) -> list[str]:
    found = [names] if isinstance(names, str) else list(names or [])
    if twice := [name for name in found if found.count(name) > 1]:
        raise VirtualStainError(f"{twice[0]!r} is given twice as {role}; once is enough.")
    return found
