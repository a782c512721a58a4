"""Where each gradient of the autoencoders goes, against gradients taken by hand from the nets themselves."""

from __future__ import annotations

import pytest
import torch
from small import SHAPE, small_recipe
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, softplus

from twoway.errors import ConfigError
from twoway.methods import make_recipe
from twoway.model import build_model
from twoway.quantities import Chance, Quantities
from twoway.training.distributed import World
from twoway.training.optimisers import Optimisers
from twoway.training.steps import StepRunner
from twoway.training.streams import Streams, seeded

ROWS = 12


class Watched(StepRunner):
    """Keeps the gradients of a step and leaves the weights alone."""

    def _update(self, step, gradients):
        self.seen = dict(gradients)


class Draws:
    """A method's nets, what its steps draw, and the gradients its steps give."""

    def __init__(self, name: str, **options):
        recipe = small_recipe(name, **options)
        self.model = build_model(recipe, generator=seeded(3, "weights")).train()
        world = World()
        streams = Streams(0, world, self.model.device)
        runner = Watched(self.model, Optimisers(self.model.nets, recipe.optim), streams, world)
        self.x = torch.rand(ROWS, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1
        # the nets as functions: batch norm must not move between the two ways to the same number
        for norm in self.model.modules():
            if hasattr(norm, "momentum"):
                norm.momentum = 0.0
        self.steps = {step.name: step for step in recipe.phases[0].steps}
        self.seen: dict[str, dict[str, list[Tensor | None]]] = {}
        carried: dict[str, Tensor] = {}
        for step in recipe.phases[0].steps:
            runner.take(step, self.x, 0, carried)
            self.seen[step.name] = runner.seen
        again = Streams(0, world, self.model.device)
        self.eps = again.draw_normal((ROWS, 1, 6))
        self.z = again.draw_prior(recipe.prior, ROWS) if recipe.prior else None
        self.uniform = again.draw_uniform((ROWS, 6))

    def net(self, slot: str) -> nn.Module:
        return self.model.nets[slot]

    def encode(self) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, log variance and the draw."""
        mean, log_var = self.net("encoder")(self.x)
        return mean, log_var, mean + (log_var / 2).exp() * self.eps

    def check(self, step: str, slot: str, loss: Tensor) -> None:
        """The gradient of a net in a step is that of a loss."""
        parameters = list(self.net(slot).parameters())
        expected = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        for mine, theirs, p in zip(self.seen[step][slot], expected, parameters, strict=True):
            theirs = torch.zeros_like(p) if theirs is None else theirs
            torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)
        assert any(g is not None and g.abs().max() > 1e-3 for g in expected)


def nll(x_rec: Tensor, x: Tensor) -> Tensor:
    return binary_cross_entropy((x_rec + 1) / 2, (x + 1) / 2, reduction="none").sum((1, 2, 3)).mean()


def kl(mean: Tensor, log_var: Tensor) -> Tensor:
    normal = torch.distributions.Normal
    return torch.distributions.kl_divergence(normal(mean, (log_var / 2).exp()), normal(0.0, 1.0)).sum((1, 2)).mean()


def test_beta_vae_weighs_the_divergence():
    d = Draws("beta-vae", beta=3.0)
    mean, log_var, w = d.encode()
    x_rec = d.net("generator")(w)
    for slot in ("encoder", "generator"):
        d.check("infer", slot, nll(x_rec, d.x) + 3 * kl(mean, log_var))


@pytest.mark.parametrize(("alpha", "lambda_"), [(0.0, 20.0), (0.5, 3.0), (1.0, 10.0)])
def test_info_vae_by_its_equation(alpha, lambda_):
    d = Draws("info-vae", alpha=alpha, lambda_=lambda_, kernel="rbf")
    mean, log_var, w = d.encode()
    q, p = w.flatten(1), d.z

    def kernel(a, b):
        return (-(a[:, None] - b).square().sum(2) / (2 * 6)).exp()

    pairs = ~torch.eye(ROWS, dtype=torch.bool)
    mmd = kernel(q, q)[pairs].mean() + kernel(p, p)[pairs].mean() - 2 * kernel(q, p).mean()
    loss = nll(d.net("generator")(w), d.x) + (1 - alpha) * kl(mean, log_var) + (alpha + lambda_ - 1) * mmd
    d.check("infer", "encoder", loss)
    d.check("infer", "generator", loss)


def test_info_vae_without_kl_does_not_compute_it():
    (step,) = make_recipe("info-vae", SHAPE, {"alpha": 1.0}).phases[0].steps
    assert set(step.terms) == {"bernoulli_nll", "mmd"}


@pytest.mark.parametrize("options", [{"alpha": 1.5}, {"lambda_": 0.5}])
def test_info_vae_refuses_to_reward_a_divergence(options):
    with pytest.raises(ConfigError, match="alpha at most 1"):
        make_recipe("info-vae", SHAPE, options)


def test_factor_vae():
    """E gets its own losses and no part of the critic's; the critic learns from the very codes, without their graph."""
    d = Draws("factor-vae", gamma=7.0)
    mean, log_var, w = d.encode()
    loss = nll(d.net("generator")(w), d.x) + kl(mean, log_var) + 7 * d.net("critic")(w).mean()
    d.check("infer", "encoder", loss)
    d.check("infer", "generator", loss)
    codes = w.detach().flatten(1)
    permuted = torch.stack([codes[d.uniform[:, j].argsort(), j] for j in range(6)], 1)
    critic = d.net("critic")
    d.check("discriminate", "critic", softplus(-critic(codes)).mean() + softplus(critic(permuted)).mean())
    assert set(d.seen["discriminate"]) == {"critic"}
    assert set(d.seen["infer"]) == {"encoder", "generator"}


def test_vamp_prior():
    """The divergence from the mixture reaches the pseudo-inputs through the encoder, and the encoder both ways."""
    d = Draws("vamp-prior", pseudo_inputs=5)
    mean, log_var, w = d.encode()
    images = (d.net("mapping").pixels.weight * 2 - 1).view(5, *SHAPE)  # none is clipped at the start
    means, log_vars = d.net("encoder")(images)
    normal = torch.distributions.Normal
    own = normal(mean, (log_var / 2).exp()).log_prob(w).sum((1, 2))
    among = normal(means[:, 0], (log_vars[:, 0] / 2).exp()).log_prob(w).sum(2)
    loss = nll(d.net("generator")(w), d.x) + (own - among.exp().mean(1).log()).mean()
    for slot in ("encoder", "generator", "mapping"):
        d.check("infer", slot, loss)


def test_vamp_prior_samples_from_the_mixture(tmp_path):
    """Which pseudo-input, and how much noise: also after saving and loading."""
    import twoway

    d = Draws("vamp-prior", pseudo_inputs=5)
    model = d.model.eval()
    z = torch.zeros(3, 5 + 6)
    z[0, 4] = z[1, 4] = z[2, 0] = 1.0
    z[1, 5:] = 2.0
    with torch.no_grad():
        mean, log_var = d.net("encoder")(d.net("mapping").images())
        w = model.map(z)
        torch.testing.assert_close(w[0], mean[4])
        torch.testing.assert_close(w[1], mean[4] + 2 * (log_var[4] / 2).exp())
        torch.testing.assert_close(w[2], mean[0])
        model.save(tmp_path)
        loaded = twoway.load(tmp_path)
        made = [m.sample(7, generator=torch.Generator().manual_seed(0)) for m in (model, loaded)]
        assert torch.equal(*made)
        assert made[0].std(0).max() > 0
    assert not model.invertible


def test_pseudo_inputs_stay_in_the_range_of_pixels():
    d = Draws("vamp-prior", pseudo_inputs=2)
    weight = d.net("mapping").pixels.weight
    with torch.no_grad():
        weight[0] = -0.5
        weight[1, 0], weight[1, 1] = 3.0, 0.25
    images = d.net("mapping").images()
    assert images[0].eq(-1).all()
    assert images[1].flatten()[:2].tolist() == [1.0, -0.5]
    images.sum().backward()
    assert weight.grad[0].eq(0).all()
    assert weight.grad[1, 0] == 0
    assert weight.grad[1, 1] == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nets.encoder.gaussian": False}, "encoder that gives a distribution"),
        ({"prior": ["normal(11)"], "nets.mapping.count": 4}, r"prior categorical\(4\) normal\(6\)"),
    ],
)
def test_pseudo_inputs_say_what_they_need(changes, said):
    recipe = small_recipe("vamp-prior", pseudo_inputs=5).changed(changes)
    with pytest.raises(ConfigError, match=said):
        build_model(recipe)


