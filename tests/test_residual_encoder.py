"""LIA's encoder: sizes, what its blocks compute, its heads, and the batch norm it rests on."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from twoway.errors import ConfigError
from twoway.networks import Gaussian, ResidualEncoder, layers, reset_net
from twoway.networks.layers import BatchNorm, lr_coefficients


def made(seed=0, size=16, dim=6, **options):
    net = ResidualEncoder((3, size, size), dim, **{"base": 4, "maximum": 12, **options})
    reset_net(net, torch.Generator().manual_seed(seed))
    return net


def images(count=5, size=16, seed=0):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def block(inputs, outputs):
    """Weights, biases and offsets of a block, counted from the description."""
    shortcut = 0 if inputs == outputs else inputs * outputs + outputs
    return shortcut + (9 * inputs * inputs + 2 * inputs) + (9 * inputs * outputs + 2 * outputs)


def test_sizes_of_lias_encoders():
    stem = 3 * 64 * 9 + 64
    blocks = sum(block(a, b) for a, b in [(64, 128), (128, 256), (256, 512), (512, 1024), (1024, 1024)])
    head = 16384 * 512 + 512
    assert stem + blocks + head == 37_373_696
    with torch.device("meta"):
        small = ResidualEncoder((3, 128, 128), 512, head="batch_norm")
        large = ResidualEncoder((3, 256, 256), 512, head="batch_norm")
    assert sum(p.numel() for p in small.parameters()) == 37_373_696
    assert sum(p.numel() for p in large.parameters()) == 37_373_696 + block(1024, 1024) == 56_252_160


def test_initial_weights_and_learning_rates_are_those_of_lia():
    net = ResidualEncoder((3, 16, 16), 64, head="batch_norm", base=32)
    reset_net(net, torch.Generator().manual_seed(0))
    assert net.blocks[1].conv2.conv.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert net.head.linear.weight.std().item() == pytest.approx(0.02 / math.sqrt(2048), rel=0.02)
    coefficients = lr_coefficients(net)
    assert coefficients["head.linear.weight"] == pytest.approx(1 / math.sqrt(2048))
    assert {v for name, v in coefficients.items() if name != "head.linear.weight"} == {1.0}


@pytest.mark.parametrize("training", [True, False])
def test_it_computes_what_the_description_says(training):
    """Layer by layer, with torch's own batch norm; channels 4, 8, 12, 12 reach every kind of block."""
    net = made(size=32, head="batch_norm").train(training)
    with torch.no_grad():
        for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
            tensor.uniform_(0.5, 1.5) if name.endswith("running_var") else tensor.normal_(0, 0.3)
    state = {k: v.clone() for k, v in net.state_dict().items()}

    def normed(x, name):
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return functional.batch_norm(x, mean, var, None, state[f"{name}.bias"], training, momentum=0.1, eps=1e-5)

    def conv(x, name, padding):
        return functional.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), padding=padding)

    def unit(x, name, padding=1):
        return functional.leaky_relu(normed(conv(x, f"{name}.conv", padding), f"{name}.norm"), 0.2)

    x = images(size=32)
    y = unit(x, "stem")
    for i, changes in enumerate([True, True, False]):
        y = functional.avg_pool2d(y, 2)
        beside = unit(y, f"blocks.{i}.shortcut", 0) if changes else y
        y = beside + unit(unit(y, f"blocks.{i}.conv1"), f"blocks.{i}.conv2")
    w = normed(y.flatten(1) @ state["head.linear.weight"].T, "head.norm")
    with torch.no_grad():
        torch.testing.assert_close(net(x), w.unsqueeze(1), rtol=1e-4, atol=1e-4)
        if training:
            for name, tensor in net.state_dict().items():
                torch.testing.assert_close(tensor, state[name], rtol=1e-4, atol=1e-4)
    assert net.blocks[0].conv1.conv.weight.shape == (4, 4, 3, 3)


def test_features_and_code_are_the_two_halves():
    net = made().eval()
    x = images()
    assert net.features(x).shape == (5, 12 * 16)
    assert torch.equal(net.code(net.features(x)), net(x))
    assert net(x).shape == (5, 1, 6)


def test_an_anchor_moves_and_stretches_the_codes():
    net = made().eval()
    x = images()
    before = net(x)[:, 0]
    mean, std = torch.arange(6.0), torch.arange(1.0, 7.0)
    net.anchor(mean[None], std[None])
    torch.testing.assert_close(net(x)[:, 0], mean + std * before)
    other = made(seed=1).eval()
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(x), net(x))
    with pytest.raises(ValueError, match="anchored"):
        made(head="batch_norm").anchor(mean, std)


def test_codes_of_the_normed_head_have_unit_variance_and_fresh_anchored_ones_are_near_the_mean():
    x = images(64)
    w = made(head="batch_norm").train()(x)[:, 0]
    torch.testing.assert_close(w.var(0, unbiased=False), torch.ones(6), rtol=0.1, atol=0)
    torch.testing.assert_close(w.mean(0), torch.zeros(6), rtol=0, atol=1e-4)
    assert 0.02 < made().train()(x).square().mean().sqrt() < 1.0


