"""When phases and resolutions begin and end, worked out by hand."""

import math

import pytest
from small import GROWING_METHODS
from toys import toy_recipe

from twoway.errors import ConfigError
from twoway.methods import METHODS, make_recipe
from twoway.recipe import Growth, GrowthLevel, Optimiser, Phase, Recipe, Step
from twoway.training.timeline import Timeline

STEPS = (Step("reconstruct", ("encoder", "generator"), {"pixel_l2": 1.0}),)
GROWTH = Growth(
    (
        GrowthLevel(4, stable=3.0, fade=1.0, batch=20, lr=0.001),
        GrowthLevel(8, stable=2.0, fade=2.0, batch=10),
        GrowthLevel(16, stable=6.0, fade=2.0, lr=0.004),
    )
)


def recipe_of(*phases: Phase, **changes) -> Recipe:
    plain = toy_recipe("ae", side=16)
    fields = {name: getattr(plain, name) for name in ("method", "image_shape", "nets", "prior")}
    return Recipe(**fields, phases=phases, batch=8, **changes)


GAN = Phase("gan", STEPS, share=3.0, growth=GROWTH)
FINE = Phase("fine", STEPS, share=1.0, batch=5, optim=Optimiser(lr=0.1))
TWO = recipe_of(GAN, FINE, optim=Optimiser(lr=0.002))


def summary(timeline):
    return [
        (s.phase.name, s.level and s.level.size, s.batch, s.start, s.iterations, s.images, s.fading)
        for s in timeline.segments
    ]


def test_segments_by_hand():
    """6400 images: 4800 for the first phase, whose lengths 4, 4, 8 make 1200, 1200, 2400 images."""
    timeline = Timeline(TWO, 6.4)
    assert summary(timeline) == [
        # the first level's fade counts as time, but there is nothing to fade in from
        ("gan", 4, 20, 0, 60, 0, 0),
        ("gan", 8, 10, 60, 120, 1200, 60),
        ("gan", 16, 8, 180, 300, 2400, 75),
        ("fine", None, 5, 480, 320, 4800, 0),
    ]
    assert timeline.iterations == 800
    assert [s.number for s in timeline.segments] == [0, 1, 2, 3]
    assert [s.phase_images for s in timeline.segments] == [0, 1200, 2400, 0]
    assert [s.phase_total for s in timeline.segments] == [4800, 4800, 4800, 1600]
    assert [s.optim.lr for s in timeline.segments] == [0.002, 0.002, 0.002, 0.1]
    assert [s.lr_factor for s in timeline.segments] == pytest.approx([0.5, 1.0, 2.0, 1.0])


def test_moments_by_hand():
    timeline = Timeline(TWO, 6.4)
    numbers = {0: 0, 59: 0, 60: 1, 179: 1, 180: 2, 479: 2, 480: 3, 799: 3, 5000: 3}
    assert {i: timeline.at(i).segment.number for i in numbers} == numbers
    assert timeline.at(59).images == 59 * 20
    assert timeline.images(60) == 1200
    assert timeline.images(100) == 1200 + 40 * 10
    assert timeline.at(490).images == 4800 + 10 * 5
    assert timeline.at(100).phase_kimg == pytest.approx(1.6)
    assert timeline.at(490).phase_kimg == pytest.approx(0.05)


@pytest.mark.parametrize("ease", ["linear", "cosine"])
def test_a_level_is_faded_in_from_nothing_to_all(ease):
    growth = Growth(GROWTH.levels, ease=ease)
    timeline = Timeline(recipe_of(Phase("gan", STEPS, share=3.0, growth=growth), FINE), 6.4)
    assert timeline.at(0).blend == timeline.at(59).blend == 1.0
    expected = [k / 60 if ease == "linear" else (1 - math.cos(math.pi * k / 60)) / 2 for k in range(60)]
    assert [timeline.at(60 + k).blend for k in range(60)] == pytest.approx(expected)
    assert timeline.at(60).blend == 0.0
    assert timeline.at(120).blend == timeline.at(179).blend == 1.0
    assert timeline.at(180).blend == 0.0
    assert timeline.at(180 + 75).blend == 1.0
    assert timeline.at(480).blend == 1.0


def test_a_larger_budget_goes_to_the_last_segment_alone():
    short, long = Timeline(TWO, 6.4), Timeline(TWO, 10.4, plan_kimg=6.4)
    assert summary(short)[:3] == summary(long)[:3]
    assert long.segments[3].start == 480
    assert long.segments[3].iterations == 320 + 4000 // 5
    assert long.iterations == 800 + 800
    assert all(
        (short.at(i).blend, short.at(i).images) == (long.at(i).blend, long.at(i).images) for i in range(0, 800, 7)
    )


def test_a_larger_budget_of_a_growing_last_phase_goes_to_its_last_level_and_fades_no_longer():
    recipe = recipe_of(GAN)
    short, long = Timeline(recipe, 1.6), Timeline(recipe, 3.2, plan_kimg=1.6)
    assert summary(short) == [
        ("gan", 4, 20, 0, 20, 0, 0),
        ("gan", 8, 10, 20, 40, 400, 20),
        ("gan", 16, 8, 60, 100, 800, 25),
    ]
    assert summary(long) == [*summary(short)[:2], ("gan", 16, 8, 60, 300, 800, 25)]


