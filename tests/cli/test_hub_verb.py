import huggingface_hub
import pytest
import torch
from PIL import Image
from shell import fine, refused
from small import small_model

import twoway
from twoway.latents import Tuning, apply_delta, save_delta, tune_generator
from twoway.latents.directions import Direction, load_directions, save_directions


@pytest.fixture
def folder(tmp_path, monkeypatch):
    def nobody(*_a, **_k):
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(huggingface_hub, "HfApi", nobody)
    measured = {"mse": {"value": 0.25, "signed": 0.25, "n_images": 4, "on": "test"}}
    return small_model().save(tmp_path / "m", card={"data": "digits", "weights": "EMA", "metrics": measured})


def test_a_dry_run_writes_the_folder_and_lists_it(folder, tmp_path):
    out = fine("push", folder, "ann/cats", "--dry-run", "-o", tmp_path / "up", "--licence", "mit", "--notes", "Hello.")
    assert "Nothing was sent" in out
    assert f"{(tmp_path / 'up' / 'model.safetensors').stat().st_size:,} model.safetensors" in out
    assert Image.open(tmp_path / "up" / "preview.png").size[0] > 100
    card = (tmp_path / "up" / "README.md").read_text()
    assert "Hello." in card
    assert "license: mit" in card


def test_a_tuned_model_goes_up_with_the_directions_of_the_one_it_comes_from(folder, tmp_path):
    model = twoway.load(folder)
    file = tmp_path / "tuned.safetensors"
    save_delta(file, tune_generator(model, torch.ones(1, 1, 8, 8), model.w_avg[None], Tuning(steps=1)), model)
    vector = torch.ones(1, 6)
    save_directions(folder / "directions.safetensors", [Direction("Smiling", vector, model.fingerprint(), "given")])
    up = tmp_path / "up"
    fine("push", f"{folder}+{file}", "ann/cats", "--dry-run", "-o", up)
    sent = twoway.load(up)
    assert sent.fingerprint() == apply_delta(model, file).fingerprint() != model.fingerprint()
    assert list(load_directions(up / "directions.safetensors", sent)) == ["Smiling"]
    card = (up / "README.md").read_text()
    assert f"EMA, the generator tuned after training from {model.fingerprint()}" in card
    assert "0.25" not in card
    fine("push", folder, "ann/cats", "--dry-run", "-o", tmp_path / "plain")
    assert "0.25" in (tmp_path / "plain" / "README.md").read_text()


def test_mistakes_are_found_before_anything_is_sent(folder, tmp_path):
    refused("push", folder, "cats", names=("'cats'", "owner/name"))
    refused("push", folder, "ann/cats", "-o", tmp_path / "up", names=("--out", "--dry-run"))
    refused("push", folder, "ann/cats", "--licence", "CC BY", names=("CC BY", "cc-by-4.0"))
    refused("push", tmp_path / "none", "ann/cats", "--dry-run", names=("none", "no model folder"))
