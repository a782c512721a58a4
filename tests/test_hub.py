import json
from dataclasses import replace
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small import SHAPE, small_model

from twoway import Pipeline
from twoway.errors import ConfigError, ModelError
from twoway.hub import preview, push_model
from twoway.latents.directions import Direction, load_directions, save_directions

FACTS = {
    "data": {"name": "cats", "source": "/home/zoltan/secret place/cats", "split": "train", "count": 12},
    "kimg": 3.5,
    "weights": "EMA",
    "metrics": {"mse": {"value": 0.25, "signed": 0.25, "n_images": 4, "on": "test"}},
    "notes": "started from /home/zoltan/runs/7",
}


def direction(name, model):
    facts = {"data": "/home/zoltan/cats", "seed": 3}
    return Direction(name, torch.ones(1, 6), model.fingerprint(), "labels", 0.5, 2.0, (0,), facts)


@pytest.fixture
def folder(tmp_path, model):
    """A run as training leaves it, with directions found since."""
    run = tmp_path / "runs" / "00000-alae-cats"
    model.save(run / "model", card=FACTS)
    (run / "config.yaml").write_text("x: 1\n")
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "optimiser.safetensors").write_bytes(b"x")
    (run / "samples").mkdir()
    (run / "samples" / "reconstructed.png").write_bytes(b"x")
    save_directions(run / "directions.safetensors", [direction("Smiling", model), direction("two words", model)])
    (run / "extractors").mkdir()
    save_file({"w": torch.ones(2)}, run / "extractors" / "cnn.safetensors")
    return run / "model"


class Api:
    """Stands in for the hub: keeps what it is given."""

    made: list
    sent: dict

    def __init__(self, *, token=None, library_name=None):
        self.sent["token"] = token

    def create_repo(self, place, *, private=None, exist_ok=False):
        self.made.append((place, private, exist_ok))

    def upload_folder(self, *, repo_id, folder_path, commit_message, revision, create_pr):
        files = {str(p.relative_to(folder_path)): p.read_bytes() for p in folder_path.rglob("*") if p.is_file()}
        self.sent.update(place=repo_id, files=files, message=commit_message, revision=revision)
        return SimpleNamespace(commit_url="https://hub/commit/1", pr_url="https://hub/pr/1" if create_pr else None)


@pytest.fixture
def api(monkeypatch):
    kind = type("FakeApi", (Api,), {"made": [], "sent": {}})
    monkeypatch.setattr(huggingface_hub, "HfApi", kind)
    return kind