@pytest.mark.parametrize(("kimg", "iterations"), [(6.0, 720), (4.8, 480), (4.0, 380), (1.2, 60), (0.6, 30), (0.001, 1)])
def test_a_smaller_budget_cuts_off_the_end(kimg, iterations):
    whole, cut = Timeline(TWO, 6.4), Timeline(TWO, kimg, plan_kimg=6.4)
    assert cut.iterations == iterations
    for i in range(0, iterations, 11):
        a, b = whole.at(i), cut.at(i)
        assert (a.segment.number, a.blend, a.images) == (b.segment.number, b.blend, b.images)


@pytest.mark.parametrize("kimg", [0.001, 0.0201, 0.1, 1.0, 3.1415, 1000.0])
@pytest.mark.parametrize("method", [m for m in METHODS if m not in GROWING_METHODS])
def test_a_single_phase_is_what_it_always_was(method, kimg):
    """Whole batches, as many as come nearest to the budget, at least one."""
    recipe = make_recipe(method, (1, 8, 8))
    timeline = Timeline(recipe, kimg)
    assert timeline.iterations == max(1, round(kimg * 1000 / recipe.batch))
    assert len(timeline.segments) == 1
    for i in (0, 3, 10_000):
        moment = timeline.at(i)
        assert (moment.blend, moment.images, moment.segment.level) == (1.0, i * recipe.batch, None)
        assert moment.segment.lr_factor == 1.0
    assert Timeline(recipe, 2 * kimg, plan_kimg=kimg).iterations == max(1, round(2 * kimg * 1000 / recipe.batch))


def test_every_segment_has_an_iteration_however_small_the_budget():
    assert [s.iterations for s in Timeline(TWO, 0.01).segments] == [1, 1, 1, 1]


def test_one_batch_for_everything():
    timeline = Timeline(TWO.with_batch(16), 6.4)
    assert [s.batch for s in timeline.segments] == [16] * 4
    assert [s.iterations for s in timeline.segments] == [75, 75, 150, 100]
    assert [s.lr_factor for s in timeline.segments] == pytest.approx([0.5, 1.0, 2.0, 1.0])


def test_optimisers_start_afresh_with_a_phase_and_where_the_growth_says_so():
    a, b, c, d = Timeline(TWO, 6.4).segments
    assert b.starts_afresh(a)
    assert c.starts_afresh(b)
    assert d.starts_afresh(c)
    keeping = Growth(GROWTH.levels, reset_optimisers=False)
    a, b, _, d = Timeline(recipe_of(Phase("gan", STEPS, growth=keeping), FINE), 6.4).segments
    assert not b.starts_afresh(a)
    assert d.starts_afresh(b)


def test_the_published_schedules():
    """LIA: 25,000 and 14,000 kimg, 600 of each fade, 600 stable; ALAE: half of six epochs fade a level in."""
    recipe = make_recipe("lia-256", (3, 256, 256))
    timeline = Timeline(recipe, 39_000.0)
    ends = [s.images + s.iterations * s.batch for s in timeline.segments]
    assert [round(e / 1000) for e in ends] == [600, 1800, 3000, 4200, 5400, 25_000, 39_000]
    assert [s.level.size for s in timeline.segments[:-1]] == [8, 16, 32, 64, 128, 256]
    assert [s.batch for s in timeline.segments] == [16] * 6 + [128]
    assert [round(s.fading * s.batch / 1000) for s in timeline.segments] == [0, 600, 600, 600, 600, 600, 0]
    assert [s.lr_factor for s in timeline.segments] == pytest.approx([1, 1, 1, 1, 1.5, 2, 1])
    recipe = make_recipe("style-alae-128", (3, 128, 128))
    timeline = Timeline(recipe, 80.0)
    assert [s.batch for s in timeline.segments] == [128, 128, 128, 64, 32, 16]
    assert [round(s.iterations * s.batch / 1000) for s in timeline.segments] == [6, 6, 6, 6, 6, 50]
    assert all(s.fading == pytest.approx(s.iterations / 2, abs=1) for s in timeline.segments[1:-1])


@pytest.mark.parametrize(
    "levels",
    [
        (),
        (GrowthLevel(8, 1.0), GrowthLevel(32, 1.0)),
        (GrowthLevel(2, 1.0), GrowthLevel(4, 1.0)),
        (GrowthLevel(8, 0.0),),
        (GrowthLevel(8, -1.0, fade=2.0),),
        (GrowthLevel(8, 1.0, batch=0),),
    ],
)
def test_growth_that_cannot_be_is_refused(levels):
    with pytest.raises(ConfigError):
        Growth(levels)


def test_growth_must_end_at_the_images_size():
    with pytest.raises(ConfigError, match="ends at 8 pixels, but the images have 16"):
        recipe_of(Phase("gan", STEPS, growth=Growth((GrowthLevel(8, 1.0),))))
