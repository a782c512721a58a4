"""`twoway info` and `twoway methods`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from twoway.cli.options import MODEL

if TYPE_CHECKING:
    from twoway.model import TwoWayModel

__all__ = ["info", "methods"]


def info(
    model: str = MODEL,
    recipe: bool = typer.Option(False, "--recipe", help="Print the whole recipe."),
) -> None:
    """Say what a model is: method, nets, prior, sizes, layers of its codes, fingerprint."""
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
        **_styles(loaded),
        "prior": str(loaded.recipe.prior) if loaded.recipe.prior else "none",
        "invertible mapping": _mapping(loaded),
        "parameters": {slot: sum(p.numel() for p in net.parameters()) for slot, net in loaded.nets.items()},
    }
    typer.echo(yaml.safe_dump(facts, sort_keys=False).rstrip())


def _styles(model: TwoWayModel) -> dict[str, Any]:
    """Which layers of a code are coarse, middle and fine, and how far a growing generator has come."""
    from twoway.composition import is_style_generator
    from twoway.latents.style_mixing import layer_groups, resolution_of, span
    from twoway.networks import Growing

    net = model.nets["generator"]
    if not is_style_generator(net):
        return {}
    groups = layer_groups(model)
    layers = {
        name: f"{span(rows)} ({' and '.join(dict.fromkeys(f'{resolution_of(r)}x{resolution_of(r)}' for r in rows))})"
        for name, rows in groups.items()
    }
    facts: dict[str, Any] = {"layers of a code": layers}
    if isinstance(net, Growing):
        side, whole = f"{net.resolution}x{net.resolution}", f"{model.image_shape[1]}x{model.image_shape[2]}"
        done = net.level == net.levels - 1 and net.blend == 1
        faded = f", of which {net.blend:.0%} are faded in" if net.blend < 1 else ""
        facts["growth"] = f"grown to the full {whole}" if done else f"stopped at {side} of {whole}{faded}"
    return facts


def _mapping(model: TwoWayModel) -> str:
    if "mapping" not in model.nets:
        return "there is no mapping"
    return (
        "yes, codes of pictures have prior codes" if model.invertible else "no, codes of pictures have no prior codes"
    )


def methods(
    as_json: bool = typer.Option(False, "--json", help="Print it as JSON."),
) -> None:
    """List the methods, with paper, kind and whether they are verified here, and the presets."""
    from rich.console import Console
    from rich.table import Table

    from twoway.methods import METHODS, PRESETS
    from twoway.reproduce.alae_table1 import COLUMNS, method_taxonomy

    rows = [
        {
            "method": found.name,
            "summary": found.summary,
            "paper": found.paper,
            **dict(zip(COLUMNS, method_taxonomy(found.name).cells, strict=True)),
            "verified": found.verified or "contract tests only",
        }
        for found in METHODS.values()
    ]
    presets = [
        {"preset": p.name, "method": p.method, "data": p.data, "kimg": p.kimg, "summary": p.summary}
        for p in PRESETS.values()
    ]
    if as_json:
        import json

        typer.echo(json.dumps({"methods": rows, "presets": presets}, indent=2, ensure_ascii=False))
        return
    console = Console(soft_wrap=True, highlight=False)
    for row in rows:
        console.print(f"[bold]{row['method']}[/bold]: {row['summary']}")
        console.print(f"    {row['paper']}")
        console.print(f"    {'; '.join(f'{column}: {row[column]}' for column in COLUMNS)}")
        console.print(f"    verified: {row['verified']}")
    table = Table("preset", "method", "data", "kimg", "what", box=None)
    for found in PRESETS.values():
        table.add_row(found.name, found.method, found.data or "--data ...", f"{found.kimg:g}", found.summary)
    Console().print(table)
