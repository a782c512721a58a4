"""Resolution-changing convolutions against what they stand for: separate resampling and a plain convolution."""

import pytest
import torch
from torch.nn import functional

from twoway.networks.convolutions import Conv, blur


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


def test_blur_has_the_derivatives_of_what_it_computes():
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(blur, (x,))
    assert torch.autograd.gradgradcheck(blur, (x,))
    (gradient,) = torch.autograd.grad(blur(x.square()).square().sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(gradient.sum(), x)
    assert second.any()
