"""What kind of method a recipe is, read from its steps, terms, views and nets: ALAE's taxonomy, for any recipe.

The columns are those of the paper's Table 1: how images are matched, where codes live and how they are matched, and in
which space a way there and back is held to lead home.

References:
    Pidhorskyi, Adjeroh, Doretto, Adversarial Latent Autoencoders, arXiv 2004.04467, section 2 and Table 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from twoway.quantities import VIEWS
from twoway.recipe import Recipe, Step, Weight
from twoway.terms import Term, find_term

__all__ = ["Taxonomy", "taxonomy"]

LEARNED = ("mapping", "prior", "pseudo")
"""Beginnings of the slots whose nets say where codes live: F, a learned prior, VampPrior's pseudo-inputs."""


@dataclass(frozen=True)
class Taxonomy:
    """A row of the taxonomy.

    Args:
        data_distribution: ``adversarial``, ``similarity``, ``similarity (learned metric)`` or ``none``.
        latent_distribution: ``imposed`` or ``learned``, then how codes of images are matched to it, as
            ``imposed / divergence``; ``none`` where there is no distribution of codes.
        reciprocity: ``data``, ``latent``, ``adversarial``, several of them joined by ``+``, or ``none``; in brackets
            what the encoder learns without the generator.
    """

    data_distribution: str
    latent_distribution: str
    reciprocity: str

    @property
    def cells(self) -> tuple[str, str, str]:
        """The three columns in their order."""
        return self.data_distribution, self.latent_distribution, self.reciprocity


@dataclass(frozen=True)
class _Use:
    """A term in a step: what it is, what the critic of that phase sees, and which nets it moves."""

    term: Term
    view: str
    moves: frozenset[str]

    @property
    def role(self) -> str | None:
        return self.term.role

    @property
    def inputs(self) -> tuple[str, ...]:
        """What the term looks at, through the critic where it takes scores."""
        sides = dict(zip(("score_real", "score_fake"), VIEWS[self.view], strict=True))
        return tuple(part for name in self.term.quantities for part in sides.get(name, (name,)))

    @property
    def of_codes(self) -> bool:
        """Whether codes that the encoder gives real images are among them."""
        return any(name.startswith(("w_real", "z_real")) or name == "posterior" for name in self.inputs)

    @property
    def of_made(self) -> bool:
        """Whether made images, or what follows from them, are among them."""
        return any(_is_made(name) for name in self.inputs)

    @property
    def of_real(self) -> bool:
        """Whether anything else than made images is among them."""
        return not all(_is_made(name) for name in self.inputs)

    def moves_any(self, start: str) -> bool:
        return any(slot.startswith(start) for slot in self.moves)


def _is_made(name: str) -> bool:
    return any(word in name for word in ("fake", "rec", "made"))


def taxonomy(recipe: Recipe) -> Taxonomy:
    """Derive the taxonomy of a recipe.

    Data distribution. Similarity in the critic's own features is ``similarity (learned metric)``, though a game goes
    with it. Otherwise it is ``adversarial`` if any step moves the generator to fool a critic, or to lower a divergence
    of the codes of made images (AGE and IntroVAE, where the divergence plays the critic); else ``similarity`` if any
    moves it towards real images.

    Latent distribution. ``learned`` if a step trains a net that says where codes live, and the encoder speaks of those
    codes; else ``imposed``. Codes are matched by an adversary if the encoder answers a critic that sees its codes, or
    if a divergence plays the critic. They are matched by a ``divergence`` if a term says so; if a critic of pairs,
    which then estimates one, is answered by the generator alone (VEEGAN); or if the critic compares the codes of real
    and made images while reciprocity ties the latter to the latent codes (ALAE, section 4).

    Reciprocity. ``latent`` and ``data`` from the terms that move the generator, or, where none does, from those that
    move the encoder; ``adversarial`` where encoder and generator answer a critic of pairs. What the encoder learns
    alone beside the generator's stands in brackets: AGE's encoder also reconstructs pixels.

    Args:
        recipe: Of any method, published or not; names play no part.
    """
    uses = list(_uses(recipe))
    fooling = [use for use in uses if use.role == "fool"]
    answered_by_encoder = [use for use in fooling if use.of_codes and use.moves_any("encoder")]
    divergence_plays = any(
        use.role in ("fool", "latent_divergence") and _codes_of_made(use) and use.moves_any("generator") for use in uses
    )
    return Taxonomy(
        _data(uses, fooling, divergence_plays=divergence_plays),
        _latent(recipe, uses, answered=bool(answered_by_encoder), divergence_plays=divergence_plays),
        _reciprocity(uses, joint=any(use.view == "pair" for use in answered_by_encoder)),
    )