def test_the_codes_of_pseudo_inputs_need_some():
    recipe = small_recipe("vae").changed({"phases.train.steps.infer.terms": {"kl_to_mixture": 1.0}})
    model = build_model(recipe, generator=seeded(0, "weights"))
    runner = StepRunner(model, Optimisers(model.nets, recipe.optim), Streams(0, World(), model.device), World())
    with pytest.raises(ConfigError, match="kind=pseudo_inputs"):
        runner.take(recipe.phases[0].steps[0], torch.zeros(4, *SHAPE), 0, {})


def test_aae():
    """The critic's opinion reaches E alone; the critic sees the codes that E gives after it has reconstructed."""
    d = Draws("aae", confusion=0.5)
    w = d.net("encoder")(d.x)
    squared = (d.net("generator")(w) - d.x).square().mean()
    d.check("reconstruct", "encoder", squared)
    d.check("reconstruct", "generator", squared)
    critic = d.net("critic")
    d.check("discriminate", "critic", softplus(-critic(d.z)).mean() + softplus(critic(w.detach())).mean())
    d.check("confuse", "encoder", 0.5 * softplus(-critic(w)).mean())
    assert set(d.seen["confuse"]) == {"encoder"}


def test_vae_gan():
    """E gets no adversarial gradient, G gamma times the similarity, the critic nothing of the similarity."""
    d = Draws("vae-gan", gamma=0.2, similarity=1.5)
    mean, log_var, w = d.encode()
    generator, critic = d.net("generator"), d.net("critic")
    x_rec, x_fake = generator(w), generator(d.z[:, None])

    def hidden(x):
        return critic.hidden(x.flatten(1))

    similarity = 0.5 * (hidden(x_rec) - hidden(d.x)).square().sum(1).mean()
    d.check("generate", "encoder", kl(mean, log_var) + 1.5 * similarity)
    game = softplus(-critic(x_fake)).mean() + softplus(-critic(x_rec)).mean()
    d.check("generate", "generator", 0.2 * 1.5 * similarity + game)
    made = 0.5 * softplus(critic(x_fake.detach())).mean() + 0.5 * softplus(critic(x_rec.detach())).mean()
    d.check("discriminate", "critic", softplus(-critic(d.x)).mean() + made)
    assert set(d.seen["generate"]) == {"encoder", "generator"}
    assert set(d.seen["discriminate"]) == {"critic"}


