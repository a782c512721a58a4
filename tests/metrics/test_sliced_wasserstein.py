import math

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from small import SHAPE, small_model
from torch.nn import functional

from twoway.data.pixels import to_uint8
from twoway.errors import DataError, ModelError
from twoway.features import FeatureSpec
from twoway.metrics import evaluate
from twoway.metrics.inputs import choose_rows
from twoway.metrics.laplacian import laplacian_pyramid, pyramid_down, pyramid_up
from twoway.metrics.sets import PictureSet, SampledSet
from twoway.metrics.sliced_wasserstein import noise_floor, sliced_wasserstein


def blobs(count, side=32, seed=0, channels=1):
    """Pictures with structure at several scales, uint8."""
    draw = torch.Generator().manual_seed(seed)
    x = sum(
        functional.interpolate(torch.randn(count, channels, s, s, generator=draw), size=side, mode="bilinear")
        for s in (4, 8, 16, side)
    )
    return (x * 30 + 128).clamp(0, 255).to(torch.uint8)


def blurred(x, times):
    y = x.float()
    for _ in range(times):
        y = functional.avg_pool2d(functional.pad(y, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
    return y.round().to(torch.uint8)


def test_a_step_of_the_pyramid_is_a_convolution_with_mirrored_borders():
    x = torch.rand(2, 3, 16, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    down, up = pyramid_down(x), pyramid_up(x)
    for i, j in ((0, 0), (1, 2)):
        picture = x[i, j].numpy()
        np.testing.assert_allclose(down[i, j].numpy(), convolve(picture, kernel, mode="mirror")[::2, ::2])
        spread = np.zeros((32, 16))
        spread[::2, ::2] = picture
        np.testing.assert_allclose(up[i, j].numpy(), convolve(spread, 4 * kernel, mode="mirror"))


def test_the_pyramid_adds_up_to_the_picture():
    x = torch.rand(2, 1, 64, 32, generator=torch.Generator().manual_seed(0))
    bands = laplacian_pyramid(x, 3)
    assert [tuple(band.shape[2:]) for band in bands] == [(64, 32), (32, 16), (16, 8)]
    again = bands[-1]
    for band in reversed(bands[:-1]):
        again = pyramid_up(again) + band
    torch.testing.assert_close(again, x)
    flat = laplacian_pyramid(torch.full((1, 1, 32, 32), 5.0), 2)  # brightness lives in the last band alone
    torch.testing.assert_close(flat[1], torch.full((1, 1, 16, 16), 5.0))


def test_plain_pictures_have_a_closed_form():
    """Each patch is constant, so a projection is its grey value times the sum of the direction's entries.

    Half the greys of one set are high and a quarter of the other. Normalised they are -1, 1 and -1/r, r with r the
    root of 3; their distance is that of the quantile functions.
    """
    half, quarter = torch.zeros(2, 40, 1, 16, 16, dtype=torch.uint8).unbind(0)
    half[::2], quarter[::4] = 200, 90
    r = math.sqrt(3)
    grey = 0.5 * (1 - 1 / r) + 0.25 * (1 + 1 / r) + 0.25 * (r - 1)
    # mean absolute cosine between a random direction of 49 dimensions and a fixed one, whose length is 7
    cosine = math.gamma(49 / 2) / (math.sqrt(math.pi) * math.gamma(50 / 2))
    found = sliced_wasserstein(half, quarter, patches=4, repeats=1, directions=8000)
    assert found.mean == pytest.approx(1000 * grey * 7 * cosine, rel=0.03)
    assert list(found.levels) == [16]
    assert sliced_wasserstein(half, half.flip(0), patches=4).mean == pytest.approx(0, abs=1e-3)
    colours = [x.expand(-1, 3, -1, -1).contiguous() for x in (half, quarter)]  # all channels alike: root of 3 larger
    found = sliced_wasserstein(*colours, patches=4, repeats=1, directions=8000)
    cosine = math.gamma(147 / 2) / (math.sqrt(math.pi) * math.gamma(148 / 2))
    assert found.mean == pytest.approx(1000 * grey * 7 * r * cosine, rel=0.03)


def test_more_blur_is_farther_and_a_set_is_near_itself():
    x, other = blobs(200), blobs(200, seed=1)
    found = [sliced_wasserstein(x, blurred(other, times), patches=32, repeats=1) for times in (0, 1, 2, 4, 8)]
    assert list(found[0].levels) == [32, 16]
    assert found[0].mean == pytest.approx(sum(found[0].levels.values()) / 2)
    means = [f.mean for f in found]
    assert means == sorted(means)
    assert means[-1] > 3 * means[0]
    itself = sliced_wasserstein(x, x, patches=32, repeats=1)
    assert itself.mean < 0.6 * means[1]
    assert itself.mean > 0  # patches of the two sets are drawn apart: what is left is the noise of that


def test_overall_brightness_and_contrast_are_not_seen():
    """The blind spot: a set that is brighter, or flatter, as a whole is as near as the set itself."""
    x, other = (blobs(100, seed=s) // 4 * 2 for s in (0, 1))
    same, brighter, flatter = (
        sliced_wasserstein(x, y, patches=16, repeats=1).mean for y in (other, other + 60, other // 2)
    )
    assert brighter == pytest.approx(same, rel=1e-4)
    assert flatter == pytest.approx(same, rel=1e-4)
    # what it does see: half of the pictures brighter than the other half
    uneven = other.clone()
    uneven[::2] += 60
    assert sliced_wasserstein(x, uneven, patches=16, repeats=1).mean > 1.5 * same


class Streamed(PictureSet):
    """Pictures that come in batches and are never there as a whole."""

    def __init__(self, pictures):
        self.pictures, self.shape = pictures, tuple(pictures.shape[1:])

    def __len__(self):
        return len(self.pictures)

    def batches(self, batch=256):
        for start in range(0, len(self.pictures), batch):
            yield self.pictures[start : start + batch].clone()


def test_neither_batches_nor_streams_matter_and_the_seed_decides():
    x, y = blobs(50, channels=3), blurred(blobs(50, seed=1, channels=3), 2)
    first = sliced_wasserstein(x, y, patches=16, repeats=1, batch=50)
    for batch in (1, 7, 49):
        assert sliced_wasserstein(x, y, patches=16, repeats=1, batch=batch) == first
        assert sliced_wasserstein(Streamed(x), Streamed(y), patches=16, repeats=1, batch=batch) == first
    assert sliced_wasserstein(x, y, patches=16, repeats=1, seed=1).mean != first.mean


def reference(a, b, patches, slices, seed):
    """The definition of ProGAN's appendix H, picture by picture and patch by patch, in double precision."""
    kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256

    def band(picture, level):
        x = picture.astype(np.float64)
        for finer in range(level + 1):
            if x.shape[0] == 16:
                return x
            small = convolve(x, kernel, mode="mirror")[::2, ::2]
            if finer == level:
                spread = np.zeros_like(x)
                spread[::2, ::2] = small
                return x - convolve(spread, 4 * kernel, mode="mirror")
            x = small
        return x

    found, level, side = [], 0, a.shape[-1]
    while side >= 16:
        draw = torch.Generator().manual_seed(1009 * seed + level)
        sets = []
        for pictures in (a, b):
            rows = []
            for picture in pictures:
                bands = [band(channel, level) for channel in picture]
                top, left = (torch.randint(side - 6, (patches,), generator=draw).tolist() for _ in range(2))
                for i, j in zip(top, left, strict=True):
                    rows.append([channel[i : i + 7, j : j + 7] for channel in bands])
            rows = np.array(rows)  # (patches, channels, 7, 7)
            rows -= rows.mean((0, 2, 3), keepdims=True)
            rows /= rows.std((0, 2, 3), keepdims=True)
            sets.append(rows.transpose(0, 2, 3, 1).reshape(len(rows), -1))
        directions = torch.randn(sets[0].shape[1], slices, generator=draw).double().numpy().T
        distances = []
        for direction in directions:
            direction = direction / np.sqrt((direction**2).sum())
            distances.append(np.abs(np.sort(sets[0] @ direction) - np.sort(sets[1] @ direction)).mean())
        found.append(1e3 * np.mean(distances))
        level, side = level + 1, side // 2
    return found


@pytest.mark.parametrize(("channels", "side"), [(3, 64), (1, 32), (1, 16)])
def test_agrees_with_the_definition_written_out(channels, side):
    x, y = blobs(8, side, channels=channels), blurred(blobs(8, side, seed=1, channels=channels), 1)
    found = sliced_wasserstein(x, y, patches=10, repeats=2, directions=15, seed=3)
    expected = reference(x.numpy(), y.numpy(), 10, 30, 3)
    np.testing.assert_allclose(list(found.levels.values()), expected, rtol=1e-5)
    assert found.mean == pytest.approx(np.mean(expected), rel=1e-5)


def test_the_floor_is_what_real_pictures_have_among_themselves():
    x = blobs(201)
    floor = noise_floor(x, patches=32)
    assert floor == sliced_wasserstein(x[:200:2], x[1:200:2], patches=32, repeats=1)
    assert floor == noise_floor(Streamed(x), patches=32, batch=13)
    assert floor.n_images == 100
    assert floor.mean < 0.5 * sliced_wasserstein(x, blurred(blobs(201, seed=1), 2), patches=32, repeats=1).mean
    assert noise_floor(x[:1]) is None


@pytest.mark.parametrize(("sides", "padded"), [((28, 28), (32, 32)), ((3, 40), (16, 64)), ((1, 16), (16, 16))])
def test_other_sides_are_mirrored_to_a_power_of_two(sides, padded):
    x = torch.randint(0, 256, (6, 1, *sides), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = sliced_wasserstein(x, x.flip(0), patches=4, repeats=1)
    assert found.padded_to == padded
    assert math.isfinite(found.mean)
    plain = found.plain()
    assert (plain["n_images"], plain["patches"], plain["directions"], plain["seed"]) == (6, 4, 128, 0)


def test_mistakes():
    x = blobs(3)
    for a, b in ((x, x[:2]), (x[:0], x[:0]), (x.float(), x.float())):
        with pytest.raises(DataError, match="expected two of equal shape"):
            sliced_wasserstein(a, b)


def test_of_a_model(model):
    train, test = (torch.rand(40, *SHAPE, generator=torch.Generator().manual_seed(s)) * 2 - 1 for s in (0, 1))
    results = evaluate(model, train, test, names=["swd", "swd-rec"], max_test=20, seed=3, batch=7)
    real = test[torch.from_numpy(choose_rows(40, 20))]
    samples = SampledSet(model, 20, seed=3).all()
    for name, made in (("swd", samples), ("swd-rec", to_uint8(model.reconstruct(real)))):
        expected = sliced_wasserstein(to_uint8(real), made, seed=3)
        assert results[name]["value"] == pytest.approx(expected.mean, rel=1e-2)
        assert results[name]["n_images"] == 20
        floor = noise_floor(to_uint8(real), seed=3)
        assert results[name]["noise_floor"] == {
            "mean": floor.mean,
            "levels": floor.plain()["levels"],
            "n_images": 10,
            "directions": 128,
        }
    fewer = evaluate(model, train, test, names=["swd"], max_test=20, n_samples=9)["swd"]
    assert (fewer["n_images"], fewer["n_samples"], fewer["n_real"]) == (9, 9, 20)
    assert (results["swd"]["of"], results["swd"]["against"]) == ("samples", "test")
    assert results["swd-rec"]["of"] == "reconstructions"
    assert evaluate(model, train, names=["swd"])["swd"]["against"] == "train"
    with pytest.raises(ModelError, match="no prior"):
        evaluate(small_model("ae"), train, names=["swd"])
    del model.nets["encoder"]
    with pytest.raises(ModelError, match="no encoder"):
        evaluate(model, train, names=["swd-rec"])
    assert not {"mse", "psnr", "code-consistency"} & set(evaluate(model, train, features=FeatureSpec("pyramid")))
