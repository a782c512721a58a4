"""Nets that grow without styles, encoders of the sphere, and the methods on them."""

import math

import pytest
import torch
from small import small_model
from torch.nn import functional

from twoway.errors import ConfigError, ModelError
from twoway.methods import find_preset, make_recipe
from twoway.methods.pggan import growth_from_4
from twoway.networks import NetSpec, build_net, reset_net, style_channels
from twoway.networks.progressive_generator import activated
from twoway.training.timeline import Timeline

SIZES = {"image_shape": (3, 16, 16), "w_dim": 5, "channels": (8, 6, 4)}


def net(kind, **changes):
    made = build_net(NetSpec(kind, {**SIZES, **changes}))
    reset_net(made, torch.Generator().manual_seed(0))
    return made


def test_the_official_generator_has_as_many_parameters():
    """23,079,115 at 1024 pixels, as the code of ProGAN prints."""
    channels = style_channels(1024, 16, 512)
    with torch.device("meta"):
        made = build_net(
            NetSpec("progressive_generator", {"image_shape": (3, 1024, 1024), "w_dim": 512, "channels": channels})
        )
    assert sum(p.numel() for p in made.parameters()) == 23_079_115


def test_activation_by_hand():
    x = torch.tensor([3.0, -5.0]).view(1, 2, 1, 1)  # rectified 3 and -1, mean square 5
    torch.testing.assert_close(activated(x).flatten(), torch.tensor([3.0, -1.0]) / math.sqrt(5))


def test_only_the_direction_of_a_code_counts(generator):
    made = net("progressive_generator")
    w = torch.randn(4, 1, 5, generator=generator)
    torch.testing.assert_close(made(w), made(7 * w), rtol=1e-4, atol=1e-5)


def test_a_new_level_fades_in_over_the_doubled_image_below(generator):
    made = net("progressive_generator")
    w = torch.randn(2, 1, 5, generator=generator)
    made.grow_to(1)
    below = made(w)
    assert below.shape == (2, 3, 8, 8)
    made.grow_to(2)
    above = made(w)
    made.grow_to(2, 0.25)
    doubled = below.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(made(w), 0.75 * doubled + 0.25 * above)


def test_the_encoder_fades_in_likewise_and_sees_each_image_by_itself(generator):
    made = net("progressive_encoder")
    x = torch.randn(6, 3, 16, 16, generator=generator)
    made.grow_to(2, 0.0)
    old = made(x)
    made.grow_to(1)
    torch.testing.assert_close(made(functional.avg_pool2d(x, 2)), old)
    made.grow_to(2)
    torch.testing.assert_close(made(x)[:1], made(x[:1]))


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("progressive_encoder", {"channels": (8, 6, 4)}),
        ("mlp_encoder", {"hidden": (7,), "sphere": True}),
        ("conv_encoder", {"maps": (4,), "hidden": 7, "sphere": True}),
    ],
)
def test_codes_on_the_sphere_are_heads_of_unit_length(kind, args, generator):
    spec = {"image_shape": (3, 16, 16), "w_dim": 5, **args}
    made, free = (build_net(NetSpec(kind, {**spec, "sphere": sphere})).eval() for sphere in (True, False))
    reset_net(made, torch.Generator().manual_seed(0))
    free.load_state_dict(made.state_dict())
    x = torch.randn(4, 3, 16, 16, generator=generator)
    codes, heads = made(x), free(x)
    assert codes.shape == (4, 1, 5)
    torch.testing.assert_close(codes, heads / heads.norm(dim=2, keepdim=True))


@pytest.mark.parametrize("kind", ["mlp_encoder", "conv_encoder"])
def test_a_gaussian_on_the_sphere_is_refused(kind):
    with pytest.raises(ConfigError, match="sphere or gaussian"):
        build_net(NetSpec(kind, {"image_shape": (1, 16, 16), "w_dim": 5, "sphere": True, "gaussian": True}))


def test_pggan_makes_full_images_at_every_level_and_says_that_it_cannot_encode():
    model = small_model("pggan")
    generator = model.nets["generator"]
    generator.grow_to(0)
    w = model.map(model.draw_prior(2, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(model.decode(w), generator(w).repeat_interleave(2, 2).repeat_interleave(2, 3))
    with pytest.raises(ModelError, match="has no encoder"):
        model.encode(torch.zeros(1, 1, 8, 8))


def test_growth_by_hand():
    growth = growth_from_4(16, first=7.0, stable=6.0, fade=5.0, last=9.0, batches=(8, 4), rates=(0.1, 0.2, 0.3))
    assert [(v.size, v.fade, v.stable, v.batch, v.lr) for v in growth.levels] == [
        (4, 0.0, 7.0, 8, 0.1),
        (8, 5.0, 6.0, 4, 0.2),
        (16, 5.0, 9.0, 4, 0.3),
    ]
    with pytest.raises(ConfigError, match="at least one number"):
        growth_from_4(16, first=7.0, stable=6.0, fade=5.0, last=9.0, batches=(), rates=(0.1,))


def test_pggan_at_64_pixels_follows_the_published_schedule():
    """600 kimg, then 600 of fading and 600 at each size; what is over goes to the last."""
    recipe = make_recipe("pggan-64", (3, 64, 64))
    timeline = Timeline(recipe, find_preset("pggan-64").kimg)
    assert [s.level.size for s in timeline.segments] == [4, 8, 16, 32, 64]
    assert [s.batch for s in timeline.segments] == [128, 128, 128, 64, 32]
    for segment, kimg in zip(timeline.segments, (600, 1200, 1200, 1200, 3000), strict=True):
        assert segment.iterations * segment.batch / 1000 == pytest.approx(kimg, abs=2)
    assert timeline.segments[3].fading * 64 / 1000 == pytest.approx(600, abs=1)
    assert recipe.nets["generator"].args["channels"] == (512, 512, 512, 512, 256)


def test_pioneer_at_32_pixels_spends_2400_kimg_a_size_and_as_much_again_on_the_last():
    recipe = make_recipe("pioneer-32", (3, 32, 32))
    timeline = Timeline(recipe, find_preset("pioneer-32").kimg)
    lengths = [s.iterations * s.batch / 1000 for s in timeline.segments]
    assert lengths == pytest.approx([2400, 2400, 2400, 4800], abs=1)


@pytest.mark.parametrize(("name", "updates"), [("age", 2), ("pioneer", 2), ("balanced-pioneer", 1)])
def test_steps_of_the_generator_follow_that_of_the_encoder(name, updates):
    assert [s.train for s in make_recipe(name, (1, 8, 8)).phases[0].steps] == [("encoder",)] + [
        ("generator",)
    ] * updates
    steps = make_recipe(name, (1, 8, 8), {"updates": 3}).phases[0].steps
    assert [s.name for s in steps] == ["encode", "generate", "generate-2", "generate-3"]
    assert not any(s.reuse for s in steps)  # fresh prior codes in each
