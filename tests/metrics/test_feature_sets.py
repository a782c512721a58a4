"""KID, precision and recall, density and coverage, and what all measures of feature sets refuse."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from feature_matrices import CASES, feature_pair
from small import SHAPE

from twoway.errors import ConfigError, DataError
from twoway.metrics import evaluate
from twoway.metrics.density_coverage import density_coverage
from twoway.metrics.feature_sets import ball_radii, squared_distances
from twoway.metrics.frechet import fid, frechet_distance
from twoway.metrics.kid import kernel_distance, subset_distances
from twoway.metrics.precision_recall import precision_recall

GOLDEN = json.loads((Path(__file__).parents[1] / "fixtures" / "torch_fidelity_figures.json").read_text())
ALL = {"fid": fid, "kid": kernel_distance, "precision": precision_recall, "density": density_coverage}


def pair(name):
    return tuple(torch.from_numpy(part) for part in feature_pair(name))


def cloud(n, dim=3, seed=0):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_torch_fidelity(case):
    """Of the same float32 features, and for KID of the same subsets; fewer pictures than features in one case."""
    real, made = pair(case)
    golden = GOLDEN["figures"][case]
    assert fid(real, made).value == pytest.approx(golden["frechet_inception_distance"], rel=1e-4)
    found = precision_recall(real, made)
    for name in ("precision", "recall", "f_score"):
        assert getattr(found, name) == pytest.approx(golden[name], rel=1e-6)
    size = min(GOLDEN["size"], len(real), len(made))
    rng = np.random.RandomState(2020)  # theirs
    choices = []
    for _ in range(GOLDEN["subsets"]):
        of_made, of_real = (rng.choice(len(part), size, replace=False) for part in (made, real))
        choices.append((torch.from_numpy(of_real), torch.from_numpy(of_made)))
    distances = subset_distances(real, made, choices)
    assert distances.mean().item() == pytest.approx(golden["kernel_inception_distance_mean"], rel=1e-4)
    assert distances.std(correction=0).item() == pytest.approx(golden["kernel_inception_distance_std"], rel=1e-4)


def naive_kid(x, y):
    """Both sums written out."""

    def kernel(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    m, n = len(x), len(y)
    x, y = x.tolist(), y.tolist()
    within_x = sum(kernel(x[i], x[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    within_y = sum(kernel(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    return within_x + within_y - 2 * sum(kernel(a, b) for a in x for b in y) / (m * n)


def test_kid_is_the_double_loop():
    x, y = cloud(9), 1.5 * cloud(9, seed=1) + 0.3
    found = kernel_distance(x, y)
    assert found.value == pytest.approx(1e3 * naive_kid(x, y), rel=1e-9)
    assert (found.size, found.subsets, found.sd) == (9, 1, None)  # more subsets would all be the same


@pytest.mark.parametrize("n", [12, 60])
def test_kid_averages_subsets(n):
    """Few subsets of many pictures are computed one by one, many of few from the kernels of all; both are the loop."""
    x, y = cloud(n), cloud(n + 1, seed=1) + 0.3
    draw = torch.Generator().manual_seed(5)
    choices = [tuple(torch.randperm(len(part), generator=draw)[:8] for part in (x, y)) for _ in range(6)]
    found = subset_distances(x, y, choices)
    expected = [naive_kid(x[a], y[b]) for a, b in choices]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)
    summary = kernel_distance(x, y, subsets=6, size=8, seed=5)
    assert summary.value == pytest.approx(1e3 * np.mean(expected))
    assert summary.sd == pytest.approx(1e3 * np.std(expected))


def test_kid_of_one_distribution_is_zero_within_its_spread():
    found = kernel_distance(cloud(900), cloud(900, seed=1), subsets=30, size=300)
    assert abs(found.value) < 2 * found.sd
    assert kernel_distance(cloud(900), cloud(900, seed=1) + 0.2, subsets=30, size=300).value > 5 * found.sd


def brute(real, made, k):
    """Distances from the differences themselves, and the radius of every ball, in float64."""
    a, b = real.double().numpy(), made.double().numpy()
    table = {
        name: np.sqrt(((first[:, None] - second[None]) ** 2).sum(2))
        for name, first, second in (("real", a, a), ("made", b, b), ("between", a, b))
    }
    return table["between"], np.sort(table["real"], 1)[:, k], np.sort(table["made"], 1)[:, k]


@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall_by_brute_force(k):
    real, made = cloud(40), 0.7 * cloud(30, seed=1) + 0.8
    between, around_real, around_made = brute(real, made, k)
    found = precision_recall(real, made, k=k, block=7)
    assert found.precision == pytest.approx(np.mean((between <= around_real[:, None]).any(0)))
    assert found.recall == pytest.approx(np.mean((between <= around_made[None]).any(1)))
    assert 0 < found.precision < 1
    assert 0 < found.recall < 1
    turned = precision_recall(made, real, k=k)
    assert (turned.precision, turned.recall) == (found.recall, found.precision)


@pytest.mark.parametrize("k", [2, 5])
def test_density_and_coverage_by_a_written_out_loop(k):
    real, made = cloud(40), 0.7 * cloud(30, seed=1) + 0.8
    between, radii, _ = brute(real, made, k)
    inside, covered = 0, 0
    for i in range(40):
        held = [j for j in range(30) if between[i, j] < radii[i]]
        inside += len(held)
        covered += bool(held)
    found = density_coverage(real, made, k=k, block=7)
    assert found.density == pytest.approx(inside / (k * 30))
    assert found.coverage == pytest.approx(covered / 40)
    assert 0 < found.coverage < 1


def test_density_and_coverage_of_one_distribution():
    found = density_coverage(cloud(2000), cloud(2000, seed=1))
    assert found.density == pytest.approx(1, abs=0.03)
    assert found.coverage == pytest.approx(found.expected_coverage, abs=0.01)
    assert found.expected_coverage == pytest.approx(1 - 2**-5, abs=1e-3)
    # of the 2 others of one of three real pictures and 1 made one, the first two are both real in one of three orders
    assert density_coverage(cloud(3), cloud(1), k=2).expected_coverage == pytest.approx(2 / 3)


def test_one_outlier_misleads_precision_but_not_density():
    real = torch.cat([cloud(200), torch.tensor([[60.0, 0, 0]])])
    made = cloud(200, seed=1) + torch.tensor([20.0, 0, 0])
    assert precision_recall(real, made).precision == 1
    assert density_coverage(real, made).density == pytest.approx(1 / 5)


def test_sets_compared_with_themselves_are_ideal_in_any_order():
    """Also where pictures occur many times, whose balls have no extent."""
    x = torch.cat([cloud(80) + 1e3, cloud(5, seed=1).repeat(8, 1)])
    y = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(2))]
    found = precision_recall(x, y)
    assert (found.precision, found.recall, found.f_score) == (1, 1, 1)
    assert density_coverage(x, y).coverage == 1
    assert density_coverage(cloud(80), cloud(80)).density == 1
    assert fid(x, y).value == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kind", ["noise", "blur"])
def test_figures_get_worse_level_by_level(kind):
    draw = torch.Generator().manual_seed(0)
    pictures = torch.rand(2, 600, 1, 12, 12, generator=draw).cumsum(-1).cumsum(-2)
    pictures = (pictures - pictures.mean((2, 3, 4), keepdim=True)) / pictures.std((2, 3, 4), keepdim=True)
    pictures = pictures + 0.3 * torch.randn(pictures.shape, generator=draw)
    real, same = pictures.unbind(0)
    noise = torch.randn(real.shape, generator=draw)
    rows = []
    for level in range(6):
        made = same + 0.25 * level * noise
        if kind == "blur":
            made = same
            for _ in range(level):
                made = torch.nn.functional.avg_pool2d(made, 3, 1, 1)
        x, y = real.flatten(1), made.flatten(1)
        both = precision_recall(x, y), density_coverage(x, y)
        rows.append((fid(x, y).value, kernel_distance(x, y, subsets=5, size=300).value, both[1].coverage))
    for worse, better in zip(rows[1:], rows, strict=False):
        assert worse[0] > better[0]
        assert worse[1] > better[1]
        assert worse[2] < better[2] or worse[2] == 0


def test_distances_survive_large_offsets_and_do_not_hang_on_the_block():
    x = cloud(50, 6) + 1e4
    exact = (x.double()[:, None] - x.double()[None]).square().sum(2)
    for block in (7, 64):
        found = torch.cat([part for _, part in squared_distances(x, x, block=block)])
        torch.testing.assert_close(found, exact, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(ball_radii(x, 2, block=7), exact.sort(1).values[:, 2], rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", ALL)
def test_bad_features_are_refused_in_one_paragraph(name):
    compute, x = ALL[name], cloud(2000)
    for value in (torch.nan, torch.inf):
        broken = x.clone()
        broken[1500, 1] = value
        for sets in ((x, broken), (broken, x)):
            with pytest.raises(DataError, match="picture 1500") as told:
                compute(*sets)
            assert "\n" not in str(told.value)
    with pytest.raises(DataError, match="extractor"):
        compute(x, cloud(20, 4))
    with pytest.raises(DataError, match="shape"):
        compute(x, x[0])
    with pytest.raises(DataError, match="at least"):
        compute(x[:1], x[:1])


def test_bad_settings_are_refused():
    x = cloud(20)
    for compute, settings in (
        (precision_recall, {"k": 0}),
        (density_coverage, {"k": 0}),
        (kernel_distance, {"subsets": 0}),
        (kernel_distance, {"size": 1}),
    ):
        with pytest.raises(ConfigError):
            compute(x, x, **settings)
    with pytest.raises(DataError, match="at least 21"):
        precision_recall(x, x, k=20)


class Moments4:
    """Feature double: four pixels, and as logits."""

    title = "four"

    def pooled(self, x):
        return x.flatten(1)[:, :4]

    def logits(self, x):
        return 3 * self.pooled(x)

    def describe(self):
        return {"name": "four"}


def test_of_a_model(model):
    test = torch.rand(60, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    kinds = ("fid", "kid", "precision", "recall", "density", "coverage", "is")
    names = [f"{kind}{ending}" for kind in kinds for ending in ("", "-rec")]
    results = evaluate(model, None, test, names=names, max_test=40, features=Moments4())
    assert set(results) == {f"{name}[four]" for name in names}
    for result in results.values():
        assert math.isfinite(result["value"])
        assert (result["n_real"], result["features"]) == (40, {"name": "four"})
    for made in ("", "-rec"):
        assert results[f"precision{made}[four]"]["recall"] == results[f"recall{made}[four]"]["value"]
        assert results[f"is{made}[four]"]["real"]["value"] > 1
    assert results["fid[four]"]["value"] == frechet_distance(*_moments(model, test))


def _moments(model, test):
    from twoway.data.pixels import to_float, to_uint8
    from twoway.metrics.frechet import feature_moments
    from twoway.metrics.inputs import choose_rows
    from twoway.metrics.sets import SampledSet

    real = to_uint8(test[torch.from_numpy(choose_rows(60, 40))])
    return [feature_moments(to_float(x).flatten(1)[:, :4]) for x in (real, SampledSet(model, 40).all())]
