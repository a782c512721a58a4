"""Checkpoints of the official ALAE code become models that make the same images and codes."""

import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from official_style import PREFIXES, meta, official
from torch.nn import functional

import twoway
from twoway.errors import ForeignFileError
from twoway.importers.alae import import_alae
from twoway.model import build_model

FIXTURES = Path(__file__).parent.parent / "fixtures"
FILE = FIXTURES / "alae_style32_official_layout.pth"
NAMES = {"mapping": "mapping_fl", "generator": "generator", "encoder": "discriminator", "critic": "mapping_tl"}


class RunningMeanTorch:
    """As the official training loop keeps its losses: an object of a module that is not here."""

    def __init__(self):
        self.values = [torch.tensor(1.0)]


@pytest.fixture
def save(tmp_path, monkeypatch):
    """Writes a checkpoint of the official layout."""

    def write(models, *, zipped=True, **others):
        module = types.ModuleType("tracker")
        module.RunningMeanTorch = RunningMeanTorch
        monkeypatch.setitem(sys.modules, "tracker", module)
        monkeypatch.setattr(RunningMeanTorch, "__module__", "tracker")
        path = tmp_path / "checkpoint.pth"
        auxiliary = {"tracker": {"tracks": {"lae": RunningMeanTorch()}, "epochs": []}}
        torch.save({"models": models, "auxiliary": auxiliary, **others}, path, _use_new_zipfile_serialization=zipped)
        monkeypatch.delitem(sys.modules, "tracker")
        return path

    return write


def style_models():
    """The fixture's initial weights, live and averaged."""
    models = {}
    for ending, which in (("", "live"), ("_s", "ema")):
        for slot, name in NAMES.items():
            start = f"weights/{which}/{PREFIXES[slot]}."
            models[name + ending] = {k.removeprefix(start): v for k, v in official().items() if k.startswith(start)}
    models["dlatent_avg"] = {"buff": official()["weights/live/dlatent_avg.buff"]}
    return models


def close(ours, theirs, atol=1e-5):
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= atol


@pytest.mark.parametrize("zipped", [True, False])
@torch.no_grad()
def test_style_checkpoints_in_both_formats(save, tmp_path, zipped):
    data, path = official(), save(style_models(), zipped=zipped)
    averaged = import_alae(path)
    assert averaged.image_shape == (3, 32, 32)
    assert averaged.w_shape == (8, 64)
    rows = averaged.map(data["z"])
    close(averaged.nets["generator"](rows, "density"), data["ema_notrunc_image_noise_off"])
    close(averaged.truncate(rows, meta()["truncation_psi"]), data["ema_trunc_styles"])
    live = import_alae(path, live=True)
    close(live.encode(data["x/lod3"])[:, 0], data["E_w/lod3_blend1"])
    close(live.nets["critic"](live.nets["encoder"](data["x/lod3"])), data["D_score/lod3_blend1"])
    close(live.nets["generator"](live.map(data["z"]), "density"), data["G_image_noise_off/lod3_blend1"])
    live.save(tmp_path / "model")
    again = twoway.load(tmp_path / "model")
    assert torch.equal(again.reconstruct(data["x/lod3"]), live.reconstruct(data["x/lod3"]))


