"""``vstain``: one command for each thing the library does.

Exit status: 0 success, 2 bad arguments, 1 failure, with one sentence on stderr and no
traceback unless ``--debug`` is among the arguments.
"""

from __future__ import annotations

import sys
import warnings
from typing import Annotated

import typer

from napari_virtual_stain.cli import compare, demo, models, predict, simulate, train
from napari_virtual_stain.cli.output import say
from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.version import __version__

app = typer.Typer(
    name="vstain",
    help="Virtual staining: predict fluorescence from transmitted light, compare, train. "
    "With --debug, any command shows the details of a failure.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("predict")(predict.command)
app.command("train")(train.command)
app.command("compare")(compare.command)
app.add_typer(models.app, name="models")
app.command("simulate")(simulate.command)
app.command("demo")(demo.command)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"napari-virtual-stain {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Hold the options that belong to no command."""


def main() -> None:
    """Run the command line; exits with its status."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    with warnings.catch_warnings():
        warnings.simplefilter("always", VirtualStainWarning)
        warnings.showwarning = _show_warning
        try:
            app(args=arguments)
        except Exception as error:
            if debug:
                raise
            say(_sentence(error))
            sys.exit(1)


def _sentence(error: Exception) -> str:
    if isinstance(error, VirtualStainError):
        return f"error: {error}"
    text = " ".join(str(error).split()) or "no further explanation"
    return f"error: {type(error).__name__}: {text} (run again with --debug for the details)"


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    say(f"note: {message}")
