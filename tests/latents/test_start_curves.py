import pytest
import torch

from twoway.errors import ConfigError
from twoway.latents.start_curves import ahead, marks, mean_curve


def test_curves_by_hand():
    losses = torch.tensor([[4.0, 2.0], [6.0, 1.0], [2.0, 3.0]])
    assert mean_curve(losses).tolist() == [3.0, 2.5, 1.5]
    curves = {"a": mean_curve(losses), "b": torch.tensor([3.0, 3.0, 1.0]), "c": torch.zeros(2)}
    assert ahead(curves, "a", "b") == pytest.approx(1 / 3)
    assert ahead(curves, "b", "a") == pytest.approx(1 / 3)
    with pytest.raises(ConfigError, match="'a' and 'c' took 2 and 1 steps"):
        ahead(curves, "a", "c")


def test_marks_of_short_searches():
    assert marks(0) == [0]
    assert marks(1) == [0, 1]
    assert marks(1000) == [0, 1, 3, 10, 30, 100, 300, 1000]