def files_of(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_saved_for_others_and_loaded_it_is_the_same_model(folder, tmp_path, generator):
    pipe = Pipeline.from_pretrained(folder)
    out = pipe.save_pretrained(tmp_path / "out", licence="cc-by-4.0")
    again = Pipeline.from_pretrained(out)
    assert again.model.fingerprint() == pipe.model.fingerprint()
    x = torch.rand(3, *SHAPE, generator=generator)
    assert torch.equal(again.model.reconstruct(x), pipe.model.reconstruct(x))
    assert torch.equal(again.generate(3, seed=5, output_type="pt"), pipe.generate(3, seed=5, output_type="pt"))
    assert again.facts["kimg"] == 3.5
    # and once more over itself: the directions are read before the folder is replaced
    again.save_pretrained(out, licence="mit")
    assert files_of(out) == [
        "README.md",
        "config.json",
        "directions.safetensors",
        "extractors/cnn.safetensors",
        "model.safetensors",
        "preview.png",
    ]
    assert "Licence: mit" in (out / "README.md").read_text()


def test_the_card_is_one_that_hubs_read(folder, tmp_path):
    out = Pipeline.from_pretrained(folder).save_pretrained(tmp_path / "out", licence="cc-by-4.0", dataset="ann/cats")
    card = huggingface_hub.ModelCard.load(out / "README.md")
    assert card.data.license == "cc-by-4.0"
    assert card.data.library_name == "twoway"
    assert card.data.pipeline_tag == "image-to-image"
    assert card.data.datasets == ["ann/cats"]
    (measured,) = card.data.eval_results
    assert (measured.metric_type, measured.metric_value, measured.dataset_name) == ("mse", 0.25, "cats")
    assert "mean squared pixel error of reconstructions" in measured.metric_name
    for word in (
        "Licence: cc-by-4.0",
        "3.5 thousand images",
        "n_images 4, on test",
        "## Intended use",
        "## Limits",
        "](preview.png)",
        "Smiling, two words",
        "--direction Smiling=2",
        "learning rate",
        "twoway export onnx",
    ):
        assert word in card.text, word


def test_no_place_of_this_machine_is_told(folder, tmp_path):
    out = Pipeline.from_pretrained(folder).save_pretrained(tmp_path / "out")
    for name in ("README.md", "config.json", "directions.safetensors"):
        assert b"zoltan" not in (out / name).read_bytes(), name
    assert json.loads((out / "config.json").read_text())["training"]["data"]["source"] == "cats"
    (kept, _) = load_directions(out / "directions.safetensors").values()
    assert kept.facts == {"data": "cats", "seed": 3}
    assert (kept.name, kept.intercept, kept.deviation, kept.layers) == ("Smiling", 0.5, 2.0, (0,))


def test_pushing_sends_the_model_and_nothing_else(folder, api, model):
    told = Pipeline.from_pretrained(folder).push_to_hub(
        "ann/cats-8", private=True, commit_message="first", token="secret", licence="mit"
    )
    assert told == "https://hub/commit/1"
    assert api.made == [("ann/cats-8", True, True)]
    assert sorted(api.sent["files"]) == [
        "README.md",
        "config.json",
        "directions.safetensors",
        "extractors/cnn.safetensors",
        "model.safetensors",
        "preview.png",
    ]
    assert api.sent["files"]["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    assert (api.sent["place"], api.sent["message"], api.sent["token"]) == ("ann/cats-8", "first", "secret")
    assert 'from_pretrained("ann/cats-8")' in api.sent["files"]["README.md"].decode()
    assert not any(b"secret" in data for data in api.sent["files"].values())


def test_a_proposal_makes_no_repository(model, api):
    assert push_model(model, "ann/cats", create_pr=True) == "https://hub/pr/1"
    assert api.made == []
    assert model.fingerprint() in api.sent["message"]


def test_a_hub_that_refuses_is_a_sentence(model, api, monkeypatch):
    def refuse(self, *_a, **_k):
        raise huggingface_hub.errors.LocalTokenNotFoundError("Token is required\nmore")

    monkeypatch.setattr(api, "create_repo", refuse)
    with pytest.raises(ModelError, match=r"'ann/cats' could not be put .*Token is required\). Log in") as error:
        push_model(model, "ann/cats")
    assert "\n" not in str(error.value)
    for wrong in ("cats", "ann/cats/8", "ann/a--b", "/ann", "ann/c ats"):
        with pytest.raises(ConfigError, match="owner/name"):
            push_model(model, wrong)


def test_the_preview_shows_samples_and_their_reconstructions_only(model):
    picture, says = preview(model)
    side, gap = (picture.size[0] - 2 * 9) // 8, 2
    scale = side // 8
    pipe = Pipeline(model)
    samples = pipe.generate(24, seed=0)
    again = pipe.reconstruct([np.asarray(one) for one in samples[:1]])
    pixels = np.asarray(picture)
    first = pixels[gap : gap + side : scale, gap : gap + side : scale]
    assert np.array_equal(first, np.asarray(samples[0]))
    below = pixels[2 * gap + side : 2 * gap + 2 * side : scale, gap : gap + side : scale]
    assert np.abs(below.astype(int) - np.asarray(again[0]).astype(int)).max() <= 2  # samples are not rounded first
    assert "none left out" in says
    assert preview(small_model("ae")) is None


def test_what_is_known_of_the_training_belongs_to_the_weights(folder, tmp_path):
    pipe = Pipeline.from_pretrained(folder)
    with torch.no_grad():
        pipe.model.w_avg.add_(1.0)
    assert pipe.facts == {}
    out = pipe.save_pretrained(tmp_path / "out")
    assert "Budget: not recorded" in (out / "README.md").read_text()
    assert not (out / "directions.safetensors").exists()


def test_directions_of_another_model_and_broken_ones_are_refused(folder, tmp_path):
    file = folder.parent / "directions.safetensors"
    mine = Pipeline.from_pretrained(folder).model.fingerprint()
    stranger = replace(direction("Smiling", small_model("alae", seed=1)), facts={"a note on": mine})
    save_directions(file, [stranger])
    with pytest.raises(ModelError, match="were found for the model"):
        Pipeline.from_pretrained(folder).save_pretrained(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    file.write_bytes(b"hello")
    with pytest.raises(ModelError, match="cannot be read as a file of directions"):
        Pipeline.from_pretrained(folder).save_pretrained(tmp_path / "out")


def test_a_tuned_model_keeps_the_directions_of_the_one_it_comes_from(model, tmp_path):
    tuned = small_model("alae", seed=1)
    tuned.tuned_from = (model.fingerprint(),)
    tuned.save(tmp_path / "tuned")
    save_directions(tmp_path / "tuned" / "directions.safetensors", [direction("Smiling", model)])
    out = Pipeline.from_pretrained(tmp_path / "tuned").save_pretrained(tmp_path / "out")
    again = Pipeline.from_pretrained(out)
    (kept,) = load_directions(out / "directions.safetensors", again.model).values()
    assert kept.fingerprint == model.fingerprint() != again.model.fingerprint()
    assert "Smiling" in (out / "README.md").read_text()


def test_places_that_are_taken_and_words_no_hub_knows(model, tmp_path):
    pipe = Pipeline(model)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError, match="is a file"):
        pipe.save_pretrained(tmp_path / "file")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.png").write_text("x")
    with pytest.raises(ModelError, match="not a model"):
        pipe.save_pretrained(tmp_path / "full")
    with pytest.raises(ConfigError, match="no identifier"):
        pipe.save_pretrained(tmp_path / "new", licence="CC BY 4.0")
    with pytest.raises(ConfigError, match="no name of a data set"):
        pipe.save_pretrained(tmp_path / "new", dataset="my cats")


def test_models_of_the_hub_come_from_its_cache_without_a_network(folder, tmp_path, monkeypatch):
    """The cache as the hub's library lays it out: refs name commits, snapshots hold their files."""
    from huggingface_hub import constants

    cache = tmp_path / "cache" / "models--ann--cats"
    commit = "a" * 40
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text(commit)
    (cache / "snapshots").mkdir()
    Pipeline.from_pretrained(folder).save_pretrained(cache / "snapshots" / commit)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache.parent))
    pipe = Pipeline.from_pretrained("ann/cats")
    assert pipe.facts["kimg"] == 3.5
    assert Pipeline.from_pretrained(f"ann/cats@{commit}").model.fingerprint() == pipe.model.fingerprint()
    with pytest.raises(ModelError, match=r"'ann/cats' with the revision 'v9' could not be had .* HF_HUB_OFFLINE"):
        Pipeline.from_pretrained("ann/cats", revision="v9")
    with pytest.raises(ModelError, match="has no revisions"):
        Pipeline.from_pretrained(folder, revision="v9")
