"""The critic of images: size, the spread within a batch, growing, second derivatives."""

import itertools
import math

import pytest
import torch
from torch.nn import functional

from twoway.errors import ConfigError
from twoway.networks import ImageCritic, reset_net
from twoway.networks.image_critic import batch_spread
from twoway.networks.layers import lr_coefficients
from twoway.terms.penalties import r1


def made(size=16, channels=(6, 5, 4), seed=0, shape=None, **options):
    net = ImageCritic(shape or (3, size, size), channels, **options)
    reset_net(net, torch.Generator().manual_seed(seed))
    return net


def images(count=4, size=16, seed=0, dtype=torch.float32):
    return (torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1).to(dtype)


def test_size_of_stylegans_critic_at_128():
    """Maps min(8192 / 2^stage, 512) with one stage per resolution, counted from the description."""
    maps = (512, 512, 512, 512, 256, 128)
    reading = sum(3 * m + m for m in maps)
    halving = sum(9 * a * a + a + 9 * a * b + b for b, a in itertools.pairwise(maps))
    last = 9 * 513 * 512 + 512 + 8192 * 512 + 512 + 512 + 1
    with torch.device("meta"):
        critic = ImageCritic((3, 128, 128), maps)
    assert sum(p.numel() for p in critic.parameters()) == reading + halving + last == 22_941_313


def test_learning_rates_are_equalised():
    coefficients = lr_coefficients(made())
    assert coefficients["from_rgb.2.weight"] == pytest.approx(math.sqrt(2 / 3))
    assert coefficients["blocks.1.conv2.weight"] == pytest.approx(math.sqrt(2 / (9 * 4)))
    assert coefficients["hidden.weight"] == pytest.approx(math.sqrt(2 / 96))
    assert coefficients["head.weight"] == pytest.approx(math.sqrt(1 / 6))


def binomial(x):
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    return functional.conv2d(x.flatten(0, 1)[:, None], kernel[None, None], padding=1).view(x.shape)


@pytest.mark.parametrize("residual", [False, True])
def test_it_computes_what_the_description_says(residual):
    net = made(8, (5, 4), residual=residual)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0, 0.3, generator=torch.Generator().manual_seed(parameter.numel()))
    p = net.state_dict()

    def act(x):
        return functional.leaky_relu(x, 0.2)

    x = images(4, 8)
    y = act(functional.conv2d(x, p["from_rgb.1.weight"], p["from_rgb.1.bias"]))
    main = act(functional.conv2d(y, p["blocks.0.conv1.weight"], p["blocks.0.conv1.bias"], padding=1))
    main = functional.conv2d(binomial(main), p["blocks.0.conv2.weight"], padding=1)
    main = act(functional.avg_pool2d(main, 2) + p["blocks.0.conv2.bias"].view(-1, 1, 1))
    if residual:
        beside = functional.conv2d(functional.avg_pool2d(binomial(y), 2), p["blocks.0.shortcut.weight"])
        main = (main + beside) / math.sqrt(2)
    spread = (main.var(0, unbiased=False) + 1e-8).sqrt().mean()
    y = torch.cat([main, spread.expand(4, 1, 4, 4)], dim=1)
    y = act(functional.conv2d(y, p["last_conv.weight"], p["last_conv.bias"], padding=1))
    y = act(y.reshape(4, -1) @ p["hidden.weight"].T + p["hidden.bias"])
    expected = (y @ p["head.weight"].T + p["head.bias"])[:, 0]
    torch.testing.assert_close(net(x), expected)


def test_spread_by_hand():
    """Rows 0, 2 are one group and rows 1, 3 the other: ProGAN deals a batch out in turn."""
    maps = torch.zeros(4, 2, 1, 2)
    maps[2, 0] = 2.0  # two of four entries differ by 2, so their deviation is 1
    found = batch_spread(maps, 2)
    assert found.shape == (4, 1, 1, 2)
    torch.testing.assert_close(found[:, 0, 0, 0], torch.tensor([0.5, 0.0, 0.5, 0.0]), atol=2e-4, rtol=0)


