"""What the style nets promise: sizes, gradients, growing, noise, codes per layer, half precision."""

import math

import pytest
import torch
from torch.nn import functional

from twoway.errors import ConfigError
from twoway.networks import (
    MLPCritic,
    MLPMapping,
    NetSpec,
    SkipGenerator,
    StyleEncoder,
    StyleGenerator,
    build_net,
    reset_net,
    style_channels,
)
from twoway.networks.layers import lr_coefficients

W = 12

# resolution, start and most maps, width of w, depth of F, colours; parameters of F, G, E, D on the official code
OFFICIAL = {
    "ffhq": ((1024, 16, 512, 512, 8, 3), (2_101_248, 24_118_379, 26_974_352, 1_050_624)),
    "celeba-hq256": ((256, 64, 512, 512, 8, 3), (2_101_248, 23_984_981, 26_789_952, 1_050_624)),
    "bedroom": ((256, 32, 512, 512, 8, 3), (2_101_248, 18_305_717, 21_145_888, 1_050_624)),
    "celeba": ((128, 64, 256, 256, 8, 3), (526_336, 5_944_402, 6_625_600, 263_168)),
    "mnist": ((32, 64, 256, 32, 4, 1), (4_224, 2_422_980, 3_017_920, 4_224)),
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_parameter_counts_of_the_official_configurations(name):
    (size, start, maximum, w, depth, colours), counts = OFFICIAL[name]
    shape, channels = (colours, size, size), style_channels(size, start, maximum)
    with torch.device("meta"):
        nets = (
            MLPMapping(w, w, depth=depth),
            StyleGenerator(shape, w, channels),
            StyleEncoder(shape, w, channels, bottom=min(maximum, 2 * channels[0])),
            MLPCritic(w, (w, w), outputs=2 * w, slope=1.0, lr_mul=0.1, score=w),
        )
    assert tuple(sum(p.numel() for p in net.parameters()) for net in nets) == counts


def fresh(net, seed=0):
    """A net with weights drawn, and with what starts at zero moved away from it."""
    generator = torch.Generator().manual_seed(seed)
    reset_net(net, generator)
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.2, generator=generator)
    return net


def generator_of(size, colours=3, **options):
    return fresh(StyleGenerator((colours, size, size), W, style_channels(size, 4, 8), **options))


def encoder_of(size, colours=3, **options):
    return fresh(StyleEncoder((colours, size, size), W, style_channels(size, 4, 8), **options))


def skip_of(size, colours=3):
    return fresh(SkipGenerator((colours, size, size), W, style_channels(size, 4, 8)))


def draw(shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(math.prod(shape)))


def codes(rows=1, batch=3):
    return torch.randn(batch, rows, W, generator=torch.Generator().manual_seed(7))


def pictures(size, colours=3, batch=3):
    return torch.rand(batch, colours, size, size, generator=torch.Generator().manual_seed(8)) * 2 - 1


@pytest.mark.parametrize("size", [4, 8, 16, 32, 64])
@pytest.mark.parametrize("colours", [1, 3])
def test_shapes(size, colours):
    for make in (generator_of, skip_of):
        net = make(size, colours)
        assert net.w_layers == 2 * int(math.log2(size / 2))
        for noise in ("fixed", "off", "density", draw):
            assert net(codes(), noise).shape == (3, colours, size, size)
        torch.testing.assert_close(net(codes()), net(codes().expand(-1, net.w_layers, -1)))
    for w_layers in (1, net.w_layers):
        assert encoder_of(size, colours, w_layers=w_layers)(pictures(size, colours)).shape == (3, w_layers, W)


@pytest.mark.parametrize(("size", "channels"), [(12, (8, 8)), (2, (8,)), (16, (8, 8)), (16, (8, 8, 8, 8))])
def test_sizes_that_cannot_be(size, channels):
    for net in (StyleGenerator, StyleEncoder, SkipGenerator):
        with pytest.raises(ConfigError, match=r"4 times a power of two|need 3 numbers"):
            net((3, size, size), W, channels)
    with pytest.raises(ConfigError, match="square"):
        StyleGenerator((3, 8, 16), W, (8, 8))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="3 rows"):
        generator_of(8)(codes(3))
    with pytest.raises(ValueError, match="8, 8"):
        encoder_of(16)(pictures(8))
    with pytest.raises(ConfigError, match="w_layers is 3"):
        encoder_of(16, w_layers=3)
    with pytest.raises(ConfigError, match="score is 4"):
        MLPCritic(4, (4,), outputs=4, score=4)


LEVELS = [(0, 1.0), (1, 1.0), (2, 1.0), (1, 0.3), (2, 0.3)]


def untouched(net, loss):
    """Names of the parameters that a loss leaves without any gradient."""
    gradients = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
    names = [name for name, _ in net.named_parameters()]
    return {n for n, g in zip(names, gradients, strict=True) if g is None or not g.any()}


def idle_colours(net, level, blend, layers):
    working = {level, level - 1} if blend < 1 else {level}
    names = [n for n, _ in net.named_parameters()]
    return {n for n in names if n.startswith(layers) and int(n.split(".")[1]) not in working}


