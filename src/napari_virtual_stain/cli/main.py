"""``vstain``: one command for each thing the library does.

Exit status: 0 success, 2 bad arguments, 1 failure, with one sentence on stderr and no
traceback unless ``--debug`` is among the arguments; 130 when it was interrupted.
"""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import typer

from napari_virtual_stain.cli import bench, compare, demo, models, predict, simulate, train
from napari_virtual_stain.cli.output import say
from napari_virtual_stain.cli.several_values import SeveralValues
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
app.command("compare", cls=SeveralValues)(compare.command)
app.add_typer(models.app, name="models")
app.command("simulate")(simulate.command)
app.command("demo")(demo.command)
app.command("bench")(bench.command)

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells know it."""


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
    _write_utf8()
    with warnings.catch_warnings():
        warnings.simplefilter("always", VirtualStainWarning)
        warnings.showwarning = partial(_show_warning, warnings.showwarning)
        try:
            app(args=arguments)
        except (KeyboardInterrupt, SystemExit) as end:
            if isinstance(end, SystemExit) and end.code != INTERRUPTED:
                raise
            say("stopped; nothing is left half-written.")
            sys.exit(INTERRUPTED)
        except Exception as error:
            if debug:
                raise
            say(_sentence(error))
            sys.exit(1)


def _write_utf8() -> None:
    """Write µ and → into files and pipes whatever the system's code page is."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.isatty():
            stream.reconfigure(encoding="utf-8")


def _sentence(error: Exception) -> str:
    if isinstance(error, VirtualStainError):
        return f"error: {error}"
    text = " ".join(str(error).split()) or "no further explanation"
    return f"error: {type(error).__name__}: {text} (run again with --debug for the details)"


def _show_warning(
    otherwise: Callable[..., None], message: Warning | str, category: type[Warning], *where: Any
) -> None:
    if issubclass(category, VirtualStainWarning):
        say(f"note: {message}")
    else:
        otherwise(message, category, *where)