@pytest.mark.parametrize(("batch", "group"), [(8, 4), (6, 4), (5, 4), (7, 3), (3, 4), (1, 4)])
def test_spread_of_any_batch(batch, group):
    maps = torch.randn(batch, 3, 2, 2, generator=torch.Generator().manual_seed(batch))
    groups = math.ceil(batch / group)
    found = batch_spread(maps, group)
    for row in range(batch):
        rows = maps[row % groups :: groups]
        assert len(rows) in (group, batch // groups, math.ceil(batch / groups))
        expected = (rows.var(0, unbiased=False) + 1e-8).sqrt().mean()
        torch.testing.assert_close(found[row], expected.expand(1, 2, 2))


def test_without_the_spread_a_score_depends_on_its_image_alone():
    x = images(4)
    alone, with_spread = made(stddev_group=1), made()
    torch.testing.assert_close(alone(x)[:1], alone(x[:1]))
    assert (with_spread(x)[:1] - with_spread(x[:1])).abs() > 1e-4
    assert alone(x).shape == (4,)


@pytest.mark.parametrize("residual", [False, True])
def test_growing_is_continuous(residual):
    """Fading in by nothing is the level below on halved images; by half, something else than either end."""
    net = made(residual=residual)
    x = images()
    net.grow_to(2, 0.0)
    faded = net(x)
    net.grow_to(1)
    assert net.resolution == 8
    torch.testing.assert_close(faded, net(functional.avg_pool2d(x, 2)))
    net.grow_to(2)
    full = net(x)
    net.grow_to(2, 0.5)
    assert (net(x) - full).abs().max() > 1e-4
    assert (net(x) - faded).abs().max() > 1e-4
    net.grow_to(0)
    assert net(images(size=4)).shape == (4,)


def test_blending_mixes_the_maps_below():
    net = made(stddev_group=1)
    x = images()
    net.grow_to(2, 0.3)
    new = net.blocks[1](functional.leaky_relu(net.from_rgb["2"](x), 0.2))
    old = functional.leaky_relu(net.from_rgb["1"](functional.avg_pool2d(x, 2)), 0.2)
    maps = net.blocks[0](0.7 * old + 0.3 * new)
    y = functional.leaky_relu(net.last_conv(maps), 0.2).flatten(1)
    expected = net.head(functional.leaky_relu(net.hidden(y), 0.2))[:, 0]
    torch.testing.assert_close(net(x), expected)


def test_a_saved_critic_keeps_its_level():
    net, other = made(), made(seed=1)
    net.grow_to(2, 0.25)
    other.load_state_dict(net.state_dict())
    assert (other.level, other.blend) == (2, 0.25)
    assert torch.equal(net(images()), other(images()))


def test_a_critic_that_does_not_grow_has_no_idle_layers():
    net = made(growing=False)
    net.grow_to(2)
    net(images()).square().sum().backward()
    assert all(parameter.grad.any() for parameter in net.parameters())
    for level, blend in ((1, 1.0), (2, 0.5)):
        with pytest.raises(ValueError, match="full images only"):
            net.grow_to(level, blend)
    assert net.level == 2


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("blend", [1.0, 0.4])
def test_it_is_twice_differentiable(residual, blend):
    """The gradient of R1 with respect to a weight against its finite difference."""
    net = made(8, (3, 2), residual=residual).double()
    net.grow_to(1, blend)
    x = images(3, 8, dtype=torch.float64).requires_grad_(True)
    weight = net.blocks[0].conv2.weight

    (gradient,) = torch.autograd.grad(r1(net(x), x), weight)
    step = torch.randn(weight.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight.add_(step, alpha=sign * 1e-5)
        values.append(r1(net(x), x).item())
        with torch.no_grad():
            weight.add_(step, alpha=-sign * 1e-5)
    assert (values[0] - values[1]) / 2e-5 == pytest.approx((gradient * step).sum().item(), rel=1e-4)
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("channels", [1, 3])
def test_maps_are_laid_out_channels_last(channels):
    seen = []
    net = made(shape=(channels, 16, 16))
    for block in net.blocks:
        block.register_forward_pre_hook(
            lambda _, inputs: seen.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
        )
    net(torch.zeros(2, channels, 16, 16))
    assert seen == [True, True]


@pytest.mark.parametrize(
    ("shape", "channels", "said"),
    [
        ((3, 16, 32), (4, 4, 4), "square"),
        ((3, 16, 16), (4, 4), "2 entries, but images of 16 pixels need 3"),
        ((3, 20, 20), (4, 4), "4 times a power of two"),
    ],
)
def test_what_cannot_be_built_is_refused(shape, channels, said):
    with pytest.raises(ConfigError, match=said):
        ImageCritic(shape, channels)
