"""What happens between the gradients of a step and the weights."""

import torch
from toys import toy_recipe

from twoway.model import build_model
from twoway.training.distributed import World
from twoway.training.optimisers import Optimisers
from twoway.training.steps import StepRunner
from twoway.training.streams import Streams, seeded


def updated(gradients):
    """Weights of the critic after one update with the given gradients."""
    recipe = toy_recipe("alae")
    model = build_model(recipe, generator=seeded(0, "weights"))
    runner = StepRunner(model, Optimisers(model.nets, recipe.optim), Streams(0, World(), model.device), World())
    runner._update(recipe.phases[0].steps[0], {"critic": gradients(model.nets["critic"])})
    return list(model.nets["critic"].parameters())


def test_the_order_of_a_gradient_in_memory_does_not_matter():
    def plain(net):
        generator = seeded(0, "gradients")
        return [torch.randn(p.shape, generator=generator) for p in net.parameters()]

    def strided(net):
        return [g.t().contiguous().t() if g.ndim == 2 else g for g in plain(net)]

    expected = updated(plain)
    assert all(torch.equal(a, b) for a, b in zip(updated(strided), expected, strict=True))
