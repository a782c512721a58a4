"""Straightness of paths, edits taken back, prior codes of pictures: on linear models, with known answers."""

import math

import numpy as np
import pytest
import torch
from linear_toys import LinearEncoder, linear_model
from scipy import linalg, stats
from small import small_model
from toys import toy_images

from twoway.errors import ConfigError, DataError, ModelError
from twoway.features import FeatureExtractor
from twoway.metrics import METRICS, evaluate
from twoway.metrics.edit_consistency import edit_directions, evaluate_edit_consistency
from twoway.metrics.in_domain import compare_with_normal, evaluate_in_domain
from twoway.metrics.latent_paths import how_many
from twoway.metrics.session import Session
from twoway.metrics.straightness import evaluate_straightness, length_over_chord


class Pixels:
    title = "pixels"

    def pooled(self, x):
        return x.flatten(1)

    def describe(self):
        return {"name": self.title}


def pictures(model, n=60, seed=0):
    return model.sample(n, generator=torch.Generator().manual_seed(seed))


def test_paths_of_known_lengths():
    angle = torch.linspace(0, math.pi, 2001, dtype=torch.float64)
    half_circle = torch.stack([angle.cos(), angle.sin()], dim=1)
    line = torch.linspace(0, 1, 2001, dtype=torch.float64)[:, None] * torch.tensor([[3.0, 4.0]])
    there_and_back = torch.cat([line[:1001], line[:1000].flip(0)])
    found = length_over_chord(torch.stack([half_circle, line, there_and_back]))
    assert found[0].item() == pytest.approx(math.pi / 2, rel=1e-5)
    assert found[1].item() == pytest.approx(1, rel=1e-12)
    assert math.isnan(found[2].item())


def test_a_linear_model_is_straight_in_w_and_its_great_circles_are_not():
    model, *_ = linear_model(64, seed=1, mapping=True)
    model.nets["mapping"].matrix = torch.eye(64)
    model.nets["generator"].matrix = torch.eye(64)
    straight = evaluate_straightness(model, Pixels(), space="w", n_paths=40)
    assert straight.value == pytest.approx(1, abs=1e-5)
    arcs = evaluate_straightness(model, Pixels(), space="z", n_paths=40, steps=200)
    # nearly orthogonal ends of nearly equal lengths: a quarter of a circle over its chord
    assert arcs.value == pytest.approx(math.pi / 2 / math.sqrt(2), rel=0.02)
    assert (arcs.n_paths, arcs.steps, arcs.ends, arcs.without_chord) == (40, 200, "prior", 0)
    assert evaluate_straightness(model, Pixels(), space="z", n_paths=40, batch=7).value == pytest.approx(
        evaluate_straightness(model, Pixels(), space="z", n_paths=40).value, rel=1e-6
    )


def test_ends_can_be_codes_of_pictures_through_the_inverse_mapping():
    model, m, a = linear_model()
    x = pictures(model, 20)
    found = evaluate_straightness(model, Pixels(), x, space="z", n_paths=50, steps=400)
    assert (found.n_paths, found.ends) == (10, "pictures")
    order = np.random.default_rng(0).permutation(20).reshape(10, 2)
    z = x.flatten(1).double() @ torch.linalg.pinv(a) @ torch.linalg.inv(m)
    expected = []
    for i, j in order:  # the same arcs by Shoemake's formula
        p, q = z[i].numpy(), z[j].numpy()
        angle = np.arccos(p @ q / np.linalg.norm(p) / np.linalg.norm(q))
        t = np.linspace(0, 1, 400)[:, None]
        unit = (np.sin((1 - t) * angle) * p / np.linalg.norm(p) + np.sin(t * angle) * q / np.linalg.norm(q)) / np.sin(
            angle
        )
        path = unit * ((1 - t) * np.linalg.norm(p) + t * np.linalg.norm(q)) @ (m @ a).numpy()
        expected.append(np.linalg.norm(np.diff(path, axis=0), axis=1).sum() / np.linalg.norm(path[-1] - path[0]))
    assert found.value == pytest.approx(np.mean(expected), rel=1e-4)
    assert found.median == pytest.approx(np.median(expected), rel=1e-4)
    assert found.largest == pytest.approx(np.max(expected), rel=1e-4)


def test_noise_stays_the_same_along_a_path():
    """Fresh noise at every point would make every path many times its chord."""
    model = small_model("stylegan", (1, 8, 8))
    for module in model.nets["generator"].modules():
        if hasattr(module, "strength"):
            module.strength.data.fill_(1.0)
    assert evaluate_straightness(model, Pixels(), space="w", n_paths=5).value < 3


