import huggingface_hub
import pytest
from PIL import Image
from shell import fine, refused
from small import small_model


@pytest.fixture
def folder(tmp_path, monkeypatch):
    def nobody(*_a, **_k):
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(huggingface_hub, "HfApi", nobody)
    return small_model().save(tmp_path / "m", card={"data": "digits"})


def test_a_dry_run_writes_the_folder_and_lists_it(folder, tmp_path):
    out = fine("push", folder, "ann/cats", "--dry-run", "-o", tmp_path / "up", "--licence", "mit", "--notes", "Hello.")
    assert "Nothing was sent" in out
    assert f"{(tmp_path / 'up' / 'model.safetensors').stat().st_size:,} model.safetensors" in out
    assert Image.open(tmp_path / "up" / "preview.png").size[0] > 100
    card = (tmp_path / "up" / "README.md").read_text()
    assert "Hello." in card
    assert "license: mit" in card


def test_mistakes_are_found_before_anything_is_sent(folder, tmp_path):
    refused("push", folder, "cats", names=("'cats'", "owner/name"))
    refused("push", folder, "ann/cats", "-o", tmp_path / "up", names=("--out", "--dry-run"))
    refused("push", folder, "ann/cats", "--licence", "CC BY", names=("CC BY", "cc-by-4.0"))
    refused("push", tmp_path / "none", "ann/cats", "--dry-run", names=("none", "no model folder"))
