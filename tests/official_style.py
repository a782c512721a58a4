"""The official StyleALAE of the fixture, with our nets: for tests of nets, of training steps and of the importer."""

import functools
import json
from pathlib import Path

import numpy as np
import torch

from twoway.importers.alae_layout import our_weights
from twoway.networks import MLPCritic, MLPMapping, StyleEncoder, StyleGenerator, reset_net, style_channels

FIXTURES = Path(__file__).parent / "fixtures"
PREFIXES = {"mapping": "mapping_f", "generator": "decoder", "encoder": "encoder", "critic": "mapping_d"}


@functools.cache
def official() -> dict[str, torch.Tensor]:
    """Every array of the fixture: weights, inputs, outputs, losses, gradient norms, draws of two iterations."""
    with np.load(FIXTURES / "alae_style32.npz") as stored:
        return {k: torch.from_numpy(stored[k]) for k in stored.files if stored[k].dtype.kind in "fi"}


@functools.cache
def meta() -> dict:
    with np.load(FIXTURES / "alae_style32.npz") as stored:
        return json.loads(str(stored["meta_json"]))


def official_state(slot: str, which: str = "live") -> dict[str, torch.Tensor]:
    """Our names for the weights of a net of the fixture, `which` = live or ema."""
    prefix = f"weights/{which}/{PREFIXES[slot]}."
    return our_weights(slot, {k.removeprefix(prefix): v for k, v in official().items() if k.startswith(prefix)})


def fill(net: torch.nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Load all parameters of a net; the fixed noise and the level, which the official nets lack, stay."""
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert not unexpected
    assert not [name for name in missing if not name.endswith((".fixed", "_extra_state"))]


def official_nets(which: str = "live") -> dict[str, torch.nn.Module]:
    """The four nets of the fixture."""
    w, shape = meta()["latent"], (3, 32, 32)
    channels = style_channels(32, meta()["startf"], meta()["maxf"])
    nets: dict[str, torch.nn.Module] = {
        "mapping": MLPMapping(w, w, depth=meta()["mapping_layers"]),
        "generator": StyleGenerator(shape, w, channels),
        "encoder": StyleEncoder(shape, w, channels, bottom=meta()["maxf"], eps_std=0.0),
        "critic": MLPCritic(w, (w, w), outputs=2 * w, slope=1.0, lr_mul=0.1, score=w),
    }
    for slot, net in nets.items():
        reset_net(net, torch.Generator().manual_seed(0))
        fill(net, official_state(slot, which))
    return nets
