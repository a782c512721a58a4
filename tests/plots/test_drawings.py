"""Drawings that can be read without colour, saved whole and the same each time."""

import io
import re
import sys
from itertools import combinations, pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from twoway.errors import CheckpointError, ConfigError
from twoway.plots import bar_plot, line_plot, over_trials, panels, save_plot, scatter_plot
from twoway.plots.labels import spread_out
from twoway.plots.lines import POINTS, thinned
from twoway.plots.style import COLOURS, look

LINES = {f"method {k}": [(i, (k + 1) / (i + 1)) for i in range(40)] for k in range(4)}
AXES = {"x": "thousand images", "y": "error"}


def lightness(colour):
    """CIE L* of #rrggbb."""
    linear = [((c + 0.055) / 1.055) ** 2.4 if c > 0.04045 else c / 12.92 for c in rgb(colour)]
    y = np.dot([0.2126, 0.7152, 0.0722], linear)
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def rgb(colour):
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def test_neighbouring_colours_differ_in_grey_and_all_to_the_colour_blind():
    """Matrices of full deuteranopia and protanopia: Machado, Oliveira, Fernandes 2009, table 1."""
    blind = {
        "deuteranopia": "0.367322 0.860646 -0.227968 0.280085 0.672501 0.047413 -0.011820 0.042940 0.968881",
        "protanopia": "0.152286 1.052583 -0.204868 0.114503 0.786281 0.099216 -0.003882 -0.048116 1.051998",
    }
    for first, second in pairwise(COLOURS[:4]):
        assert abs(lightness(first) - lightness(second)) > 20
    for matrix in blind.values():
        seen = [np.array(matrix.split(), float).reshape(3, 3) @ rgb(colour) for colour in COLOURS]
        assert min(np.abs(a - b).max() for a, b in combinations(seen[:6], 2)) > 0.1


def test_no_two_of_many_lines_share_dashes_and_marker():
    looks = [(look(i).dashes, look(i).marker) for i in range(66)]
    assert len(set(map(str, looks))) == 66


def plotted(figure):
    """Lines that are data, by their colour and dashes."""
    return [line for axes in figure.axes for line in axes.lines if len(line.get_xdata()) > 3]


def test_lines_differ_without_colour_and_are_named_at_their_ends():
    figure = line_plot(LINES, **AXES)
    drawn = plotted(figure)
    assert len({(str(line._dash_pattern), line.get_marker()) for line in drawn}) == len(LINES)
    texts = {text.get_text(): text for text in figure.axes[0].texts}
    assert set(texts) == set(LINES)
    assert not figure.legends
    heights = [texts[name].get_position()[1] for name in LINES]
    assert heights == sorted(heights), "method 3 ends highest"
    figure.draw_without_rendering()
    boxes = sorted((t.get_window_extent() for t in texts.values()), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 for low, high in pairwise(boxes)), "no name lies on another"
    assert max(box.x1 for box in boxes) <= figure.bbox.width


def test_many_lines_get_a_legend_and_one_line_none():
    many = {f"line {k}": [(0, k), (1, k + 1)] for k in range(14)}
    figure = line_plot(many, **AXES)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == list(many)
    alone = line_plot({"only": [(0, 1), (1, 2)]}, **AXES)
    assert not alone.legends
    assert not alone.axes[0].texts


def test_names_are_moved_as_little_as_needed():
    assert spread_out([0.2, 0.8], 0.1) == [0.2, 0.8]
    assert spread_out([0.5, 0.5], 0.2) == pytest.approx([0.4, 0.6])
    assert spread_out([0.0, 0.0, 0.0], 0.25) == pytest.approx([0.0, 0.25, 0.5])
    assert spread_out([1.0, 0.95], 0.1) == pytest.approx([1.0, 0.9])
    rng = np.random.default_rng(0)
    for _ in range(20):
        wanted = rng.random(6).tolist()
        found = sorted(spread_out(wanted, 0.15))
        assert min(np.diff(found)) >= 0.15 - 1e-9
        assert found[0] >= 0
        assert found[-1] <= 1 + 1e-9


