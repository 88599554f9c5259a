"""The doors between the rooms: the import contracts, and who may open files."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import napari_virtual_stain

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = Path(napari_virtual_stain.__file__).parent

THIRD_PARTY = {
    "errors": set(),
    "events": {"numpy"},
    "image": {"numpy", "dask"},
    "networks": {"torch"},
}
"""Rooms that promise what they need from others, by the names of those packages."""

FILE_PACKAGES = {
    "imageio",
    "ome_types",
    "pickle",
    "pooch",
    "safetensors",
    "shutil",
    "tempfile",
    "tifffile",
    "zarr",
}
FILE_METHODS = {"open", "read_bytes", "read_text", "write_bytes", "write_text"}
FILE_FUNCTIONS = {
    "numpy.fromfile",
    "numpy.genfromtxt",
    "numpy.load",
    "numpy.loadtxt",
    "numpy.memmap",
    "numpy.save",
    "numpy.savetxt",
    "numpy.savez",
    "numpy.savez_compressed",
    "open",
    "torch.load",
    "torch.save",
}


def modules_of(room: str) -> list[Path]:
    """Return the files of a room, which is one module or a package."""
    return [*PACKAGE.glob(f"{room}.py"), *sorted((PACKAGE / room).rglob("*.py"))]


def imported_names(tree: ast.AST) -> dict[str, str]:
    """Return what each name that an import binds stands for, as a dotted path."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.name if alias.asname else alias.name.partition(".")[0]
                names[alias.asname or bound] = bound
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return names


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    """Return the dotted path that a function is called by, with imported names resolved."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def file_access(source: str) -> Iterator[str]:
    """Yield what in `source` opens files, or could, with its line."""
    tree = ast.parse(source)
    names = imported_names(tree)
    packages = {path.partition(".")[0] for path in names.values()}
    yield from (f"import of {package}" for package in sorted(packages & FILE_PACKAGES))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = dotted(node.func, names)
            method = isinstance(node.func, ast.Attribute) and node.func.attr in FILE_METHODS
            if method or function in FILE_FUNCTIONS:
                yield f"line {node.lineno}: {ast.unparse(node.func)}"


def test_the_import_contracts_hold():
    run = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    linted = subprocess.run(
        [sys.executable, "-c", run, "--no-cache", "--no-logo"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("room", THIRD_PARTY)
def test_room_needs_only_what_it_promises(room):
    modules = modules_of(room)
    allowed = THIRD_PARTY[room] | sys.stdlib_module_names | {"napari_virtual_stain"}
    needed = {
        path.partition(".")[0]
        for module in modules
        for path in imported_names(ast.parse(module.read_text(encoding="utf-8"))).values()
    }
    assert modules
    assert needed <= allowed


NO_FILES_OF_THE_USER = {
    "inference/memory.py": "what the operating system says of the memory of this process",
    "inference/remembered.py": "measurements of this machine, in the cache folder",
    "inference/prediction.py": "`target.open`: whether there is a file behind it, `io` knows",
}


def test_only_io_opens_files():
    found = {
        str(module.relative_to(PACKAGE)): accesses
        for module in sorted(PACKAGE.rglob("*.py"))
        if module.relative_to(PACKAGE).parts[0] != "io"
        and str(module.relative_to(PACKAGE)) not in NO_FILES_OF_THE_USER
        and (accesses := list(file_access(module.read_text(encoding="utf-8"))))
    }
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "open('a')",
        "from pathlib import Path\nPath('a').write_text('b')",
        "import numpy as np\nnp.save('a', b)",
        "import numpy\nnumpy.load('a')",
        "from torch import save as keep\nkeep(a, 'b')",
        "def read(path):\n    import tifffile\n    return tifffile.imread(path)",
        "from safetensors.torch import load_file",
    ],
)
def test_opening_a_file_is_found(source):
    assert list(file_access(source))


@pytest.mark.parametrize("source", ["import numpy as np\nnp.full(3, 1)", "model.load(state)"])
def test_what_opens_no_file_is_left_alone(source):
    assert not list(file_access(source))
