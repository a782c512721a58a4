"""What every measure of pictures must do: best at the original, worse with every step of damage, blind to order.

Sets are drawn avatars and the same avatars damaged, as reconstructions are; features are the pyramid's. A new measure
adds a line to `OF_SETS` or `OF_PAIRS`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from twoway.data import to_float
from twoway.data.avatars import FACTORS, render_avatars
from twoway.features import FeatureSpec, build_features
from twoway.metrics.density_coverage import density_coverage
from twoway.metrics.frechet import fid
from twoway.metrics.kid import kernel_distance
from twoway.metrics.lpips import image_distance
from twoway.metrics.precision_recall import precision_recall
from twoway.metrics.reconstruction import pixel_mse, psnr
from twoway.metrics.sets import InMemory, vectors_of
from twoway.metrics.sliced_wasserstein import sliced_wasserstein
from twoway.metrics.ssim import ms_ssim, ssim

COUNT, SIDE = 120, 32
PYRAMID = build_features(FeatureSpec("pyramid"))


def features(pictures):
    return vectors_of(PYRAMID.pooled, InMemory(pictures))


def swd(real, made):
    return sliced_wasserstein(real, made, patches=32, repeats=1, directions=64).mean


@dataclass(frozen=True)
class OfSets:
    """A measure of (real, made), uint8, with what is known of it.

    `far` is how far a set may be from the ideal when it is compared with itself, `order` how much order may change,
    relatively. Measures that count neighbours stay at their ideal for a while: `damages` are larger for them.
    """

    measure: Callable[[Tensor, Tensor], float]
    ideal: float
    lower_is_better: bool = True
    far: float = 1e-6
    order: float = 1e-6
    damages: str = "small"


def neighbours(measure, name):
    return OfSets(
        lambda real, made: getattr(measure(features(real), features(made)), name), 1.0, False, damages="large"
    )


OF_SETS = {
    "fid": OfSets(lambda real, made: fid(features(real), features(made)).value, 0.0),
    # it has no bias, so that its estimates of 0 lie on both sides
    "kid": OfSets(lambda real, made: kernel_distance(features(real), features(made)).value, 0.0, far=80),
    "precision": neighbours(precision_recall, "precision"),
    "recall": neighbours(precision_recall, "recall"),
    "density": neighbours(density_coverage, "density"),
    "coverage": neighbours(density_coverage, "coverage"),
    # patches of the two sets are drawn apart, and other ones in another order: what is left is the floor
    "swd": OfSets(swd, 0.0, far=25, order=0.1),
}
OF_PAIRS = {  # measure of floats in [-1, 1], its ideal, whether lower is better
    "mse": (pixel_mse, 0.0, True),
    "psnr": (psnr, 100.0, False),
    "ssim": (ssim, 1.0, False),
    "ms-ssim": (ms_ssim, 1.0, False),
    "feature-distance": (image_distance("pyramid"), 0.0, True),
}


def blurred(pictures, deviations):
    for deviation in deviations:
        yield torch.from_numpy(gaussian_filter(pictures.numpy(), (0, 0, deviation, deviation), mode="nearest"))


def noisy(pictures, deviations):
    noise = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(1))
    for deviation in deviations:
        yield (pictures + deviation * noise).round().clamp(0, 255).to(torch.uint8)


DAMAGES = {
    ("small", "blur"): (blurred, (0.4, 0.6, 0.9, 1.4, 2.2)),
    ("small", "noise"): (noisy, (4, 8, 16, 32, 64)),
    ("large", "blur"): (blurred, (1.2, 1.5, 1.8, 2.2, 2.6)),
    ("large", "noise"): (noisy, (8, 10, 12, 14, 16)),
}


@pytest.fixture(scope="module")
def real():
    rng = np.random.default_rng(0)
    factors = np.stack([rng.integers(size, size=COUNT) for size in FACTORS.values()], axis=1)
    return torch.from_numpy(render_avatars(factors, SIDE))


@pytest.fixture(scope="module")
def damaged(real):
    return {kind: list(damage(real, levels)) for kind, (damage, levels) in DAMAGES.items()}


def falls(values, *, lower_is_better):
    """Whether things get worse from each value to the next."""
    steps = np.diff(values)
    return bool(((steps > 0) if lower_is_better else (steps < 0)).all())


@pytest.mark.parametrize("name", OF_SETS)
def test_a_set_is_best_compared_with_itself(name, real, damaged):
    known = OF_SETS[name]
    itself = known.measure(real, real)
    assert abs(itself - known.ideal) <= known.far
    for kind in ("blur", "noise"):
        first = known.measure(real, damaged[known.damages, kind][0])
        assert falls([itself, first], lower_is_better=known.lower_is_better)


@pytest.mark.parametrize("damage", ["blur", "noise"])
@pytest.mark.parametrize("name", OF_SETS)
def test_sets_get_worse_with_every_step_of_damage(name, damage, real, damaged):
    known = OF_SETS[name]
    values = [known.measure(real, made) for made in damaged[known.damages, damage]]
    assert falls(values, lower_is_better=known.lower_is_better), values


@pytest.mark.parametrize("name", OF_SETS)
def test_the_order_of_sets_does_not_matter(name, real, damaged):
    known = OF_SETS[name]
    made = damaged[known.damages, "noise"][2]
    mixed = torch.randperm(COUNT, generator=torch.Generator().manual_seed(2))
    assert known.measure(real.flip(0), made[mixed]) == pytest.approx(known.measure(real, made), rel=known.order)


@pytest.mark.parametrize("name", OF_PAIRS)
def test_pictures_are_best_compared_with_themselves(name, real):
    measure, ideal, _ = OF_PAIRS[name]
    x = to_float(real)
    torch.testing.assert_close(measure(x, x), torch.full((COUNT,), ideal), rtol=0, atol=1e-6)


@pytest.mark.parametrize("damage", ["blur", "noise"])
@pytest.mark.parametrize("name", OF_PAIRS)
def test_pictures_get_worse_with_every_step_of_damage(name, damage, real, damaged):
    measure, ideal, lower_is_better = OF_PAIRS[name]
    values = [measure(to_float(made), to_float(real)).mean().item() for made in damaged["small", damage]]
    assert falls([ideal, *values], lower_is_better=lower_is_better), values


@pytest.mark.parametrize("name", OF_PAIRS)
def test_each_pair_is_measured_by_itself(name, real, damaged):
    measure = OF_PAIRS[name][0]
    x, y = to_float(real), to_float(damaged["small", "noise"][2])
    whole = measure(y, x)
    assert whole.shape == (COUNT,)
    torch.testing.assert_close(measure(y.flip(0), x.flip(0)), whole.flip(0), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        torch.cat([measure(y[:50], x[:50]), measure(y[50:], x[50:])]), whole, rtol=1e-5, atol=1e-6
    )
