"""`twoway info` and `twoway methods`."""

from __future__ import annotations

import typer

from twoway.cli.options import MODEL

__all__ = ["info", "methods"]


def info(
    model: str = MODEL,
    recipe: bool = typer.Option(False, "--recipe", help="Print the whole recipe."),
) -> None:
    """Say what a model is: method, nets, prior, sizes, fingerprint."""
    import yaml

    from twoway.training.entry import model_of_run

    loaded = model_of_run(model)
    if recipe:
        typer.echo(str(loaded.recipe).rstrip())
        return
    facts = {
        "method": loaded.recipe.method,
        "fingerprint": loaded.fingerprint(),
        "image (channels, height, width)": list(loaded.image_shape),
        "latent code (layers, width)": list(loaded.w_shape),
        "prior": str(loaded.recipe.prior) if loaded.recipe.prior else "none",
        "parameters": {slot: sum(p.numel() for p in net.parameters()) for slot, net in loaded.nets.items()},
    }
    typer.echo(yaml.safe_dump(facts, sort_keys=False).rstrip())


def methods() -> None:
    """List the methods and presets."""
    from rich.console import Console
    from rich.table import Table

    from twoway.methods import METHODS, PRESETS

    table = Table("preset", "method", "data", "kimg", "what", box=None)
    for found in PRESETS.values():
        table.add_row(found.name, found.method, found.data or "--data ...", f"{found.kimg:g}", found.summary)
    console = Console()
    console.print(table)
    for entry in METHODS.values():
        console.print(f"[bold]{entry.name}[/bold]: {entry.paper}")