def test_what_has_no_straightness_says_so():
    constant, *_ = linear_model()
    constant.nets["generator"].matrix = torch.zeros(6, 64)
    with pytest.raises(ModelError, match="one picture from all codes"):
        evaluate_straightness(constant, Pixels(), n_paths=3)
    with pytest.raises(ConfigError):
        evaluate_straightness(constant, Pixels(), steps=2)
    broken, *_ = linear_model()
    broken.nets["generator"].matrix[:, 3] = torch.nan
    with pytest.raises(ModelError, match=r"3 of 3 paths in w pass by pictures whose features are not finite"):
        evaluate_straightness(broken, Pixels(), n_paths=3)

    class Holes(Pixels):  # one picture in the middle of one path
        calls = 0

        def pooled(self, x):
            self.calls += 1
            found = super().pooled(x).clone()
            found[1, 5] = torch.inf if self.calls == 4 else 0
            return found

    with pytest.raises(ModelError, match="1 of 3 paths"):
        evaluate_straightness(linear_model()[0], Holes(), n_paths=3, steps=7)
    with pytest.raises(DataError, match="at least two"):
        evaluate_straightness(constant, Pixels(), torch.zeros(1, 1, 8, 8), n_paths=3)
    with pytest.raises(ModelError, match="cannot be inverted"):
        evaluate_straightness(small_model("alae"), Pixels(), pictures(small_model("alae"), 4), space="z", n_paths=3)


def test_an_encoder_that_inverts_the_generator_takes_all_edits_back():
    model, *_ = linear_model()
    found = evaluate_edit_consistency(model, pictures(model))
    assert found.value < 1e-9
    assert len(found.each) == 4


def test_what_a_shrinking_encoder_leaves_of_edits():
    """E(G(w)) = s w: after an edit by d the code is s (w + d) - d, and the codes of pictures are s w."""
    model, _, a = linear_model()
    s = 0.8
    model.nets["encoder"] = LinearEncoder((s * torch.linalg.pinv(a)).float())
    x = pictures(model)
    w = x.flatten(1).double() @ torch.linalg.pinv(a) * s
    spread = (w - w.mean(0)).square().sum(1).mean()
    for kind in ("random", "principal"):
        steps = 1.5 * edit_directions(w, 3, kind, seed=2)
        expected = [((s * (w + d) - d - w).square().sum(1).mean() / spread).item() for d in steps]
        settings = {"directions": kind, "n_directions": 3, "strength": 1.5, "seed": 2}
        found = evaluate_edit_consistency(model, x, batch=17, **settings)
        np.testing.assert_allclose(found.each, expected, rtol=1e-4)
        assert found.value == pytest.approx(np.mean(expected), rel=1e-4)
        # (s - 1)^2 E |w|^2 over the variance
        unedited = (1 - s) ** 2 * w.square().sum(1).mean() / spread
        assert found.unedited == pytest.approx(unedited.item(), rel=1e-4)
        assert (found.n_pictures, found.strength, found.directions) == (60, 1.5, kind)


def test_directions_are_as_long_as_codes_deviate():
    scales = torch.tensor([3.0, 1.0, 0.5])
    codes = torch.randn(20000, 3, generator=torch.Generator().manual_seed(0)) * scales + 7
    principal = edit_directions(codes, 3, "principal")
    np.testing.assert_allclose(principal, np.diag(scales), atol=0.1)
    torch.testing.assert_close(
        (codes.double() @ principal.T / principal.norm(dim=1)).std(0), principal.norm(dim=1), rtol=1e-3, atol=0
    )
    drawn = edit_directions(codes, 5, "random")
    np.testing.assert_allclose(drawn.norm(dim=1), math.sqrt((9 + 1 + 0.25) / 3), rtol=0.02)


def test_edits_change_no_class():
    model = small_model("vae", classes=4)
    seen = []
    decode = model.decode
    model.decode = lambda w: seen.append(w) or decode(w)
    data = _Labelled(torch.from_numpy(toy_images(12))[:, None])
    assert evaluate_edit_consistency(model, data).value > 0
    assert len(seen) == 5
    for w in seen:
        assert torch.equal(w[:, 0, -4:].argmax(1), torch.arange(12) % 4)
        assert set(w[:, 0, -4:].flatten().tolist()) == {0.0, 1.0}


class _Labelled:
    def __init__(self, pictures):
        self.pictures, self.labels = pictures, np.arange(len(pictures)) % 4

    def __len__(self):
        return len(self.pictures)

    def read(self, indices):
        return self.pictures[list(indices)]


def test_edits_that_cannot_be_made_say_so():
    model = small_model()
    for wrong in ({"directions": "odd"}, {"n_directions": 0}):
        with pytest.raises(ConfigError, match="directions"):
            evaluate_edit_consistency(model, pictures(model, 5), **wrong)
    with pytest.raises(DataError, match="at least two"):
        evaluate_edit_consistency(model, pictures(model, 1))
    with pytest.raises(ModelError, match="same code"):
        evaluate_edit_consistency(model, pictures(model, 1).repeat(3, 1, 1, 1))
    with pytest.raises(ModelError, match="not the noise"):
        evaluate_edit_consistency(small_model("infogan"), pictures(small_model("infogan"), 4))


