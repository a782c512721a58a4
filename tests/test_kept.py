"""What convolutions keep of their weights: never longer than it is true, and nowhere but in the layer itself."""

import copy
import pickle

import pytest
import torch
from small import small_model
from torch import nn
from torch.nn import functional

from twoway.networks import convolutions
from twoway.networks.convolutions import Conv
from twoway.networks.kept import Kept
from twoway.training.ema import EMA
from twoway.training.steps import matmul_precision

SCALES = ["same", "up", "down"]


def made(scale, seed=0):
    conv = Conv(3, 5, scale=scale).eval()
    conv.reset(torch.Generator().manual_seed(seed))
    return conv


def pictures(dtype=torch.float32):
    return torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(9)).to(dtype)


def plain(conv, x):
    """The same by separate resampling."""
    if conv.scale == "up":
        x = functional.interpolate(x, scale_factor=2)
    y = functional.conv2d(x, conv.weight, padding=1)
    return functional.avg_pool2d(y, 2) if conv.scale == "down" else y


def kernels_made(monkeypatch):
    made, original = [], convolutions.widened_kernel
    monkeypatch.setattr(convolutions, "widened_kernel", lambda *a, **k: made.append(1) or original(*a, **k))
    return made


@torch.no_grad()
def in_place(conv):
    conv.weight.mul_(3)


@torch.inference_mode()
def in_inference(conv):
    conv.weight.add_(1)


def a_step_of_sgd(conv):
    conv.weight.grad = torch.ones_like(conv.weight)
    torch.optim.SGD([conv.weight], lr=1.0).step()


def there_and_back(conv):
    conv.bfloat16().float()  # new memory for the old one, as large and of the same type


CHANGES = {
    "in place": in_place,
    "in inference": in_inference,
    "step": a_step_of_sgd,
    "average": lambda conv: torch._foreach_lerp_([conv.weight.detach()], [torch.ones_like(conv.weight)], 0.5),
    "load": lambda conv: conv.load_state_dict(made(conv.scale, seed=1).state_dict()),
    "assign": lambda conv: conv.load_state_dict(made(conv.scale, seed=1).state_dict(), assign=True),
    "replace": lambda conv: setattr(conv, "weight", nn.Parameter(torch.ones_like(conv.weight))),
    "data": lambda conv: setattr(conv.weight, "data", torch.ones_like(conv.weight)),
    "reset": lambda conv: conv.reset(torch.Generator().manual_seed(2)),
    "type": lambda conv: conv.double(),
    "rounded": there_and_back,
    "order": lambda conv: conv.to(memory_format=torch.channels_last),
}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_weight_counts_at_once(scale, change):
    conv = made(scale)
    with torch.inference_mode():
        for _ in range(2):
            torch.testing.assert_close(conv(pictures()), plain(conv, pictures()))
    CHANGES[change](conv)
    x = pictures(conv.weight.dtype)
    with torch.no_grad():
        for _ in range(2):
            torch.testing.assert_close(conv(x), plain(conv, x))


def test_kernels_are_made_once_where_weights_do_not_learn(monkeypatch):
    conv, x = made("up"), pictures()
    count = kernels_made(monkeypatch)
    for mode in (torch.inference_mode, torch.no_grad):
        with mode():
            conv(x), conv(x)
    assert len(count) == 1
    conv.requires_grad_(False)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(conv(x).square().sum(), x)
    assert len(count) == 1
    (expected,) = torch.autograd.grad(plain(conv, x).square().sum(), x)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("scale", SCALES)
def test_nothing_is_kept_where_weights_learn(scale):
    conv, x = made(scale), pictures()
    for train in (False, True):
        with torch.no_grad():
            conv.eval()(x)
        assert conv._kept._held is not None
        (gradient,) = torch.autograd.grad(conv.train(train)(x).square().sum(), conv.weight)
        assert conv._kept._held is None
        (expected,) = torch.autograd.grad(plain(conv, x).square().sum(), conv.weight)
        torch.testing.assert_close(gradient, expected)
    with torch.no_grad():
        conv.train()(x)
    assert conv._kept._held is None


@pytest.mark.parametrize("again", [copy.deepcopy, copy.copy, lambda conv: pickle.loads(pickle.dumps(conv))])
def test_it_stays_in_the_layer(again):
    conv, x = made("up"), pictures()
    with torch.no_grad():
        y = conv(x)
        other = again(conv)
        assert set(conv.state_dict()) == {"weight"}
        assert not list(conv.buffers())
        if again is not copy.copy:  # which shares all that the layer has
            assert other._kept is not conv._kept
            assert other._kept._held is None
        assert torch.equal(other(x), y)


def test_the_average_of_a_training_is_that_of_its_new_weights():
    live = small_model("lia", (1, 8, 8))
    ema = EMA(live)
    w = torch.randn(1, *live.w_shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = ema.model.decode(w)
    with torch.no_grad():
        for parameter in live.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    ema.update(1000, 1.0)
    with torch.inference_mode():
        after = ema.model.decode(w)
        assert not torch.allclose(after, before)
        assert torch.equal(after, copy.deepcopy(ema.model).decode(w))  # which has nothing kept


@pytest.mark.parametrize("scale", SCALES)
def test_rounded_and_exact_kernels_are_not_confused(scale, monkeypatch):
    monkeypatch.setattr(convolutions, "_has_bfloat16_units", lambda: True)
    conv, x = made(scale), pictures()
    with torch.no_grad():
        for _ in range(2):
            with matmul_precision("bfloat16"):
                assert 0 < (conv(x) - plain(conv, x)).norm() < 0.02 * plain(conv, x).norm()
            with matmul_precision("float32"):
                torch.testing.assert_close(conv(x), plain(conv, x))


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("scale", SCALES)
def test_exports_and_functional_calls_see_the_weight_itself(scale):
    conv, x = made(scale), pictures()
    other = made(scale, seed=1)
    with torch.no_grad():
        conv(x)
        program = torch.export.export(conv, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},)).module()
        program.load_state_dict(other.state_dict())
        torch.testing.assert_close(program(x[:1].repeat(3, 1, 1, 1)), plain(other, x[:1]).repeat(3, 1, 1, 1))
        traced = torch.jit.trace(conv, (x,), check_trace=False)
        traced.load_state_dict(other.state_dict())
        torch.testing.assert_close(traced(x), plain(other, x))
        conv(x)
        called = torch.func.functional_call(conv, {"weight": other.weight.detach()}, (x,))
        torch.testing.assert_close(called, plain(other, x))


def test_weights_that_do_not_count_their_changes_keep_nothing():
    with torch.inference_mode():
        conv = made("up")
        assert conv.weight.is_inference()
        conv(pictures())
        conv.weight.mul_(2)
        torch.testing.assert_close(conv(pictures()), plain(conv, pictures()))


def test_variants_are_kept_one_at_a_time():
    kept, weight = Kept(), nn.Parameter(torch.ones(2))
    with torch.no_grad():
        first = kept.of(weight, torch.neg, variant="a")
        assert kept.of(weight, torch.neg, variant="a") is first
        assert torch.equal(kept.of(weight, torch.exp, variant="b"), torch.ones(2).exp())
        assert kept.of(weight, torch.neg, variant="a") is not first