@pytest.mark.parametrize("head", ["anchored", "batch_norm"])
def test_layers_start_alike_and_differ_as_they_are_released(head):
    net = made(w_layers=4, head=head).eval()
    x = images()
    w = net(x)
    assert w.shape == (5, 4, 6)
    assert torch.equal(w, w[:, :1].expand(5, 4, 6))
    with torch.no_grad():
        net.offsets.bias.copy_(torch.arange(18.0) + 1)
    if head == "anchored":
        net.anchor(torch.zeros(6), torch.full((6,), 2.0))
    scale = 2.0 if head == "anchored" else 1.0
    for released in (1, 2, 4):
        net.release(released)
        w = net(x)
        for layer in range(4):
            expected = scale * (torch.arange(6.0) + 1 + 6 * (layer - 1)) if 0 < layer < released else torch.zeros(6)
            torch.testing.assert_close(w[:, layer] - w[:, 0], expected.expand(5, 6))
    other = made(w_layers=4, head=head).eval()
    net.release(3)
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(x), net(x))
    with pytest.raises(ValueError, match="5 of 4"):
        net.release(5)


def test_offsets_that_are_not_released_do_not_learn():
    net = made(w_layers=3)
    net.release(2)
    net(images()).square().sum().backward()
    assert net.offsets.bias.grad[:6].any()
    assert not net.offsets.bias.grad[6:].any()


def test_a_distribution_starts_with_unit_variance():
    net = made(gaussian=True).eval()
    code = net(images())
    assert isinstance(code, Gaussian)
    assert code.mean.shape == code.log_var.shape == (5, 1, 6)
    assert not code.log_var.any()
    assert torch.equal(code.mean, made().eval()(images()))


def test_every_parameter_gets_a_gradient():
    for options in ({}, {"head": "batch_norm"}, {"w_layers": 3}, {"gaussian": True}):
        net = made(**options).train()
        code = net(images(8))
        target = torch.randn(8, 1, 6, generator=torch.Generator().manual_seed(5))
        value = sum(((part - target) ** 2).sum() for part in (code if isinstance(code, Gaussian) else [code]))
        value.backward()
        for name, parameter in net.named_parameters():
            # batch norm takes away what the bias before it adds
            assert name.endswith("conv.bias") or parameter.grad.any(), name


@pytest.mark.parametrize(
    ("shape", "options", "said"),
    [
        ((3, 16, 32), {}, "square"),
        ((3, 20, 20), {}, "4 times a power of two"),
        ((3, 16, 16), {"gaussian": True, "w_layers": 2}, "w_layers is 2"),
    ],
)
def test_what_cannot_be_built_is_refused(shape, options, said):
    with pytest.raises(ConfigError, match=said):
        ResidualEncoder(shape, 4, **options)


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_of_maps_is_torchs_own(generator, training, scale):
    ours, theirs = BatchNorm(5, scale=scale).train(training), nn.BatchNorm2d(5).train(training)
    assert [n for n, _ in ours.named_parameters()] == (["weight", "bias"] if scale else ["bias"])
    with torch.no_grad():
        for module in (ours, theirs):
            g = torch.Generator().manual_seed(1)
            module.bias.normal_(generator=g)
            module.running_mean.normal_(generator=g)
            module.running_var.uniform_(0.5, 2.0, generator=g)
            if module.weight is not None and scale:
                module.weight.normal_(generator=g)
    x = torch.randn(6, 5, 3, 4, generator=generator) * 3 + 2
    target = torch.randn(6, 5, 3, 4, generator=generator)
    results = []
    for module in (ours, theirs):
        leaf = x.clone().requires_grad_(True)
        y = module(leaf)
        (y * target).sum().backward()
        results.append((y, leaf.grad, module.bias.grad, module.running_mean, module.running_var))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(8, 3), (8, 3, 2, 5)])
def test_batch_norm_takes_its_moments_over_all_processes(generator, monkeypatch, shape):
    """A process that is told the other one's moments gets its rows of what the whole batch gives."""
    x = torch.randn(*shape, generator=generator) * 2 + 1
    whole, half = BatchNorm(3, scale=False).train(), BatchNorm(3, scale=False).train()
    expected = whole(x)[:4]
    axes = [0, *range(2, len(shape))]
    other = torch.stack([x[4:].mean(axes), x[4:].square().mean(axes)])
    monkeypatch.setattr(layers.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(layers.dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(layers, "_sum", lambda moments: moments + other)
    torch.testing.assert_close(half(x[:4]), expected)
    torch.testing.assert_close(half.running_mean, whole.running_mean)
    torch.testing.assert_close(half.running_var, whole.running_var)


def test_batch_norm_of_maps_keeps_out_of_frozen_nets_and_of_steps_that_overflow(generator):
    for frozen, x in (
        (True, torch.randn(4, 3, 2, 2, generator=generator)),
        (False, torch.full((4, 3, 2, 2), math.inf)),
    ):
        norm = BatchNorm(3, scale=False).train().requires_grad_(not frozen)
        before = {k: v.clone() for k, v in norm.state_dict().items()}
        norm(x)
        for key, value in norm.state_dict().items():
            assert torch.equal(value, before[key])
