import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from twoway.data import to_float, to_uint8

ALL = torch.arange(256, dtype=torch.uint8)


def test_every_byte_survives_the_round_trip():
    assert torch.equal(to_uint8(to_float(ALL)), ALL)


def test_range_and_formula():
    x = to_float(ALL)
    assert x.dtype == torch.float32
    assert x[0] == -1
    assert x[255] == 1
    assert torch.allclose(x, ALL.double().div(127.5).sub(1).float(), atol=1e-7)
    assert torch.equal(ALL, torch.arange(256, dtype=torch.uint8))  # the input is left as it was


@given(st.floats(-3, 3, width=32))
def test_to_uint8_rounds_and_clamps(value):
    got = to_uint8(torch.tensor([value])).item()
    assert abs(got - min(255.0, max(0.0, (value + 1) * 127.5))) <= 0.5 + 1e-4


def test_to_uint8_of_what_diverged_networks_give():
    x = torch.tensor([math.nan, math.inf, -math.inf])
    assert to_uint8(x).tolist() == [0, 255, 0]
    assert torch.isnan(x[0])


def test_to_uint8_of_half_precision():
    assert torch.equal(to_uint8(to_float(ALL).to(torch.float16))[[0, 128, 255]], ALL[[0, 128, 255]])
