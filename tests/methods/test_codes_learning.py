"""Methods with interpretable codes name the kinds of the toy pictures without having seen a label."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contract import batch, start
from scipy.optimize import linear_sum_assignment
from toys import SIDE

from twoway.methods import make_recipe
from twoway.training.ema import EMA
from twoway.training.steps import matmul_precision
from twoway.training.streams import seeded


@pytest.mark.parametrize(
    ("name", "options", "iterations"),
    [
        ("infovaegan", {}, 400),
        ("infovaegan", {"flavour": "faithful"}, 400),
        ("infovaegan", {"flavour": "wgan-gp"}, 400),
        ("infogan", {}, 400),
    ],
)
def test_four_kinds_of_bars_become_four_classes(name, options, iterations):
    sizes = {"latent": 8, "classes": 4, "continuous": 1, "hidden": 64, "nets": "mlp"}
    recipe = make_recipe(name, (1, SIDE, SIDE), {**sizes, **options}).changed({"averaging.halflife_kimg": 1.0})
    x = batch(256)
    model, runner = start(recipe)
    ema = EMA(model)
    order = torch.Generator().manual_seed(0)
    with matmul_precision(recipe.matmul):
        for i in range(iterations):
            rows = torch.randint(len(x), (64,), generator=order)
            stats = runner.iterate(recipe.phases[0], x[rows], i, i / iterations)
            ema.update(64, i * 0.064)
    with torch.no_grad():
        found = ema.model.encode_code(x).logits.argmax(1).numpy()
        made = ema.model.sample(100, generator=seeded(0, "samples")).flatten(1)
    table = np.zeros((4, 4), int)
    np.add.at(table, (found, np.arange(256) % 4), 1)
    print(table, {k: round(v, 3) for k, v in stats.items()})
    far = torch.cdist(x.flatten(1).mean(0, keepdim=True), x.flatten(1)).min()
    print(torch.cdist(made, x.flatten(1)).min(1).values.mean() / far)
    assert table[linear_sum_assignment(-table)].sum() > 0.95 * 256