def test_a_band_is_drawn_where_it_is():
    mean, band = over_trials([[(0, 1.0), (1, 2.0)], [(0, 3.0), (1, 6.0), (2, 9.0)]])
    assert mean == [(0, 2.0), (1, 4.0)]
    assert band == [(0, 1.0, 3.0), (1, 2.0, 6.0)]
    figure = line_plot({"mean": mean}, bands={"mean": band}, **AXES)
    (shade,) = figure.axes[0].collections
    corners = {tuple(corner) for corner in shade.get_paths()[0].vertices}
    assert {(0.0, 1.0), (0.0, 3.0), (1.0, 2.0), (1.0, 6.0)} <= corners
    with pytest.raises(ConfigError, match="no x in common"):
        over_trials([[(0, 1.0)], [(1, 1.0)]])
    with pytest.raises(ConfigError, match="'other'"):
        line_plot({"mean": mean}, bands={"other": band}, **AXES)


def test_what_is_not_finite_is_a_gap_and_nothing_at_all_is_refused():
    figure = line_plot({"a": [(0, 1.0), (1, float("nan")), (2, float("inf")), (3, 2.0)]}, **AXES)
    assert np.isnan(plotted(figure)[0].get_ydata()).tolist() == [False, True, True, False]
    for empty in ({}, {"a": []}, {"a": [(0, float("nan"))]}):
        with pytest.raises(ConfigError, match="nothing to draw"):
            line_plot(empty, **AXES)


def test_axes_are_logarithmic_where_values_span_much():
    assert line_plot({"a": [(0, 0.001), (1, 1.0)]}, **AXES).axes[0].get_yscale() == "log"
    assert line_plot({"a": [(0, 0.001), (1, 1.0)]}, log="none", **AXES).axes[0].get_yscale() == "linear"
    plain = line_plot({"a": [(0, 0.2), (1, 1.0)]}, **AXES).axes[0]
    assert plain.get_yscale() == "linear"
    assert plain.get_ylim()[0] == 0
    assert line_plot({"a": [(0, 0.9), (1, 1.0)]}, **AXES).axes[0].get_ylim()[0] > 0.5
    assert line_plot({"a": [(1, 1.0), (10, 2.0)]}, log="both", **AXES).axes[0].get_xscale() == "log"
    with pytest.raises(ConfigError, match="'loud'"):
        line_plot(LINES, log="loud", **AXES)


def test_long_curves_are_averaged_down():
    long = [(float(i), float(i % 2)) for i in range(10 * POINTS)]
    short = thinned(long)
    assert len(short) == POINTS
    assert short[0] == (4.5, 0.5)
    assert len(plotted(line_plot({"a": long}, **AXES))[0].get_xdata()) == POINTS


def test_a_name_has_one_look_in_all_panels():
    drawings = {"loss": {"a": [(0, 1), (1, 2)], "b": [(0, 2), (1, 3)]}, "error": {"b": [(0, 5), (1, 4)]}}
    figure = panels(drawings, **AXES)
    first, second = figure.axes
    assert [a.get_title(loc="left") for a in figure.axes] == ["loss", "error"]
    assert second.lines[0].get_marker() == first.lines[1].get_marker() != first.lines[0].get_marker()
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["a", "b"]
    shared = panels(drawings, share_y=True, **AXES)
    assert shared.axes[0].get_ylim() == shared.axes[1].get_ylim()
    four = panels({str(k): {"a": [(0, k), (1, 2)]} for k in range(4)}, columns=3, **AXES)
    assert four.axes[0].get_gridspec().get_geometry() == (2, 2)


def test_bars_have_hatches_their_heights_and_intervals():
    figure = bar_plot(
        {"short": [1.0, None], "long": [2.0, 3.0]},
        ["one", "two"],
        y="accuracy",
        errors={"long": [(1.5, 2.75), 0.5]},
    )
    axes = figure.axes[0]
    assert [[bar.get_height() for bar in kind] for kind in axes.containers[:2]] == [[1.0], [2.0, 3.0]]
    hatches = {kind[0].get_hatch() for kind in axes.containers[:2]}
    assert len(hatches) == 2
    ends = [line.get_segments()[0][:, 1].tolist() for line in axes.collections]
    assert ends == [[1.5, 2.75], [2.5, 3.5]]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["one", "two"]


@pytest.mark.parametrize(
    ("bars", "errors", "says"),
    [
        ({"a": [None, None]}, {}, "nothing to draw"),
        ({"a": [1.0]}, {}, "'a' has 1 numbers for 2 groups"),
        ({"a": [1.0, 2.0]}, {"b": [1.0, 1.0]}, "'b'"),
        ({"a": [1.0, 2.0]}, {"a": [(1.5, 2.0), None]}, "does not hold its bar"),
    ],
)
def test_bars_that_cannot_be_are_refused(bars, errors, says):
    with pytest.raises(ConfigError, match=says):
        bar_plot(bars, ["one", "two"], y="y", errors=errors)


