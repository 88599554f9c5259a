"""Options of a command as a YAML file: lines of ``name: value`` that people read and edit.

YAML is parsed into nodes and no further: a value is the text that stands there, as it would on the
command line. So ``licence: NO`` is no falsehood, ``10:50`` no number of seconds, and nothing is
built by a name in the file.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io._atomic import atomic_path

MAX_BYTES = 2**17
DEEPEST = 3
"""Levels of a file: options, lines of ``name: value`` of one, and a list there."""

NESTED = (
    "something is nested too deeply; an option is a value, a list of values, or lines of the form "
    "name: value"
)

TAGS = tuple(
    f"tag:yaml.org,2002:{kind}"
    for kind in ("bool", "float", "int", "map", "null", "seq", "str", "timestamp", "value")
)

Text = str | list[str]


def read_options(
    path: str | os.PathLike[str], known: Collection[str]
) -> dict[str, Text | dict[str, Text]]:
    """Read options from a YAML file.

    Parameters
    ----------
    path : path-like
        A mapping of names to values, lists of values, or mappings of names to these. In names of
        options, ``-`` and ``_`` are the same.
    known : collection of str
        Names that there are, with ``_``.

    Returns
    -------
    dict
        What the file gives, by name, as texts; without what it leaves empty.

    Raises
    ------
    VirtualStainError
        If the file cannot be read, is no such mapping, or gives an option that there is not.
    """
    import yaml

    path = Path(path).expanduser()
    content = _content(path)
    try:
        _check_events(content)
        root = yaml.compose(content, Loader=yaml.SafeLoader)
        given = {} if root is None else _texts(root, DEEPEST)
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise VirtualStainError(f"{path.name} cannot be read as YAML: {reason}.") from None
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise VirtualStainError(
            f"{path.name} is no file of options: it has to be lines of the form name: value."
        )
    options = {}
    for written, value in given.items():
        name = written.replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(sorted(known))}."
            raise VirtualStainError(f"{path.name}: there is no option {written!r}.{hint}")
        if name in options:
            raise VirtualStainError(f"{path.name}: the option {name!r} is given twice.")
        if value is not None:
            options[name] = value
    return options


def write_options(
    options: Mapping[str, Any],
    path: str | os.PathLike[str],
    *,
    comment: str = "",
    overwrite: bool = False,
) -> Path:
    """Write options into a YAML file, which :func:`read_options` reads.

    Parameters
    ----------
    options : mapping
        Texts, numbers, truths, lists and mappings of these.
    path : path-like
        Missing folders are created.
    comment : str
        A line for who opens the file.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    VirtualStainError
        If it exists and `overwrite` is false, or it cannot be written.
    """
    import yaml

    path = Path(path).expanduser()
    text = yaml.safe_dump(dict(options), sort_keys=False, allow_unicode=True)
    before = f"# {comment}\n" if comment else ""
    with atomic_path(path, overwrite) as temporary:
        temporary.write_text(before + text, encoding="utf-8")
    return path


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise VirtualStainError(f"there is no file {path}; check its name and folder.") from None
    except OSError as error:
        raise VirtualStainError(f"{path} cannot be read: {error.strerror or error}.") from None
    if len(content) > MAX_BYTES:
        raise VirtualStainError(f"{path.name} is too large to be a file of options.")
    return content


def _check_events(content: bytes) -> None:
    """Refuse what could make much of little, before anything is made of it."""
    import yaml

    depth = 0
    for event in yaml.parse(content, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("references (*name) are not for options")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.YAMLError(NESTED)


def _texts(node: Any, depth: int) -> Any:
    """Return what a node stands for, in mappings of at most so many levels; None for nothing."""
    import yaml

    if node.tag not in TAGS:
        raise yaml.YAMLError(f"{node.tag} is nothing that options are made of")
    if isinstance(node, yaml.ScalarNode):
        return None if node.tag.endswith(":null") else node.value
    if depth == 0 or (depth == 1 and isinstance(node, yaml.MappingNode)):
        raise yaml.YAMLError(NESTED)
    if isinstance(node, yaml.SequenceNode):
        return [_item(item) for item in node.value]
    found: dict[str, Any] = {}
    for key, value in node.value:
        name = _item(key)
        if name in found:
            raise yaml.YAMLError(f"{name!r} is given twice")
        found[name] = _texts(value, depth - 1)
        if found[name] is None and depth < DEEPEST:
            raise yaml.YAMLError(f"{name!r} is empty")
    return found


def _item(node: Any) -> str:
    """Return the text of a name, or of one value of a list."""
    import yaml

    text = _texts(node, 0)
    if text is None:
        raise yaml.YAMLError("a name or a value of a list is empty")
    return str(text)
