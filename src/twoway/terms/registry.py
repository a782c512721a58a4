"""Terms by name: a term is a pure function whose parameters are named after the quantities it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from torch import Tensor

from twoway.errors import ConfigError, closest

__all__ = ["ROLES", "TERMS", "Role", "Term", "find_term", "term"]

TermFunction = Callable[..., Tensor]

Role = Literal[
    "critic",
    "fool",
    "data_similarity",
    "learned_similarity",
    "latent_divergence",
    "latent_reciprocity",
    "penalty",
    "regulariser",
]
ROLES: tuple[str, ...] = get_args(Role)
"""What a term is for, which the taxonomy of methods is derived from.

critic: the critic's side of a game, or that of an encoder whose divergence plays the critic. fool: the other side, the
answer of generator or encoder. data_similarity: how near a reconstruction is to its image, in pixels or in features
that do not learn; learned_similarity: in features of the critic. latent_divergence: how far codes are from the
distribution they should have. latent_reciprocity: how near E(G(w)) is to w. penalty: keeps a critic well behaved.
regulariser: anything else.
"""


@dataclass(frozen=True)
class Term:
    """A registered loss term.

    Args:
        name: What recipes call it.
        function: Pure function of tensors that returns a scalar.
        quantities: Names of the step's quantities it takes, in order.
        options: Keyword-only parameters: hyper-parameters a recipe may set, with their defaults.
        differentiates: Quantities with respect to which the term itself takes a gradient.
        role: What it is for, one of `ROLES`; None where its author did not say.
    """

    name: str
    function: TermFunction
    quantities: tuple[str, ...]
    options: Mapping[str, Any]
    differentiates: tuple[str, ...]
    role: Role | None = None

    def __call__(self, quantities: Mapping[str, Any], options: Mapping[str, Any]) -> Tensor:
        """Evaluate the term on a step's quantities."""
        return self.function(*[quantities[name] for name in self.quantities], **options)


TERMS: dict[str, Term] = {}


def term(*, differentiates: tuple[str, ...] = (), role: Role | None = None) -> Callable[[TermFunction], TermFunction]:
    """Register a function as a term under its own name.

    Args:
        differentiates: Quantities that must require a gradient before anything is computed from them, because
            the term penalises a gradient with respect to them.
        role: What the term is for, one of `ROLES`; every term of this package says so.
    """

    def register(function: TermFunction) -> TermFunction:
        parameters = inspect.signature(function).parameters.values()
        taken = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
        options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        TERMS[function.__name__] = Term(function.__name__, function, taken, options, differentiates, role)
        return function

    return register


def find_term(name: str, where: str = "terms") -> Term:
    """Look a term up.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in TERMS:
        raise ConfigError(
            f"{where} names the unknown term '{name}'{closest(name, TERMS)}. A term of your own is known once its file "
            "is imported: `twoway --use FILE ...`."
        )
    return TERMS[name]
