"""``vstain models``: which models and networks there are, and what a model expects."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_virtual_stain.cli.arguments import AsJson
from napari_virtual_stain.cli.output import finish

app = typer.Typer(help="Models: list them, and show what one expects.", no_args_is_help=True)


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
    options = ", ".join(f"{key} {value}" for key, value in spec.network.options.items())
    lines.append(f"Network: {spec.network.name}{f' ({options})' if options else ''}")
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


@app.command("architectures")
def architectures_command(as_json: AsJson = False) -> None:
    """List the networks that can be built and trained, and the presets that train them."""
    from napari_virtual_stain import networks
    from napari_virtual_stain.training import presets

    lines = []
    for name in networks.names():
        options = ", ".join(f"{key}={value}" for key, value in networks.options(name).items())
        lines.append(f"{name:<10} {options}")
    lines += [f"preset {one.name:<16} {one.description}" for one in presets()]
    finish(
        {
            "networks": {name: networks.options(name) for name in networks.names()},
            "presets": {one.name: one.description for one in presets()},
        },
        lines,
        as_json,
    )
