"""How the nets of a method are put together: prior code to latent code, image to code, whatever the slots hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from twoway.code_reading import likely_codes
from twoway.conditioning import with_labels
from twoway.networks import CodePosterior, Gaussian, PseudoInputs

__all__ = ["Encodes", "encode_images", "encoder_input", "is_style_generator", "map_codes", "run_encoder"]

Encodes = Literal["w", "z", "code"]


def is_style_generator(net: nn.Module) -> bool:
    """Whether a generator takes a code per layer, and noise."""
    return hasattr(net, "w_layers")


def run_encoder(nets: Mapping[str, nn.Module], x: Tensor, y: Tensor | None = None) -> Any:
    """E on images, beside one-hot labels (B, classes) where it is told them.

    Where E is a head of the critic, on the critic's hidden features of the images.
    """
    seen = encoder_input(nets, x)
    return nets["encoder"](seen) if y is None else nets["encoder"](seen, y)


def encoder_input(nets: Mapping[str, nn.Module], x: Tensor) -> Tensor:
    """What E takes: the images, or the critic's hidden features of them where E is a head of the critic."""
    if not getattr(nets["encoder"], "reads_critic", False):
        return x
    critic: Any = nets["critic"]
    return critic.features(x)


def encode_images(nets: Mapping[str, nn.Module], x: Tensor, encodes: Encodes, y: Tensor | None = None) -> Tensor:
    """Latent codes of images without chance: the mean of a stochastic encoder, mapped where it speaks of z.

    Of an encoder of interpretable codes the noise it estimates, the most likely class and the means; of one that is
    told labels (B, classes) the code, and the label behind it.
    """
    code = run_encoder(nets, x, y)
    if isinstance(code, CodePosterior):
        return torch.cat([code.noise, likely_codes(code)], dim=1).unsqueeze(1)
    mean = code.mean if isinstance(code, Gaussian) else code
    return nets["mapping"](mean.flatten(1)) if encodes == "z" else with_labels(mean, y)


def map_codes(nets: Mapping[str, nn.Module], z: Tensor) -> Tensor:
    """Latent codes of prior codes (B, dim): F(z), through E for pseudo-inputs; z itself where there is no mapping."""
    if "mapping" not in nets:
        return z.unsqueeze(1)
    mapping = nets["mapping"]
    return mapping(z, nets["encoder"]) if isinstance(mapping, PseudoInputs) else mapping(z)
