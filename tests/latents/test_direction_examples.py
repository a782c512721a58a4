"""Tables of scores, what data sets know, codes of pictures, samples that a classifier scores."""

import math

import numpy as np
import pytest
import torch
from small import small_model
from toys import toy_file

from twoway.data import open_data, to_float
from twoway.errors import ConfigError, DataError, ModelError
from twoway.latents.direction_examples import (
    encode_means,
    known_names,
    known_of,
    log_odds,
    score_samples,
)
from twoway.latents.score_tables import ScoreTable, read_score_table, write_score_table


class Brightness:
    """Scores pictures by their mean, and by minus that."""

    title = "brightness@0"

    def __init__(self, exclusive=False):
        self.outputs = ("bright", "dark")
        self.exclusive = exclusive

    def logits(self, x):
        mean = x.flatten(1).mean(1)
        return torch.stack([mean, -mean], 1)


def table(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_tables_are_matched_by_name(tmp_path):
    read = read_score_table(table(tmp_path, "file,Smiling,age\ntrain/a.png,-1,31.5\nb.png,1,\nx/c.png,1,nan\n"))
    assert read.names == ("Smiling", "age")
    assert read.column("Smiling", ["b.png", "a.png", "train/a.png", "other.png"]).tolist()[:1] == [1.0]
    found = read.column("Smiling", ["train/a.png", "val/b.png", "none.png"])
    assert found[:2].tolist() == [0.0, 1.0]
    assert math.isnan(found[2])
    ages = read.column("age", ["a.png", "b.png", "c.png"])
    assert ages[0] == 31.5
    assert np.isnan(ages[1:]).all()
    # two pictures of one name in different folders are not told apart by it
    assert np.isnan(read.column("Smiling", ["one/b.png", "two/b.png", "x/c.png"])[:2]).all()
    with pytest.raises(ConfigError, match="no column 'Smilng'; did you mean 'Smiling'"):
        read.column("Smilng", ["a.png"])
    with pytest.raises(DataError, match="a row for none of the 1 pictures"):
        read.column("age", ["q.png"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,a\n", "too short"),
        ("file\nx\n", "too short"),
        ("file,a,a\nx,1,2\n", "two of one name"),
        ("file,a,b\nx,1\n", "line 2, has 2 columns; 3 are expected"),
        ("file,a\nx,1\ny,tall\n", "line 3, has 'tall' for 'a' of y"),
        ("file,a\nx,1\nx,0\n", "more than one row for x"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_score_table(table(tmp_path, text))
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_score_table(tmp_path / "none.csv")


def test_scores_are_written_as_they_are_read(tmp_path):
    values = np.array([[1.25, np.nan], [-3.0, 0.5]])
    write_score_table(tmp_path / "deep" / "s.csv", ScoreTable(("a", "b"), ("x", "y"), values, "test"))
    again = read_score_table(tmp_path / "deep" / "s.csv")
    assert (again.files, again.names) == (("a", "b"), ("x", "y"))
    assert np.array_equal(again.values, values, equal_nan=True)


def test_what_data_sets_know(tmp_path):
    bars = open_data(str(toy_file(tmp_path, 40)))
    assert known_names(bars) == ("class-0", "class-1", "class-2", "class-3")
    assert known_of(bars, "class-2").tolist() == [0, 0, 1, 0] * 10
    with pytest.raises(ConfigError, match="did you mean 'class-3'"):
        known_of(bars, "clas-3")
    bars.labels = None
    with pytest.raises(ConfigError, match=r"Put a table attributes\.csv beside them"):
        known_of(bars, "Smiling")
    avatars = open_data("avatars", size=32)
    assert {"Wearing_Hat", "Mouth_Open"} <= set(known_names(avatars))
    many = [n for n, size in zip(avatars.factor_names, avatars.factor_sizes, strict=True) if size > 2]
    assert many
    assert not set(many) & set(known_names(avatars))
    assert np.array_equal(known_of(avatars, "Wearing_Hat"), avatars.column("Wearing_Hat"))


def test_codes_of_pictures_are_means_over_rows(tmp_path):
    model = small_model("lia", (1, 8, 8))
    bars = open_data(str(toy_file(tmp_path, 20)))
    rows = np.array([3, 5, 19])
    w, kept = encode_means(model, bars, rows, layers=(0, 2), batch=2)
    expected = model.encode(to_float(bars.read(rows)))[:, [0, 2]].mean(1, keepdim=True)
    assert torch.allclose(w, expected, atol=1e-5)
    assert kept.tolist() == rows.tolist()
    with pytest.raises(ModelError, match="infers the interpretable codes of an image but not the noise"):
        encode_means(small_model("infovaegan"), bars, rows)


def test_samples_are_scored_as_they_are_made():
    model = small_model("style-alae")
    codes, scores = score_samples(model, Brightness(), 70, noise="fixed", seed=2)
    assert codes.w.shape == (70, 1, 6)
    assert codes.fingerprint == model.fingerprint()
    with torch.inference_mode():
        x = model.decode(torch.from_numpy(codes.w[:5]))
    assert scores.column("bright", codes.names[:5]) == pytest.approx(x.flatten(1).mean(1).numpy(), abs=1e-5)
    fewer, _ = score_samples(model, Brightness(), 3, noise="fixed", seed=2)
    assert np.array_equal(fewer.w, codes.w[:3])
    with pytest.raises(ConfigError, match="at least 1"):
        score_samples(model, Brightness(), 0)
    with pytest.raises(ModelError, match="no prior"):
        score_samples(small_model("ae"), Brightness(), 3)
    nameless = Brightness()
    nameless.outputs = ()
    with pytest.raises(ModelError, match="no classifier with named classes"):
        score_samples(model, nameless, 3)


def test_log_odds_of_exclusive_classes():
    x = torch.randn(4, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    p = Brightness().logits(x).double().softmax(1)
    assert torch.allclose(log_odds(Brightness(exclusive=True), x), (p / (1 - p)).log())
    assert torch.allclose(log_odds(Brightness(), x), Brightness().logits(x).double())
