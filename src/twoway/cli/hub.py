"""`twoway push`: a model to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

import typer

from twoway.cli.options import MODEL

__all__ = ["push"]


def push(
    model: str = MODEL,
    place: str = typer.Argument(help="owner/name on the hub.", show_default=False),
    dry_run: bool = typer.Option(False, "--dry-run", help="Write the folder and list its files; send nothing."),
    out: Path | None = typer.Option(None, "--out", "-o", help="With --dry-run: where; by default NAME-upload."),
    licence: str | None = typer.Option(
        None, "--licence", "--license", help="Licence of the model, as cc-by-4.0 or apache-2.0."
    ),
    dataset: str | None = typer.Option(None, "--dataset", help="Name of the training pictures on the hub, if any."),
    notes: str | None = typer.Option(None, "--notes", help="A sentence for the card."),
    private: bool = typer.Option(False, "--private", help="Make a new repository private."),
    message: str | None = typer.Option(None, "--message", "-m", help="Commit message."),
    revision: str | None = typer.Option(None, "--revision", help="Branch to commit to."),
    propose: bool = typer.Option(False, "--pr", help="Propose the files as a pull request instead."),
    alone: bool = typer.Option(False, "--alone", help="Leave directions and extractors beside the model behind."),
) -> None:
    """Put a model on the Hugging Face Hub: weights, configuration, card, a preview, and directions found for it.

    Never sent: checkpoints, optimisers, training pictures, paths of this machine. Log in first: hf auth login.
    """
    from twoway.errors import ConfigError
    from twoway.hub import Companions, check_place, companions_of, push_model, save_for_others, sizes
    from twoway.latents.tuning_files import apply_delta
    from twoway.storage import find_folder, load_model, read_config
    from twoway.training.runs import model_folder, split_delta

    check_place(place)
    if out is not None and not dry_run:
        raise ConfigError("--out says where --dry-run writes the folder; without --dry-run nothing is kept here.")
    base, delta = split_delta(model)
    folder = find_folder(model_folder(base))
    loaded, facts = load_model(folder), dict(read_config(folder).training)
    if delta is not None:
        weights = f"{facts.get('weights', 'as saved')}, the generator tuned after training from {loaded.fingerprint()}"
        loaded = apply_delta(loaded, delta).eval()
        # what was measured was measured on the model before tuning
        facts = {name: value for name, value in facts.items() if name != "metrics"} | {"weights": weights}
    companions = Companions() if alone else companions_of(folder)
    if not dry_run:
        address = push_model(
            loaded,
            place,
            facts=facts,
            licence=licence,
            dataset=dataset,
            notes=notes,
            companions=companions,
            private=private or None,
            commit_message=message,
            revision=revision,
            create_pr=propose,
        )
        typer.echo(f"Model {loaded.fingerprint()} {'proposed' if propose else 'is'} at {address}")
        return
    target = out or Path(f"{place.split('/')[1]}-upload")
    files = save_for_others(
        loaded,
        target,
        facts=facts,
        place=place,
        licence=licence,
        dataset=dataset,
        notes=notes,
        companions=companions,
    )
    for name, size in sizes(target, files):
        typer.echo(f"{size:>12,} {name}")
    typer.echo(f"Nothing was sent. These files of {target} would be put at {place}.")
