"""What a phase or a resolution finds prepared: images, levels, weights, anchors."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from small import small_model, small_recipe
from torch import nn
from toys import copied, same

from twoway.errors import ConfigError
from twoway.model import build_model
from twoway.training.ema import EMA
from twoway.training.stages import check_phases, copy_weights, enter_phase, grow, real_images, take_generator
from twoway.training.streams import seeded
from twoway.training.timeline import Moment


def moment(size, blend=1.0):
    level = None if size is None else SimpleNamespace(size=size)
    return Moment(SimpleNamespace(level=level, phase=SimpleNamespace(release=None)), blend, 0, 0.0)


X = torch.tensor(
    [[[[1.0, 3.0, 0.0, 0.0], [5.0, 7.0, 0.0, 0.0], [2.0, 2.0, 8.0, 0.0], [2.0, 2.0, 0.0, 0.0]]]]
)  # means of its quarters: 4, 0, 2, 2
QUARTERS = torch.tensor([[[[4.0, 0.0], [2.0, 2.0]]]])


def test_real_images_by_hand():
    assert real_images(X, moment(None)) is X
    assert torch.equal(real_images(X, moment(4)), X)
    assert torch.equal(real_images(X, moment(2)), QUARTERS)


def test_real_images_are_faded_in_over_those_below():
    coarse = torch.tensor([[[[4.0, 4.0, 0.0, 0.0], [4.0, 4.0, 0.0, 0.0], [2.0, 2.0, 2.0, 2.0], [2.0, 2.0, 2.0, 2.0]]]])
    assert torch.equal(real_images(X, moment(4, 0.0)), coarse)
    torch.testing.assert_close(real_images(X, moment(4, 0.25)), 0.75 * coarse + 0.25 * X)
    # at a level below that of the images the coarser one is the mean of four of its pixels
    torch.testing.assert_close(real_images(X, moment(2, 0.4)), 0.6 * torch.full_like(QUARTERS, 2.0) + 0.4 * QUARTERS)


@pytest.mark.parametrize(("size", "blend", "level"), [(8, 0.3, 1), (4, 1.0, 0), (16, 1.0, 2), (None, 1.0, 2)])
def test_all_growing_nets_grow_together(size, blend, level):
    model = small_model("style-alae", (1, 16, 16))
    grow(model, moment(size, blend))
    for slot in ("generator", "encoder"):
        assert (model.nets[slot].level, model.nets[slot].blend) == (level, blend)
    gan = small_model("lia", (1, 16, 16))
    grow(gan, moment(size, blend))
    assert {(gan.nets[s].level, gan.nets[s].blend) for s in ("generator", "critic")} == {(level, blend)}


def test_nets_that_do_not_grow_stay_as_they_are():
    model = small_model("lia", flavour="modern")
    before = copied(model.state_dict())
    grow(model, moment(None))
    assert same(before, model.state_dict())


def two_models():
    """A live model and an average with other weights."""
    live = small_model("lia", seed=0)
    ema = EMA(live)
    with torch.no_grad():
        for p in ema.model.parameters():
            p.add_(torch.randn(p.shape, generator=seeded(1, "shift")))
    return live, ema


def test_a_phase_starts_from_averages_bit_for_bit():
    live, ema = two_models()
    critic, averaged = copied(live.nets["critic"].state_dict()), copied(ema.model.state_dict())
    phase = replace(live.recipe.phases[1], anchor=())
    enter_phase(phase, live, ema.model, seeded(0, "anchor"))
    for slot in ("mapping", "generator"):
        assert same(live.nets[slot].state_dict(), ema.model.nets[slot].state_dict())
    assert same(live.nets["critic"].state_dict(), critic)  # not named, so not touched
    assert same(ema.model.state_dict(), averaged)
    # and it stays so: the average of a net and itself is the net
    for _ in range(3):
        ema.update(32, 1.0)
    assert same(live.nets["generator"].state_dict(), ema.model.nets["generator"].state_dict())


class Straight(nn.Module):
    """w = 3 z + 2."""

    def forward(self, z):
        return (3 * z + 2).unsqueeze(1)


def test_the_anchor_is_the_mean_and_spread_of_the_averaged_mappings_codes():
    live, ema = two_models()
    before = copied(
        {k: v for k, v in live.nets["encoder"].state_dict().items() if "w_mean" not in k and "w_std" not in k}
    )
    ema.model.nets["mapping"] = Straight()
    phase = replace(live.recipe.phases[1], from_average=())
    enter_phase(phase, live, ema.model, seeded(0, "anchor"))
    for model in (live, ema.model):
        head = model.nets["encoder"].head
        # 10,000 codes: four standard errors of the mean are 0.12, of the deviation 0.085
        torch.testing.assert_close(head.w_mean, torch.full((6,), 2.0), rtol=0.0, atol=0.12)
        torch.testing.assert_close(head.w_std, torch.full((6,), 3.0), rtol=0.0, atol=0.085)
    after = live.nets["encoder"].state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())


def test_anchored_codes_are_deviations_from_the_anchor():
    """Doubling the spread doubles what a code differs from the mean by."""
    encoder = small_model("lia").nets["encoder"]
    x = torch.rand(4, 1, 8, 8, generator=seeded(0, "x")) * 2 - 1
    plain = encoder(x)
    encoder.anchor(torch.full((6,), 5.0), torch.full((6,), 2.0))
    torch.testing.assert_close(encoder(x), 5.0 + 2.0 * plain)


def test_a_net_that_cannot_be_anchored_is_said_at_once():
    recipe = small_recipe("lia").changed({"nets.encoder.head": "batch_norm"})
    with pytest.raises(ConfigError, match=r"phase 'encoder' anchors the net 'encoder'.*phases.encoder.anchor=\[\]"):
        check_phases(recipe.phases, build_model(recipe))
    for method in ("lia", "vaegan-z", "style-alae", "alae"):
        check_phases(small_recipe(method).phases, small_model(method))
    recipe = small_recipe("lia", head="batch_norm")
    assert recipe.phases[1].anchor == ()
    check_phases(recipe.phases, build_model(recipe))


def test_weights_are_copied_for_the_slots_named_and_the_mean_code_with_them():
    source, target = small_model("lia", seed=1), small_model("lia", seed=2)
    source.w_avg.fill_(3.0)
    before = copied(target.state_dict())
    copy_weights(source, target, ["generator"])
    for slot in target.nets:
        theirs = (source if slot == "generator" else None) and source.nets[slot].state_dict()
        ours = {k.removeprefix(f"nets.{slot}."): v for k, v in before.items() if k.startswith(f"nets.{slot}.")}
        assert same(target.nets[slot].state_dict(), theirs or ours)
    assert torch.equal(target.w_avg, source.w_avg)
    copy_weights(source, target)
    assert same(target.state_dict(), source.state_dict())


def test_weights_that_do_not_fit_are_named():
    with pytest.raises(ConfigError, match=r"does not fit this recipe: '.*' is \(.*\) there and \(.*\) here"):
        copy_weights(small_model("lia", latent=8), small_model("lia"))
    with pytest.raises(ConfigError, match="missing there"):
        copy_weights(small_model("style-alae"), small_model("lia"))


def test_a_given_critic_is_taken_where_it_is_of_the_same_kind():
    made = small_model("stylegan", seed=1, encoder=False)
    recipe = small_recipe("lia").for_generator(made.recipe)
    model = build_model(recipe, generator=seeded(2, "weights"))
    take_generator(made, model)
    assert set(model.nets) == {"mapping", "generator", "critic", "encoder"}
    for slot in ("mapping", "generator", "critic"):
        assert same(model.nets[slot].state_dict(), made.nets[slot].state_dict())
    made = small_model("style-alae", seed=1)  # its critic looks at codes, lia's at images
    recipe = small_recipe("lia").for_generator(made.recipe)
    model = build_model(recipe, generator=seeded(2, "weights"))
    critic = copied(model.nets["critic"].state_dict())
    take_generator(made, model)
    assert same(model.nets["generator"].state_dict(), made.nets["generator"].state_dict())
    assert same(model.nets["critic"].state_dict(), critic)


@pytest.mark.parametrize(("size", "blend"), [(4, 1.0), (8, 0.5)])
def test_a_generator_that_stopped_while_it_grew_is_refused(size, blend):
    made = small_model("stylegan", encoder=False)
    grow(made, moment(size, blend))
    recipe = small_recipe("lia").for_generator(made.recipe)
    with pytest.raises(ConfigError, match=f"stopped while it grew: it makes images of {size} pixels"):
        take_generator(made, build_model(recipe))
