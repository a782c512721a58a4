"""`twoway reproduce`: a list without a name, verbs made of the registry, misspelt names."""

from __future__ import annotations

from shell import contents, fine, refused

from twoway.reproduce.registry import load_artefacts


def test_without_a_name_all_are_listed():
    printed = fine("reproduce")
    for name, one in load_artefacts().items():
        assert name in printed
        assert one.budgets["smoke"].takes.split()[-1] in printed


def test_a_misspelt_name_or_budget_names_the_nearest(tmp_path):
    refused("reproduce", "lia-tabel3", names=("'lia-tabel3'", "did you mean 'lia-table3'"))
    out = tmp_path / "out"
    refused("reproduce", "alae-table1", "--budget", "smoek", "-o", out, names=("did you mean 'smoke'",))
    refused("reproduce", "learning", "--rows", "vae-gam", "-o", out, names=("did you mean 'vae-gan'",))
    refused("reproduce", "alae-table2", "--settings", "dw,xw", "-o", out, names=("'XW'",))
    assert contents(tmp_path) == {}


def test_options_are_those_that_make_sense():
    helped = fine("reproduce", "alae-table2", "--help")
    for flag in ("--budget", "--trials", "--runs", "--epochs", "--max-images"):
        assert flag in helped
    assert "--feature-weights" not in helped
    assert "--feature-weights" in fine("reproduce", "alae-table3", "--help")
    helped = fine("reproduce", "alae-table1", "--help")
    assert "--out" in helped
    assert "--kimg" not in helped
    assert "--rows" not in helped
