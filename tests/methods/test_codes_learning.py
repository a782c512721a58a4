"""Methods with interpretable codes on the toy bars, without labels."""

from __future__ import annotations

import pytest
import torch
from contract import batch, start
from toys import SIDE, toy_file

from twoway.data import open_data
from twoway.methods import make_recipe
from twoway.metrics import evaluate
from twoway.training.config import DataConfig, make_config
from twoway.training.entry import model_of_run, start_run
from twoway.training.steps import matmul_precision

SIZES = {"latent": 8, "classes": 4, "continuous": 1, "hidden": 64, "nets": "mlp"}


def test_classes_of_real_pictures_are_their_kinds(tmp_path):
    """With views of real pictures: four kinds of bars become four classes, and made classes are of one kind each."""
    data = DataConfig.make(str(toy_file(tmp_path, 512)))
    config, _ = make_config("infovaegan", data=data, options={**SIZES, "views": True}, kimg=20.0)
    # turned or slanted a little, a bar is still the same bar
    run = start_run(config, data.open(), outdir=tmp_path / "runs", final_metrics=()).run
    model = model_of_run(str(run))
    found = evaluate(model, open_data(toy_file(tmp_path, 512)), None, ["unsupervised-accuracy"])
    assert found["unsupervised-accuracy"]["value"] > 95


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("infovaegan", {}),
        ("infovaegan", {"flavour": "faithful"}),
        ("infovaegan", {"flavour": "wgan-gp"}),
        ("infogan", {}),
    ],
)
def test_the_class_of_a_made_picture_can_be_read_off_it(name, options):
    """The bound on the information rises towards log 4."""
    recipe = make_recipe(name, (1, SIDE, SIDE), {**SIZES, **options}).changed({"optim.lr": 1e-3})
    x = batch(256)
    model, runner = start(recipe)
    order = torch.Generator().manual_seed(0)
    with matmul_precision(recipe.matmul):
        for i in range(200):
            runner.iterate(recipe.phases[0], x[torch.randint(len(x), (64,), generator=order)], i, i / 200)
    model.eval()
    told = evaluate(model, None, None, ["code-recovery"], max_test=1000)["code-recovery"]
    assert told["class_accuracy"] > 95
    assert told["class_nats"] > 0.7  # of log 4 = 1.39; InfoGAN's critic learns at a fifth of the generator's rate