def above(net, level):
    """Parameters of the blocks and heads of levels that do not work yet."""
    names = [n for n, _ in net.named_parameters()]
    return {n for n in names if n.startswith(("blocks", "heads", "offsets")) and int(n.split(".")[1]) > level}


@pytest.mark.parametrize(("level", "blend"), LEVELS)
def test_gradients_reach_every_working_parameter_of_the_generator(level, blend):
    net = generator_of(16)
    net.grow_to(level, blend)
    target = torch.randn(3, 3, net.resolution, net.resolution)
    left = untouched(net, (net(codes(net.w_layers), draw) * target).sum())
    assert left == idle_colours(net, level, blend, "to_rgb") | above(net, level)


@pytest.mark.parametrize(("level", "blend"), LEVELS)
@pytest.mark.parametrize("w_layers", [1, 6])
def test_gradients_reach_every_working_parameter_of_the_encoder(level, blend, w_layers):
    net = encoder_of(16, w_layers=w_layers)
    net.grow_to(level, blend)
    left = untouched(net, (net(pictures(net.resolution)) * torch.randn(w_layers, W)).sum())
    assert left == idle_colours(net, level, blend, "from_rgb") | above(net, level)


def test_gradients_reach_every_parameter_of_the_skip_generator():
    net = skip_of(16)
    assert untouched(net, (net(codes(net.w_layers), draw) * torch.randn(3, 3, 16, 16)).sum()) == set()


