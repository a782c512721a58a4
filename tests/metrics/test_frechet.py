import pytest
import torch
from small import SHAPE, small_model

from twoway.data.pixels import to_uint8
from twoway.errors import DataError, ModelError
from twoway.features import FeatureSpec, build_features, default_features
from twoway.features.squeezenet import WEIGHTS_FILE
from twoway.metrics import evaluate
from twoway.metrics.frechet import Moments, feature_moments, fid, frechet_distance
from twoway.metrics.inputs import choose_rows
from twoway.metrics.sets import SampledSet


class Corner:
    """Feature double: the first few pixels."""

    title = "corner"

    def pooled(self, x):
        return x.flatten(1)[:, :5]

    def describe(self):
        return {"kind": "corner", "dim": 5}


def gaussian(seed, dim=4):
    draw = torch.Generator().manual_seed(seed)
    root = torch.randn(dim, dim, generator=draw, dtype=torch.float64)
    return Moments(torch.randn(dim, generator=draw, dtype=torch.float64), root @ root.T)


def test_gaussians_along_common_axes_have_a_closed_form():
    """Where covariances commute, the distance is that of the means plus that of the deviations along each axis."""
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64))[0]
    deviations = torch.tensor([[1.0, 2.0, 0.0], [3.0, 0.5, 4.0]], dtype=torch.float64)
    mean = torch.tensor([1.0, -2.0, 2.0], dtype=torch.float64)
    a, b = (
        Moments(shift, turn @ torch.diag(s**2) @ turn.T) for shift, s in zip((0 * mean, mean), deviations, strict=True)
    )
    assert frechet_distance(a, b) == pytest.approx(9 + 4 + 2.25 + 16)
    assert frechet_distance(b, a) == pytest.approx(31.25)


def test_gaussians_of_any_kind_agree_with_the_unsymmetric_form():
    a, b = gaussian(1), gaussian(2)
    eigenvalues = torch.linalg.eigvals(a.covariance @ b.covariance)
    traces = a.covariance.trace() + b.covariance.trace() - 2 * eigenvalues.real.sqrt().sum()
    expected = (a.mean - b.mean).square().sum() + traces
    assert frechet_distance(a, b) == pytest.approx(expected.item())
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, Moments(a.mean + 0.5, a.covariance)) == pytest.approx(4 * 0.25)


def test_moments_are_unbiased_and_singular_ones_work():
    x = torch.randn(9, 30, generator=torch.Generator().manual_seed(0))
    found = feature_moments(x)
    torch.testing.assert_close(found.covariance, torch.cov(x.double().T))
    assert frechet_distance(found, found) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(found, feature_moments(x + 1)) == pytest.approx(30, rel=1e-6)
    with pytest.raises(DataError, match="at least 2"):
        feature_moments(x[:1])


def test_draws_of_a_gaussian_come_near_it():
    draw = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 20000, 3, generator=draw).unbind(0)
    found = frechet_distance(feature_moments(a), feature_moments(3 * b + 1))
    assert found == pytest.approx(3 * (1 + 4), rel=0.03)


