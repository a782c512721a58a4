"""What edits change: each direction's own attribute and all the others, as a classifier sees them, and the identity.

Held-out pictures are encoded and moved by +t and -t along each direction; a classifier judges the reconstruction and
both edits. An edit that does what it is called moves its own attribute, leaves the others and stays near the
reconstruction.

References:
    Shen et al., InterFaceGAN, arXiv 1907.10786, section 4.3 (edits judged by attribute predictors; correlations
    between attributes), section 5 (identity).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from twoway.errors import ConfigError, DataError
from twoway.latents.direction_examples import CLASS, Scorer, log_odds
from twoway.latents.directions import Direction, check_direction
from twoway.latents.editing import EditMode, EditUnit, edit_codes
from twoway.metrics.inputs import Pictures, choose_rows, encoder_batches
from twoway.metrics.lpips import ImageDistance
from twoway.metrics.modes import measuring
from twoway.model import TwoWayModel

__all__ = ["EditMatrix", "Moved", "effect_matrix", "evaluate_edit_matrix", "judge_edits", "own_columns"]

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Moved:
    """What one step along each of D directions changes, from the reconstruction to the edit.

    Args:
        t: How far.
        odds: Mean change of the log odds of each of K outputs, (D, K).
        chances: Mean change of their chances.
        flips: Share of pictures of which the classifier then says the opposite.
        identity: Mean distance of edit and reconstruction, (D,).
        pixels: Mean squared difference of their pixels in [-1, 1], (D,).
    """

    t: float
    odds: Rows
    chances: Rows
    flips: Rows
    identity: tuple[float, ...]
    pixels: tuple[float, ...]


@dataclass(frozen=True)
class EditMatrix:
    """What edits change.

    Args:
        directions: Names of the D directions.
        outputs: Names of the K outputs of the classifier.
        own: For each direction the number of the output of its name; None where there is none.
        effect: (D, K): half the difference of the log odds after +t and after -t, in their standard deviations over
            the reconstructions.
        up: What +t changes.
        down: What -t changes.
        reconstruction: Mean distance of originals and their reconstructions.
        strangers: Mean distance of reconstructions of different pictures.
        mode: See `twoway.latents.editing.edit_codes`.
        unit: Likewise.
        n_images: Pictures.
        classifier: Its title.
        distance: Its title.
    """

    directions: tuple[str, ...]
    outputs: tuple[str, ...]
    own: tuple[int | None, ...]
    effect: Rows
    up: Moved
    down: Moved
    reconstruction: float
    strangers: float
    mode: str
    unit: str
    n_images: int
    classifier: str
    distance: str

    def plain(self) -> dict[str, Any]:
        """Names and values, and for each direction a summary."""
        from dataclasses import asdict

        return {**asdict(self), "summary": self.summary()}

    def summary(self) -> list[dict[str, Any]]:
        """For each direction: the effect on its own output, the largest and the root mean square effect on others.

        ``others`` counts the outputs that other directions of the matrix are named after, or all where there are none;
        ``flips`` is the share of pictures of which the classifier says the opposite of the own output after the move
        that can do so, the larger of +t and -t; ``identity`` the mean of both moves.
        """
        known = {column for column in self.own if column is not None}
        found = []
        for d, name in enumerate(self.directions):
            own = self.own[d]
            rest = [k for k in (known if len(known) > 1 else range(len(self.outputs))) if k != own]
            effects = [self.effect[d][k] for k in rest]
            largest = max(rest, key=lambda k: abs(self.effect[d][k])) if rest else None
            found.append({
                "direction": name,
                "own": None if own is None else self.effect[d][own],
                "flips": None if own is None else max(self.up.flips[d][own], self.down.flips[d][own]),
                "others": math.sqrt(sum(e * e for e in effects) / len(effects)) if effects else None,
                "largest_other": None if largest is None else self.outputs[largest],
                "largest": None if largest is None else self.effect[d][largest],
                "identity": (self.up.identity[d] + self.down.identity[d]) / 2,
                "pixels": (self.up.pixels[d] + self.down.pixels[d]) / 2,
            })  # fmt: skip
        return found


def own_columns(directions: Sequence[str], outputs: Sequence[str]) -> tuple[int | None, ...]:
    """The output that each direction is named after; ``class-3`` is that of class 3.

    Example:
        >>> own_columns(("Smiling", "class-3", "pca1"), ("3", "Smiling"))
        (1, 0, None)
    """
    outputs = list(outputs)
    names = [name if name in outputs else name.removeprefix(CLASS) for name in directions]
    return tuple(outputs.index(name) if name in outputs else None for name in names)


def effect_matrix(base: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """Half the difference of log odds after +t and -t in deviations of those of the reconstructions.

    Args:
        base: Log odds of reconstructions, (N, K).
        up: After +t along each direction, (D, N, K).
        down: After -t, (D, N, K).

    Returns:
        (D, K); 0 for outputs that say the same of all reconstructions.
    """
    spread = base.std(0, correction=0)
    return torch.where(spread > 0, (up - down).mean(1) / 2 / spread.clamp_min(1e-12), 0.0)


def judge_edits(t: float, base: Tensor, edited: Tensor, identity: Tensor, pixels: Tensor) -> Moved:
    """Means over pictures of what a classifier says.

    Args:
        t: How far the edits went.
        base: Log odds of reconstructions, (N, K).
        edited: Of the edits along each direction, (D, N, K).
        identity: Distances of edits and reconstructions, (D, N).
        pixels: Mean squared differences of pixels, (D, N).
    """
    return Moved(
        t,
        _rows((edited - base).mean(1)),
        _rows((edited.sigmoid() - base.sigmoid()).mean(1)),
        _rows(((edited > 0) != (base > 0)).double().mean(1)),
        tuple(identity.mean(1).tolist()),
        tuple(pixels.mean(1).tolist()),
    )


def _rows(values: Tensor) -> Rows:
    return tuple(tuple(line) for line in values.tolist())


def evaluate_edit_matrix(
    model: TwoWayModel,
    data: Pictures,
    directions: Sequence[Direction],
    classifier: Scorer,
    distance: ImageDistance,
    *,
    strength: float = 2.0,
    mode: EditMode = "relative",
    unit: EditUnit = "deviation",
    layers: Sequence[int] | None = None,
    limit: int | None = 500,
    batch: int = 64,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> EditMatrix:
    """Edit held-out pictures along each direction, and ask a classifier and a distance what has changed.

    Args:
        model: Measured in evaluation mode, with the noise maps kept with it.
        data: Pictures, labelled where the model is told classes.
        directions: Of this model, at least one.
        classifier: Says what is in pictures, with names.
        distance: How far edits are from reconstructions.
        strength: t, above 0.
        mode: See `twoway.latents.editing.edit_codes`; relative moves by t, absolute moves to t.
        unit: What t counts.
        layers: Rows that move; None leaves it to the directions.
        limit: At most so many pictures, a fixed random choice.
        batch: Pictures at a time.
        tell: Told how many batches are done, of how many.

    Raises:
        ConfigError: A strength that is not positive and finite, or no directions.
        DataError: Fewer than two pictures, answers or distances that are not finite, or a classifier that says the same
            of all reconstructions about what a direction is named after.
        ModelError: The encoder gives no whole codes, or directions of another model.
    """
    if not (math.isfinite(strength) and strength > 0) or not directions:
        raise ConfigError(
            f"Edits by {strength} along {len(directions)} directions; expected a positive number and at least one."
        )
    rows = choose_rows(len(data), limit)
    if len(rows) < 2:
        raise DataError("What edits change is measured on at least two pictures. Give more.")
    fingerprint = model.fingerprint()
    for one in directions:
        check_direction(one, model, fingerprint)
    said: dict[str, list[Tensor]] = {"base": [], "up": [], "down": []}
    far: dict[str, list[Tensor]] = {"up": [], "down": [], "up pixels": [], "down pixels": [], "rec": [], "other": []}
    with measuring(model):
        for number, (x, y) in enumerate(encoder_batches(model, data, batch=batch, rows=rows)):
            tell(number * batch, len(rows))
            w = model.encode(x, y)
            again = _shown(model.decode(w))
            said["base"].append(log_odds(classifier, again).cpu())
            far["rec"].append(distance(again, x).double().cpu())
            if len(again) > 1:
                far["other"].append(distance(again, again.roll(1, 0)).double().cpu())
            for way, t in (("up", strength), ("down", -strength)):
                odds, away, squares = [], [], []
                for one in directions:
                    moved = edit_codes(w, [(one, t)], mode=mode, unit=unit, layers=layers, w_avg=model.w_avg)
                    edited = _shown(model.decode(moved))
                    odds.append(log_odds(classifier, edited).cpu())
                    away.append(distance(edited, again).double().cpu())
                    squares.append((edited - again).double().square().mean((1, 2, 3)).cpu())
                said[way].append(torch.stack(odds))
                far[way].append(torch.stack(away))
                far[f"{way} pixels"].append(torch.stack(squares))
        tell(len(rows), len(rows))
    base, up, down = torch.cat(said["base"]), torch.cat(said["up"], 1), torch.cat(said["down"], 1)
    names = tuple(one.name for one in directions)
    _check_answers(base, (up, down), own_columns(names, classifier.outputs), classifier)
    distances = {way: torch.cat(parts, 1) for way, parts in far.items() if way not in ("rec", "other")}
    if not all(values.isfinite().all() for values in (*distances.values(), *far["rec"])):
        raise DataError(f"Distances of {distance.title} from edits are not all finite. Use a smaller strength.")
    return EditMatrix(
        names,
        tuple(classifier.outputs),
        own_columns(names, classifier.outputs),
        _rows(effect_matrix(base, up, down)),
        judge_edits(strength, base, up, distances["up"], distances["up pixels"]),
        judge_edits(-strength, base, down, distances["down"], distances["down pixels"]),
        float(torch.cat(far["rec"]).mean()),
        float(torch.cat(far["other"]).mean()),
        mode,
        unit,
        len(rows),
        classifier.title,
        distance.title,
    )


def _check_answers(base: Tensor, edits: Sequence[Tensor], own: Sequence[int | None], classifier: Scorer) -> None:
    """Refuse answers that no effect can be counted from."""
    if not base.isfinite().all():
        raise DataError(
            f"The answers of {classifier.title} to reconstructions are not all finite: the model or the classifier has "
            "diverged, or the classifier knows one class only. Use another checkpoint or classifier."
        )
    if not all(values.isfinite().all() for values in edits):
        raise DataError("The classifier's answers to edits are not all finite. Use a smaller strength.")
    same = [classifier.outputs[k] for k in own if k is not None and not base[:, k].std(correction=0) > 0]
    if same:
        raise DataError(
            f"{classifier.title} says exactly the same of all {len(base)} reconstructions about {', '.join(same)}, so "
            "there is no deviation to count effects in. Use other pictures, another classifier, or name other "
            "directions."
        )


def _shown(x: Tensor) -> Tensor:
    """As the picture is stored: nothing outside of [-1, 1]."""
    return x.clamp(-1, 1)