def test_prior_codes_beside_a_normal_distribution():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3000, 4)) @ rng.normal(size=(4, 4)) + rng.normal(size=4)
    found = compare_with_normal(torch.from_numpy(z))
    mean, covariance = z.mean(0), np.cov(z.T)
    expected = mean @ mean + np.trace(covariance + np.eye(4) - 2 * linalg.sqrtm(covariance).real)
    assert found.frechet == pytest.approx(expected, rel=1e-9)
    assert found.excess_kurtosis == pytest.approx(stats.kurtosis(z).mean(), rel=1e-9)
    assert found.variance == pytest.approx(z.var(0, ddof=1).mean(), rel=1e-9)
    assert found.norm2_per_dim == pytest.approx((z**2).sum(1).mean() / 4, rel=1e-9)
    assert found.mean_norm == pytest.approx(np.linalg.norm(mean), rel=1e-9)
    far = 2 * np.minimum(stats.chi2.cdf((z**2).sum(1), 4), stats.chi2.sf((z**2).sum(1), 4)) < 0.01
    assert found.unlikely == pytest.approx(far.mean(), rel=1e-9)


def test_draws_of_the_prior_are_at_the_floor():
    draws = torch.randn(2000, 10, generator=torch.Generator().manual_seed(4))
    found = compare_with_normal(draws)
    assert found.frechet == pytest.approx(found.floor, rel=0.6)
    assert found.frechet < 0.05
    assert found.excess_kurtosis == pytest.approx(0, abs=0.1)
    assert found.unlikely == pytest.approx(0.01, abs=0.01)
    shifted = compare_with_normal(draws - draws.mean(0) + 2)
    assert shifted.frechet == pytest.approx(4 * 10, rel=0.01)


def test_pictures_of_a_model_with_a_known_inverse_are_in_its_domain():
    model, _, _ = linear_model()
    found = evaluate_in_domain(model, pictures(model, 1500))
    assert found.frechet == pytest.approx(found.floor, abs=0.05)
    assert (found.n_pictures, found.dim) == (1500, 6)
    far = evaluate_in_domain(model, 3 * pictures(model, 1500))
    assert far.frechet == pytest.approx(6 * 4, rel=0.1)  # (3 - 1)^2 in each of six numbers
    assert far.norm2_per_dim == pytest.approx(9, rel=0.1)


def test_codes_that_have_no_domain_say_so():
    with pytest.raises(ModelError, match="cannot be inverted"):
        evaluate_in_domain(small_model("alae"), pictures(small_model("alae"), 4))
    with pytest.raises(ModelError, match="uniform"):
        evaluate_in_domain(small_model("bigan"), pictures(small_model("bigan"), 4))
    with pytest.raises(DataError, match="at least 2"):
        compare_with_normal(torch.zeros(1, 3))
    with pytest.raises(ModelError, match="not finite"):
        compare_with_normal(torch.full((3, 3), math.nan))


def test_all_are_registered_and_told_with_their_settings():
    model, *_ = linear_model()
    x = pictures(model, 40)
    names = [f"{name}-{space}" for name in ("ppl", "jacobian", "straightness") for space in ("z", "w")]
    names += ["ppl-z-end", "ppl-w-end", "edit-consistency", "in-domain"]
    found = evaluate(model, data_test=x, names=names, features=Whole(), n_samples=8, max_test=30)
    assert set(found) == {
        *(f"{name}[whole]" for name in names if METRICS[name].features),
        *(name for name in names if not METRICS[name].features),
    }
    for name, result in found.items():
        assert math.isfinite(result["value"]), name
        assert result.get("seed") == (None if name == "in-domain" else 0)
    assert found["ppl-w[whole]"]["n_pairs"] == 8
    assert found["in-domain"]["n_pictures"] == found["edit-consistency"]["n_pictures"] == 30
    assert not any(METRICS[name].default for name in names)
    with pytest.raises(ModelError, match="maps of features"):
        evaluate(model, names=["ppl-w"], features=Pixels(), n_samples=4)


class Whole(FeatureExtractor):
    """An extractor with one layer of features: the pixels."""

    name = "whole"
    layers = ("pixels",)

    def __init__(self):  # what it lists as options
        super().__init__()

    def forward(self, x):
        return (torch.cat([x, torch.ones_like(x)], dim=1),)

    def pooled(self, x):
        return x.flatten(1)


@pytest.mark.parametrize(
    ("n_samples", "max_test", "wanted"),
    [(None, None, 100), (50_000, None, 100), (8, 30, 8), (None, 30, 30), (50_000, 30, 100), (None, 500, 100)],
)
def test_samples_for_a_set_do_not_multiply_paths(n_samples, max_test, wanted):
    session = Session(small_model(), None, None, n_samples=n_samples, max_test=max_test)
    assert how_many(session, 100) == wanted
