"""``vstain models``: which models and networks there are, what one expects, and importing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_virtual_stain.cli.arguments import AsJson, Overwrite, model_file
from napari_virtual_stain.cli.assignments import assignments
from napari_virtual_stain.cli.output import finish

if TYPE_CHECKING:
    from napari_virtual_stain.model import ModelSpec
    from napari_virtual_stain.networks import Architecture

app = typer.Typer(
    help="Models: list them, show what one expects, import checkpoints of other code.",
    no_args_is_help=True,
)


@app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """List the built-in models and those of the model folder."""
    from napari_virtual_stain.io import list_models, model_folder

    entries = list_models()
    lines = [
        f"{entry.name:<28} {entry.spec.expects if entry.spec else entry.problem}"
        for entry in entries
    ]
    content = [
        {
            "name": entry.name,
            "path": entry.path,
            "built_in": entry.built_in,
            "expects": entry.spec.expects if entry.spec else None,
            "problem": entry.problem or None,
        }
        for entry in entries
    ]
    finish(
        {"models": content, "model_folder": model_folder()},
        [*lines, f"Model folder: {model_folder()}"],
        as_json,
    )


@app.command("info")
def info_command(
    model: Annotated[str, typer.Argument(help="Name or file of a model.")], as_json: AsJson = False
) -> None:
    """Show what a model expects, yields and comes from."""
    from napari_virtual_stain.io import find_model, read_spec

    path = find_model(model)
    spec = read_spec(path)
    origin = spec.provenance
    lines = [f"{spec.name}: {spec.expects}", f"File: {path}"]
    if spec.description:
        lines.insert(1, spec.description)
    lines.append(f"Network: {_network(spec)}")
    told = {
        "Trained on": origin.data,
        "Licence": origin.licence,
        "Attribution": origin.attribution,
        "Command": origin.command,
        "Notes": origin.notes,
    }
    lines += [f"{label}: {text}" for label, text in told.items() if text]
    for channel, scores in origin.scores.items():
        lines += [f"Score of {channel}: {key} {value:g}" for key, value in scores.items()]
    finish({"path": path, "spec": spec.model_dump()}, lines, as_json)


@app.command("import")
def import_command(
    file: Annotated[
        Path,
        typer.Argument(
            help="A model.p of pytorch_fnet (or its folder), a TensorFlow checkpoint of GVTNets "
            "(any of its files, or its folder), or weights of a network that is known here."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file to write.")],
    option: Annotated[
        list[str] | None,
        typer.Option(
            help="Option of the network that weights do not tell, such as heads=2 (vstain models "
            "architectures). May be repeated."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the model; by default the file's.")] = "",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Convert a checkpoint that other code wrote into a model file. Nothing of it is executed."""
    options = assignments(option)

    from napari_virtual_stain.io import check_writable, import_model, save_model
    from napari_virtual_stain.model import parse_spec

    target = model_file(output)
    check_writable(target, overwrite)
    model = import_model(file, options)
    if name:
        spec = parse_spec({**model.spec.model_dump(), "name": name}, "the imported model")
        model = replace(model, spec=spec)
    path = save_model(model, target, overwrite=overwrite)
    spec = model.spec
    lines = [f"{spec.name}: {spec.expects}", f"Network: {_network(spec)}"]
    lines += [f"Notes: {spec.provenance.notes}"] if spec.provenance.notes else []
    finish({"path": path, "spec": spec.model_dump()}, [*lines, f"Wrote {path}"], as_json)


@app.command("architectures")
def architectures_command(as_json: AsJson = False) -> None:
    """List the networks that can be built and trained, and the presets that train them."""
    from napari_virtual_stain import networks
    from napari_virtual_stain.training import presets

    described = [networks.describe(name) for name in networks.names()]
    finish(
        {
            "networks": {one.name: _facts(one) for one in described},
            "presets": {one.name: one.description for one in presets()},
        },
        [
            *itertools.chain.from_iterable(_lines(one) for one in described),
            *(f"preset {one.name:<20} {one.description}" for one in presets()),
        ],
        as_json,
    )


def _network(spec: ModelSpec) -> str:
    options = ", ".join(f"{key} {_value(value)}" for key, value in spec.network.options.items())
    return f"{spec.network.name}{f' ({options})' if options else ''}"


def _value(value: object) -> str:
    return "/".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def _facts(one: Architecture) -> dict[str, Any]:
    """Return an architecture as it is printed in JSON."""
    return {
        "options": one.options,
        "parameters": {f"{ndim}D": count for ndim, count in one.parameters.items()},
        "outputs": one.head.kind,
        **asdict(one.geometry),
        "reference": one.reference,
    }


def _lines(one: Architecture) -> list[str]:
    """Return an architecture as it is printed for a person."""
    counts = ", ".join(f"{ndim}D {count:,}" for ndim, count in one.parameters.items())
    geometry, window = one.geometry, one.geometry.window
    extent = f"sizes in multiples of {_size(geometry.stride)}, halo {_size(geometry.halo)}"
    if window is not None:
        extent = (
            f"windows of {_size(window.input)}, which give {_size(window.output)}, every "
            f"{_size(window.step)}"
        )
    extent += "; attends to the whole image" if geometry.has_global_operators else ""
    extent += "; a stack becomes one plane" if geometry.projects else ""
    options = ", ".join(f"{key}={_value(value)}" for key, value in one.options.items())
    return [
        f"{one.name}: {counts} parameters",
        f"  {one.reference}",
        f"  {extent}",
        f"  {options}",
    ]


def _size(sizes: Sequence[int]) -> str:
    return f"{' × '.join(map(str, sizes))} px"
