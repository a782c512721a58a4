import math

import pytest
import torch
from torch import nn

from twoway.errors import ConfigError
from twoway.methods import make_recipe
from twoway.networks import Gaussian, NetSpec, build_net, reset_net
from twoway.networks.layers import BatchNorm, Linear, PixelNorm, lr_coefficients

MNIST = (1, 28, 28)


def test_parameter_counts_of_alae_on_mnist():
    recipe = make_recipe("alae-mnist", MNIST)
    counts = {slot: sum(p.numel() for p in build_net(spec).parameters()) for slot, spec in recipe.nets.items()}
    assert counts == {"mapping": 15300, "generator": 1905424, "encoder": 1904690, "critic": 7650}


def test_equalised_learning_rates_by_hand():
    recipe = make_recipe("alae-mnist", MNIST)
    mapping = lr_coefficients(build_net(recipe.nets["mapping"]))
    assert mapping["layers.0.linear.weight"] == pytest.approx(0.1 * math.sqrt(2 / 50))
    assert mapping["layers.0.linear.bias"] == pytest.approx(0.1)
    encoder = lr_coefficients(build_net(recipe.nets["encoder"]))
    assert encoder["hidden.0.linear.weight"] == pytest.approx(math.sqrt(2 / 784))
    assert encoder["hidden.0.linear.bias"] == 1.0
    assert encoder["head.linear.weight"] == pytest.approx(math.sqrt(2 / 1024))
    critic = lr_coefficients(build_net(recipe.nets["critic"]))
    assert critic["head.weight"] == pytest.approx(0.1 * math.sqrt(2 / 50))


def test_a_layer_that_is_not_equalised_learns_at_the_common_rate():
    assert Linear(10, 3, equalised=False).coefficients() == {"weight": 1.0, "bias": 1.0}


def test_initial_weights_have_the_stated_deviation(generator):
    layer = Linear(400, 500)
    layer.reset(generator)
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / 400), rel=0.01)
    assert not layer.bias.any()


def test_reset_is_reproducible():
    spec = make_recipe("bigan", (1, 8, 8), {"latent": 4, "hidden": 8}).nets["encoder"]
    nets = [build_net(spec) for _ in range(2)]
    for net in nets:
        reset_net(net, torch.Generator().manual_seed(3))
    for a, b in zip(nets[0].state_dict().values(), nets[1].state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_pixel_norm_by_hand():
    torch.testing.assert_close(PixelNorm()(torch.tensor([[3.0, 4.0]])), torch.tensor([[3.0, 4.0]]) / math.sqrt(12.5))


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_torchs_own(generator, training):
    ours, theirs = BatchNorm(5), nn.BatchNorm1d(5)
    with torch.no_grad():
        for module in (ours, theirs):
            g = torch.Generator().manual_seed(1)
            module.weight.normal_(generator=g)
            module.bias.normal_(generator=g)
            module.running_mean.normal_(generator=g)
            module.running_var.uniform_(0.5, 2.0, generator=g)
            module.train(training)
    x = torch.randn(12, 5, generator=generator) * 3 + 2
    target = torch.randn(12, 5, generator=generator)
    results = []
    for module in (ours, theirs):
        leaf = x.clone().requires_grad_(True)
        y = module(leaf)
        (y * target).sum().backward()
        results.append((y, leaf.grad, module.weight.grad, module.bias.grad, module.running_mean, module.running_var))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_frozen_batch_norm_does_not_move(generator):
    norm = BatchNorm(3).train()
    norm.requires_grad_(False)
    before = {k: v.clone() for k, v in norm.state_dict().items()}
    y = norm(torch.randn(8, 3, generator=generator) + 5)
    assert abs(y.mean().item()) < 1e-5  # it still uses the batch's own statistics
    for key, value in norm.state_dict().items():
        assert torch.equal(value, before[key])


def test_batch_norm_of_a_single_row_is_finite():
    assert BatchNorm(3).train()(torch.ones(1, 3)).isfinite().all()


def test_encoder_gives_code_and_features_in_one_pass(generator):
    spec = make_recipe("vae", (1, 8, 8), {"latent": 4, "hidden": 8}).nets["encoder"]
    net = build_net(spec)
    reset_net(net, generator)
    x = torch.rand(5, 1, 8, 8, generator=generator) * 2 - 1
    code = net.eval()(x)
    assert isinstance(code, Gaussian)
    assert code.mean.shape == code.log_var.shape == (5, 1, 4)
    features = net.features(x)
    assert features.shape == (5, 8)
    assert torch.equal(net.code(features).mean, code.mean)


def test_a_squashing_generator_stays_in_range(generator):
    spec = make_recipe("ae", (1, 8, 8), {"latent": 4, "hidden": 8}).nets["generator"]
    net = build_net(spec)
    reset_net(net, generator)
    x = net.eval()(torch.randn(50, 1, 4, generator=generator) * 100)
    assert x.shape == (50, 1, 8, 8)
    assert x.min() >= -1
    assert x.max() <= 1


def test_alaes_critic_is_affine(generator):
    net = build_net(make_recipe("alae", (1, 8, 8), {"latent": 4, "hidden": 8}).nets["critic"])
    reset_net(net, generator)
    a, b = torch.randn(2, 1, 1, 4, generator=generator).unbind(0)
    torch.testing.assert_close(net((a + b) / 2), (net(a) + net(b)) / 2)


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ({"kind": "mlp_maping", "z_dim": 3}, "did you mean 'mlp_mapping'"),
        ({"kind": "mlp_mapping", "z_dim": 3}, "lacks the key 'w_dim'"),
        ({"kind": "mlp_mapping", "z_dim": 3, "w_dim": 3, "dept": 2}, "did you mean 'depth'"),
        ({"kind": "mlp_mapping", "z_dim": "x", "w_dim": 3}, "net.z_dim"),
        ({"z_dim": 3}, "table with the key 'kind'"),
    ],
)
def test_net_specs_are_checked(plain, said):
    with pytest.raises(ConfigError, match=said):
        NetSpec.from_plain(plain)
