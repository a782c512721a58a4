"""Principal components: those of a singular value decomposition, whatever the batches, and only where fitted."""

import pytest
import torch
from torch.nn import functional

from twoway.errors import ConfigError, DataError, ModelError
from twoway.features import FeatureSpec, build_features
from twoway.features import pca as module


def pictures(generator, count=300, shape=(3, 8, 8)):
    """Random pictures whose variance falls off from direction to direction."""
    size = torch.Size(shape).numel()
    directions = torch.linalg.qr(torch.randn(size, size, generator=generator))[0]
    scales = 0.8 ** torch.arange(size)
    return 0.1 + (torch.randn(count, size, generator=generator) * scales @ directions).view(count, *shape)


def pca(**options):
    return build_features(FeatureSpec("pca", options=options))


def by_svd(x, number):
    """Mean, directions and variances by an independent way."""
    rows = x.double().flatten(1)
    _, values, directions = torch.linalg.svd(rows - rows.mean(0), full_matrices=False)
    return rows.mean(0), directions[:number], values[:number].square() / (len(x) - 1)


@pytest.mark.parametrize("way", ["eigh", "lanczos", "incremental"])
def test_components_are_those_of_a_singular_value_decomposition(generator, monkeypatch, way):
    if way != "eigh":
        monkeypatch.setattr(module, "_DENSE", 10)
    if way == "incremental":
        monkeypatch.setattr(module, "_EXACT", 10)
        monkeypatch.setattr(module, "_BLOCK", 64)
    x = pictures(generator)
    fitted = pca(components=6).fit(x.split(50))
    mean, directions, variances = by_svd(x, 6)
    torch.testing.assert_close(fitted.mean.double(), mean, atol=1e-5, rtol=0)
    agreement = (fitted.basis.double() * directions).sum(1).abs()
    torch.testing.assert_close(agreement, torch.ones_like(agreement), atol=1e-4, rtol=0)
    found = fitted.pooled(x).double()
    torch.testing.assert_close(found.var(0), variances, rtol=1e-4, atol=0)
    torch.testing.assert_close(found.mean(0), torch.zeros(6, dtype=torch.float64), atol=1e-5, rtol=0)
    total = x.double().flatten(1).var(0).sum()
    assert fitted.explained == pytest.approx((variances.sum() / total).item(), rel=1e-4)


@pytest.mark.parametrize("exact", [True, False])
def test_batches_do_not_change_the_result(generator, monkeypatch, exact):
    monkeypatch.setattr(module, "_EXACT", 4096 if exact else 10)
    x = pictures(generator, 700)
    one, other = (pca(components=5).fit(x.split(size)) for size in (7, 600))
    assert one.title == other.title
    assert torch.equal(one.pooled(x[:4]), other.pooled(x[:4]))


def test_the_title_tells_fits_apart(generator):
    x = pictures(generator)
    extractor = pca()
    assert extractor.needs_fit
    assert extractor.title == "pca64"
    first = extractor.fit([x]).title
    assert first == f"pca64@{extractor.describe()['sha256'][:6]}"
    assert extractor.fit([x[:200]]).title != first
    assert extractor.fit([x]).title == first
    assert pca(components=9, largest=4).fit([x]).title.startswith("pca9@")
    assert pca(largest=4).fit([x]).title.endswith("+largest=4")
    few = pca().fit([x[:10]])
    assert few.title.startswith("pca9@")
    assert few.pooled(x).shape == (300, 9)


def test_large_pictures_are_averaged_first(generator):
    x = pictures(generator, 40, (1, 4, 4))
    large = functional.interpolate(x, scale_factor=4, mode="nearest")
    small, averaged = pca(components=3).fit([x]), pca(components=3, largest=4).fit([large])
    torch.testing.assert_close(averaged.pooled(large), small.pooled(x))
    described = averaged.describe()
    assert described["largest"] == 4
    assert described["image_shape"] == [1, 16, 16]
    assert described["fitted_to"] == 40


def test_it_must_be_fitted_to_pictures_of_the_shape(generator):
    x = pictures(generator, 20)
    with pytest.raises(ModelError, match="not been fitted"):
        pca().pooled(x)
    fitted = pca().fit([x])
    with pytest.raises(DataError, match=r"\(3, 8, 8\).*\(1, 8, 8\)"):
        fitted.pooled(x[:, :1])


def test_what_cannot_be_fitted_to_is_named(generator):
    x = pictures(generator, 20)
    for batches, words in (
        ([], "at least 2 pictures, but got 0"),
        ([x[:1]], "got 1"),
        ([x, x[:, :1]], "one shape"),
        ([torch.where(x > 1, torch.nan, x) * torch.nan], "not finite"),
        ([x[:1].expand(5, -1, -1, -1)], "all alike"),
    ):
        extractor = pca()
        with pytest.raises(DataError, match=words):
            extractor.fit(batches)
        with pytest.raises(ModelError, match="not been fitted"):
            extractor.pooled(x)
    for options in ({"components": 0}, {"largest": 0}):
        with pytest.raises(ConfigError, match="at least 1"):
            pca(**options)
