import json
import math

import mpmath
import numpy as np
import pytest
import torch
from scipy import stats
from small import SHAPE, small_model
from torch import nn

from twoway.data import open_data
from twoway.errors import ModelError
from twoway.latents import in_domain
from twoway.latents.codes import Codes, encode_data, load_codes, save_codes
from twoway.latents.in_domain import can_score, score_prior_codes


class Doubling(nn.Module):
    def forward(self, z):
        return 2 * z.unsqueeze(1)

    def inverse(self, w):
        return w[:, 0] / 2


def codes_of_length(norm2, dim):
    z = np.zeros((len(norm2), dim))
    z[:, 0] = np.sqrt(norm2)
    return z


@pytest.mark.parametrize("dim", [1, 2, 7, 50, 512])
def test_probabilities_are_those_of_scipy(dim):
    norm2 = np.linspace(0.3, 2.0, 40) * dim
    found = score_prior_codes(codes_of_length(norm2, dim))
    np.testing.assert_allclose(found.z_norm2_per_dim, norm2 / dim)
    np.testing.assert_allclose(found.percentile, 100 * stats.chi2.cdf(norm2, dim), rtol=1e-9, atol=1e-12)
    lower, upper = stats.chi2.logcdf(norm2, dim), stats.chi2.logsf(norm2, dim)
    tail = np.minimum(0, np.log10(2) + np.minimum(lower, upper) / np.log(10))
    np.testing.assert_allclose(found.log10_tail, tail, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("norm2", "dim"), [(1e4, 50), (1e6, 512), (1e-6, 50), (1e-3, 512)])
def test_far_tails_stay_finite_and_exact(norm2, dim):
    """Where float64 has no number left for the probability itself."""
    found = score_prior_codes(codes_of_length(np.array([norm2]), dim)).log10_tail[0]
    with mpmath.workdps(60):
        ends = (norm2 / 2, mpmath.inf) if norm2 > dim else (0, norm2 / 2)
        expected = mpmath.log10(2 * mpmath.gammainc(mpmath.mpf(dim) / 2, *ends, regularized=True))
    assert found == pytest.approx(float(expected), rel=1e-9)
    assert found < -100


def test_zeros_and_giants_are_finite_and_draws_are_uniform():
    found = score_prior_codes(np.stack([np.zeros(8), np.full(8, 1e200)]))
    assert np.isfinite(found.log10_tail).all()
    assert (found.log10_tail < -300).all()
    draws = score_prior_codes(torch.randn(20000, 64, generator=torch.Generator().manual_seed(0)).numpy())
    assert stats.kstest(draws.percentile / 100, "uniform").pvalue > 0.01
    assert np.mean(draws.log10_tail < -1) == pytest.approx(0.1, abs=0.01)
    assert json.loads(json.dumps(found.plain()))["dim"] == 8


def test_pictures_of_a_model(model):
    model.nets["mapping"] = Doubling()
    x = torch.rand(9, *SHAPE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = in_domain(model, x)
    z = model.encode(x)[:, 0].detach().double() / 2
    np.testing.assert_allclose(found.z_norm2_per_dim, (z.square().sum(1) / 6).numpy(), rtol=1e-5)
    assert found.dim == 6
    assert can_score(model)


def test_models_without_prior_codes_are_refused(model):
    with pytest.raises(ModelError, match="cannot be inverted"):
        in_domain(model, torch.zeros(1, *SHAPE))
    assert not can_score(model)
    assert not can_score(small_model("ae"))
    assert can_score(small_model("vae"))
    uniform = small_model("vae")
    object.__setattr__(uniform.recipe, "prior", type(uniform.recipe.prior).from_plain("uniform(6)"))
    with pytest.raises(ModelError, match=r"uniform\(6\)"):
        in_domain(uniform, torch.zeros(1, *SHAPE))


def test_codes_files_hold_prior_codes_and_scores(model, tmp_path):
    data = open_data("digits")
    plain = encode_data(model, data, limit=10)
    assert plain.z is plain.in_domain is None
    model.nets["mapping"] = Doubling()
    codes = encode_data(model, data, limit=10, batch=3)
    np.testing.assert_allclose(codes.z, codes.w[:, 0] / 2, rtol=1e-6)
    np.testing.assert_allclose(codes.in_domain, score_prior_codes(codes.z).log10_tail)
    save_codes(tmp_path / "c.npz", codes)
    again = load_codes(tmp_path / "c.npz", model)
    assert np.array_equal(again.z, codes.z)
    assert np.array_equal(again.in_domain, codes.in_domain)
    assert again.names == codes.names


def test_codes_files_of_before_are_read(model, tmp_path):
    w = np.zeros((2, 1, 6), np.float32)
    np.savez(tmp_path / "old.npz", w=w, names=np.array(["a", "b"]), fingerprint=np.array("0" * 16))
    old = load_codes(tmp_path / "old.npz")
    assert old.names == ("a", "b")
    assert old.labels is old.z is old.in_domain is None
    save_codes(tmp_path / "new.npz", Codes(w, ("a", "b"), None, "0" * 16))
    assert set(np.load(tmp_path / "new.npz").files) == {"w", "names", "fingerprint"}
    assert math.isclose(load_codes(tmp_path / "new.npz").w.sum(), 0)
