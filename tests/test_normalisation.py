"""Normalisation with derivatives written out, against plain formulas left to autograd."""

import pytest
import torch
from torch.nn import functional

from twoway.networks.normalisation import instance_norm, noisy_rectified, restyled

GENERATOR = torch.Generator().manual_seed(0)


def normal(*shape, requires_grad=True):
    values = torch.randn(*shape, dtype=torch.float64, generator=GENERATOR)
    if len(shape) == 4:
        values = values.contiguous(memory_format=torch.channels_last)
    return values.requires_grad_(requires_grad)


def test_instance_norm_is_that_of_torch():
    x = normal(2, 3, 4, 5)
    y, mean, variance = instance_norm(x, 1e-5)
    torch.testing.assert_close(y, functional.instance_norm(x, eps=1e-5))
    torch.testing.assert_close(mean, x.mean((2, 3), keepdim=True))
    torch.testing.assert_close(variance, x.var((2, 3), correction=0, keepdim=True))


@pytest.mark.parametrize("eps", [1e-5, 0.5])
def test_instance_norm_differentiates_twice(eps):
    x = normal(2, 3, 2, 3)
    assert torch.autograd.gradcheck(lambda x: instance_norm(x, eps), x)
    assert torch.autograd.gradgradcheck(lambda x: instance_norm(x, eps), x)


@pytest.mark.parametrize("rows", [1, 2])
def test_restyled_is_instance_norm_then_an_affine_map(rows):
    x, scale, shift = normal(rows, 3, 2, 4), normal(2, 3, 1, 1), normal(2, 3, 1, 1)
    expected = functional.instance_norm(x, eps=1e-2) * (1 + scale) + shift
    torch.testing.assert_close(restyled(x, scale, shift, 1e-2), expected)
    assert torch.autograd.gradcheck(lambda *a: restyled(*a, 1e-2), (x, scale, shift))
    assert torch.autograd.gradgradcheck(lambda *a: restyled(*a, 1e-2), (x, scale, shift))


def test_a_constant_map_becomes_the_shift_exactly():
    x = torch.ones(2, 3, 4, 4, requires_grad=True)  # the constant input of a fresh generator
    scale, shift = torch.full((2, 3, 1, 1), 1e3), torch.randn(2, 3, 1, 1, generator=GENERATOR)
    y = restyled(x, scale, shift, 1e-8)
    assert torch.equal(y, shift.expand_as(y))
    assert (
        torch.autograd.grad(y.square().sum(), x)[0].abs().max() < 10
    )  # rounding; 1 / sqrt(eps) times the scale is 10^7


@pytest.mark.parametrize("maps_of_noise", [1, 2])
@pytest.mark.parametrize("strengths", [1, 3])
def test_noise_bias_and_rectifier(maps_of_noise, strengths):
    x, noise = normal(2, 3, 4, 2), normal(maps_of_noise, 1, 4, 2)
    strength, bias = normal(strengths), normal(3)

    def act(x, noise, strength, bias):
        return noisy_rectified(x.clone(), noise, strength, bias, 0.2)

    expected = functional.leaky_relu(x + noise * strength.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1), 0.2)
    torch.testing.assert_close(act(x, noise, strength, bias), expected)
    assert torch.autograd.gradcheck(act, (x, noise, strength, bias))
    assert torch.autograd.gradgradcheck(act, (x, noise, strength, bias))


def test_the_order_in_memory_is_kept():
    x, small, one = normal(2, 3, 4, 5), torch.ones(2, 3, 1, 1).double(), torch.ones(3).double()
    y = noisy_rectified(x, torch.ones(1, 1, 4, 5).double(), one, one, 0.2)
    y = restyled(instance_norm(y, 1e-5)[0], small, small, 1e-5)
    (gradient,) = torch.autograd.grad(y.pow(3).sum(), x, create_graph=True)
    assert all(t.is_contiguous(memory_format=torch.channels_last) for t in (y, gradient))
