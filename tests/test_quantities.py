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


def test_forgetting_graphs_frees_them_and_keeps_detached_copies():
    q, nets = quantities("vae")
    pixels, posterior = q["x_rec"], q["posterior"]
    assert pixels.requires_grad
    plain = q["z"]
    q.forget_graphs()
    assert set(q) == {"x", "z"}  # what has no graph stays
    assert q["z"] is plain
    past = q.detached()
    assert set(past) == {"z", "x_rec", "w_real", "posterior"}
    assert not past["x_rec"].requires_grad
    assert torch.equal(past["x_rec"], pixels)
    assert type(past["posterior"]) is type(posterior)
    assert not any(part.requires_grad for part in past["posterior"])
    # asked for again it is computed anew, with a graph of its own
    calls = nets["encoder"].calls
    assert q["x_rec"].requires_grad
    assert nets["encoder"].calls == calls + 1
    assert q.detached()["x_rec"] is not past["x_rec"]


def test_forgetting_keeps_the_real_images_though_they_require_a_gradient():
    model = small_model("alae")
    chance = Chance(lambda: model.draw_prior(4), torch.randn)
    q = Quantities(dict(model.nets.items()), view="encoded", x=torch.zeros(4, *SHAPE), chance=chance, leaves={"x"})
    x = q["x"]
    _ = q["score_real"]
    q.forget_graphs()
    assert q["x"] is x
    assert set(q) == {"x"}
    (slope,) = torch.autograd.grad(q["score_real"].sum(), x)
    assert slope.any()


def test_forgetting_features_of_images_keeps_them_apart():
    model = small_model("ae")
    q = Quantities(
        dict(model.nets.items()),
        view="image",
        x=torch.zeros(4, *SHAPE),
        chance=Chance(torch.empty, torch.randn),
        features=lambda x: (x * 2, x.mean((2, 3))),
    )
    found = q["features_rec"]
    q.forget_graphs()
    past = q.detached()["features_rec"]
    assert isinstance(past, tuple)
    assert all(torch.equal(a, b) and not a.requires_grad for a, b in zip(past, found, strict=True))


def crossed(crossover, method="stylegan", level=None):
    """Styles of codes z = 0 and, from the layer of the crossover on, z = 1; the layers the crossover was asked for."""
    model = small_model(method, (1, 16, 16))
    if level is not None:
        model.nets["generator"].grow_to(level)
    del model.nets["mapping"]
    drawn, asked = [torch.zeros(2, 6), torch.ones(2, 6)], []

    def choose(layers):
        asked.append(layers)
        return crossover

    chance = Chance(lambda: drawn.pop(0), torch.randn, crossover=choose)
    q = Quantities(dict(model.nets.items()), view="image", x=torch.zeros(2, 1, 16, 16), chance=chance)
    return q["w_styles"], asked, drawn


def test_styles_are_crossed_at_the_layer_that_is_drawn():
    w, asked, drawn = crossed(2)
    assert w.shape == (2, 6, 6)
    assert w[:, :, 0].tolist() == [[0, 0, 1, 1, 1, 1]] * 2
    assert asked == [6]
    assert not drawn
    w, _, _ = crossed(6)
    assert not w.any()
    w, _, drawn = crossed(None)
    assert w.shape == (2, 1, 6)
    assert len(drawn) == 1  # no second code is drawn


def test_half_grown_nets_are_crossed_at_working_layers():
    _, asked, _ = crossed(1, level=1)
    assert asked == [4]


def test_noise_comes_from_the_draws_or_not_at_all():
    model = small_model("stylegan")
    nets = dict(model.nets.items())
    with torch.no_grad():
        for name, parameter in nets["generator"].named_parameters():
            if name.endswith("strength"):
                parameter.fill_(1.0)
    w, x = torch.randn(2, 1, 6, generator=torch.Generator().manual_seed(0)), torch.zeros(2, *SHAPE)
    shapes = []

    def draw(shape):
        shapes.append(shape)
        return torch.full(shape, 0.0)

    made = {}
    for noise in ("random", "fixed", "off"):
        q = Quantities(nets, view="image", x=x, chance=Chance(lambda: None, draw), noise=noise)
        made[noise] = q.generate(w)
    assert shapes == [(2, 1, 4, 4)] * 2 + [(2, 1, 8, 8)] * 2
    assert torch.equal(made["random"], made["off"])  # zeros were drawn
    assert not torch.allclose(made["fixed"], made["off"])


def test_permuted_codes_keep_each_dimensions_numbers_and_break_up_rows():
    q, _ = quantities("factor-vae")
    w, permuted = q["w_real"].detach(), q["w_permuted"].detach()
    assert torch.equal(w.sort(0).values, permuted.sort(0).values)
    rows = {tuple(row) for row in w.flatten(1).tolist()}
    assert not all(tuple(row) in rows for row in permuted.flatten(1).tolist())
    assert permuted.shape == w.shape
