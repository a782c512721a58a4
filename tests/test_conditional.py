"""Nets that are told labels: what they get, what they learn, what users may get wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from contract import batch, start
from small import small_model, small_recipe
from toys import SIDE, toy_file, toy_images

import twoway
from twoway.conditioning import class_count, lonely_classes, read_labels
from twoway.data import Batches
from twoway.errors import ConfigError, DataError, ModelError, UserError
from twoway.fit import check_fit
from twoway.latents.codes import encode_data
from twoway.latents.traversal import class_samples
from twoway.methods import make_recipe
from twoway.metrics import evaluate
from twoway.pipeline import Pipeline
from twoway.priors import Prior
from twoway.quantities import Chance, Quantities
from twoway.training.config import DataConfig, make_config
from twoway.training.distributed import World
from twoway.training.ema import EMA
from twoway.training.loop import Trainer
from twoway.training.streams import seeded

KINDS = 4


def kinds(x: torch.Tensor) -> list[int]:
    """Which bars pictures show: the kind whose mean picture is nearest."""
    real = batch(64).flatten(1)
    means = torch.stack([real[k::KINDS].mean(0) for k in range(KINDS)])
    return torch.cdist(x.flatten(1), means).argmin(1).tolist()


@pytest.fixture(scope="module")
def learned():
    """A conditional VAE that has seen some hundreds of batches of bars."""
    recipe = make_recipe("vae", (1, SIDE, SIDE), {"latent": 4, "hidden": 64, "classes": KINDS}).changed(
        {"batch": 32, "optim.lr": 0.003, "optim.schedule.kind": "constant", "averaging.halflife_kimg": 0.5}
    )
    model, runner = start(recipe)
    ema, x, order = EMA(model), batch(256), torch.Generator().manual_seed(0)
    for i in range(200):
        chosen = torch.randint(len(x), (32,), generator=order)
        runner.iterate(recipe.phases[0], x[chosen], i, i / 200, chosen % KINDS)
        ema.update(32, i * 0.032)
    return ema.model


@torch.no_grad()
def test_samples_are_of_the_class_asked_for(learned):
    for k in range(KINDS):
        assert kinds(learned.sample(20, labels=k, generator=seeded(0, "samples"))) == [k] * 20
    wanted = [3, 1, 1, 0, 2]
    assert kinds(learned.sample(5, labels=wanted, generator=seeded(0, "samples"))) == wanted
    assert set(kinds(learned.sample(60, generator=seeded(0, "samples")))) == set(range(KINDS))
    by_class = class_samples(learned, 3, generator=seeded(0, "samples"))
    assert by_class.shape == (3, KINDS, 1, SIDE, SIDE)
    assert kinds(by_class.flatten(0, 1)) == list(range(KINDS)) * 3


@torch.no_grad()
def test_a_code_decodes_to_its_own_class_or_another(learned):
    x = batch(40)
    w = learned.encode(x, torch.arange(40) % KINDS)
    assert w.shape == (40, 1, 4 + KINDS)
    assert (learned.decode(w) - x).square().mean() < 0.05
    assert kinds(learned.decode(w, labels=2)) == [2] * 40
    assert kinds(learned.decode(w[..., :4], labels=2)) == [2] * 40  # codes without a class
    assert torch.equal(learned.inferred(w), w[:, 0, :4])
    pulled = learned.truncate(w, 0.0)
    assert torch.equal(pulled[..., 4:], w[..., 4:])
    torch.testing.assert_close(pulled[..., :4], learned.w_avg[:, :4].expand(40, 1, 4))


@torch.no_grad()
def test_it_saves_and_takes_pictures_with_their_labels(learned, tmp_path):
    again = twoway.load(learned.save(tmp_path / "model"))
    assert again.fingerprint() == learned.fingerprint()
    pipe, wanted = Pipeline(again), [0, 3, 2] * 15  # more than a batch
    made = pipe.generate(seeds=range(45), labels=wanted, output_type="pt")
    assert kinds(made) == wanted
    torch.testing.assert_close(pipe.generate(seeds=[44], labels=2, output_type="pt"), made[44:])
    pictures = pipe.generate(seeds=range(45), labels=wanted, output_type="np")
    w = pipe.encode(list(pictures), wanted)
    assert w[:, 0, 4:].argmax(1).tolist() == wanted
    assert kinds(pipe.reconstruct(list(pictures), wanted, output_type="pt")) == wanted
    with pytest.raises(ModelError, match="Got 46 labels for 45 pictures"):
        pipe.encode(list(pictures), [*wanted, 0])


def test_data_sets_bring_their_labels(learned, tmp_path):
    data = DataConfig.make(str(toy_file(tmp_path, 64))).open()
    codes = encode_data(learned, data, batch=24)
    assert codes.w[:, 0, 4:].argmax(1).tolist() == (np.arange(64) % KINDS).tolist()
    found = evaluate(learned, data, None, ["mse", "code-consistency"], max_test=40, batch=16)
    assert found["mse"]["value"] < 0.05
    assert "knn" not in evaluate(learned, data)
    with pytest.raises(ModelError, match="told the class"):
        evaluate(learned, data, None, ["knn"])
    data.labels = None
    with pytest.raises(DataError, match="conditional model"):
        evaluate(learned, data, None, ["mse"])


def test_generator_encoder_and_critic_get_the_label_of_their_row():
    model = small_model("bigan", classes=3)
    y = torch.eye(3)[[2, 0, 1, 1]]
    z = torch.randn(4, 6, generator=seeded(0, "z"))
    x = batch(4)
    q = Quantities(model.nets, view="pair", x=x, chance=Chance(lambda: z, torch.randn), y=y)
    made = model.nets["generator"](torch.cat([z, y], 1)[:, None])
    code = model.nets["encoder"](x, y)
    torch.testing.assert_close(q["x_fake"], made)
    torch.testing.assert_close(q["w_real"], code)
    torch.testing.assert_close(q["score_fake"], model.nets["critic"](torch.cat([made.flatten(1), z, y], 1)))
    torch.testing.assert_close(q["score_real"], model.nets["critic"](torch.cat([x.flatten(1), code[:, 0], y], 1)))
    assert q["w"].shape == (4, 1, 6)  # terms see codes alone


def test_the_mean_code_carries_the_share_of_each_class():
    model, runner = start(small_recipe("jlr", classes=KINDS).changed({"averaging.w_decay": 0.0}))
    runner.iterate(model.recipe.phases[0], batch(8), 0, labels=torch.tensor([0, 0, 0, 0, 1, 1, 2, 3]))
    assert model.w_avg[0, 6:].tolist() == [0.5, 0.25, 0.125, 0.125]
    assert model.w_avg[0, :6].abs().max() > 0
    with pytest.raises(ConfigError, match="told labels"):
        runner.iterate(model.recipe.phases[0], batch(8), 1)


def config_of(folder, **changes):
    overrides = {"training.checkpoint_kimg": 0.096, "training.eval_kimg": 0, "training.sample_kimg": 0.096, **changes}
    return make_config(
        "vae", data=DataConfig.make(str(toy_file(folder, 100))), options={"hidden": 16, "latent": 4}, kimg=0.32,
        batch=32, device="cpu", overrides=overrides, conditional=True,
    )  # fmt: skip


def test_every_process_gets_the_labels_of_its_pictures(tmp_path):
    """Through three epochs, and after going back."""
    config, data = config_of(tmp_path)
    assert config.recipe.labels == KINDS
    for rank in range(2):
        trainer = Trainer(tmp_path, config, data, world=World(rank=rank, size=2))
        moment = trainer.timeline.at(0)
        seen = []
        for _ in range(8):
            position = trainer.batches.position
            shown = kinds(trainer._next_images(moment))
            labels = trainer._labels_at(position)
            assert shown == labels.tolist()
            seen.append(labels)
        trainer.batches.seek(6)
        assert torch.equal(trainer._labels_at(trainer.batches.position), seen[6])
        whole = Batches(data, 32, seed=0).rows(6) % KINDS
        assert torch.equal(seen[6], whole[16 * rank : 16 * rank + 16])


BAD = {
    "missing": (None, 4, "Give labels="),
    "needless": (1, 0, "knows no classes"),
    "outside": ([0, 4, 1], 4, "no class 4"),
    "negative": (-1, 4, "no class -1"),
    "too few": ([0, 1], 4, "2 labels for 3 pictures"),
    "fractions": (torch.tensor([0.0, 1.0, 2.0]), 4, "whole numbers"),
    "one-hot": (torch.eye(3, dtype=torch.long), 3, "whole numbers"),
}


@pytest.mark.parametrize(("labels", "classes", "says"), BAD.values(), ids=BAD)
def test_labels_that_do_not_fit_a_model(labels, classes, says):
    with pytest.raises(ModelError, match=says):
        read_labels(labels, classes, 3, method="vae")


def test_models_say_what_they_want_to_be_told():
    told, plain, x = small_model("vae", classes=KINDS), small_model("vae"), batch(2)
    for call in (told.encode, told.reconstruct, told.represent, told.encode_distribution, told.encode_features):
        with pytest.raises(ModelError, match="0 to 3"):
            call(x)
    for call in (plain.encode, plain.reconstruct):
        with pytest.raises(ModelError, match="--conditional"):
            call(x, 1)
    with pytest.raises(ModelError, match="--conditional"):
        plain.sample(2, labels=0)
    with pytest.raises(ModelError, match="no class 9"):
        told.sample(2, labels=9)


UNFIT = {
    "none": (None, 4, "the class of every picture"),
    "outside": ([0, 1, 2, 5], 3, "no classes of the recipe: 5"),
    "negative": ([-1, 0, 1], 2, "no classes of the recipe: -1"),
    "gap": ([0, 0, 2, 2], 3, "no picture: 1"),
    "more classes": ([0, 1], 4, "no picture: 2, 3"),
}


@pytest.mark.parametrize(("labels", "classes", "says"), UNFIT.values(), ids=UNFIT)
def test_data_that_do_not_fit_a_conditional_recipe(labels, classes, says):
    with pytest.raises(UserError, match=says):
        lonely_classes(None if labels is None else np.array(labels), classes, "bars.npz")


def test_classes_of_data():
    assert class_count(np.array([0, 2, 1, 2]), "bars.npz") == 3
    with pytest.raises(DataError, match="at least two classes"):
        class_count(np.zeros(5, int), "bars.npz")
    assert lonely_classes(np.array([0, 0, 1, 2, 2, 3]), 4, "bars.npz") == [1, 3]


def test_a_class_with_one_picture_is_noted_and_missing_labels_are_refused(tmp_path):
    config, data = config_of(tmp_path)
    data.labels = np.array([0] + [1, 2, 3] * 33)
    assert Trainer(tmp_path, config, data).snapshots.notes == ["only one picture shows what class 0 looks like"]
    data.labels = None
    with pytest.raises(DataError, match="class of every picture"):
        Trainer(tmp_path, config, data)
    np.savez(tmp_path / "plain.npz", images=toy_images(64))
    with pytest.raises(DataError, match="class of every picture"):
        make_config("vae", data=DataConfig.make(str(tmp_path / "plain.npz")), conditional=True)
    with pytest.raises(ConfigError, match="has no option 'classes'"):
        make_config("alae", data=config.data, conditional=True)
    with pytest.raises(ConfigError, match="finds in the pictures itself"):
        make_config("infogan", data=config.data, conditional=True)


def test_recipes_whose_parts_do_not_fit_their_classes():
    told = small_recipe("jlr", classes=KINDS)
    assert check_fit(told) == (1, 6 + KINDS)
    assert told.from_text(told.to_text()) == told
    with pytest.raises(ConfigError, match="at least 2"):
        small_recipe("vae", classes=1)
    with pytest.raises(ConfigError, match=r"categorical\(4\)"):
        replace(told, prior=Prior.from_plain("uniform(6)"))
    with pytest.raises(ConfigError, match="no mapping"):
        replace(small_recipe("alae"), labels=KINDS)
    with pytest.raises(ConfigError, match=r"encoder\.beside"):
        check_fit(told.changed({"nets.encoder.beside": 0}))
    with pytest.raises(ConfigError, match=r"encoder\.beside"):
        check_fit(small_recipe("ae").changed({"nets.encoder.beside": 3}))
    with pytest.raises(ConfigError, match="generator"):
        check_fit(told.changed({"nets.generator.w_dim": 6}))
    with pytest.raises(ConfigError, match="critic"):
        check_fit(told.changed({"nets.critic.inputs": SIDE * SIDE}))
