"""Resolution-changing convolutions against what they stand for: separate resampling and a plain convolution."""

import pytest
import torch
from torch.nn import functional

from twoway.networks import convolutions
from twoway.networks.convolutions import Conv, blur, widened_kernel
from twoway.training.steps import matmul_precision


def made(scale, inputs=3, outputs=5):
    conv = Conv(inputs, outputs, scale=scale, bias=True).double()
    conv.reset(torch.Generator().manual_seed(0))
    with torch.no_grad():
        conv.bias.copy_(torch.arange(outputs))
    return conv


@pytest.mark.parametrize("size", [1, 4, 6])
def test_up_is_nearest_doubling_then_a_convolution(size):
    conv = made("up")
    x = torch.randn(2, 3, size, size, dtype=torch.float64)
    plain = functional.conv2d(functional.interpolate(x, scale_factor=2), conv.weight, conv.bias, padding=1)
    torch.testing.assert_close(conv(x), plain)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 5), (4, 4, 4)])
def test_few_pixels_through_a_large_kernel(shape, monkeypatch):
    b, h, w = shape
    conv = Conv(128, 128, scale="up", bias=True)
    conv.reset(torch.Generator().manual_seed(0))
    x = torch.randn(b, 128, h, w, requires_grad=True)
    taken, product = [], convolutions._doubled_by_product
    monkeypatch.setattr(convolutions, "_doubled_by_product", lambda *a: taken.append(1) or product(*a))
    y = conv(x)
    plain = functional.conv2d(functional.interpolate(x, scale_factor=2), conv.weight, conv.bias, padding=1)
    torch.testing.assert_close(y, plain, rtol=1e-4, atol=1e-4)
    assert y.is_contiguous(memory_format=torch.channels_last)
    for found, expected in zip(
        torch.autograd.grad(y.square().sum(), [x, conv.weight]),
        torch.autograd.grad(plain.square().sum(), [x, conv.weight]),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert len(taken) == 1
    conv(x.repeat(70, 1, 1, 1))
    assert len(taken) == 1


@pytest.mark.parametrize("size", [2, 4, 6])
def test_down_is_a_convolution_then_averaging(size):
    conv = made("down")
    x = torch.randn(2, 3, size, size, dtype=torch.float64)
    plain = functional.avg_pool2d(functional.conv2d(x, conv.weight, conv.bias, padding=1), 2)
    torch.testing.assert_close(conv(x), plain)


@pytest.mark.parametrize("scale", ["same", "up", "down"])
def test_weight_gradients_are_those_of_the_plain_convolution(scale):
    conv = made(scale)
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: functional_form(conv, x, w), (x, conv.weight))
    assert torch.autograd.gradgradcheck(lambda x, w: functional_form(conv, x, w), (x, conv.weight))


def functional_form(conv, x, weight):
    return torch.func.functional_call(conv, {"weight": weight}, (x,))


def test_blur_keeps_a_constant_inside_and_its_kernel_sums_to_one():
    x = torch.zeros(1, 2, 5, 5)
    x[:, 1, 2, 2] = 16.0
    expected = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]])
    assert torch.equal(blur(x)[0, 1, 1:4, 1:4], expected)
    assert not blur(x)[0, 0].any()
    assert torch.equal(blur(torch.ones(1, 1, 5, 5))[0, 0, 1:4, 1:4], torch.ones(3, 3))


@pytest.mark.parametrize("factor", [1.0, 0.25])
@pytest.mark.parametrize("mirrored", [False, True])
def test_widened_kernel_is_a_sum_over_four_shifts(factor, mirrored):
    weight = torch.randn(2, 3, 3, 3, dtype=torch.float64)
    expected = torch.zeros(2, 3, 4, 4, dtype=torch.float64)
    for i, j in [(0, 0), (0, 1), (1, 0), (1, 1)]:
        expected[:, :, i : i + 3, j : j + 3] += factor * weight
    found = widened_kernel(weight, factor=factor, mirrored=mirrored)
    torch.testing.assert_close(found, expected.flip(2, 3) if mirrored else expected)


def test_blur_differentiates_twice():
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(blur, x)
    assert torch.autograd.gradgradcheck(blur, x)


@pytest.mark.parametrize("scale", ["same", "up", "down"])
def test_maps_and_their_gradients_are_channels_last(scale):
    conv = made(scale).float()
    x = torch.randn(2, 3, 4, 4, requires_grad=True)
    y = conv(x)
    (gradient,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), x)
    assert all(t.is_contiguous(memory_format=torch.channels_last) for t in (y, blur(y), gradient, second))


@pytest.mark.parametrize("scale", ["same", "up", "down"])
def test_rounding_to_bfloat16_changes_little_and_only_where_allowed(scale, monkeypatch):
    monkeypatch.setattr(convolutions, "_has_bfloat16_units", lambda: True)
    conv = made(scale, inputs=16, outputs=16).float()
    x = torch.randn(4, 16, 8, 8, requires_grad=True)

    def results():
        y = conv(x)
        (gradient,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        return [y, gradient, *torch.autograd.grad(gradient.square().sum(), [conv.weight, conv.bias])]

    exact = results()
    with matmul_precision("float32"):
        assert all(torch.equal(a, b) for a, b in zip(results(), exact, strict=True))
    with matmul_precision("bfloat16"):
        rounded = results()
    for a, b in zip(rounded, exact, strict=True):
        assert a.dtype == b.dtype == torch.float32
        assert 0 < (a - b).norm() < 0.02 * b.norm()
