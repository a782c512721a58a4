"""Every adversarial game trains both phases of a two-stage method, and reaches the nets it should."""

import pytest
import torch
from toys import toy_recipe

from twoway.errors import ConfigError
from twoway.methods.losses import adversarial, perceptual
from twoway.model import build_model
from twoway.training.distributed import World
from twoway.training.optimisers import Optimisers
from twoway.training.steps import StepRunner
from twoway.training.streams import Streams, seeded


@pytest.mark.parametrize("phase", [0, 1])
@pytest.mark.parametrize("loss", ["logistic", "hinge", "wgan-gp", "relativistic"])
def test_a_game_moves_critic_and_generator_or_encoder(loss, phase):
    recipe = toy_recipe("stylegan", flavour="modern", loss=loss)
    recipe = recipe.changed({"augment.kind": "none"})
    model = build_model(recipe, generator=seeded(0, "weights")).train()
    world = World()
    streams = Streams(0, world, model.device)
    runner = StepRunner(model, Optimisers(model.nets, recipe.optim), streams, world)
    x = torch.rand(8, *recipe.image_shape, generator=seeded(0, "images")) * 2 - 1
    moving = {"critic", *(("mapping", "generator") if phase == 0 else ("encoder",))}
    before = {slot: [p.clone() for p in net.parameters()] for slot, net in model.nets.items()}
    stats = runner.iterate(recipe.phases[phase], x, 0)  # iteration 0: lazy penalties are due
    assert not [name for name in stats if name.startswith("nonfinite")]
    for name, weight in adversarial(loss, gamma=1.0).critic.items():
        assert f"loss/discriminate/{name}" in stats
        assert weight.value > 0
    for slot, net in model.nets.items():
        changed = any(not torch.equal(a, b) for a, b in zip(before[slot], net.parameters(), strict=True))
        assert changed == (slot in moving)


def test_the_relativistic_penalties_are_of_the_two_kinds_of_images_that_are_judged():
    """R2 in the second phase is the slope at reconstructions, not at samples that nobody judged."""
    recipe = toy_recipe("stylegan", flavour="modern", loss="relativistic").changed({"augment.kind": "none"})
    model = build_model(recipe, generator=seeded(0, "weights")).train()
    runner = StepRunner(model, Optimisers(model.nets, recipe.optim), Streams(0, World(), model.device), World())
    runner.phase = recipe.phases[1]
    step = recipe.phases[1].steps[1]
    x = torch.rand(4, *recipe.image_shape, generator=seeded(0, "images")) * 2 - 1
    q = runner._quantities(step, x, step.terms, {"x_rec": torch.zeros_like(x)})
    assert not q["fake"].any()
    assert q["fake"].requires_grad
    assert "x_fake" not in q.known


def test_a_lazy_penalty_weighs_as_much_in_the_long_run():
    assert adversarial("logistic", gamma=2.0, every=16).critic["r1"].value == 32.0
    assert adversarial("logistic", gamma=2.0, every=16).critic["r1"].every == 16


def test_features_without_weights_refuse_a_file():
    with pytest.raises(ConfigError, match="no weights"):
        perceptual("pyramid", "weights.npz")
    spec, weight = perceptual("vgg16", "vgg.npz")
    assert (spec.kind, spec.weights, weight.value) == ("vgg16", "vgg.npz", 5e-5)
