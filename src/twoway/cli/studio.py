"""`twoway studio`: a page in the browser to play with models."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from twoway.cli.direction_places import PLACES, fitting_directions
from twoway.cli.options import DEVICE
from twoway.errors import ModelError

if TYPE_CHECKING:
    from twoway.pipeline import Pipeline

__all__ = ["studio"]


def studio(
    models: list[str] = typer.Argument(
        help="Run folders, their numbers or 'latest', model folders, or hub ids; two or more can be compared.",
        show_default=False,
    ),
    directions: list[Path] | None = typer.Option(
        None,
        "--directions",
        help=f"File of directions for the edit tab; several times, for whatever model it is of. For others {PLACES}",
    ),
    codes: list[Path] | None = typer.Option(
        None, "--codes", help="File of codes of training pictures (twoway encode), to warn of photos unlike them."
    ),
    template: str | None = typer.Option(
        None,
        "--template",
        help="Where faces lie in the models' pictures: celeba, ffhq or a file; what the model folders say by default.",
    ),
    host: str = typer.Option("127.0.0.1", "--host", help="Address to listen at; 0.0.0.0 for all who can reach it."),
    port: int = typer.Option(7860, "--port", help="Port to listen at; 0 for any that is free."),
    share: bool = typer.Option(False, "--share", help="Make the page public through gradio's servers."),
    open_browser: bool = typer.Option(False, "--open", help="Open the page in the browser."),
    device: str = DEVICE,
) -> None:
    """Open photos, edit, mix and project them in the browser. Nothing leaves this machine unless --share is given."""
    from twoway.cli.faces import template_for
    from twoway.pipeline import Pipeline
    from twoway.studio.server import check_port, require_gradio, serve
    from twoway.studio.shared import Studio
    from twoway.training.entry import model_of_run

    check_port(host, port)
    require_gradio()
    called = dict(zip(names_of(models), models, strict=True))
    templates = {name: template_for(model, template) for name, model in called.items()}
    pipelines = {name: Pipeline(model_of_run(model, device=device)) for name, model in called.items()}
    stopped = threading.Event()
    for name in ("SIGTERM", "SIGHUP"):  # the second when the terminal is closed, not on every system
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: stopped.set())
    usual = {name: fitting_directions(model, pipelines[name].model) for name, model in called.items()}
    shared = Studio(
        pipelines,
        directions={name: [place] for name, place in usual.items() if place is not None}
        | _sorted(pipelines, directions or [], _print_of_directions, "directions"),
        known={name: files[-1] for name, files in _sorted(pipelines, codes or [], _print_of_codes, "codes").items()},
        templates={name: known for name, known in templates.items() if known is not None},
    )
    with shared, serve(shared, host=host, port=port, share=share) as running:
        typer.echo(f"The studio is at {running.url} - press Ctrl+C to stop it.")
        if host not in ("127.0.0.1", "localhost", "::1", "[::1]"):
            typer.echo("Whoever can reach this machine can use it: there is no password.")
        if running.share_url is not None:
            typer.echo(f"For everybody who has the address: {running.share_url}")
        if open_browser:
            typer.launch(running.url)
        try:
            while not stopped.wait(60):
                running.guests.sweep()
        except KeyboardInterrupt:
            typer.echo("Stopped.")


def names_of(models: Sequence[str]) -> list[str]:
    """What visitors choose models by: the last part of where they lie, with more of it where that is not enough.

    Example:
        >>> names_of(["runs/00000-lia", "runs/00001-style/", "other/00000-lia", "owner/name"])
        ['runs/00000-lia', '00001-style', 'other/00000-lia', 'name']
    """
    parts = [[part for part in model.replace("\\", "/").split("/") if part] or [model] for model in models]
    names = [p[-1] for p in parts]
    longer = ["/".join(p[-2:]) if names.count(n) > 1 else n for n, p in zip(names, parts, strict=True)]
    return [n if longer.count(n) == 1 else f"{n} ({i + 1})" for i, n in enumerate(longer)]


def _sorted(
    pipelines: Mapping[str, Pipeline], files: Sequence[Path], print_of: Callable[[Path], str | None], what: str
) -> dict[str, list[Path]]:
    """Files by the name of the model they were made for, as their fingerprints say.

    Raises:
        ModelError: A file of another model.
        DataError: Not a file of this kind.
    """
    prints = {pipeline.model.fingerprint(): name for name, pipeline in pipelines.items()} if files else {}
    found: dict[str, list[Path]] = {}
    for file in files:
        made_for = print_of(file)
        if made_for not in prints:
            raise ModelError(
                f"{file} holds {what} of the model {made_for}, which is not among those given ({', '.join(prints)}). "
                "Give the model they were made for, or make them anew."
            )
        found.setdefault(prints[made_for], []).append(file)
    return found


def _print_of_directions(file: Path) -> str | None:
    from twoway.latents.directions import load_directions

    return next((one.fingerprint for one in load_directions(file).values()), None)


def _print_of_codes(file: Path) -> str | None:
    from twoway.latents.codes import load_codes

    return load_codes(file).fingerprint
