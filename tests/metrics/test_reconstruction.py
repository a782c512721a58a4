import math
import weakref

import pytest
import torch
from small import SHAPE, small_model

from twoway.errors import DataError, ModelError
from twoway.metrics.code_consistency import code_consistency, evaluate_code_consistency
from twoway.metrics.reconstruction import evaluate_reconstruction, pixel_mse, psnr


def test_pixel_mse_and_psnr_by_hand():
    x = torch.zeros(2, 1, 1, 2)
    x_rec = torch.tensor([[[[0.2, -0.2]]], [[[0.0, 0.0]]]])
    torch.testing.assert_close(pixel_mse(x_rec, x), torch.tensor([0.04, 0.0]))
    torch.testing.assert_close(psnr(x_rec, x), torch.tensor([10 * math.log10(4 / 0.04), 100.0]))
    # on pixels in [0, 1] the error is a quarter and the peak 1: the same ratio
    assert 10 * math.log10(1 / 0.01) == pytest.approx(psnr(x_rec, x)[0].item(), rel=1e-6)
    assert psnr(torch.full((1, 1, 1, 2), 5.0), torch.ones(1, 1, 1, 2)).item() == 100.0  # shown, it is white
    with pytest.raises(DataError, match="cannot be compared"):
        pixel_mse(x_rec, x[:1])


def test_evaluation_over_batches_is_that_of_all_at_once(model, generator):
    pictures = torch.randint(0, 256, (23, *SHAPE), generator=generator, dtype=torch.uint8)
    x = pictures.float() / 127.5 - 1
    result = evaluate_reconstruction(model, pictures, batch=5)
    expected = (model.reconstruct(x) - x).square().mean().item()
    assert result.mse_signed == pytest.approx(expected, rel=1e-5)
    assert result.mse_unit == pytest.approx(expected / 4, rel=1e-5)
    assert result.n_images == 23
    assert evaluate_reconstruction(model, x).mse_signed == pytest.approx(expected, rel=1e-5)
    limited = evaluate_reconstruction(model, x, limit=7)
    assert limited.n_images == 7
    assert limited == evaluate_reconstruction(model, x, limit=7)


def test_training_mode_is_given_back(generator):
    model = small_model("bigan").train()
    before = model.fingerprint()
    evaluate_reconstruction(model, torch.zeros(3, *SHAPE))
    evaluate_code_consistency(model, n_codes=5)
    assert model.training
    assert model.fingerprint() == before


def test_mistakes(model):
    with pytest.raises(DataError, match="no pictures"):
        evaluate_reconstruction(model, torch.zeros(0, *SHAPE))
    with pytest.raises(DataError, match="expected"):
        evaluate_reconstruction(model, torch.zeros(3, 8, 8))
    with pytest.raises(ModelError, match="takes"):
        evaluate_reconstruction(model, torch.zeros(3, 1, 9, 9))


def test_code_consistency_by_hand(generator):
    w = torch.randn(500, 1, 4, generator=generator)
    assert code_consistency(w, w) == 0.0
    assert code_consistency(w.mean(0).expand_as(w), w) == pytest.approx(1.0)
    assert code_consistency(w + 0.1, w) == pytest.approx(0.01 / w.var(0, correction=0).mean().item(), rel=1e-5)
    assert math.isnan(code_consistency(w, torch.zeros_like(w)))


def test_code_consistency_is_summed_and_no_code_is_held(model, monkeypatch):
    """Any batch gives the same, also of codes that vary by 1e-4 around 100; what was sent is let go of."""
    monkeypatch.setattr(model, "map", lambda z: 100 + 1e-4 * z.double().unsqueeze(1))
    monkeypatch.setattr(model, "decode", lambda w: w)
    sent, alive = [], []

    def represent(x, labels):
        alive.append(sum(code() is not None for code in sent))
        sent.append(weakref.ref(x))
        return x + 1e-4

    monkeypatch.setattr(model, "represent", represent)
    monkeypatch.setattr(model, "inferred", lambda w: w)
    found = [evaluate_code_consistency(model, n_codes=300, batch=batch, seed=4) for batch in (7, 64, 300)]
    z = model.draw_prior(300, generator=torch.Generator().manual_seed(4)).double()
    for one in found:
        assert one.value == pytest.approx(1 / z.var(0, correction=0).mean().item(), rel=1e-6)
        assert one.n_codes == 300
    assert len(alive) == 43 + 5 + 1
    assert max(alive) <= 1


def test_code_consistency_of_models(model):
    result = evaluate_code_consistency(model, n_codes=300, batch=64, seed=4)
    z = model.draw_prior(300, generator=torch.Generator().manual_seed(4))
    w = model.map(z)
    assert result.value == pytest.approx(code_consistency(model.encode(model.decode(w)), w), rel=1e-5)
    assert (result.codes, result.n_codes, result.seed) == ("prior", 300, 4)
    encoded = evaluate_code_consistency(small_model("ae"), torch.rand(10, *SHAPE))
    assert (encoded.codes, encoded.n_codes, encoded.seed) == ("encoded", 10, None)
