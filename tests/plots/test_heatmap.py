"""Heat maps: a number in each cell, darker grounds for larger ones, frames where asked for."""

import math

import pytest

from twoway.errors import ConfigError
from twoway.plots import heat_map, save_plot


def test_every_number_stands_in_its_cell(tmp_path):
    figure = heat_map([[1.0, -0.25], [0.0, 2.0], [0.5, 0.5]], ["a", "b", "c"], ["x", "$y"], digits=2, framed=[(1, 1)])
    (axes,) = figure.axes
    written = {(text.get_position()): text.get_text() for text in axes.texts}
    assert written == {
        (0, 0): "+1.00",
        (1, 0): "−0.25",
        (0, 1): "+0.00",
        (1, 1): "+2.00",
        (0, 2): "+0.50",
        (1, 2): "+0.50",
    }
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "$y"]
    assert [patch.get_xy() for patch in axes.patches] == [(0.5, 0.5)]
    (image,) = axes.images
    assert (image.norm.vmin, image.norm.vmax) == (-2.0, 2.0)
    png, svg = save_plot(figure, tmp_path / "heat.png")
    assert png.stat().st_size > 1000
    assert "+2.00" in svg.read_text()


def test_what_cannot_be_drawn():
    with pytest.raises(ConfigError, match="a number for each cell"):
        heat_map([[1.0]], ["a"], ["x", "y"])
    with pytest.raises(ConfigError, match="not finite"):
        heat_map([[math.nan]], ["a"], ["x"])
