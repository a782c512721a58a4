"""What every registered method must keep to: the methods and their tables, and that each learns.

`test_contract_steps.py` and `test_contract_models.py` hold the rest of the contract, for the same `FLAVOURS`.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from contract import batch, labels_of, moments, start
from small import GROWING_METHODS, READ_CODES, STYLE_METHODS
from toys import SIDE, toy_recipe

from twoway.conditioning import carried_labels
from twoway.methods import METHODS, PRESETS, make_recipe
from twoway.model import TwoWayModel
from twoway.recipe import Recipe
from twoway.training.ema import EMA
from twoway.training.steps import matmul_precision
from twoway.training.streams import seeded

MODERN = {"flavour": "modern"}
TOLD = {"classes": 4}
FLAVOURS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in METHODS),
    ("alae", MODERN),
    ("ae", {"norm": "l1"}),
    *((name, TOLD) for name in ("ae", "vae", "bigan", "jlr", "aae", "ali", "vae-gan", "factor-vae")),
    *((name, {**TOLD, "nets": "conv"}) for name in ("vae", "bigan")),
    *((name, {**MODERN, "grow": grow}) for name in ("lia", "style-alae") for grow in (False, True)),
    ("stylegan", {**MODERN, "grow": True}),
    ("vaegan-z", MODERN),
    ("style-alae", {"grow": False}),
    ("infovaegan", {"views": True}),
    ("lia", {"head": "batch_norm", "coupling": "affine", "in_domain": 0.1}),
]


def contract_recipe(name: str, options: dict[str, Any]) -> Recipe:
    """A small recipe; two-stage methods grow from 8 pixels, so that theirs is for 16. Modern style nets augment."""
    growing = name in STYLE_METHODS and name != "style-alae" and options != MODERN and options.get("grow", True)
    recipe = toy_recipe(name, side=2 * SIDE if growing else SIDE, **options)
    if options.get("flavour") == "modern" and name in STYLE_METHODS:
        recipe = recipe.changed({"augment": {"kind": "ada", "p": 0.5}})
    return recipe


def test_the_contract_meets_every_resolution_and_phase():
    segments = [m.segment for m in moments(contract_recipe("lia", {}))]
    assert [(s.phase.name, s.level and s.level.size) for s in segments] == [
        ("gan", 8),
        ("gan", 16),
        ("gan", 16),
        ("encoder", None),
    ]
    met = [m.segment.level.size for m in moments(contract_recipe("style-alae", {}))]
    assert met == [4, 8, 8]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_prints_as_text_that_reads_back(name):
    recipe = make_recipe(name, (1, 32, 32))
    assert Recipe.from_text(recipe.to_text()) == recipe


# What it takes to learn the toy set in seconds. ALAE's gradient penalty and weights are set for pictures of 784 pixels;
# on 64 pixels its critic would be too weak to teach anybody anything in time.
TOGETHER = "phases.train.steps.together.terms"
LEARNING = {
    "alae": {"optim.lr": 0.005, "phases.train.steps.discriminate.terms.r1": 4.0},
    "alae-modern": {
        "optim.lr": 0.007,
        f"{TOGETHER}.r1.value": 2.0,
        f"{TOGETHER}.latent_reciprocity": 2.0,
        f"{TOGETHER}.spectral_contrast": 0.1,
        "input_noise.start": 0.1,
        "input_noise.end": 0.0,
    },
    # a few bars are told in far fewer nats than digits
    "introvae": {f"phases.train.steps.encode.terms.kl_hinge_{k}.options.margin": 10.0 for k in ("rec", "fake")},
}
ITERATIONS = {
    **{"ae": 200, "vae": 300, "lr": 500, "jlr": 500, "bigan": 500, "alae": 700, "alae-modern": 700},
    **{"age": 250, "introvae": 300, "soft-introvae": 250},
    **{"beta-vae": 300, "info-vae": 300, "factor-vae": 300, "vamp-prior": 300, "aae": 400, "vae-gan": 400},
    **{"ali": 500, "veegan": 600},
}
# Squared pixel error of reconstructions; a method that learns nothing is near 0.7, the variance of the pixels.
RECONSTRUCTS = {
    **{"ae": 0.05, "vae": 0.05, "alae-modern": 0.1, "age": 0.1, "introvae": 0.05, "soft-introvae": 0.05},
    **{"beta-vae": 0.05, "info-vae": 0.05, "factor-vae": 0.05, "vamp-prior": 0.05, "aae": 0.05, "vae-gan": 0.05},
    **{"ali": 0.1, "veegan": 0.1},
}
# Squared error of E(G(w)) over the variance of w; 1 is as good as always saying the mean.
RECIPROCATES = {"alae": 0.6, "alae-modern": 0.3, "lr": 0.9, "jlr": 0.85, "veegan": 0.6}
SAMPLES = (
    *("vae", "bigan", "lr", "jlr", "alae", "alae-modern", "age", "introvae", "soft-introvae"),
    *("beta-vae", "info-vae", "factor-vae", "vamp-prior", "aae", "vae-gan", "ali", "veegan"),
)


def trained_on_toys(name: str, options: dict[str, Any], x: torch.Tensor) -> TwoWayModel:
    """The average of a model that has seen some hundreds of batches; pairs, where wanted, are of a kind."""
    kind = "-".join([name, *(v for v in options.values() if v == "modern")])
    recipe = make_recipe(name, (1, SIDE, SIDE), {"latent": 16, "hidden": 128, **options}).changed(
        {
            "batch": 32,
            "optim.lr": 0.002,
            "optim.schedule.kind": "constant",
            "averaging.halflife_kimg": 1.0,
            **LEARNING.get(kind, {}),
        }
    )
    model, runner = start(recipe)
    ema = EMA(model)
    order = torch.Generator().manual_seed(0)
    iterations = ITERATIONS[kind]
    with matmul_precision(recipe.matmul):
        for i in range(iterations):
            chosen = torch.randint(len(x), (32,), generator=order)
            if recipe.neighbours is not None:  # every fourth picture is of the same kind
                chosen[16:] = (chosen[:16] + 4 * torch.randint(len(x) // 4, (16,), generator=order)) % len(x)
            told = chosen % recipe.labels if recipe.labels else None
            runner.iterate(recipe.phases[0], x[chosen], i, i / iterations, told)
            ema.update(32, i * 0.032)
    return ema.model


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (n, o)
        for n, o in FLAVOURS
        if n not in (*GROWING_METHODS, *READ_CODES) and ("classes" not in o or (n, o) == ("vae", {"classes": 4}))
    ],
    ids=lambda v: str(v) if v else "",
)
def test_it_learns_on_a_toy_set(name, options):
    """Reconstructions, reciprocity and samples are good, each for the methods that train it."""
    x = batch(256)
    model = trained_on_toys(name, options, x)
    kind = "-".join([name, *(v for v in options.values() if v == "modern")])
    with torch.no_grad():
        if kind in RECONSTRUCTS:
            assert (model.reconstruct(x, labels_of(model.recipe, len(x))) - x).square().mean() < RECONSTRUCTS[kind]
        if kind in RECIPROCATES:
            w = model.map(model.recipe.prior.sample(200, generator=seeded(0, "codes")))
            w, again = model.inferred(w), model.represent(model.decode(w), carried_labels(w, model.recipe.labels))
            error = (again - w).square().mean() / w.var(0).mean()
            assert error < RECIPROCATES[kind]
        if kind in SAMPLES:
            made = model.sample(200, generator=seeded(0, "samples")).flatten(1)
            real = x.flatten(1)
            # a sample is much nearer to some picture than the mean of all is, and all four kinds of bars come up
            far = torch.cdist(real.mean(0, keepdim=True), real).min()
            assert torch.cdist(made, real).min(1).values.mean() < 0.6 * far
            bars = torch.stack([real[k::4].mean(0) for k in range(4)])
            assert torch.cdist(made, bars).argmin(1).bincount(minlength=4).min() > 0