@pytest.mark.parametrize("which", ["ema", "live"])
def test_the_file_that_the_official_code_wrote(which):
    """Sums and norms of all weights, as the official code printed them when it wrote the file."""
    model, data = import_alae(FILE, live=which == "live"), official()
    for slot, letter in {"mapping": "F", "generator": "G", "encoder": "E", "critic": "D"}.items():
        start = f"seq_legacy_zero_grad/final/{which}/{letter}/"
        theirs = torch.stack([v.double() for k, v in data.items() if k.startswith(start) and "blur" not in k])
        parameters = [p.detach().double() for p in model.nets[slot].parameters()]
        ours = torch.tensor([[p.sum(), p.norm()] for p in parameters])
        order = ours[:, 1].argsort(), theirs[:, 1].argsort()
        torch.testing.assert_close(ours[order[0]].double(), theirs[order[1]], rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(model.w_avg, data["seq_legacy_zero_grad/final/dlatent_avg"])


def test_levels_from_128_pixels_hold_transposed_convolutions(save):
    """One level of 128 pixels below one of 64, both turned into the official layout by hand."""
    small = import_alae(save(style_models()))
    sizes = {"image_shape": [1, 128, 128], "w_dim": 8, "channels": [6, 5, 4, 3, 2, 1]}
    changes = {
        "image_shape": [1, 128, 128],
        **{f"nets.{net}.{k}": v for net in ("generator", "encoder") for k, v in sizes.items()},
        "nets.encoder.bottom": 7,
        **{"nets.mapping.z_dim": 8, "nets.mapping.w_dim": 8, "prior": "normal(8)"},
        **{"nets.critic.inputs": 8, "nets.critic.hidden": [8, 8], "nets.critic.outputs": 16, "nets.critic.score": 8},
    }
    ours = build_model(small.recipe.changed(changes), generator=torch.Generator().manual_seed(3)).eval()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.normal_(0, 0.3, generator=torch.Generator().manual_seed(parameter.numel()))
    models = {
        name + ending: in_official_layout(slot, ours.nets[slot])
        for slot, name in NAMES.items()
        for ending in ("", "_s")
    }
    assert models["generator"]["decode_block.5.conv_1.weight"].shape == (2, 1, 3, 3)
    assert models["generator"]["decode_block.4.conv_1.weight"].shape == (2, 3, 3, 3)
    models["dlatent_avg"] = {"buff": torch.arange(96.0).view(12, 8)}
    again = import_alae(save(models))
    assert again.recipe.nets == ours.recipe.nets
    for (name, a), b in zip(ours.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b), name
    assert torch.equal(again.w_avg, models["dlatent_avg"]["buff"])


def in_official_layout(slot, net):
    state = {k: v.detach() for k, v in net.named_parameters()}
    if slot == "mapping":
        return {k.replace("layers", "map_blocks").replace("linear", "fc"): v for k, v in state.items()}
    if slot == "critic":
        names = {"hidden.0.linear": "map_blocks.0", "hidden.1.linear": "map_blocks.1", "head": "map_blocks.2"}
        return {f"{names[k.rpartition('.')[0]]}.{k.rpartition('.')[2]}": v for k, v in state.items()}
    result, levels = {}, net.levels
    for i in range(levels):
        j, block = (i, net.blocks[i]) if slot == "generator" else (levels - 1 - i, net.blocks[i])
        if slot == "generator":
            result |= {f"to_rgb.{j}.to_rgb.{k}": v.detach() for k, v in net.to_rgb[i].named_parameters()}
            prefix = f"decode_block.{j}"
            if i:
                weight = block.up.weight.detach()
                result[f"{prefix}.conv_1.weight"] = weight.transpose(0, 1).flip(2, 3) if i == 5 else weight
            result[f"{prefix}.conv_2.weight"] = block.conv.weight.detach()
            for number, half in ((1, block.first), (2, block.second)):
                result[f"{prefix}.bias_{number}"] = half.noisy.bias.detach().view(1, -1, 1, 1)
                result[f"{prefix}.noise_weight_{number}"] = half.noisy.strength.detach().view(1, -1, 1, 1)
                result |= {f"{prefix}.style_{number}.{k}": v.detach() for k, v in half.style.affine.named_parameters()}
        else:
            result |= {f"from_rgb.{j}.from_rgb.{k}": v.detach() for k, v in net.from_rgb[i].named_parameters()}
            prefix = f"encode_block.{j}"
            for number, conv in ((1, block.conv), (2, block.down)):
                result[f"{prefix}.conv_{number}.weight"] = conv.weight.detach()
                result[f"{prefix}.bias_{number}"] = conv.bias.detach().view(1, -1, 1, 1)
                head = net.heads[i][number - 1]
                result |= {f"{prefix}.style_{number}.{k}": v.detach() for k, v in head.named_parameters()}
    if slot == "generator":
        result["const"] = net.constant.value.detach()
    return result


def mlp_models():
    with np.load(FIXTURES / "alae_mlp_weights.npz") as stored:
        weights = {k: torch.from_numpy(stored[k].astype(np.float32)) for k in stored.files}
    nets = {}
    for slot, letter in {"mapping": "F", "generator": "G", "encoder": "E", "critic": "D"}.items():
        state = {k[2:]: v / 256 for k, v in weights.items() if k.startswith(f"{letter}/")}
        nets[NAMES[slot]] = nets[f"{NAMES[slot]}_s"] = state
    return {**nets, "dlatent_avg": {"buff": weights["w_avg"].view(1, 50).repeat(8, 1)}}


@torch.no_grad()
def test_the_mlp_with_its_resampling(save, generator):
    models = mlp_models()
    model = import_alae(save(models))
    e, g = models["discriminator"], models["generator"]
    x = torch.rand(5, 1, 32, 32, generator=generator) * 2 - 1

    def layer(state, number, value):
        return functional.linear(value, state[f"fc_{number}.weight"], state[f"fc_{number}.bias"])

    hidden = functional.interpolate(x, 28).flatten(1)
    for number in (1, 2, 3):
        hidden = functional.leaky_relu(layer(e, number, hidden), 0.2)
    close(model.encode(x)[:, 0], hidden)
    for number in (1, 2):
        hidden = functional.leaky_relu(layer(g, number, hidden), 0.2)
    made = functional.interpolate(layer(g, 3, hidden).view(5, 1, 28, 28), 32)
    close(model.reconstruct(x), made)
    assert model.w_shape == (1, 50)
    assert torch.equal(model.w_avg, models["dlatent_avg"]["buff"][:1])
    w = model.map(torch.randn(5, 50, generator=generator))
    assert model.nets["critic"](w).shape == (5,)
    close(model.nets["mapping"].layers[5].linear.weight, models["mapping_fl"]["map_blocks.5.fc.weight"], 0)


def without(models, net, name):
    return {**models, net: {k: v for k, v in models[net].items() if k != name}}


def changed(models, net, name, value):
    return {**models, net: {**models[net], name: value}}


BROKEN = {
    "no averaged nets": (lambda m: {k: v for k, v in m.items() if not k.endswith("_s")}, "should hold 'models'"),
    "a weight is missing": (lambda m: without(m, "generator_s", "const"), r"'constant\.value' of the generator"),
    "a level is missing": (lambda m: without(m, "discriminator_s", "from_rgb.0.from_rgb.weight"), "missing"),
    "another net": (lambda m: changed(m, "discriminator_s", "fc.weight", torch.zeros(3)), r"'fc\.weight'"),
    "another shape": (lambda m: changed(m, "mapping_tl_s", "map_blocks.0.bias", torch.zeros(3)), "of the critic"),
    "another blur": (lambda m: changed(m, "generator_s", "decode_block.1.blur.weight", torch.ones(3, 1, 3, 3)), "blur"),
    "not finite": (lambda m: changed(m, "generator_s", "const", torch.full((1, 32, 4, 4), torch.nan)), "finite"),
    "whole numbers": (lambda m: changed(m, "generator_s", "const", torch.zeros(1, 32, 4, 4).long()), "floating-point"),
    "no tensor": (lambda m: changed(m, "generator_s", "const", "text"), "floating-point"),
    "another mean code": (lambda m: {**m, "dlatent_avg": {"buff": torch.zeros(8, 3)}}, "mean code"),
    "five colours": (lambda m: changed(m, "generator_s", "to_rgb.0.to_rgb.weight", torch.zeros(5, 32, 1, 1)), "shape"),
    "many levels": (
        lambda m: {
            **m,
            "generator_s": {
                **m["generator_s"],
                **{f"to_rgb.{i}.to_rgb.weight": torch.zeros(3, 1, 1, 1) for i in range(40)},
            },
        },
        "40 levels",
    ),
    "wide levels": (
        lambda m: changed(m, "generator_s", "to_rgb.1.to_rgb.weight", torch.zeros(3, 1_000_000, 1, 1)),
        "of the generator",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_other_checkpoints_are_refused_in_words(save, name):
    change, said = BROKEN[name]
    path = save(change(style_models()))
    with pytest.raises(ForeignFileError, match=said) as refusal:
        import_alae(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


class Call:
    def __reduce__(self):
        return os.system, ("touch marker",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_call_between_the_weights_is_not_made(save, tmp_path, monkeypatch, zipped):
    monkeypatch.chdir(tmp_path)
    path = save(style_models(), zipped=zipped, more=[Call()])
    with pytest.raises(ForeignFileError, match=r"names '\w+\.system'"):
        import_alae(path)
    assert not (tmp_path / "marker").exists()
