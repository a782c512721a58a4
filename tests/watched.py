"""A step runner whose gradients can be looked at, for comparisons with numbers of official code."""

from __future__ import annotations

from twoway.recipe import Recipe
from twoway.training.distributed import World
from twoway.training.optimisers import Optimisers
from twoway.training.steps import StepRunner


class Watched(StepRunner):
    """Keeps the gradients of a step and, while `still`, takes none."""

    still = False
    seen: dict

    def _update(self, step, gradients):
        self.seen = dict(gradients)
        if not self.still:
            super()._update(step, gradients)


def watched_runner(model, draws, recipe=None):
    """A runner of the model with given draws, and the steps of its first phase by name."""
    recipe = recipe or model.recipe
    made = Watched(model, Optimisers(model.nets, recipe.optim), draws, World())
    return made, {step.name: step for step in recipe.phases[0].steps}


def weighted(step, stats):
    """The loss of a step as the official code adds it up."""
    return sum(w.value * stats[f"loss/{step.name}/{name}"] for name, w in step.terms.items())


def without_ageing(recipe):
    """The same recipe under a torch whose `zero_grad` forgets gradients instead of zeroing them."""
    plain = recipe.to_text().replace("ages:\n      - critic", "ages: []").replace("ages:\n    - critic", "ages: []")
    return Recipe.from_text(plain)
