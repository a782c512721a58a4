import json
import math

import numpy as np
import pytest
import torch
from fixtures.make_pair_scores import CASES, FILE, pictures

from twoway.data import to_float
from twoway.errors import DataError
from twoway.metrics.reconstruction import psnr
from twoway.metrics.ssim import ms_ssim, ms_ssim_settings, ms_ssim_weights, ssim, ssim_settings, ssim_window

GOLDEN = json.loads(FILE.read_text(encoding="utf-8"))["cases"]
MEASURES = {"psnr": psnr, "ssim": ssim, "ms_ssim": ms_ssim}


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_other_libraries(case):
    x, y = pictures(case)
    assert [int(x.sum()), int(y.sum())] == GOLDEN[case]["sum"]  # otherwise numpy draws other pictures by now
    assert ssim_settings(*x.shape[-2:])["window"] == CASES[case][1]
    assert ms_ssim_settings(*x.shape[-2:])["scales"] == CASES[case][2]
    original, damaged = (to_float(torch.from_numpy(part)) for part in (x, y))
    for name, measure in MEASURES.items():
        found = measure(damaged, original)
        assert found.shape == (3,)
        for library, expected in GOLDEN[case][name].items():
            np.testing.assert_allclose(found.numpy(), expected, rtol=2e-6, err_msg=f"{name} of {library}")


def test_plain_pictures_by_hand():
    """Without structure only brightness is compared, on pixels from 0 to 1."""
    dark, light = torch.full((1, 1, 16, 16), -0.6), torch.full((1, 1, 16, 16), 0.4)  # 0.2 and 0.7
    expected = (2 * 0.2 * 0.7 + 1e-4) / (0.2**2 + 0.7**2 + 1e-4)
    assert ssim(dark, light).item() == pytest.approx(expected, rel=1e-6)
    assert ssim(dark / 2 + 0.5, light / 2 + 0.5, black=0, white=1).item() == pytest.approx(expected, rel=1e-6)
    # two scales: the finer one sees no difference, the coarser one counts with its share of the weight
    dark, light = (x.repeat(1, 1, 2, 2) for x in (dark, light))
    weight = 0.2856 / (0.0448 + 0.2856)
    assert ms_ssim(dark, light).item() == pytest.approx(expected**weight, rel=1e-6)


def test_a_window_as_large_as_the_picture_by_hand():
    draw = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 1, 1, 5, 5, dtype=torch.float64, generator=draw)
    taps = [math.exp(-(i**2) / 4.5) for i in range(-2, 3)]
    weights = np.outer(taps, taps) / sum(taps) ** 2
    p, q = a[0, 0].numpy(), b[0, 0].numpy()
    m, n = (weights * p).sum(), (weights * q).sum()
    v, w = (weights * (p - m) ** 2).sum(), (weights * (q - n) ** 2).sum()
    c = (weights * (p - m) * (q - n)).sum()
    expected = (2 * m * n + 1e-4) * (2 * c + 9e-4) / ((m * m + n * n + 1e-4) * (v + w + 9e-4))
    assert ssim(a, b, black=0, white=1).item() == pytest.approx(expected, rel=1e-9)
    assert ms_ssim(a, b, black=0, white=1).item() == pytest.approx(max(0, expected), rel=1e-9)  # one scale


def test_rules_for_small_pictures():
    assert [ssim_window(side, 99) for side in (1, 2, 3, 8, 10, 11, 64)] == [1, 1, 3, 7, 9, 11, 11]
    for side, count in ((20, 1), (21, 2), (41, 3), (81, 4), (160, 4), (161, 5), (1024, 5)):
        weights = ms_ssim_weights(200 if side < 200 else 2000, side)
        assert len(weights) == count
        assert sum(weights) == pytest.approx(1)
    assert ms_ssim_weights(512, 512) == pytest.approx((0.0448, 0.2856, 0.3001, 0.2363, 0.1333), rel=1e-3)
    for side in (1, 2, 3, 21, 161):  # odd sides are rounded up, so the window fits on every scale
        x = torch.rand(1, 1, side, side + 1)
        assert ms_ssim(x, x).item() == ssim(x, x).item() == 1.0


def test_channels_are_averaged_and_opposites_count_as_nothing():
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.rand(2, 3, 24, 24, generator=draw) * 2 - 1 for _ in range(2))
    for measure in (ssim, ms_ssim):
        apart = torch.stack([measure(x[:, c : c + 1], y[:, c : c + 1]) for c in range(3)]).mean(0)
        torch.testing.assert_close(measure(x, y), apart)
    assert (ssim(-x, x) < -0.9).all()
    assert (ms_ssim(-x, x) == 0).all()


def test_differentiable_and_best_at_the_original():
    x = torch.rand(1, 1, 24, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1
    y = (x + 0.1).requires_grad_()
    (slope,) = torch.autograd.grad(ssim(y, x).sum(), y)
    assert torch.isfinite(slope).all()
    assert ssim(y.detach() + 0.1 * slope / slope.norm(), x) > ssim(y.detach(), x)


def test_mistakes():
    x = torch.zeros(2, 1, 16, 16)
    for y in (x[:1], x[..., :8], x.byte(), x[0]):
        with pytest.raises(DataError, match="cannot be compared"):
            ssim(y, x)
        with pytest.raises(DataError, match="cannot be compared"):
            ms_ssim(y, x)
