import pytest
import torch
from small import SHAPE, small_model
from torch import nn

from twoway.errors import ConfigError
from twoway.quantities import QUANTITIES, VIEWS, Chance, Quantities


class Counted(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.calls = 0

    def forward(self, *inputs):
        self.calls += 1
        return self.inner(*inputs)


def quantities(method="alae", given=None):
    model = small_model(method)
    nets = {slot: Counted(net) for slot, net in model.nets.items()}
    draws = torch.Generator().manual_seed(0)
    x = torch.rand(4, *SHAPE, generator=draws) * 2 - 1
    q = Quantities(
        nets,
        view=model.recipe.critic_sees,
        x=x,
        chance=Chance(lambda: model.draw_prior(4, generator=draws), lambda shape: torch.randn(shape, generator=draws)),
        given=given,
    )
    return q, nets


def test_each_is_computed_once_and_only_when_asked_for():
    q, nets = quantities()
    assert {slot: net.calls for slot, net in nets.items()} == dict.fromkeys(nets, 0)
    assert q["w_fake"] is q["w_fake"]
    assert (nets["mapping"].calls, nets["generator"].calls, nets["encoder"].calls) == (1, 1, 1)
    _ = q["score_fake"], q["x_fake"], q["w"]
    assert (nets["mapping"].calls, nets["generator"].calls, nets["encoder"].calls, nets["critic"].calls) == (1, 1, 1, 1)
    _ = q["x_rec"]
    assert (nets["generator"].calls, nets["encoder"].calls) == (2, 2)
    names = {"x", "z", "w", "x_fake", "posterior_fake", "w_fake", "score_fake", "posterior", "w_real", "x_rec"}
    # nothing crosses codes or augments here, so these are other words for w and w_fake
    assert set(q) == names | {"w_styles", "w_fake_seen"}
    assert q["w_styles"] is q["w"]
    assert q["w_fake_seen"] is q["w_fake"]
    assert len(q) == 12


def test_values_are_what_they_are_called():
    q, nets = quantities()
    with torch.no_grad():
        w = nets["mapping"](q["z"])
        torch.testing.assert_close(q["w"], w)
        torch.testing.assert_close(q["w_fake"], nets["encoder"](nets["generator"](w)))
        torch.testing.assert_close(q["w_rec"], nets["encoder"](nets["generator"](nets["encoder"](q["x"]))))
        torch.testing.assert_close(q["score_real"], nets["critic"](nets["encoder"](q["x"])))


def test_what_is_given_is_not_computed():
    w = torch.zeros(4, 1, 6)
    q, nets = quantities(given={"w": w})
    assert q["w"] is w
    _ = q["x_fake"]
    assert nets["mapping"].calls == 0


def test_a_method_without_a_mapping_uses_its_prior_codes():
    q, _ = quantities("bigan")
    torch.testing.assert_close(q["w"], q["z"].unsqueeze(1))
    assert q["score_real"].shape == q["score_fake"].shape == (4,)


def test_a_stochastic_encoder_is_sampled_and_a_deterministic_one_is_not():
    q, nets = quantities("vae")
    mean, log_var = q["posterior"]
    noise = (q["w_real"] - mean) / (0.5 * log_var).exp()
    torch.testing.assert_close(noise.std(), torch.tensor(1.0), rtol=0.5, atol=0.0)
    assert nets["encoder"].calls == 1
    q, _ = quantities()
    assert q["w_real"] is q["posterior"]


def test_a_misspelt_name_is_refused_with_the_nearest():
    q, _ = quantities()
    with pytest.raises(ConfigError, match="did you mean 'x_fake'"):
        q["x_fak"]


def test_views_name_quantities():
    for real, fake in VIEWS.values():
        assert set(real) | set(fake) <= set(QUANTITIES)