@pytest.mark.parametrize("blend", [1.0, 0.4])
def test_second_derivatives_of_the_encoder(blend):
    """As R1 needs them: the gradient of a squared input gradient, against finite differences."""
    net = encoder_of(8).double()
    net.grow_to(1, blend)
    x = pictures(8, batch=2).double()
    direction = torch.randn(W, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def penalty(weight):
        leaf = x.clone().requires_grad_(True)
        w = torch.func.functional_call(net, {"blocks.1.conv.weight": weight}, (leaf,))
        (gradient,) = torch.autograd.grad((w * direction).sum(), leaf, create_graph=True)
        return gradient.square().sum()

    weight = net.blocks[1].conv.weight.detach().clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(penalty(weight), weight)
    step = torch.randn(weight.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    h = 1e-6
    difference = (penalty(weight + h * step) - penalty(weight - h * step)) / (2 * h)
    torch.testing.assert_close((gradient * step).sum(), difference, rtol=1e-5, atol=1e-8)


def test_constant_images_have_finite_gradients_unless_the_epsilon_is_zero():
    """All-zero pictures and a fresh net make every map constant; the official code then gives NaN."""
    for eps, finite in ((1e-8, True), (0.0, False)):
        net = StyleEncoder((3, 8, 8), W, (8, 8), eps_std=eps)
        reset_net(net, torch.Generator().manual_seed(0))
        x = torch.zeros(2, 3, 8, 8, requires_grad=True)
        (gradient,) = torch.autograd.grad(net(x).square().sum() + net(x).sum(), x)
        assert gradient.isfinite().all() == finite


def test_blending_at_its_ends_is_the_level_below_or_the_level_alone():
    net, w = generator_of(16), codes()
    net.grow_to(1)
    below = net(w)
    net.grow_to(2, 0.0)
    torch.testing.assert_close(net(w), below.repeat_interleave(2, 2).repeat_interleave(2, 3))
    net.grow_to(2, 1 - 1e-7)
    faded = net(w)
    net.grow_to(2)
    torch.testing.assert_close(net(w), faded, rtol=1e-4, atol=1e-5)
    encoder, x = encoder_of(16, w_layers=6), pictures(16)
    encoder.grow_to(2, 0.0)
    at_zero = encoder(x)
    encoder.grow_to(1)
    torch.testing.assert_close(encoder(functional.avg_pool2d(x, 2)), at_zero)


def test_the_state_of_growing_travels_with_the_weights():
    for make in (generator_of, encoder_of):
        old, new = make(16), make(16)
        old.grow_to(2, 0.25)
        new.grow_to(0)
        new.load_state_dict(old.state_dict())
        assert (new.level, new.blend) == (2, 0.25)


def test_fixed_noise_is_stored_and_not_trained():
    net = generator_of(8)
    assert torch.equal(net(codes()), net(codes()))
    assert not torch.equal(net(codes()), net(codes(), draw))
    maps = {name for name in net.state_dict() if name.endswith(".fixed")}
    assert len(maps) == net.w_layers
    assert not maps & {name for name, _ in net.named_parameters()}
    again = StyleGenerator((3, 8, 8), W, (8, 4))
    again.load_state_dict(net.state_dict())
    assert torch.equal(again(codes()), net(codes()))
    reset_net(again, torch.Generator().manual_seed(5))
    assert not torch.equal(again.blocks[0].first.noisy.fixed, net.blocks[0].first.noisy.fixed)


def test_noise_is_asked_for_coarsest_first_and_only_for_working_levels():
    net, asked = generator_of(32), []
    net.grow_to(2)

    def watch(shape):
        asked.append(shape)
        return torch.zeros(1, 1, *shape[2:])

    torch.testing.assert_close(net(codes(), watch), net(codes(), "off"))
    assert asked == [(3, 1, side, side) for side in (4, 4, 8, 8, 16, 16)]


def test_rows_of_levels_that_do_not_work_do_not_count():
    net, rows = generator_of(16), codes(6)
    net.grow_to(1)
    changed = rows.clone()
    changed[:, 4:] += 1
    assert torch.equal(net(rows), net(changed))
    changed[:, 3] += 1
    assert not torch.equal(net(rows), net(changed))


@pytest.mark.parametrize("make", [generator_of, skip_of])
def test_every_row_of_a_code_counts_at_full_size(make):
    net, rows = make(16), codes(6)
    for row in range(6):
        changed = rows.clone()
        changed[:, row] += 1
        assert not torch.allclose(net(rows), net(changed)), row


def test_codes_per_layer_start_as_the_single_code():
    single = StyleEncoder((3, 16, 16), W, (8, 8, 4))
    rows = StyleEncoder((3, 16, 16), W, (8, 8, 4), w_layers=6)
    reset_net(rows, torch.Generator().manual_seed(0))
    single.load_state_dict({k: v for k, v in rows.state_dict().items() if not k.startswith("offsets")})
    torch.testing.assert_close(rows(pictures(16)), single(pictures(16)).expand(-1, 6, -1))
    with torch.no_grad():
        rows.offsets[1].bias[W:] = 1.0  # second row of level 1
    change = rows(pictures(16)) - single(pictures(16))
    assert torch.equal(change.abs().amax((0, 2)) > 0.5, torch.tensor([False, False, False, True, False, False]))


def test_features_are_means_and_deviations_and_give_the_code():
    net, x = encoder_of(8), pictures(8)
    features = net.features(x)
    assert torch.equal(net.code(features), net(x))
    maps = functional.leaky_relu(net.blocks[1].conv(functional.leaky_relu(net.from_rgb[1](x), 0.04)), 0.2)
    torch.testing.assert_close(features[:, :4], maps.mean((2, 3)))
    torch.testing.assert_close(features[:, 4:8], maps.std((2, 3), correction=0))


def test_squashed_images_stay_in_range():
    plain, squashed = generator_of(8), generator_of(8, tanh=True)
    torch.testing.assert_close(squashed(codes()), torch.tanh(plain(codes())))


def test_learning_rates_of_layers():
    generator = lr_coefficients(StyleGenerator((3, 8, 8), W, (8, 4)))
    assert generator["to_rgb.1.weight"] == pytest.approx(0.03 / 2)
    assert generator["blocks.1.up.weight"] == pytest.approx(math.sqrt(2 / 72))
    assert generator["blocks.1.first.style.affine.weight"] == pytest.approx(1 / math.sqrt(W))
    assert generator["constant.value"] == generator["blocks.0.first.noisy.strength"] == 1.0
    encoder = lr_coefficients(StyleEncoder((3, 8, 8), W, (8, 4), w_layers=4))
    assert encoder["heads.1.0.weight"] == pytest.approx(math.sqrt(2 / 8))
    assert encoder["offsets.1.weight"] == pytest.approx(math.sqrt(2 / 24))
    assert encoder["from_rgb.0.weight"] == pytest.approx(math.sqrt(2 / 3))


def modulated(layer, x, w):
    """Modulation and demodulation of each image's own weights, as StyleGAN2's equations 1 and 3 have it."""
    weight, made = layer.conv.weight, []
    for row, scales in zip(x, layer.scales(w), strict=True):
        own = weight * scales[None, :, None, None]
        own = own / (own.square().sum((1, 2, 3), keepdim=True) + 1e-12).sqrt()
        made.append(functional.conv2d(row[None], own, padding=1))
    return torch.cat(made)


def test_demodulation_is_that_of_the_weights(generator):
    layer = skip_of(16).blocks[1].same
    x, w = torch.randn(3, 8, 8, 8, generator=generator), codes()[:, 0]
    expected = functional.leaky_relu(modulated(layer, x, w) + layer.noisy.bias[:, None, None], 0.2) * math.sqrt(2)
    torch.testing.assert_close(layer(x, w, "off"), expected, rtol=1e-4, atol=1e-5)


def test_the_skip_generator_survives_half_precision():
    net, w = skip_of(16), codes(6) * 50
    exact = net(w)
    with torch.autocast("cpu", torch.bfloat16):
        rough = net(w)
    assert rough.isfinite().all()
    assert (rough.float() - exact).square().mean().sqrt() < 0.03 * exact.std()


@pytest.mark.parametrize("kind", ["style_generator", "style_encoder", "skip_generator"])
def test_nets_by_name(kind):
    spec = NetSpec(kind, {"image_shape": (3, 8, 8), "w_dim": W, "channels": (8, 4)})
    again = NetSpec.from_plain(spec.plain())
    assert again == spec
    net = build_net(again)
    reset_net(net, torch.Generator().manual_seed(0))
    assert all(value.isfinite().all() for value in net.state_dict().values())
