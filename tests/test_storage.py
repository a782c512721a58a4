import hashlib
import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from small import SHAPE, small_model

import twoway
from twoway import storage
from twoway.errors import DeviceError, ModelError
from twoway.methods import METHODS


@pytest.fixture
def folder(tmp_path, model):
    return model.save(tmp_path / "m", card={"data": "digits", "kimg": 3, "metrics": {"mse": {"value": 0.25}}})


def edit(folder, **changes):
    path = folder / "config.json"
    plain = json.loads(path.read_text())
    plain.update(changes)
    path.write_text(json.dumps(plain))


def fix_hash(folder, **changes):
    """Make config.json agree with weights that were replaced."""
    data = (folder / "model.safetensors").read_bytes()
    weights = json.loads((folder / "config.json").read_text())["weights"]
    weights.update(sha256=hashlib.sha256(data).hexdigest(), size=len(data), **changes)
    edit(folder, weights=weights)


def refused(folder, said):
    with pytest.raises(ModelError) as error:
        storage.load_model(folder)
    message = str(error.value)
    assert said in message, message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("method", sorted(METHODS))
def test_saved_and_loaded_models_are_equal(tmp_path, method, generator):
    model = small_model(method)
    model.w_avg.normal_(generator=generator)
    again = twoway.load(model.save(tmp_path / "m"))
    assert again.recipe == model.recipe
    assert again.fingerprint() == model.fingerprint()
    assert not again.training
    x = torch.rand(2, *SHAPE, generator=generator)
    if model.reconstructs:
        assert torch.equal(again.reconstruct(x), model.reconstruct(x))
    assert torch.equal(again.w_avg, model.w_avg)


def test_the_folder_says_what_the_model_is(folder, model):
    plain = json.loads((folder / "config.json").read_text())
    assert plain["format"] == storage.FORMAT
    assert plain["training"] == {"data": "digits", "kimg": 3, "metrics": {"mse": {"value": 0.25}}}
    assert plain["weights"]["tensors"] == len(model.state_dict())
    card = (folder / "README.md").read_text()
    for word in (
        "alae",
        "2004.04467",
        "digits",
        "3 thousand images",
        "0.25",
        model.fingerprint(),
        "Pipeline",
        "Limits",
    ):
        assert word in card
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]


def test_the_card_takes_a_described_data_set(tmp_path, model):
    described = {"name": "faces64", "count": 7, "rules": {"fit": "crop"}}
    card = (model.save(tmp_path / "m", card={"data": described, "kimg": 1.5}) / "README.md").read_text()
    assert "# alae on faces64, 8x8" in card
    assert "count 7, rules fit crop" in card


def test_saving_again_replaces_the_model_and_leaves_nothing_beside_it(folder):
    other = small_model(seed=9)
    other.save(folder)
    assert twoway.load(folder).fingerprint() == other.fingerprint()
    assert [p.name for p in folder.parent.iterdir()] == ["m"]


def test_a_failed_save_leaves_the_old_model_as_it_was(folder, model, monkeypatch):
    def fail(*_arguments):
        raise OSError("no space left")

    monkeypatch.setattr(storage, "_sha256", fail)
    with pytest.raises(ModelError, match="no space left"):
        small_model(seed=9).save(folder)
    monkeypatch.undo()
    assert twoway.load(folder).fingerprint() == model.fingerprint()
    assert [p.name for p in folder.parent.iterdir()] == ["m"]


def test_saving_never_removes_what_is_not_a_model(tmp_path, model):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"x")
    with pytest.raises(ModelError, match="not a model"):
        model.save(tmp_path / "photos")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError, match="is a file"):
        model.save(tmp_path / "file")
    assert (tmp_path / "photos" / "a.png").exists()


def test_missing_folder_and_file_instead_of_folder(tmp_path):
    refused(tmp_path / "none", "There is no model folder")
    (tmp_path / "net.pth").write_bytes(b"x")
    assert "another program" in refused(tmp_path / "net.pth", "is a file")


def test_config_missing_broken_foreign_old_or_with_unknown_keys(folder):
    config = folder / "config.json"
    text = config.read_text()
    for new, said in (
        ("{", "not valid JSON"),
        ("[]", "not written by twoway"),
        ('{"model_type": "bert"}', "not written by twoway"),
        (text.replace('"format": 1', '"format": 99'), "format 99"),
        (text.replace('"fingerprint"', '"fingerprnt"'), "did you mean 'fingerprint'"),
        (text.replace('"mlp_encoder"', '"os.system"'), "not a network"),
        (text.replace('"w_dim": 6', '"w_dim": 7', 1), "describes no working model"),
    ):
        assert new != text
        config.write_text(new)
        refused(folder, said)
    config.unlink()
    refused(folder, "no config.json")


