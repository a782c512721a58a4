"""Principal components against numpy, factorised styles against what the generator does."""

import numpy as np
import pytest
import torch
from small import small_model

from twoway.errors import ConfigError, DataError, ModelError
from twoway.latents.unlabelled_directions import (
    factorised_directions,
    principal_directions,
    sampled_codes,
    style_weights,
)


@pytest.fixture(scope="module")
def styled():
    return small_model("style-alae")


@pytest.fixture(scope="module")
def skipping():
    """16x16 pixels, six rows."""
    return small_model("lia", (1, 16, 16), flavour="modern")


def test_principal_directions_are_those_of_the_singular_value_decomposition(styled):
    w = torch.randn(200, 4, 6, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5, 2, 3, 1, 1])
    found = principal_directions(styled, w, 3, layers=(1, 2))
    points = w[:, 1:3].mean(1).double().numpy()
    _, spread, rows = np.linalg.svd(points - points.mean(0), full_matrices=False)
    for i, one in enumerate(found):
        assert one.name == f"pca{i + 1}"
        assert one.layers == (1, 2)
        assert abs(float(one.vector[0].double() @ torch.from_numpy(rows[i]))) == pytest.approx(1, abs=1e-6)
        assert one.vector.abs().max() == one.vector.max()
        assert one.deviation == pytest.approx(spread[i] / np.sqrt(200))
        assert one.facts["share"] == pytest.approx(spread[i] ** 2 / (spread**2).sum())
        assert one.position(w).mean().item() == pytest.approx(0, abs=1e-5)
        assert one.position(w).std(correction=0).item() == pytest.approx(one.deviation, rel=1e-4)


def test_of_codes_that_vary_too_little(styled):
    w = torch.zeros(5, 4, 6)
    w[:, :, 2] = torch.arange(5.0)[:, None]
    assert principal_directions(styled, w, 1)[0].vector.tolist() == [[0, 0, 1, 0, 0, 0]]
    with pytest.raises(ConfigError, match=r"2 directions are asked for.*1 to 1"):
        principal_directions(styled, w, 2)
    with pytest.raises(DataError, match="at least two"):
        principal_directions(styled, w[:1], 1)


@pytest.mark.parametrize("method", ["styled", "skipping"])
def test_each_row_feeds_the_styles_that_are_read_for_it(method, request):
    """A hook on every affine map sees which row it is given."""
    model = request.getfixturevalue(method)
    w = torch.randn(1, *model.w_shape, generator=torch.Generator().manual_seed(0))
    seen: dict[int, set[int]] = {row: set() for row in range(model.w_shape[0])}
    hooks = []
    for module in model.nets["generator"].modules():
        weight = getattr(module, "weight", None)
        if weight is not None and weight.ndim == 2:

            def note(module, inputs, output):
                row = int((w[0] - inputs[0][0]).abs().sum(1).argmin())
                seen[row].add(id(module.weight))

            hooks.append(module.register_forward_hook(note))
    model.decode(w)
    for hook in hooks:
        hook.remove()
    names = {parameter.data_ptr(): id(parameter) for parameter in model.parameters()}
    assert [{names[weight.data_ptr()] for weight in row} for row in style_weights(model)] == list(seen.values())


def test_factors_change_styles_most(styled):
    """The first changes the styles more than any of many random unit vectors, by the root of its eigenvalue."""
    found = factorised_directions(styled, 6, layers=(0, 1))
    a = torch.cat([weight for row in style_weights(styled)[:2] for weight in row])
    lengths = [float((a @ one.vector[0]).norm()) for one in found]
    assert lengths == pytest.approx([one.facts["eigenvalue"] ** 0.5 for one in found], rel=1e-4, abs=1e-5)
    assert lengths == sorted(lengths, reverse=True)
    others = torch.randn(500, 6, generator=torch.Generator().manual_seed(0))
    assert lengths[0] >= float((others / others.norm(dim=1, keepdim=True) @ a.T).norm(dim=1).max())
    vectors = torch.cat([one.vector for one in found])
    assert torch.allclose(vectors @ vectors.T, torch.eye(6), atol=1e-5)
    assert found[0].layers == (0, 1)
    w = sampled_codes(styled, 2_000)
    assert found[0].deviation == pytest.approx(float((w[:, 0] @ found[0].vector[0]).std(correction=0)), rel=1e-3)
    assert sum(one.facts["share"] for one in found) == pytest.approx(1.0)


def test_normalised_as_the_official_code(skipping):
    weight = torch.cat([row for rows in style_weights(skipping) for row in rows]).double().numpy().T
    weight = weight / np.linalg.norm(weight, axis=0, keepdims=True)
    values, vectors = np.linalg.eigh(weight @ weight.T)
    found = factorised_directions(skipping, 2, normalise=True)
    assert abs(float(found[0].vector[0].double() @ torch.from_numpy(vectors[:, -1].copy()))) == pytest.approx(
        1, abs=1e-5
    )
    assert found[1].facts["eigenvalue"] == pytest.approx(values[-2])
    assert found[0].layers is None


def test_samples_do_not_depend_on_how_many(styled):
    assert torch.equal(sampled_codes(styled, 70, seed=3)[:10], sampled_codes(styled, 10, seed=3))
    assert not torch.equal(sampled_codes(styled, 10, seed=3), sampled_codes(styled, 10, seed=4))


def test_what_cannot_be_factorised(styled):
    with pytest.raises(ModelError, match="has no styles"):
        factorised_directions(small_model("alae"))
    with pytest.raises(
        ModelError, match="layer 4 are to be factorised, but the working layers of this model are 0 to 3"
    ):
        factorised_directions(styled, layers=[4])
    with pytest.raises(ConfigError, match="1 to 6"):
        factorised_directions(styled, 7)
    growing = small_model("style-alae", (1, 16, 16))
    growing.nets["generator"].grow_to(1)
    assert len(style_weights(growing)) == 4
