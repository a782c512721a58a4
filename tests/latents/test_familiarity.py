"""Which pictures are called unlike the known ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small import SHAPE, small_model

from twoway.errors import ModelError
from twoway.latents import Familiarity, familiarity, unlike_training
from twoway.latents.codes import Codes


def known(model, w, **more):
    return Codes(w, tuple(map(str, range(len(w)))), None, model.fingerprint(), **more)


def on_a_line(count=101):
    """Codes one apart, so that each has its nearest other at the distance 1."""
    w = np.zeros((count, 1, 6), np.float32)
    w[:, 0, 0] = np.arange(count)
    return w


def test_codes_far_from_all_known_ones_are_unlike(model):
    usual = familiarity(model, known(model, on_a_line()))
    assert (usual.distance, usual.error, usual.score) == (1.0, None, None)
    code = torch.zeros(1, 6)
    code[0, 0] = 50.4
    assert unlike_training(model, code, usual) is None
    code[0, 1] = 3.0
    said = unlike_training(model, code[None], usual)
    assert "is 3.03 away from the nearest" in said
    assert "aligned" in said
    assert unlike_training(model, code, known(model, on_a_line())) == said


def test_the_bound_is_the_99th_percentile_of_the_distances_to_the_nearest_other(model):
    w = on_a_line()
    w[100, 0, 0] = 150.0  # one in 101 lies apart; the percentile falls on the largest but one
    usual = familiarity(model, known(model, w))
    assert usual.distance == pytest.approx(np.percentile([1.0] * 100 + [51.0], 99))


def test_errors_of_reconstructions_are_judged_for_images(model, generator):
    x = torch.rand(1, *SHAPE, generator=generator) * 2 - 1
    error = (model.reconstruct(x) - x).square().mean().item()
    w = np.repeat(model.encode(x).detach().numpy(), 40, 0)
    below = known(model, w, errors=np.full(40, error * 0.5, np.float32))
    said = unlike_training(model, x, below)
    assert f"an error of {error:.3g}" in said
    assert unlike_training(model, x[0], below) == said
    assert unlike_training(model, x, replace(below, errors=np.full(40, error * 2, np.float32))) is None
    assert unlike_training(model, model.encode(x), below) is None  # of a code alone no error is known


def test_scores_of_prior_codes_are_compared_with_those_of_known_pictures():
    vae = small_model("vae")
    far = torch.full((1, 1, 6), 9.0)
    usual = Familiarity(score=-5.0)
    assert "the score" in unlike_training(vae, far, usual)
    assert unlike_training(vae, torch.ones(1, 1, 6), usual) is None
    assert unlike_training(vae, far, Familiarity()) is None


def test_without_codes_samples_say_which_errors_are_usual():
    model = small_model()
    usual = familiarity(model)
    z = model.draw_prior(128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        x = model.decode(model.map(z))
        errors = (model.reconstruct(x) - x).square().flatten(1).mean(1)
    assert usual.error == pytest.approx(2 * np.percentile(errors.numpy(), 99), rel=1e-4)
    assert usual.codes is None
    said = unlike_training(model, torch.ones(SHAPE) * 9)
    assert "the pictures this model makes" in said
    assert unlike_training(model, x[3]) is None


def test_a_conditional_model_is_told_the_class():
    model = small_model("vae", classes=3)
    assert "unlike" in unlike_training(model, torch.ones(SHAPE) * 9, labels=1)
    with pytest.raises(ModelError, match="class"):
        unlike_training(model, torch.ones(SHAPE))


def test_where_nothing_is_known_nothing_is_said(model):
    assert familiarity(model, known(model, on_a_line(19))) == Familiarity()
    assert familiarity(model, replace(known(model, on_a_line()), w=None)) == Familiarity()
    assert familiarity(small_model("ae")) == Familiarity()
    infogan = small_model("infogan")
    assert unlike_training(infogan, torch.zeros(SHAPE)) is None


def test_what_does_not_fit_is_refused(model):
    with pytest.raises(ModelError, match="made by the model"):
        familiarity(model, replace(known(model, on_a_line()), fingerprint="0" * 16))
    for shape in ((2, *SHAPE), (2, 1, 6), (7,), (1, 9, 9)):
        with pytest.raises(ModelError, match="expected one image"):
            unlike_training(model, torch.zeros(shape), Familiarity())