def test_of_a_model(model):
    test = torch.rand(60, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    results = evaluate(model, None, test, names=["fid", "fid-rec"], max_test=30, seed=2, features=Corner())
    real = test[torch.from_numpy(choose_rows(60, 30))]
    samples = SampledSet(model, 30, seed=2).all()
    for name, made in (("fid[corner]", samples), ("fid-rec[corner]", to_uint8(model.reconstruct(real)))):
        stats = [feature_moments(Corner().pooled(x.float() / 127.5 - 1)) for x in (to_uint8(real), made)]
        assert results[name]["value"] == pytest.approx(frechet_distance(*stats), rel=1e-4)
        assert results[name]["n_real"] == 30
        assert results[name]["dim"] == 5
        assert results[name]["against"] == "test"
        assert results[name]["features"] == {"kind": "corner", "dim": 5}
    with pytest.raises(ModelError, match="no prior"):
        evaluate(small_model("ae"), test, names=["fid"], features=Corner())


def test_the_features_are_squeezenets_where_its_weights_are(monkeypatch, tmp_path, model):
    monkeypatch.delenv("TWOWAY_WEIGHTS", raising=False)
    assert default_features().kind == "pyramid"
    x = torch.rand(12, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    found = evaluate(model, None, x, names=["fid-rec"])["fid-rec[pyramid]"]
    assert found["features"]["name"] == "pyramid"
    assert found["dim"] == build_features(FeatureSpec()).pooled(x).shape[1]
    for names, features in ((["fid-rec"], FeatureSpec()), (["fid-rec[pyramid]"], Corner())):
        assert evaluate(model, None, x, names=names, features=features)["fid-rec[pyramid]"] == found
    (tmp_path / WEIGHTS_FILE).touch()
    monkeypatch.setenv("TWOWAY_WEIGHTS", str(tmp_path))
    assert default_features().kind == "squeezenet"
    with pytest.raises(ModelError, match="cannot be read"):  # damaged weights are said, not passed over
        evaluate(model, None, x, names=["fid"])


def test_a_solver_that_gives_up_is_replaced(monkeypatch):
    """Covariances of few pictures are singular; now and then the fast solver finds no eigenvalues of them."""
    draw = torch.Generator().manual_seed(3)
    few = [feature_moments(torch.randn(6, 20, generator=draw)) for _ in range(2)]
    expected = frechet_distance(*few)

    def gives_up(matrix):
        raise torch.linalg.LinAlgError("failed to converge")

    monkeypatch.setattr(torch.linalg, "eigvalsh", gives_up)
    assert frechet_distance(*few) == pytest.approx(expected, rel=1e-6)


def test_features_that_never_vary_change_nothing_but_the_means():
    a, b = gaussian(1), gaussian(2)
    wider = [
        Moments(torch.cat([m.mean, extra * torch.ones(2)]), torch.block_diag(m.covariance, torch.zeros(2, 2)))
        for m, extra in ((a, 0.0), (b, 3.0))
    ]
    assert frechet_distance(*wider) == pytest.approx(frechet_distance(a, b) + 2 * 9)


def test_moments_do_not_depend_on_batches():
    """Not even in the last digit, nor for features whose mean is large beside their deviation."""
    x = torch.randn(2500, 7, generator=torch.Generator().manual_seed(0)) + 3e4
    whole = feature_moments(x)
    torch.testing.assert_close(whole.covariance, torch.cov(x.double().T), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(whole.mean, x.double().mean(0), rtol=1e-14, atol=0)
    for size in (1, 100, 1024, 1500, 3000):
        found = feature_moments(part for part in x.split(size))
        assert found.n == whole.n == 2500
        assert torch.equal(found.mean, whole.mean)
        assert torch.equal(found.covariance, whole.covariance)


def test_too_few_pictures_are_said_in_words():
    x, y = torch.randn(2, 12, 10, generator=torch.Generator().manual_seed(0)).unbind(0)
    assert "warning" not in fid(x, y).plain()
    found = fid(x, y[:10]).plain()
    assert "10 pictures are too few for 10 features" in found["warning"]
    assert (found["n_real"], found["n_made"], found["dim"]) == (12, 10, 10)
    assert found["means"] == pytest.approx((x.mean(0) - y[:10].mean(0)).square().sum().item())


def test_singular_covariances_agree_with_a_form_that_needs_none():
    """With x and y centred, the trace of the root is the sum of the singular values of x y^T, divided."""
    x, y = torch.randn(2, 9, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64).unbind(0)
    y = 2 * y + 1
    a, b = (part - part.mean(0) for part in (x, y))
    traces = (a.square().sum() + b.square().sum() - 2 * torch.linalg.svdvals(a @ b.T).sum()) / 8
    expected = (x.mean(0) - y.mean(0)).square().sum() + traces
    assert fid(x, y).value == pytest.approx(expected.item(), rel=1e-9)


def test_moments_that_cannot_be_compared():
    a = gaussian(0)
    with pytest.raises(DataError, match="4 numbers each and those of the other 5"):
        frechet_distance(a, gaussian(0, 5))
    with pytest.raises(DataError, match="NaN or infinite"):
        frechet_distance(a, Moments(a.mean, a.covariance * torch.nan))
    with pytest.raises(DataError, match="3 and 4 wide"):
        feature_moments(iter([torch.zeros(5, 3), torch.zeros(5, 4)]))
    with pytest.raises(DataError, match="picture 7"):
        feature_moments(iter([torch.zeros(5, 3), torch.tensor([[0.0], [0], [torch.nan]]).expand(3, 3)]))