def test_a_critic_without_hidden_features_is_refused():
    d = Draws("vae-gan")
    q = Quantities({"critic": nn.Identity()}, view="image", x=d.x, chance=Chance(lambda: d.z, torch.randn))
    with pytest.raises(ConfigError, match="kind mlp_critic or conv_critic"):
        q["critic_features_real"]


def test_ali():
    """E and G flip the labels of the critic's own loss; the draw from E carries the gradient to mean and variance."""
    d = Draws("ali")
    _, _, w = d.encode()
    critic = d.net("critic")
    x_fake = d.net("generator")(d.z[:, None])
    real, fake = critic(d.x, w), critic(x_fake, d.z)
    for slot in ("encoder", "generator"):
        d.check("deceive", slot, softplus(real).mean() + softplus(-fake).mean())
    real, fake = critic(d.x, w.detach()), critic(x_fake.detach(), d.z)
    d.check("discriminate", "critic", softplus(-real).mean() + softplus(fake).mean())


def test_veegan():
    """G lowers the raw ratio and the error of the noise; E the error alone."""
    d = Draws("veegan", weight=3.0)
    critic, encoder = d.net("critic"), d.net("encoder")
    x_fake = d.net("generator")(d.z[:, None])
    error = 3 * (encoder(x_fake)[:, 0] - d.z).square().mean()
    d.check("generate", "encoder", error)
    d.check("generate", "generator", error - critic(x_fake, d.z).mean())
    real, fake = critic(d.x, encoder(d.x).detach()), critic(x_fake.detach(), d.z)
    d.check("discriminate", "critic", softplus(-real).mean() + softplus(fake).mean())


@pytest.mark.parametrize(
    "name", ["beta-vae", "info-vae", "factor-vae", "vamp-prior", "aae", "vae-gan", "ali", "veegan"]
)
def test_with_convolutions_too(name):
    """An iteration of training, then both ways through the model."""
    recipe = small_recipe(name, nets="conv", hidden=64)
    model = build_model(recipe, generator=seeded(0, "weights")).train()
    runner = StepRunner(model, Optimisers(model.nets, recipe.optim), Streams(0, World(), model.device), World())
    x = torch.rand(4, *SHAPE) * 2 - 1
    stats = runner.iterate(recipe.phases[0], x, 0)
    assert not any(key.startswith("nonfinite") for key in stats)
    model.eval()
    assert model.encode(x).shape == (4, 1, 6)
    assert model.reconstruct(x).shape == model.sample(4, generator=seeded(0, "samples")).shape == x.shape
