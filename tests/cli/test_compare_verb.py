"""`twoway compare`, `twoway methods` and the derived Table 1, as the shell calls them."""

from __future__ import annotations

import json

import pytest
from shell import contents, fine, refused

from twoway.methods import METHODS


def test_compare_trains_and_prints_a_table(bars, tmp_path):
    out = tmp_path / "compared"
    line = ("compare", "ae,vae", "--data", bars, "--kimg", "0.1", "--batch", "32", "--nets", "mlp")
    printed = fine(*line, "--option", "hidden=16", "--metrics", "mse", "--device", "cpu", "-o", out)
    for name in ("table.md", "table.json", "index.html", "pictures/ae.png", "pictures/vae.png"):
        assert (out / name).is_file()
        assert name in printed or name.startswith("pictures")
    assert json.loads((out / "table.json").read_text())["plan"]["options"] == {"hidden": 16, "nets": "mlp"}


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (("bigann", "vae", "--kimg", "1"), ("'bigann'", "did you mean 'bigan'")),
        (("ae", "vae"), ("--kimg 500", "--budget 20m")),
        (("ae", "--budget", "soon"), ("--budget", "'soon'", "20m")),
        (("ae", "--budget", "1m", "--kimg", "1"), ("--kimg or --budget", "not both")),
        (("ae", "--kimg", "1", "--trials", "0"), ("--trials is 0",)),
        (("ae", "--kimg", "1", "--metrics", "mze"), ("'mze'", "did you mean 'mse'")),
        (("ae", "--kimg", "1", "--nets", "cnov"), ("--nets", "'cnov'", "conv")),
        (("ae", "--kimg", "1", "--option", "lattent=3"), ("'lattent'", "did you mean 'latent'")),
        (("ae", "--kimg", "1", "--device", "cuda:99"), ("'cuda:99'",)),
        (("lia", "--kimg", "1", "--size", "12"), ("No method can be trained", "lia", "power of two")),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, tuple) else "",
)
def test_comparisons_that_cannot_be(line, names, bars, tmp_path):
    refused("compare", *line, "--data", bars, "-o", tmp_path / "out", names=names)
    assert contents(tmp_path) == {}


def test_unlabelled_pictures_have_no_accuracies(pictures, tmp_path):
    line = ("compare", "ae", "--data", pictures, "--kimg", "1", "--metrics", "mse,knn", "-o", tmp_path / "out")
    refused(*line, names=("'knn'", "label"))


def test_methods_says_of_each_what_it_is_and_what_is_verified():
    printed = " ".join(fine("methods").split())
    found = json.loads(fine("methods", "--json"))
    assert [row["method"] for row in found["methods"]] == list(METHODS)
    rows = {row["method"]: row for row in found["methods"]}
    assert rows["alae"]["latent distribution"] == "learned / divergence"
    assert rows["vae"]["verified"].startswith("learns the 8x8 digits")
    for row in found["methods"]:
        assert " ".join(row["paper"].split()) in printed
        assert row["verified"] in printed
    assert {preset["preset"] for preset in found["presets"]} >= set(METHODS)


def test_table_1_is_printed_and_written(tmp_path):
    printed = fine("reproduce", "alae-table1", "-o", tmp_path / "table1")
    assert "| alae | adversarial | learned / divergence | latent |" in (tmp_path / "table1" / "table.md").read_text()
    assert "the same" in printed
    (tmp_path / "file").write_text("")
    refused("reproduce", "alae-table1", "-o", tmp_path / "file" / "x", names=("--out",))
