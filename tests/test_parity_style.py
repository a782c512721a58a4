"""The style nets against numbers made with the official ALAE code (commit 42bcf2e, random weights, 32 pixels)."""

import pytest
import torch
from official_style import meta, official, official_nets
from torch.nn import functional

from twoway.networks.convolutions import Conv

KEYS = {"lod2_blend1": (2, 1.0), "lod3_blend1": (3, 1.0), "lod3_blend0.4": (3, 0.4)}


@pytest.fixture(scope="module", autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture
def nets():
    return official_nets()


@pytest.fixture
def data():
    return official()


def grown(nets, key):
    level, blend = KEYS[key]
    for slot in ("generator", "encoder"):
        nets[slot].grow_to(level, blend)
    return nets


def close(ours, theirs, atol=1e-5):
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= atol, (ours - theirs).abs().max()


def replay(data, prefix):
    """A noise function that gives the stored maps in order, and checks what it is asked for."""
    waiting = [data[k] for k in sorted(k for k in data if k.startswith(f"{prefix}/"))]

    def draw(shape):
        noise = waiting.pop(0)
        assert noise.shape[2:] == shape[2:]
        assert shape[:2] == (meta()["batch"], 1)
        return noise

    return draw, waiting


def test_mapping(nets, data):
    close(nets["mapping"](data["z"])[:, 0], data["F_w"])
    close(nets["mapping"](data["z2"])[:, 0], data["F_w2"])


@pytest.mark.parametrize("key", KEYS)
def test_codes_scores_and_reconstructions(nets, data, key):
    grown(nets, key)
    w = nets["encoder"](data[f"x/{key.split('_')[0]}"])
    close(w[:, 0], data[f"E_w/{key}"])
    close(nets["critic"](w), data[f"D_score/{key}"])
    close(nets["generator"](w, "density"), data[f"reconstruction_noise_off/{key}"])


@pytest.mark.parametrize("key", KEYS)
def test_images(nets, data, key):
    generator, w = grown(nets, key)["generator"], data["F_w"].unsqueeze(1)
    close(generator(w, "density"), data[f"G_image_noise_off/{key}"])
    close(generator(w.expand(-1, generator.w_layers, -1), "density"), data[f"G_image_noise_off/{key}"])
    for mode in ("per_sample", "batch_constant"):
        if f"G_image_noise_{mode}/{key}" in data:
            draw, waiting = replay(data, f"noise_{mode}/{key}")
            close(generator(w, draw), data[f"G_image_noise_{mode}/{key}"])
            assert not waiting


def test_stored_noise_is_noise_that_was_drawn_before(nets, data):
    generator, w = nets["generator"], data["F_w"].unsqueeze(1)
    draw, _ = replay(data, "noise_batch_constant/lod3_blend1")
    maps = [m for block in generator.blocks for m in (block.first.noisy, block.second.noisy)]
    for noisy in maps:
        noisy.fixed.copy_(draw((4, 1, *noisy.fixed.shape[2:])))
    close(generator(w), data["G_image_noise_batch_constant/lod3_blend1"])


def test_style_mixing(nets, data):
    generator = nets["generator"]
    rows = data["F_w"][:, None].repeat(1, generator.w_layers, 1)
    rows[:, 4:] = data["F_w2"][:, None]
    close(generator(rows, "density"), data["style_mix_cut4_noise_off"])
    for name, part in (("coarse", slice(0, 4)), ("middle", slice(4, 8))):
        rows = nets["encoder"](data["x/lod3"]).repeat(1, generator.w_layers, 1)
        rows[:, part] = data["F_w"][:, None]
        close(generator(rows, "density"), data[f"style_mix_{name}_source_F_w_onto_encoded_x_noise_off"])


def test_averaged_nets_with_and_without_truncation(data):
    nets = official_nets("ema")
    w = nets["mapping"](data["z"])
    rows = w.repeat(1, nets["generator"].w_layers, 1)
    close(nets["generator"](rows, "density"), data["ema_notrunc_image_noise_off"])
    cutoff, psi = meta()["truncation_cutoff"], meta()["truncation_psi"]
    rows[:, :cutoff] = torch.lerp(data["weights/ema/dlatent_avg.buff"][None, :cutoff], rows[:, :cutoff], psi)
    close(rows, data["ema_trunc_styles"])
    close(nets["generator"](rows, "density"), data["ema_trunc_image_noise_off"])


def four_shifts(weight):
    """The official way to widen a 3x3 kernel to 4x4."""
    padded = functional.pad(weight, (1, 1, 1, 1))
    return padded[..., 1:, 1:] + padded[..., :-1, 1:] + padded[..., 1:, :-1] + padded[..., :-1, :-1]


def test_the_official_fused_doubling_is_ours_with_the_kernel_turned(generator):
    stored = torch.randn(3, 5, 3, 3, generator=generator)  # inputs, outputs
    x = torch.randn(2, 3, 6, 6, generator=generator)
    theirs = functional.conv_transpose2d(x, four_shifts(stored), stride=2, padding=1)
    ours = Conv(3, 5, scale="up")
    ours.weight.copy_(stored.flip(2, 3).transpose(0, 1))
    torch.testing.assert_close(ours(x), theirs)


def test_the_official_fused_halving_is_ours(generator):
    stored = torch.randn(5, 3, 3, 3, generator=generator)
    x = torch.randn(2, 3, 6, 6, generator=generator)
    theirs = functional.conv2d(x, four_shifts(stored) * 0.25, stride=2, padding=1)
    ours = Conv(3, 5, scale="down")
    ours.weight.copy_(stored)
    torch.testing.assert_close(ours(x), theirs)
