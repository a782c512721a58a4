"""The model card: what a saved model is, how it was made and how to load it, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twoway.model import TwoWayModel

__all__ = ["model_card"]

SHOWN = ("data", "kimg", "weights", "metrics", "notes")


def model_card(model: TwoWayModel, facts: Mapping[str, Any], fingerprint: str) -> str:
    """Write the card.

    Args:
        model: What is described.
        facts: ``data``, ``kimg``, ``weights``, ``metrics``, ``notes`` and anything else known of the training.
        fingerprint: Of the model.

    Returns:
        Markdown with the front matter that model hubs read.
    """
    recipe = model.recipe
    summary, paper = _about(recipe.method)
    channels, height, width = model.image_shape
    layers, dim = model.w_shape
    data = facts.get("data", "not recorded")
    name = data.get("name", "unnamed data") if isinstance(data, Mapping) else data
    parameters = {slot: sum(p.numel() for p in net.parameters()) for slot, net in model.nets.items()}
    lines = [
        "---",
        "library_name: twoway",
        f"tags: [twoway, gan, autoencoder, {recipe.method}]",
        "---",
        "",
        f"# {recipe.method} on {name if 'data' in facts else 'unnamed data'}, {height}x{width}",
        "",
        f"A two-way model: prior code to image and image to code. {summary}",
        "",
        f"- Method: {recipe.method}{f' ({paper})' if paper else ''}",
        f"- Images: {channels} channel{'s' if channels > 1 else ''}, {height} high, {width} wide",
        f"- Prior: {recipe.prior or 'none, so no new images can be drawn'}",
        f"- Latent codes: {layers} x {dim}",
        f"- Parameters: {', '.join(f'{slot} {count:,}' for slot, count in parameters.items())}",
        f"- Data: {_cell(data)}",
        f"- Budget: {facts['kimg']} thousand images" if "kimg" in facts else "- Budget: not recorded",
        f"- Weights: {facts.get('weights', 'not recorded whether averaged or live')}",
        f"- Fingerprint: `{fingerprint}`; files of codes or directions made with another model do not fit this one",
        "",
        "## Metrics",
        "",
        *_metrics(facts.get("metrics")),
        "",
    ]
    others = {key: value for key, value in facts.items() if key not in SHOWN}
    if others or facts.get("notes"):
        lines += ["## Notes", "", *([str(facts["notes"]), ""] if facts.get("notes") else [])]
        lines += [f"- {key}: {value}" for key, value in others.items()] + [""]
    lines += [
        "## Use",
        "",
        "```python",
        "from twoway import Pipeline",
        "",
        'pipe = Pipeline.from_pretrained("PATH OR OWNER/NAME")',
        *(["pictures = pipe.generate(4, seed=0)"] if recipe.prior is not None else []),
        *(['again = pipe.reconstruct(["photo.png"])'] if model.reconstructs else []),
        "```",
        "",
        "## Limits",
        "",
        "Made for research. The model has learnt the pictures it was trained on, with their gaps and biases; pictures "
        "of another kind or cropped otherwise are reconstructed as something near the training data, not as themselves."
        " A reconstruction is no evidence of what a picture shows or of who is in it.",
        "",
    ]
    return "\n".join(lines)


def _about(method: str) -> tuple[str, str]:
    from twoway.methods import METHODS

    found = METHODS.get(method)
    return (f"{found.summary}.", found.paper) if found else ("", "")


def _metrics(metrics: Any) -> list[str]:
    if not metrics:
        return ["Not measured."]
    if not isinstance(metrics, Mapping):
        return [str(metrics)]
    rows = [f"| {name} | {_cell(value)} |" for name, value in metrics.items()]
    return ["| metric | value |", "|---|---|", *rows]


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_cell(v)}" for k, v in value.items())
    return f"{value:.6g}" if isinstance(value, float) else str(value)
