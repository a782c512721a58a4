"""Sums and differences of codes."""

import numpy as np
import pytest
import torch
from small import small_model

from twoway.errors import ConfigError, ModelError
from twoway.latents.arithmetic import add_codes, mean_code, mean_difference
from twoway.latents.directions import load_directions, save_directions
from twoway.latents.editing import edit_codes


@pytest.fixture
def centred(model):
    model.w_avg.copy_(torch.arange(6.0)[None])
    return model


def codes(count, seed=0, layers=1):
    return torch.randn(count, layers, 6, generator=torch.Generator().manual_seed(seed))


def test_a_less_b_plus_c_is_the_plain_sum(centred):
    a, b, c = codes(3).split(1)
    torch.testing.assert_close(add_codes(centred, [a, c], [b]), a - b + c)
    torch.testing.assert_close(add_codes(centred, [a]), a)


def test_other_numbers_stay_around_the_mean_code(centred):
    a, b, _ = codes(3).split(1)
    torch.testing.assert_close(add_codes(centred, [a, b]), a + b - centred.w_avg)
    torch.testing.assert_close(add_codes(centred, [a], [b]), centred.w_avg + a - b)


def test_a_class_is_not_added():
    model = small_model("vae", classes=3)
    w = model.map(model.draw_prior(3, generator=torch.Generator().manual_seed(0)))
    total = add_codes(model, [w[:1], w[1:2]], [w[2:]])
    assert torch.equal(total[..., -3:], w[:1, :, -3:])
    torch.testing.assert_close(total[..., :-3], (w[:1] + w[1:2] - w[2:])[..., :-3])


def test_the_difference_of_means_leads_from_one_side_to_the_other(model, tmp_path):
    plus, minus = codes(5) + 2, codes(4, seed=1)
    found = mean_difference(model, plus, minus, "Odd")
    difference = plus.mean(0) - minus.mean(0)
    torch.testing.assert_close(found.vector, difference)
    assert float(found.position(mean_code(plus))[0]) == pytest.approx(difference.norm().item() / 2, rel=1e-4)
    assert float(found.position(mean_code(minus))[0]) == pytest.approx(-difference.norm().item() / 2, rel=1e-4)
    along = torch.cat([plus, minus])[:, 0] @ difference[0] / difference.norm()
    assert found.deviation == pytest.approx(along.std(correction=0).item(), rel=1e-4)
    moved = edit_codes(minus, [(found, float(difference.norm()))], unit="length")
    torch.testing.assert_close(mean_code(moved), mean_code(plus), rtol=1e-4, atol=1e-5)
    save_directions(tmp_path / "d.safetensors", [found])
    assert torch.equal(load_directions(tmp_path / "d.safetensors", model)["Odd"].vector, found.vector)


def test_layers_that_differ_have_shifts_of_their_own():
    model = small_model("style-alae")
    plus, minus = codes(3, layers=4), codes(3, seed=1, layers=4)
    assert mean_difference(model, plus, minus, "a").vector.shape == (4, 6)
    alike = [side[:, :1].expand(-1, 4, -1) for side in (plus, minus)]
    assert mean_difference(model, *alike, "a").vector.shape == (1, 6)


def test_mistakes(model):
    a = codes(1)
    with pytest.raises(ConfigError, match="Nothing is added"):
        add_codes(model, [])
    with pytest.raises(ModelError, match="expected"):
        add_codes(model, [a], [torch.zeros(1, 1, 5)])
    with pytest.raises(ModelError, match="expected"):
        mean_difference(model, a, torch.zeros(1, 2, 6), "a")
    with pytest.raises(ModelError, match="at least 1"):
        mean_code(torch.zeros(0, 1, 6))
    with pytest.raises(ConfigError, match="are the same"):
        mean_difference(model, a, a, "a")
    assert np.isfinite(mean_difference(model, a, a + 1, "a").deviation)
