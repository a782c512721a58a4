"""Weights of the official ALAE code under our names, and the sizes of nets told from the shapes of their weights.

The official nets are F = ``mapping_fl``, G = ``generator``, E = ``discriminator`` and D = ``mapping_tl``. Their weights
are stored as they act, so no factor of the equalised learning rate is applied. From 128 pixels up the official
generator enlarges with a transposed convolution, whose weight is stored (inputs, outputs, 3, 3); turned by half a turn
and transposed it is our weight.

References:
    github.com/podgorskiy/ALAE, commit 42bcf2e; Apache-2.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from twoway.errors import ForeignFileError

__all__ = ["FUSED_FROM", "our_weights", "style_levels"]

FUSED_FROM = 128
"""Resolution from which the official generator stores the weights of transposed convolutions."""

BINOMIAL = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]) / 16

_GENERATOR = {
    "conv_1.weight": "up.weight",
    "conv_2.weight": "conv.weight",
    "bias_1": "first.noisy.bias",
    "bias_2": "second.noisy.bias",
    "noise_weight_1": "first.noisy.strength",
    "noise_weight_2": "second.noisy.strength",
    "style_1.weight": "first.style.affine.weight",
    "style_1.bias": "first.style.affine.bias",
    "style_2.weight": "second.style.affine.weight",
    "style_2.bias": "second.style.affine.bias",
}
_ENCODER = {
    "conv_1.weight": "blocks.{}.conv.weight",
    "conv_2.weight": "blocks.{}.down.weight",
    "bias_1": "blocks.{}.conv.bias",
    "bias_2": "blocks.{}.down.bias",
    "style_1.weight": "heads.{}.0.weight",
    "style_1.bias": "heads.{}.0.bias",
    "style_2.weight": "heads.{}.1.weight",
    "style_2.bias": "heads.{}.1.bias",
}


def our_weights(slot: str, official: Mapping[str, Tensor], source: str = "the file") -> dict[str, Tensor]:
    """Weights of an official net under the names and in the layout of ours.

    Args:
        slot: ``mapping``, ``generator``, ``encoder`` or ``critic``.
        official: State dict of the official net, of either kind (style nets or MLP).
        source: Where it is from, for messages.

    Returns:
        Part of the state dict of our net: all its parameters, not the fixed noise nor the level.

    Raises:
        ForeignFileError: A weight whose name or shape no net of ALAE has.
    """
    result = {}
    for name, tensor in official.items():
        if name.endswith("blur.weight"):
            _check_blur(slot, name, tensor, source)
            continue
        found = _one(slot, name, tensor, official)
        if found is None:
            raise ForeignFileError(
                f"The {slot} in {source} has a weight '{name}' of shape {tuple(tensor.shape)}, which no net of the "
                "official ALAE configurations has. Only checkpoints of the default nets (style nets, and the MLP of "
                "mnist_fc) can be imported."
            )
        result[found[0]] = found[1].contiguous()
    return result


def style_levels(generator: Mapping[str, Tensor]) -> int:
    """Number of levels of an official style generator, 0 for an MLP."""
    return sum(1 for name in generator if re.fullmatch(r"to_rgb\.\d+\.to_rgb\.weight", name))


def _one(slot: str, name: str, tensor: Tensor, official: Mapping[str, Tensor]) -> tuple[str, Tensor] | None:
    kind = name.rpartition(".")[2]
    if slot in ("generator", "encoder") and (match := re.fullmatch(r"fc_([123])\.(weight|bias)", name)):
        number = int(match[1]) - 1
        head = "head.linear" if slot == "encoder" else "head"
        return (f"hidden.{number}.linear.{kind}" if number < 2 else f"{head}.{kind}"), tensor
    if slot == "mapping" and (match := re.fullmatch(r"map_blocks\.(\d+)\.fc\.(weight|bias)", name)):
        return f"layers.{int(match[1])}.linear.{kind}", tensor
    if slot == "critic" and (match := re.fullmatch(r"map_blocks\.(\d+)\.(weight|bias)", name)):
        last = f"map_blocks.{int(match[1]) + 1}.weight" not in official
        return (f"head.{kind}" if last else f"hidden.{int(match[1])}.linear.{kind}"), tensor
    if slot == "generator":
        if name == "const":
            return "constant.value", tensor
        if match := re.fullmatch(r"to_rgb\.(\d+)\.to_rgb\.(weight|bias)", name):
            return f"to_rgb.{int(match[1])}.{kind}", tensor
        if (match := re.fullmatch(r"decode_block\.(\d+)\.(.+)", name)) and match[2] in _GENERATOR:
            level = int(match[1])
            return f"blocks.{level}.{_GENERATOR[match[2]]}", _generator_layout(level, match[2], tensor)
    if slot == "encoder":
        levels = sum(1 for key in official if key.endswith(".from_rgb.weight"))
        if match := re.fullmatch(r"from_rgb\.(\d+)\.from_rgb\.(weight|bias)", name):
            return f"from_rgb.{levels - 1 - int(match[1])}.{kind}", tensor
        if (match := re.fullmatch(r"encode_block\.(\d+)\.(.+)", name)) and match[2] in _ENCODER:
            flat = tensor.flatten() if match[2].startswith("bias") else tensor
            return _ENCODER[match[2]].format(levels - 1 - int(match[1])), flat
    return None


def _generator_layout(level: int, name: str, tensor: Tensor) -> Tensor:
    if name == "conv_1.weight" and 4 * 2**level >= FUSED_FROM:
        return tensor.flip(2, 3).transpose(0, 1)
    return tensor.flatten() if name.startswith(("bias", "noise_weight")) else tensor


def _check_blur(slot: str, name: str, tensor: Tensor, source: str) -> None:
    if tensor.shape[1:] != (1, 3, 3) or not torch.allclose(tensor, BINOMIAL.expand_as(tensor), atol=1e-6):
        raise ForeignFileError(
            f"The blur '{name}' of the {slot} in {source} is not [1, 2, 1] x [1, 2, 1] / 16, the only one of "
            "ALAE, so the imported model would give other images. Import a checkpoint of the official code."
        )
