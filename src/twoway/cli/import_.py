"""`twoway import`: models of other programs."""

from __future__ import annotations

from pathlib import Path

import typer

__all__ = ["app"]

app = typer.Typer(help="Turn checkpoints of other programs into models; nothing in them is run.", no_args_is_help=True)
OUT = typer.Argument(help="Folder for the model.", show_default=False)


@app.command("alae")
def alae(
    checkpoint: Path = typer.Argument(help="A .pth file of the official ALAE code.", show_default=False),
    out: Path = OUT,
    live: bool = typer.Option(False, "--live", help="Take the trained nets instead of their moving averages."),
) -> None:
    """Import a checkpoint of the official ALAE code (style nets, or the MLP of mnist_fc)."""
    from twoway.cli.bars import working
    from twoway.importers.alae import import_alae

    with working() as progress:
        model = import_alae(checkpoint, live=live, progress=progress)
    facts = {
        "weights": "live" if live else "EMA",
        "notes": f"Imported from '{checkpoint.name}', a checkpoint of the official ALAE code. The recipe describes "
        "the nets; it is not the schedule of that training.",
    }
    _tell(model.save(out, card=facts), model.fingerprint())


@app.command("lia")
def lia(
    network: Path = typer.Argument(help="A network pickle (.pkl) of the official LIA code.", show_default=False),
    out: Path = OUT,
) -> None:
    """Import a network pickle of the official LIA code, of either stage; needs no TensorFlow."""
    from twoway.cli.bars import working
    from twoway.importers.lia import import_lia

    with working() as progress:
        model = import_lia(network, progress=progress)
    facts = {
        "weights": "EMA",
        "notes": f"Imported from '{network.name}', a network pickle of the official LIA code; generator and mapping "
        "are averages. The recipe describes the nets; it is not the schedule of that training.",
    }
    _tell(model.save(out, card=facts), model.fingerprint())


def _tell(folder: Path, fingerprint: str) -> None:
    typer.echo(f"Model {fingerprint} written to {folder}; look at it with: twoway info {folder}")
