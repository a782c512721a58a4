"""The model card: what a saved model is, how it was made, how to load, edit and export it, and its limits, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from twoway.model import TwoWayModel
from twoway.model_card_tables import metric_rows, plain, training_lines

__all__ = ["LICENCES", "Publication", "model_card"]

SHOWN = ("data", "kimg", "weights", "metrics", "notes")
LICENCES = ("apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "openrail")
"""Identifiers that are suggested; any other that a hub knows may be given."""
HUB_DATASETS = {"mnist": "ylecun/mnist"}


@dataclass(frozen=True)
class Publication:
    """What a card for others says besides the facts of the training.

    Args:
        place: ``owner/name`` on a hub; None writes how to fill it in.
        licence: Identifier of the licence, such as ``cc-by-4.0``; None says that none was stated.
        dataset: Name of the data set on the hub, ``owner/name``.
        preview: File name of a picture with samples, and what it shows; None for none.
        directions: Names of directions that come with the model.
        extractors: File names of extractors that come with it.
        titles: What the metrics are, and the path of the one number in their results, by name.
    """

    place: str | None = None
    licence: str | None = None
    dataset: str | None = None
    preview: tuple[str, str] | None = None
    directions: tuple[str, ...] = ()
    extractors: tuple[str, ...] = ()
    titles: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)


def model_card(
    model: TwoWayModel, facts: Mapping[str, Any], fingerprint: str, publication: Publication | None = None
) -> str:
    """Write the card.

    Args:
        model: What is described.
        facts: ``data``, ``kimg``, ``weights``, ``metrics``, ``notes`` and anything else known of the training.
        fingerprint: Of the model.
        publication: What a card for others says besides.

    Returns:
        Markdown with the front matter that model hubs read.
    """
    told = publication or Publication()
    recipe = model.recipe
    summary, paper = _about(recipe.method)
    channels, height, width = model.image_shape
    layers, dim = model.w_shape
    data = facts.get("data", "not recorded")
    name = _data_name(data) if "data" in facts else "unnamed data"
    title = f"{recipe.method} on {name}, {height}x{width}"
    parameters = {slot: sum(p.numel() for p in net.parameters()) for slot, net in model.nets.items()}
    metrics = facts.get("metrics")
    front = _front_matter(model, facts, told, title)
    lines = [
        "---",
        yaml.safe_dump(front, sort_keys=False, allow_unicode=True).rstrip(),
        "---",
        "",
        f"# {title}",
        "",
        f"A two-way model: prior code to image and image to code. {summary}",
        "",
        *([f"![{told.preview[1]}]({told.preview[0]})", "", f"{told.preview[1]}.", ""] if told.preview else []),
        f"- Method: {recipe.method}{f' ({paper})' if paper else ''}",
        f"- Images: {channels} channel{'s' if channels > 1 else ''}, {height} high, {width} wide",
        f"- Prior: {recipe.prior or 'none, so no new images can be drawn'}",
        f"- Latent codes: {layers} x {dim}",
        f"- Parameters: {', '.join(f'{slot} {count:,}' for slot, count in parameters.items())}",
        *([f"- Classes that it is told: {recipe.labels}"] if recipe.labels else []),
        f"- Data: {plain(data)}",
        f"- Budget: {plain(facts['kimg'])} thousand images" if "kimg" in facts else "- Budget: not recorded",
        f"- Weights: {facts.get('weights', 'not recorded whether averaged or live')}",
        f"- Licence: {told.licence or 'not stated; ask whoever gave you the model before you use or share it'}",
        f"- Fingerprint: `{fingerprint}`; files of codes or directions made with another model do not fit this one",
        "",
        "## Metrics",
        "",
        *(metric_rows(metrics, told.titles) if metrics else ["Not measured."]),
        "",
        "## Training",
        "",
        *training_lines(recipe),
        "",
    ]
    others = {key: value for key, value in facts.items() if key not in SHOWN}
    if others or facts.get("notes"):
        lines += ["## Notes", "", *([str(facts["notes"]), ""] if facts.get("notes") else [])]
        lines += [f"- {key}: {plain(value)}" for key, value in others.items()] + [""]
    lines += ["## Use", "", "```python", *_python(model, told), "```", "", *_shell(model, told), ""]
    lines += [*_beside(told), *_intended(model), *_limits(model, recipe.labels)]
    return "\n".join(lines)


def _front_matter(model: TwoWayModel, facts: Mapping[str, Any], told: Publication, title: str) -> dict[str, Any]:
    """What hubs read: library, task, licence, data sets and measured values."""
    task = "image-to-image" if model.reconstructs else "unconditional-image-generation"
    data = facts.get("data")
    name = _data_name(data) if data else None
    dataset = told.dataset or HUB_DATASETS.get(str(name))
    front: dict[str, Any] = {
        "library_name": "twoway",
        "pipeline_tag": task,
        "tags": list(dict.fromkeys(["twoway", "gan", "autoencoder", model.recipe.method])),
    }
    if told.licence:
        front["license"] = told.licence
    if dataset:
        front["datasets"] = [dataset]
    measured = list(_measured(facts.get("metrics"), told.titles))
    if measured:
        front["metrics"] = sorted({kind for kind, _, _ in measured})
        results: dict[str, Any] = {
            "task": {"type": task},
            "dataset": {"name": name or "unnamed", "type": dataset or name},
        }
        results["dataset"]["type"] = results["dataset"]["type"] or "unnamed"
        results["metrics"] = [{"type": kind, "name": named, "value": value} for kind, named, value in measured]
        front["model-index"] = [{"name": title, "results": [results]}]
    return front


def _measured(metrics: Any, titles: Mapping[str, tuple[str, tuple[str, ...]]]) -> Sequence[tuple[str, str, float]]:
    """Kind, name and headline number of every metric that has one."""
    found = []
    for name, result in metrics.items() if isinstance(metrics, Mapping) else ():
        kind = str(name).partition("[")[0]
        value: Any = result
        for key in titles[kind][1] if kind in titles else ("value",):
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(result, (int, float)):
            value = result
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf"):
            found.append((kind, f"{name}: {titles[kind][0]}" if kind in titles else str(name), float(value)))
    return found


def _data_name(data: Any) -> str:
    return str(data.get("name", "unnamed data") if isinstance(data, Mapping) else data)


def _about(method: str) -> tuple[str, str]:
    from twoway.methods import METHODS

    found = METHODS.get(method)
    return (f"{found.summary}.", found.paper) if found else ("", "")


def _python(model: TwoWayModel, told: Publication) -> list[str]:
    lines = [
        "from twoway import Pipeline",
        "",
        f'pipe = Pipeline.from_pretrained("{told.place or "PATH OR OWNER/NAME"}")',
    ]
    if model.recipe.prior is not None:
        lines.append("pictures = pipe.generate(4, seed=0, truncation=0.8)")
    if model.reconstructs:
        labels = ", labels=0" if model.recipe.labels else ""
        lines.append(f'again = pipe.reconstruct(["photo.png"]{labels})')
        if model.infers_noise and not model.recipe.labels:
            lines.append('between = pipe.interpolate("photo.png", "other.png", steps=8)')
            if model.w_shape[0] > 1:
                lines.append('mixed = pipe.mix("photo.png", "other.png", "coarse")')
    return lines


def _shell(model: TwoWayModel, told: Publication) -> list[str]:
    place = told.place or "MODEL"
    lines = ["```bash"]
    if told.directions and model.infers_noise:
        lines.append(f"twoway edit {place} photo.jpg --direction {_shell_word(told.directions[0])}=2 -o edited.png")
    lines += [f"twoway info {place}", f"twoway export onnx {place} -o exported", "```"]
    return lines


def _shell_word(name: str) -> str:
    return name if re.fullmatch(r"[\w.-]+", name) else f"'{name}'"


def _beside(told: Publication) -> list[str]:
    lines = []
    if told.directions:
        lines.append(f"- Directions for edits, in `directions.safetensors`: {', '.join(told.directions)}")
    if told.extractors:
        lines.append(f"- Classifiers that measured them, in `extractors/`: {', '.join(told.extractors)}")
    return ["## Beside the model", "", *lines, ""] if lines else []


def _intended(model: TwoWayModel) -> list[str]:
    can = ["drawing new pictures of the kind it was trained on"] if model.recipe.prior is not None else []
    if model.reconstructs:
        can.append("finding the codes of pictures of that kind, and editing them through their codes")
    return [
        "## Intended use",
        "",
        f"Research, teaching and play: {', '.join(can) or 'looking at what its nets have learnt'}. It is not meant for "
        "recognising people, for judging anything about them, or for pictures that pass for photographs of somebody; "
        "say of pictures it made that they are made.",
        "",
    ]


def _limits(model: TwoWayModel, labels: int) -> list[str]:
    return [
        "## Limits",
        "",
        "Made for research. The model has learnt the pictures it was trained on, with their gaps and biases; pictures "
        "of another kind or cropped otherwise are reconstructed as something near the training data, not as themselves."
        " A reconstruction is no evidence of what a picture shows or of who is in it. What it makes may come close to "
        "single training pictures, whose rights and whose people's wishes count here too."
        + (" It must be told the class of each picture." if labels and "encoder" in model.nets else ""),
        "",
    ]
