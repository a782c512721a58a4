"""The `twoway` command: verbs, and errors as one paragraph."""

from __future__ import annotations

import io
import sys
import textwrap
from pathlib import Path

import typer

from twoway.cli import (
    arithmetic,
    compare,
    demo,
    edit,
    evaluate,
    hub,
    images,
    import_,
    info,
    interpolate,
    mix,
    plot,
    project,
    reproduce,
    search,
    studio,
    train,
    traverse,
)
from twoway.cli import data as data_verbs
from twoway.cli import directions as directions_verbs
from twoway.cli import export as export_verbs
from twoway.cli import metrics as metrics_verbs
from twoway.errors import UserError

__all__ = ["app", "run"]

app = typer.Typer(
    name="twoway",
    help="GANs that run both ways: train, run, edit, measure and compare GAN autoencoders.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        import twoway

        typer.echo(f"twoway {twoway.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    use: list[Path] | None = typer.Option(
        None, "--use", help="A Python file with methods, terms or nets of your own; it is run."
    ),
) -> None:
    for file in use or []:
        from twoway.extensions import use_file

        use_file(file)


app.command("demo")(demo.demo)
app.command("train")(train.train)
app.command("resume")(train.resume)
app.command("generate")(images.generate)
app.command("encode")(images.encode)
app.command("reconstruct")(images.reconstruct)
app.command("interpolate")(interpolate.interpolate)
app.command("arithmetic")(arithmetic.arithmetic)
app.command("search")(search.search)
app.command("mix")(mix.mix)
app.command("edit")(edit.edit)
app.command("traverse")(traverse.traverse)
app.command("project")(project.project)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("plot")(plot.plot)
app.command("studio")(studio.studio)
app.command("info")(info.info)
app.command("methods")(info.methods)
app.command("push")(hub.push)
app.add_typer(data_verbs.app, name="data")
app.add_typer(directions_verbs.app, name="directions")
app.add_typer(metrics_verbs.app, name="metrics")
app.add_typer(import_.app, name="import")
app.add_typer(export_verbs.app, name="export")
app.add_typer(reproduce.app, name="reproduce")


def run() -> None:
    """Entry point: run a verb; an error of the user is one paragraph on stderr and exit code 2."""
    arguments = [a for a in sys.argv[1:] if a != "--debug"]  # accepted anywhere on the line
    debug = len(arguments) < len(sys.argv) - 1
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name may hold bytes that are not UTF-8
            stream.reconfigure(errors="backslashreplace")
    try:
        app(args=arguments, prog_name="twoway")
    except UserError as error:
        if debug:
            raise
        _say(str(error))
        sys.exit(2)
    except BrokenPipeError:  # `twoway ... | head`
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:  # a file or disk that no verb expected to fail
        if debug:
            raise
        _say(f"{error}. Check that the path is right, that you may read and write there and that the disk has room.")
        sys.exit(2)
    except SystemExit as stop:
        if _by_ctrl_c(stop):  # training stops by itself and says how to go on
            _say("Interrupted; files that were written before are whole.")
        raise


def _by_ctrl_c(error: BaseException | None) -> bool:
    """Whether typer made this exit of a KeyboardInterrupt."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _say(text: str) -> None:
    for line in text.splitlines() or [""]:
        typer.echo(textwrap.fill(line, 100, break_long_words=False, break_on_hyphens=False), err=True)
