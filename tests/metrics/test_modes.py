"""The state in which models are measured, and that it ends."""

import pytest
import torch

from twoway.metrics.modes import evaluating, exact_float32, measuring


@pytest.fixture
def rounded():
    """A process that has chosen fast products."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield "medium"
    torch.set_float32_matmul_precision(before)


def test_products_are_exact_meanwhile(rounded):
    with exact_float32():
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.backends.cudnn.allow_tf32
    assert torch.get_float32_matmul_precision() == rounded


@pytest.mark.parametrize("mode", [True, False])
def test_the_mode_is_what_it_was_also_after_a_failure(model, mode):
    model.train(mode)
    seen = []
    with pytest.raises(KeyError), evaluating(model):
        {}[seen.append(model.training)]
    assert seen == [False]
    assert model.training is mode


def test_measuring_is_all_of_it(model, rounded):
    model.train()
    with measuring(model):
        assert not model.training
        assert torch.is_inference_mode_enabled()
        assert torch.get_float32_matmul_precision() == "highest"
    assert model.training
    assert not torch.is_inference_mode_enabled()
    assert torch.get_float32_matmul_precision() == rounded
