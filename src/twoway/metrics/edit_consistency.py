"""Edit consistency: whether an edit can be taken back through the picture it made.

A picture is encoded, its code moved by +t along a direction and decoded; that picture is encoded and its code moved by
-t. What is left between the last code and the first, relative to how much codes vary, is the figure: 0 is perfect, 1 as
bad as answering with the mean code. The same without an edit is given beside it, so that the difference is the edit's.

References:
    Tov et al., Designing an Encoder for StyleGAN Image Manipulation, arXiv 2102.02766, section 6 (latent editing
    consistency), without their scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor

from twoway.conditioning import carried_labels
from twoway.errors import ConfigError, DataError, ModelError
from twoway.metrics.inputs import Pictures, choose_rows, encoder_batches
from twoway.metrics.latent_paths import moving_columns
from twoway.metrics.modes import measuring
from twoway.metrics.registry import metric
from twoway.model import TwoWayModel

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = ["Directions", "EditConsistency", "edit_directions", "evaluate_edit_consistency"]

Directions = Literal["random", "principal"]


@dataclass(frozen=True)
class EditConsistency:
    """What is left of edits that were taken back.

    Args:
        value: Mean squared distance of codes after and before, over the variance of codes; mean over the directions.
        unedited: The same where nothing was edited.
        each: The same of each direction.
        directions: ``random`` ones, or the ``principal`` ones of the codes, widest first.
        strength: t, in standard deviations of codes along the direction (for random ones, along an average one).
        n_pictures: How many pictures.
        seed: Of the random directions.
    """

    value: float
    unedited: float
    each: tuple[float, ...]
    directions: Directions
    strength: float
    n_pictures: int
    seed: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return {**asdict(self), "each": list(self.each)}


def edit_directions(codes: Tensor, count: int, kind: Directions, *, seed: int = 0) -> Tensor:
    """Directions whose length is one standard deviation of the codes.

    Args:
        codes: Shape (N, dim).
        count: How many; of principal ones at most dim.
        kind: ``random``: uniform directions, all of the root mean variance of the codes; ``principal``: eigenvectors
            of the covariance, each of its own deviation, with the sign that makes its largest entry positive.
        seed: Of the random ones.

    Returns:
        Shape (count, dim), float64.
    """
    centred = codes.double() - codes.double().mean(0)
    if kind == "random":
        drawn = torch.randn(count, codes.shape[1], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        return drawn / drawn.norm(dim=1, keepdim=True) * centred.square().mean().sqrt()
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    rows = vectors.flip(1).T[:count]
    signs = rows.gather(1, rows.abs().argmax(1, keepdim=True)).sign()
    return rows * signs * values.flip(0)[:count, None].clamp_min(0).sqrt()


def evaluate_edit_consistency(
    model: TwoWayModel,
    data: Pictures,
    *,
    directions: Directions = "random",
    n_directions: int = 4,
    strength: float = 2.0,
    limit: int | None = 500,
    seed: int = 0,
    batch: int = 64,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> EditConsistency:
    """Edit codes of pictures, in all layers alike, and take the edits back.

    Args:
        model: Measured in evaluation mode, with the noise maps kept with it.
        data: Pictures, labelled where the model is told classes, which no edit changes.
        directions: See `edit_directions`; of the mean over the layers of a code.
        n_directions: How many; each is tried on every picture.
        strength: t, in standard deviations.
        limit: At most so many pictures, a fixed random choice.
        seed: Of the random directions.
        batch: Pictures at a time.
        tell: Told how many edits are done, of how many.

    Raises:
        ConfigError: A setting that cannot work.
        DataError: Fewer than two pictures.
        ModelError: The encoder gives no whole codes, or one code for all pictures, or codes that are not finite.
    """
    if directions not in get_args(Directions):
        raise ConfigError(f"The directions are '{directions}', but must be 'random' or 'principal'.")
    if n_directions < 1 or batch < 1:
        raise ConfigError(f"Edits along {n_directions} directions, {batch} at a time; expected at least 1 of each.")
    rows = choose_rows(len(data), limit)
    if len(rows) < 2:
        raise DataError("Edit consistency is relative to how much codes vary, so it needs at least two pictures.")
    with measuring(model):
        w = torch.cat([model.encode(x, y) for x, y in encoder_batches(model, data, batch=batch, rows=rows)])
        moves = moving_columns(model, "w").to(w.device)
        spread = (w - w.mean(0))[..., moves].double().square().sum((1, 2)).mean().item()
        if not spread > 1e-10 * w.double().square().sum((1, 2)).mean().item():
            raise ModelError(
                "The encoder gives the same code for all pictures, or none that is finite, so nothing can be said of "
                "edits. Use a later or an earlier checkpoint."
            )
        chosen = edit_directions(w.mean(1)[:, moves].cpu(), n_directions, directions, seed=seed)
        steps = torch.zeros(len(chosen), w.shape[2], dtype=w.dtype, device=w.device)
        steps[:, moves] = (strength * chosen).to(w)
        left = []
        for i, step in enumerate([torch.zeros_like(steps[0]), *steps]):
            parts = [_taken_back(model, part, step, moves) for part in w.split(batch)]
            left.append(torch.cat(parts).mean().item() / spread)
            tell(i + 1, len(steps) + 1)
    unedited, each = left[0], tuple(left[1:])
    return EditConsistency(sum(each) / len(each), unedited, each, directions, strength, len(rows), seed)


def _taken_back(model: TwoWayModel, w: Tensor, step: Tensor, moves: Tensor) -> Tensor:
    """Squared distance of each code (B,) after an edit and its reverse from what it was."""
    labels = carried_labels(w, model.recipe.labels)
    again = model.encode(model.decode(w + step), labels) - step
    return (again - w)[..., moves].double().square().sum((1, 2))


@metric(
    "edit-consistency",
    "what is left of edits that were taken back, over the variance of codes",
    headline="value",
    lower_is_better=True,
    encoder=True,
)
def _measure(session: Session) -> dict[str, Any]:
    on, data = session.shown
    found = evaluate_edit_consistency(
        session.model,
        data,
        limit=min(500, session.max_test or 500),
        seed=session.seed,
        batch=session.batch,
        tell=lambda done, total: session.progress("edits", done, total),
    )
    return {**found.plain(), "on": on}