def _uses(recipe: Recipe) -> Iterator[_Use]:
    for phase in recipe.phases:
        view = phase.critic_sees or recipe.critic_sees
        for step in phase.steps:
            for name, weight in step.terms.items():
                if weight.value:
                    yield _Use(find_term(name), view, frozenset(_moved(step, weight)))


def _moved(step: Step, weight: Weight) -> Iterator[str]:
    factors: Mapping[str, float] = weight.nets
    return (slot for slot in step.train if factors.get(slot, 1.0))


def _codes_of_made(use: _Use) -> bool:
    """A divergence of the codes of made images, asked for without a critic's scores."""
    asked = use.term.quantities
    codes = any(name.startswith(("w_", "z_", "posterior_")) and _is_made(name) for name in asked)
    return codes and not any(name.startswith("score") for name in asked)


def _data(uses: list[_Use], fooling: list[_Use], *, divergence_plays: bool) -> str:
    if any(use.role == "learned_similarity" and use.moves_any("generator") for use in uses):
        return "similarity (learned metric)"
    if divergence_plays or any(_answers_of_images(use) for use in fooling):
        return "adversarial"
    similar = any(use.role == "data_similarity" and use.of_real and use.moves_any("generator") for use in uses)
    return "similarity" if similar else "none"


def _answers_of_images(use: _Use) -> bool:
    # scores that no view names belong to a further critic, which sees what its method says
    others = [n for n in use.term.quantities if n.startswith("score") and n not in ("score_real", "score_fake")]
    return use.moves_any("generator") and (use.of_made or bool(others))


def _latent(recipe: Recipe, uses: list[_Use], *, answered: bool, divergence_plays: bool) -> str:
    if recipe.prior is None:
        return "none"
    learned = recipe.encodes == "w" and any(use.moves_any(slot) for use in uses for slot in LEARNED)
    if answered or divergence_plays:
        how = "adversarial"
    elif any(use.role == "latent_divergence" and use.moves_any("encoder") for use in uses) or _implied(uses):
        how = "divergence"
    else:
        how = "none"
    return f"{'learned' if learned else 'imposed'} / {how}"


def _implied(uses: list[_Use]) -> bool:
    """Whether a game of codes and their reciprocity bound a divergence together."""
    tied = any(use.role == "latent_reciprocity" and use.moves_any("encoder") for use in uses)
    compared = any(use.role == "fool" and use.view in ("pair", "encoded") for use in uses)
    return tied and compared


def _reciprocity(uses: list[_Use], *, joint: bool) -> str:
    """What the generator is held to; what the encoder does alone beside that stands in brackets."""
    held = {use.role for use in uses if use.moves_any("generator")}
    alone = {use.role for use in uses} - held
    main, aside = _spaces(held, joint=joint), _spaces(alone, joint=False)
    if not main:
        main, aside = aside, []
    return (" + ".join(main) or "none") + (f" (encoder: {' + '.join(aside)})" if aside else "")


def _spaces(roles: set[str | None], *, joint: bool) -> list[str]:
    similar = roles & {"data_similarity", "learned_similarity"}
    found = {"adversarial": joint, "latent": "latent_reciprocity" in roles, "data": bool(similar)}
    return [space for space, there in found.items() if there]
