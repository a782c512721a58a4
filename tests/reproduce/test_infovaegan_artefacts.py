"""The artefacts of InfoVAEGAN with tiny models: rows, ways back, sheets of codes, and what is claimed of figures."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from small import small_model

from twoway.data import open_data
from twoway.errors import ConfigError, DataError
from twoway.latents.traversal import Traversal
from twoway.reproduce.budget import Role
from twoway.reproduce.command import Asked, reproduce
from twoway.reproduce.infovaegan_claims import claims
from twoway.reproduce.infovaegan_mnist import Mnist
from twoway.reproduce.infovaegan_shared import code_sheet, drawn_by_class, share_of_own_class, way_back, ways_back
from twoway.reproduce.pictures import Judge
from twoway.reproduce.registry import ARTEFACTS, find_artefact

CODES = {"classes": 3, "continuous": 2}


@pytest.fixture
def tiny(monkeypatch):
    """Makes the smoke budget of an artefact a matter of seconds."""

    def change(name, roles, **counts):
        known = find_artefact(name)
        budget = replace(known.budgets["smoke"], roles=roles, kimg=0.13, **counts)
        monkeypatch.setitem(ARTEFACTS, name, replace(known, budgets={**known.budgets, "smoke": budget}))

    return change


def made(name, folder, rows, **asked):
    asked = Asked("smoke", rows=rows, out=folder / "out", runs=folder / "runs", **asked)
    text = reproduce(name, asked, say=lambda line: None).text
    return text, json.loads((folder / "out" / "table.json").read_text())


def test_digits_are_named_and_reconstructed_by_each_way_back(tiny, tmp_path):
    roles = {
        "infovaegan": Role("infovaegan", {"nets": "mlp", "hidden": 16}),
        "infogan": Role("infogan", {"nets": "mlp", "hidden": 16}),
        "ali": Role("ali", {"nets": "mlp", "hidden": 16}),
    }
    tiny("infovaegan-mnist", roles, samples=40, images=60, steps=1, shown=10)
    text, facts = made("infovaegan-mnist", tmp_path, ("infovaegan", "infogan", "ali"), settings=Mnist(reconstructed=30))
    codes, errors, trained = facts["tables"]
    assert [row["name"] for row in codes["rows"]] == ["infovaegan", "infogan"]  # ALI has no classes
    assert codes["rows"][0]["published"] == {}
    assert codes["rows"][1]["published"] == {"accuracy": 95.0}
    remade = {row["name"]: row["measured"] for row in errors["rows"]}
    assert list(remade) == [
        "real pictures",
        *(f"infovaegan, {way}" for way in ("second decoder", "drawn noise", "found noise")),
        *(f"infogan, {way}" for way in ("drawn noise", "found noise")),
        "ali, encoder",
    ]
    assert remade["real pictures"]["mse"]["mean"] == 0
    assert remade["real pictures"]["ssim"]["mean"] == pytest.approx(1)
    assert 0 < remade["ali, encoder"]["mse"]["mean"] < 4
    assert [row["measured"]["kimg"]["mean"] for row in trained["rows"]] == pytest.approx([0.128, 0.128, 0.1])
    assert {"reconstructions.png", "classes-infogan.png", "traversal-infovaegan-code-1.png"} <= set(facts["pictures"])
    assert "*95.00*" in text
    assert "no figure of it is quoted" in text
    assert "lines from above: originals; infovaegan, second decoder" in text


def test_sprites_are_measured_by_six_definitions(tiny, tmp_path):
    small = {"nets": "mlp", "hidden": 16}
    roles = {
        "infovaegan": Role("infovaegan", {**small, "decoder": False, **CODES}),
        "beta-vae": Role("beta-vae", {**small, "latent": 3}),
    }
    tiny("infovaegan-sprites", roles, images=300, size=8)
    _, facts = made("infovaegan-sprites", tmp_path, ("infovaegan", "beta-vae"))
    for row in facts["tables"][0]["rows"]:
        assert list(row["measured"]) == ["factor-vae", "mig", "dci", "beta-vae-score", "sap", "modularity"]
        assert all(0 <= cell["mean"] <= 1 for cell in row["measured"].values())
    assert facts["pictures"] == ["codes-infovaegan.png", "codes-beta-vae.png"]


def test_sprites_need_known_factors(tiny, tmp_path):
    with pytest.raises(DataError, match=r"known factors.*digits16 has none.*sprites-small"):
        made("infovaegan-sprites", tmp_path, (), data="digits")


def test_faces_have_distances_named_in_full_and_no_reconstructions_of_infogan(tiny, tmp_path):
    small = {"nets": "mlp", "hidden": 16, **CODES}
    tiny(
        "infovaegan-faces",
        {"infovaegan": Role("infovaegan", small), "infogan": Role("infogan", small)},
        data="sprites-small",
        size=8,
        samples=40,
        images=40,
        shown=3,
    )
    _, facts = made("infovaegan-faces", tmp_path, ("infovaegan", "infogan"))
    ours, theirs = (list(row["measured"]) for row in facts["tables"][0]["rows"])
    assert [name.split("[")[0] for name in ours] == ["fid", "fid-rec", "mse", "factor-vae", "mig"]
    assert [name.split("[")[0] for name in theirs] == ["fid", "factor-vae", "mig"]
    assert "@" in ours[0] or "pyramid" in ours[0]
    assert "reconstructions-infogan.png" not in facts["pictures"]
    assert "reconstructions-infovaegan.png" in facts["pictures"]


def test_the_ways_back_that_there_are():
    x = torch.rand(5, 1, 8, 8) * 2 - 1
    model = small_model("infovaegan", **CODES)
    assert ways_back(model) == ("second decoder", "drawn noise", "found noise")
    assert ways_back(small_model("infogan", **CODES)) == ("drawn noise", "found noise")
    assert ways_back(small_model("ali")) == ("encoder",)

    def remade(way, seed, steps=0):
        return way_back(model, x, way, steps=steps, generator=torch.Generator().manual_seed(seed))

    drawn = remade("drawn noise", 1)
    assert drawn.shape == x.shape
    assert drawn.dtype == torch.uint8
    assert torch.equal(drawn, remade("drawn noise", 1))
    assert not torch.equal(drawn, remade("drawn noise", 2))
    assert torch.equal(remade("second decoder", 1), remade("second decoder", 2))

    def error(pictures):
        return (pictures / 127.5 - 1 - x).square().mean().item()

    assert error(remade("found noise", 1, steps=30)) < error(remade("found noise", 1, steps=0))


def test_pictures_of_classes_in_turn():
    model = small_model("infovaegan", **CODES)
    pictures, classes = drawn_by_class(model, 7, generator=torch.Generator().manual_seed(0))
    assert pictures.shape == (7, 1, 8, 8)
    assert classes.tolist() == [0, 1, 2, 0, 1, 2, 0]


def test_the_judge_knows_the_pictures_it_has_seen():
    data = open_data("digits", split="train")
    judge = Judge(data, None)
    assert judge(data.read(range(50))).tolist() == np.asarray(data.labels)[:50].tolist()


def test_a_digit_counts_for_one_class_only():
    # classes 0 and 1 both show sevens: only one of them can stand for seven
    made_as, seen = np.array([0, 0, 0, 1, 1, 1, 2, 2]), np.array([7, 7, 7, 7, 7, 3, 5, 3])
    assert share_of_own_class(made_as, seen) == pytest.approx(100 * (3 + 1 + 1) / 8)


def test_a_line_of_few_values_ends_in_grey():
    few = Traversal("class", (0.0, 1.0), torch.ones(2, 2, 1, 4, 4))
    many = Traversal("code 0", (-1.0, 0.0, 1.0), -torch.ones(2, 3, 1, 4, 4))
    pictures, columns = code_sheet([few, many], row=1)
    assert columns == 3
    assert pictures[:, 0, 0, 0].tolist() == [255, 255, 128, 0, 0, 0]


def test_findings_say_what_contradicts_the_paper():
    def codes(accuracy):
        return [{"accuracy": accuracy, "read": 99.0, "shown": 20.0}]

    def error(mse):
        return [{"mse": mse}]

    found = claims(
        {"infovaegan": codes(28.0), "infovaegan-views": codes(96.0), "infogan": codes(60.0)},
        {"infovaegan, drawn noise": error(0.5), "infogan, drawn noise": error(0.4), "ali, encoder": error(0.6)},
    )
    assert "28.0 against 60.0 per cent: contradicted" in found[0]
    assert "96.0 per cent: views find the digits, not the method" in found[1]
    assert found[-1].endswith("against 0.400 (infogan, drawn noise), 0.600 (ali, encoder): not borne out.")


def test_counts_that_cannot_be():
    with pytest.raises(ConfigError, match="--baselines"):
        Mnist(baselines=-1)
