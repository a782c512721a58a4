"""`twoway export`: models for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import typer

from twoway.cli.options import MODEL, TRUNC

__all__ = ["app"]

app = typer.Typer(help="Write models for other programs.", no_args_is_help=True)


@app.callback()
def _formats() -> None:
    pass


@app.command("onnx")
def onnx(
    model: str = MODEL,
    out: Path = typer.Option(Path("exported"), "--out", "-o", help="Folder for the files."),
    nets: str | None = typer.Option(
        None, "--nets", help="Of encoder,mapping,unmap,generator,decoder; all that the model has by default."
    ),
    opset: int | None = typer.Option(None, "--opset", help="Version of ONNX's operators; torch's own by default."),
    noise: Literal["fixed", "off"] = typer.Option(
        "fixed", "--noise", help="Noise in a style generator: the model's own fixed maps, or off."
    ),
    trunc: float = TRUNC,
) -> None:
    """Write encoder, mapping and generator as ONNX files, checked against torch, for batches of any size.

    export.json beside them says what goes in and out; examples/onnx_reconstruct.py runs them without torch.
    """
    from twoway.cli.bars import working
    from twoway.export import export_onnx
    from twoway.training.entry import model_of_run

    chosen = None if nets is None else [name.strip() for name in nets.split(",") if name.strip()]
    with working() as progress:
        made = export_onnx(
            model_of_run(model), out, nets=chosen, opset=opset, noise=noise, truncation=trunc, progress=progress
        )
    for name, file in made.files.items():
        typer.echo(f"{made.folder / file}: differs from torch by at most {made.differences[name]:.1e}")
    typer.echo(f"opset {made.opset}; what goes in and out is in {made.folder / 'export.json'}")