def test_points_have_shapes_and_paths_lie_over_them():
    groups = {f"class {k}": [(k, i) for i in range(5)] for k in range(3)}
    figure = scatter_plot(groups, paths={"walk": [(0, 0), (1, 1), (2, 0)]}, names=True)
    lines = figure.axes[0].lines
    assert len({line.get_marker() for line in lines[:3]}) == 3
    walk = next(line for line in lines if line.get_xdata()[:].tolist() == [0, 1, 2] and line.get_color() != "white")
    assert walk.get_zorder() > max(line.get_zorder() for line in lines[:3])
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [*groups, "walk"]
    assert figure.axes[0].texts[1].get_position() == (1, 2), "a name stands in the middle of its points"
    with pytest.raises(ConfigError, match="at least two"):
        scatter_plot(groups, paths={"walk": [(0, 0)]})
    with pytest.raises(ConfigError, match="nothing to draw"):
        scatter_plot({"a": [(float("nan"), 0)]})


def test_saved_files_are_whole_and_the_same_each_time(tmp_path):
    bytes_of = []
    for name in ("one", "two"):
        files = save_plot(line_plot(LINES, title="a $title_$ <&>", **AXES), tmp_path / name / "curves.svg")
        assert [f.name for f in files] == ["curves.png", "curves.svg"]
        assert sorted(f.name for f in (tmp_path / name).iterdir()) == ["curves.png", "curves.svg"]
        bytes_of.append([f.read_bytes() for f in files])
    assert bytes_of[0] == bytes_of[1]
    png, svg = bytes_of[0]
    assert Image.open(io.BytesIO(png)).width == pytest.approx(6.3 * 220, abs=1)
    words = [e.text for e in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert {"a $title_$ <&>", "thousand images", *LINES} <= set(words), "letters stay letters"
    assert not re.search(rb"<dc:date>|Matplotlib v|20\d\d-\d\d", svg)
    assert b"sans-serif" in svg


def test_a_figure_in_grey_still_shows_every_line(tmp_path):
    """The pixels of two lines of equal grey differ by their dashes: gaps along the line."""
    gaps = []
    for number in range(3):
        points = {f"line {k}": [(0, 1.0), (100, 1.0)] for k in range(number)} | {"shown": [(0, 2.0), (100, 2.0)]}
        figure = line_plot(points, log="none", **AXES)
        axes = figure.axes[0]
        axes.grid(visible=False)
        png, _ = save_plot(figure, tmp_path / f"{number}.png")
        grey = np.asarray(Image.open(png).convert("L"))
        row = grey.shape[0] - 1 - round(axes.transData.transform((0, 2.0))[1] * grey.shape[0] / figure.bbox.height)
        left, right = (
            round(axes.transData.transform((x, 2.0))[0] * grey.shape[1] / figure.bbox.width) for x in (5, 95)
        )
        dark = grey[row - 1 : row + 2, left:right].min(axis=0) < 200
        gaps.append(int((np.diff(dark.astype(int)) == -1).sum()))
    assert gaps[0] == 0
    assert gaps[1] > 5
    assert gaps[2] > 2 * gaps[1]


@pytest.mark.parametrize("name", ["curves.pdf", "curves.jpg", "."])
def test_other_endings_and_folders_are_refused(tmp_path, name):
    with pytest.raises(CheckpointError, match=r"\.png"):
        save_plot(line_plot(LINES, **AXES), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_plot(line_plot(LINES, **AXES), tmp_path / "file" / "curves.png")


def test_letters_of_other_scripts_and_control_characters_do_no_harm(tmp_path, recwarn):
    figure = line_plot({"köter \x1b[2J 猫": [(0, 1), (1, 2)], "b": [(0, 1), (1, 3)]}, **AXES)
    _, svg = save_plot(figure, tmp_path / "a")
    assert "köter ?[2J 猫" in svg.read_text(encoding="utf-8")
    ElementTree.parse(svg)
    assert not [w for w in recwarn if "Glyph" in str(w.message)]


def test_pyplot_is_left_alone(tmp_path):
    save_plot(panels({"a": LINES}, **AXES), tmp_path / "a")
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