def test_weights_missing(folder):
    (folder / "model.safetensors").unlink()
    refused(folder, "is missing")


def test_weights_outside_the_folder_are_not_followed(folder):
    weights = json.loads((folder / "config.json").read_text())["weights"]
    edit(folder, weights={**weights, "file": "../secret"})
    refused(folder, "plain file name")


def test_weights_truncated_or_tampered_with(folder):
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    path.write_bytes(data[:-100])
    refused(folder, "truncated")
    data[-1] ^= 1
    path.write_bytes(data)
    refused(folder, "sha256")


class Trap:
    sprung = False

    def __reduce__(self):
        return (_spring, ())


def _spring():
    Trap.sprung = True


def test_a_header_whose_length_begins_like_a_pickle_is_none(tmp_path, model):
    """The length of a header is a multiple of 8, so one in 32 ends in the byte 0x80, with which pickles begin."""
    from safetensors.torch import save_file

    folder = model.save(tmp_path / "m")
    path, config = folder / "model.safetensors", json.loads((folder / "config.json").read_text())
    tensors = dict(model.state_dict())
    for padding in range(256):
        save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata={"padding": "x" * padding})
        if path.read_bytes()[0] == 0x80:
            break
    else:
        pytest.fail("no header of that length was made")
    config["weights"] |= {"size": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    (folder / "config.json").write_text(json.dumps(config))
    assert twoway.load(folder).fingerprint() == model.fingerprint()


@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_pickles_are_refused_and_not_executed(folder, kind):
    import pickle

    path = folder / "model.safetensors"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Trap()))
    else:
        torch.save({"w": Trap()}, path)
    fix_hash(folder)
    assert "save its tensors with safetensors" in refused(folder, "could execute code")
    assert not Trap.sprung


def test_something_else_with_the_right_hash(folder):
    (folder / "model.safetensors").write_bytes(b"hello, this is no model at all")
    fix_hash(folder)
    refused(folder, "not a readable safetensors file")


def test_wrong_names_shapes_types_and_values_even_with_the_right_hash(folder):
    path = folder / "model.safetensors"
    good = load_file(path)
    name = "nets.encoder.head.linear.weight"
    renamed = {("x" if k == name else k): v for k, v in good.items()}
    for tensors, said in (
        (renamed, "hold a tensor 'x'"),
        ({**good, name: good[name][:, :-1].contiguous()}, f"The tensor '{name}'"),
        ({**good, name: good[name].half()}, "float16"),
        ({**good, name: good[name] + 1e-3}, "fingerprint"),
    ):
        save_file(tensors, path)
        fix_hash(folder)
        refused(folder, said)
    fewer = {k: v for k, v in good.items() if k != name}
    save_file(fewer, path)
    fix_hash(folder)
    refused(folder, "tensors, but config.json says")
    fix_hash(folder, tensors=len(fewer))
    refused(folder, f"lack the tensor '{name}'")


def test_a_changed_slope_is_noticed_though_every_weight_fits(folder):
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"slope": 0.01', '"slope": 0.02', 1))
    refused(folder, "fingerprint")


def test_a_device_that_is_not_there(folder):
    with pytest.raises(DeviceError, match="cannot be used"):
        storage.load_model(folder, device="nonsense")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="cuda"):
            storage.load_model(folder, device="cuda")


def test_names_of_the_hub_are_asked_for_there_only_where_no_path_is(folder, tmp_path, monkeypatch):
    import huggingface_hub

    asked = []

    def download(name, **_options):
        asked.append(name)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.chdir(tmp_path)
    assert storage.load_model("someone/some-model") is not None
    assert asked == ["someone/some-model"]
    (tmp_path / "someone").mkdir()
    folder.rename(tmp_path / "someone" / "some-model")
    storage.load_model("someone/some-model")
    assert asked == ["someone/some-model"]
    for path in ("a/b/c", "./a/b", "../a", "a b/c", "single"):
        with pytest.raises(ModelError, match="There is no model folder"):
            storage.load_model(path)


def test_without_a_network_the_hub_gives_our_own_error(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    message = refused("nobody/no-such-model", "could not be had from the Hugging Face Hub")
    assert "HF_HUB_OFFLINE is set" in message


def test_importing_the_package_needs_no_torch():
    code = "import sys, twoway; assert 'torch' not in sys.modules; assert 'load' in dir(twoway); twoway.nothing"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "has no attribute 'nothing'" in done.stderr
