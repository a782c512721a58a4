import pytest
import torch
from small import small_model
from torch import nn

from twoway.errors import ConfigError, ModelError
from twoway.metrics import METRICS, evaluate
from twoway.metrics.flow_roundtrip import evaluate_flow_roundtrip


class Doubling(nn.Module):
    """F(z) = 2z, with an inverse that is off by a known amount."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, z):
        return 2 * z.unsqueeze(1)

    def inverse(self, w):
        return w[:, 0] / 2 + self.error


def test_the_error_is_the_one_put_in(model):
    model.nets["mapping"] = Doubling(torch.tensor([0.0, 0.0, -0.3, 0.1, 0.0, 0.0]))
    found = evaluate_flow_roundtrip(model, n_codes=50, batch=7)
    assert found.max_abs == pytest.approx(0.3, rel=1e-5)
    assert found.mean_abs == pytest.approx(0.4 / 6, rel=1e-5)
    assert (found.n_codes, found.dtype, found.seed) == (50, "float32", 0)
    model.nets["mapping"] = Doubling(0.0)
    assert evaluate(model, names=["flow-roundtrip"], max_test=9)["flow-roundtrip"] == {
        "name": "flow-roundtrip", "value": 0.0,
        "max_abs": 0.0, "mean_abs": 0.0, "n_codes": 9, "dtype": "float32", "seed": 0
    }  # fmt: skip


def test_what_cannot_be_inverted_says_so(model):
    with pytest.raises(ModelError, match="cannot be inverted"):
        evaluate(model, names=["flow-roundtrip"])
    with pytest.raises(ModelError, match="no prior"):
        evaluate_flow_roundtrip(small_model("ae"))
    with pytest.raises(ModelError, match="no mapping"):
        evaluate(small_model("vae"), names=["flow-roundtrip"])
    with pytest.raises(ConfigError, match="at least 1"):
        evaluate_flow_roundtrip(model, n_codes=0)
    assert not METRICS["flow-roundtrip"].default


def test_it_applies_to_mappings_with_an_inverse_only():
    found = METRICS["flow-roundtrip"]
    applies = {method: found.applies(small_model(method)) for method in ("vae", "alae", "lia", "ae")}
    assert applies == {"vae": False, "alae": False, "lia": True, "ae": False}


@pytest.mark.parametrize("name", ["ppl", "jacobian", "straightness", "separability"])
def test_what_is_measured_in_w_needs_a_mapping(name):
    in_z, in_w = METRICS[f"{name}-z"], METRICS[f"{name}-w"]
    for method, in_both in (("vae", False), ("alae", True)):
        assert in_z.applies(small_model(method))
        assert in_w.applies(small_model(method)) is in_both
