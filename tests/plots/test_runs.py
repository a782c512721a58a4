"""Curves out of the statistics of runs, and the verb that draws them."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from twoway.errors import CheckpointError, ConfigError
from twoway.plots.runs import curves_of_runs, found_numbers, named_runs

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from shell import fine, refused, twoway


def make_run(folder, ticks=6, **numbers):
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("recipe: {}\n")
    values = {"loss/critic/real": 1.0, "loss/generator/fake": 2.0, "metric/mse": 0.5, "images_per_s": 100.0, **numbers}
    lines = [
        {"kimg": float(i), "seconds": 10.0 * i, "iteration": 100 * i, "phase": "gan"}
        | {name: value / i for name, value in values.items() if value is not None}
        for i in range(1, ticks + 1)
    ]
    (folder / "stats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"kimg": 7')
    return folder


@pytest.fixture
def runs(tmp_path):
    first = make_run(tmp_path / "runs" / "00000-alae")
    second = make_run(tmp_path / "runs" / "00001-vae", **{"metric/mse": 0.8, "loss/critic/real": None})
    return first, second


def lines_of(axes):
    return [list(map(tuple, line.get_xydata())) for line in axes.lines if len(line.get_xdata()) > 3]


def test_numbers_are_read_as_they_were_written(runs):
    found = found_numbers(runs[0])
    assert set(found) == {"loss/critic/real", "loss/generator/fake", "metric/mse", "images_per_s"}
    assert found["metric/mse"] == [(float(i), 0.5 / i) for i in range(1, 7)]
    assert found_numbers(runs[0], "seconds")["metric/mse"][1] == (20.0, 0.25)


def test_one_number_of_two_runs_is_two_lines(runs):
    figure = curves_of_runs(runs, ["mse"])
    (axes,) = figure.axes
    assert lines_of(axes) == [[(i, value / i) for i in range(1, 7)] for value in (0.5, 0.8)]
    assert {t.get_text() for t in axes.texts} == {"00000-alae", "00001-vae"}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("thousand images", "mse")


def test_without_names_one_run_shows_all_losses_and_metrics_and_several_what_they_share(runs):
    titles = [axes.get_title(loc="left") for axes in curves_of_runs(runs[:1]).axes]
    assert titles == ["mse", "loss critic: real", "loss generator: fake"]
    assert [axes.get_title(loc="left") for axes in curves_of_runs(runs).axes] == ["mse", "loss generator: fake"]


@pytest.mark.parametrize(
    ("asked", "titles"),
    [
        ("loss", ["loss critic: real", "loss generator: fake"]),
        ("loss/critic", ["real"]),
        ("kid", ["kid[pyramid@0123]"]),
        ("images_per_s", ["images per second"]),
    ],
)
def test_numbers_go_by_parts_of_their_names(tmp_path, asked, titles):
    run = make_run(tmp_path / "run", **{"metric/kid[pyramid@0123]": 3.0})
    axes = curves_of_runs([run], [asked]).axes
    found = [a.get_title(loc="left") if len(axes) > 1 else a.get_ylabel() for a in axes]
    assert [title.removeprefix("loss critic: ") if asked == "loss/critic" else title for title in found] == titles


def test_a_run_looks_the_same_in_all_panels_and_they_stand_in_their_order(runs, tmp_path):
    third = make_run(tmp_path / "runs" / "00002-ae", **{"loss/critic/real": None})
    figure = curves_of_runs([runs[1], runs[0], third], ["loss"])
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["00001-vae", "00000-alae", "00002-ae"]
    all_, only = figure.axes
    assert [line.get_marker() for line in only.lines] == [all_.lines[1].get_marker()]


def test_runs_of_one_name_are_told_apart_and_one_run_is_drawn_once(tmp_path):
    a, b = tmp_path / "a" / "00000-vae", tmp_path / "b" / "00000-vae"
    assert list(named_runs([a, b])) == ["a/00000-vae", "b/00000-vae"]
    assert list(named_runs([a, a])) == ["00000-vae"]


def test_what_cannot_be_drawn_is_said(tmp_path, runs):
    with pytest.raises(ConfigError, match=r"'mes' in the statistics of 00000-alae, 00001-vae; did you mean 'mse'"):
        curves_of_runs(runs, ["mes"])
    with pytest.raises(ConfigError, match="did you mean 'loss/critic/real'"):
        curves_of_runs(runs, ["loss/critc/real"])
    short = make_run(tmp_path / "short", ticks=1)
    with pytest.raises(ConfigError, match="fewer than twice"):
        curves_of_runs([short], ["mse"])
    with pytest.raises(ConfigError, match="'weeks'"):
        curves_of_runs(runs, over="weeks")
    for damage in (b"", b"null\n", b'{"kimg": "many"}\n', b"\xff\xfe"):
        (short / "stats.jsonl").write_bytes(damage)
        with pytest.raises(CheckpointError, match="no statistics"):
            curves_of_runs([short])


def test_the_verb_writes_png_and_svg(runs, tmp_path):
    out = tmp_path / "drawn" / "mse.png"
    said = fine("plot", *runs, "--metric", "mse", "-o", out, "--over", "seconds")
    assert f"Curves of 2 runs in {out}" in said
    words = [e.text for e in ElementTree.parse(out.with_suffix(".svg")).iter("{http://www.w3.org/2000/svg}text")]
    assert {"00000-alae", "00001-vae", "seconds of training", "mse"} <= set(words)
    fine("plot", "latest", "0", "--outdir", tmp_path / "runs", "-o", tmp_path / "all", "-m", "mse,loss")
    assert (tmp_path / "all.png").is_file()


def test_bad_input_is_one_paragraph_and_nothing_is_written(runs, tmp_path):
    out = tmp_path / "c.png"
    refused("plot", tmp_path / "gone", "-o", out, names=("gone", "run folder"))
    refused("plot", runs[0], "-m", "msee", "-o", out, names=("'msee'", "did you mean 'mse'", "metric/mse"))
    refused("plot", runs[0], "-o", tmp_path / "c.pdf", names=("c.pdf", ".png"))
    (runs[1] / "stats.jsonl").unlink()
    refused("plot", *runs, "-o", out, names=("00001-vae", "no statistics"))
    assert twoway("plot").code == 2
    assert not list(tmp_path.glob("*.png"))
