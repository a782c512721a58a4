"""Sums and differences of codes: smiling minus not smiling plus somebody.

References:
    Radford et al., DCGAN, arXiv 1511.06434, section 6.3.2 (arithmetic on means of the codes of a few pictures);
    Larsen et al., VAE/GAN, arXiv 1512.09300, section 4.1 (differences of means as attribute vectors).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from twoway.errors import ConfigError, ModelError
from twoway.latents.directions import Direction, measured_on
from twoway.model import TwoWayModel

__all__ = ["add_codes", "mean_code", "mean_difference"]


def mean_code(w: Tensor) -> Tensor:
    """Mean of codes (N, layers, dim), shape (1, layers, dim).

    Raises:
        ModelError: No codes.
    """
    if w.ndim != 3 or not len(w):
        raise ModelError(f"A mean needs codes (N, layers, dim), N at least 1; got shape {tuple(w.shape)}.")
    return w.mean(0, keepdim=True)


def add_codes(model: TwoWayModel, plus: Sequence[Tensor], minus: Sequence[Tensor] = ()) -> Tensor:
    """Sum of codes less other codes, each taken from the mean code: w_avg + sum (p - w_avg) - sum (m - w_avg).

    With one more added than taken away, as in A - B + C, the mean code cancels and the result is the plain sum. For
    other numbers the result stays where codes lie: A + B is not twice as far from 0 as a code.

    Args:
        model: Whose mean code it is.
        plus: Codes (1, layers, dim) added, at least one; of several pictures at once their `mean_code`.
        minus: Codes taken away.

    Returns:
        Shape (1, layers, dim). The class that codes of a conditional model carry is that of the first one added.

    Raises:
        ConfigError: Nothing is added.
        ModelError: Codes of another shape.

    Example:
        >>> from twoway.methods import make_recipe
        >>> from twoway.model import build_model
        >>> model = build_model(make_recipe("alae", (1, 8, 8), {"latent": 2, "hidden": 4}))
        >>> a, b, c = (torch.tensor([[code]]) for code in ([1.0, 0.0], [0.5, 0.5], [0.0, 2.0]))
        >>> add_codes(model, [a, c], [b]).tolist()
        [[[0.5, 1.5]]]
    """
    if not plus:
        raise ConfigError("Nothing is added. Name at least one picture that is.")
    for code in (*plus, *minus):
        if tuple(code.shape) != (1, *model.w_shape):
            raise ModelError(f"Got a code of shape {tuple(code.shape)}, but expected {(1, *model.w_shape)}.")
    count = len(plus) - len(minus)
    total = torch.stack([*plus, *(-code for code in minus)]).sum(0) + (1 - count) * model.w_avg.to(plus[0])
    classes = model.recipe.labels
    return torch.cat([total[..., :-classes], plus[0][..., -classes:]], 2) if classes else total


def mean_difference(model: TwoWayModel, plus: Tensor, minus: Tensor, name: str) -> Direction:
    """The direction from the mean of some codes to the mean of others.

    Positions are 0 half way between the two means, and the deviation is that of all the codes given.

    Args:
        model: That made the codes.
        plus: Codes with what the direction is to add, shape (N, layers, dim).
        minus: Codes without it, shape (M, layers, dim).
        name: What grows along it.

    Returns:
        A vector (1, dim) where all layers of a code are the same, as most encoders give them, else (layers, dim).

    Raises:
        ConfigError: The means are the same.
        ModelError: Codes of another shape.
    """
    for code in (plus, minus):
        if code.ndim != 3 or tuple(code.shape[1:]) != model.w_shape:
            raise ModelError(f"Got codes of shape {tuple(code.shape)}, but expected (N, *{model.w_shape}).")
    first, second = mean_code(plus), mean_code(minus)
    everything = torch.cat([plus, minus]).float().cpu()
    vector = (first - second)[0].float().cpu()
    if model.recipe.labels:  # a class is told, not moved to
        vector[:, -model.recipe.labels :] = 0
    if not vector.any():
        raise ConfigError(f"The means of both sides are the same, so nothing leads to '{name}'. Name other pictures.")
    if torch.equal(everything, everything[:, :1].expand_as(everything)):
        vector = vector[:1]
    plain = Direction(name, vector, model.fingerprint(), "given")
    middle = float(plain.position((first + second).float().cpu() / 2)[0])
    facts = {"found as": "difference of means", "plus": len(plus), "minus": len(minus)}
    centred = Direction(name, vector, model.fingerprint(), "given", intercept=-middle, facts=facts)
    return measured_on(centred, everything)
