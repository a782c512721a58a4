"""What InfoGAN and InfoVAEGAN share: a prior of noise and codes, and the generator on it.

References:
    Chen et al., InfoGAN, arXiv 1606.03657, appendix C.1 (28 pixels); dtuzi123/InfoVAEGAN (32 pixels and more).
"""

from __future__ import annotations

from twoway.errors import ConfigError
from twoway.methods.plain_nets import Nets, conv_maps, generator
from twoway.methods.registry import ImageShape
from twoway.networks import NetSpec
from twoway.priors import Block, Categorical, Normal, Prior, Uniform

__all__ = ["code_generator", "code_prior"]


def code_prior(latent: int, classes: int, continuous: int, *, normal: bool) -> Prior:
    """Uniform noise and codes as published, or normal ones."""
    if classes == 1:
        raise ConfigError("classes is 1, but one class says nothing. Give at least 2, or 0 for no discrete code.")
    kind: type[Block] = Normal if normal else Uniform
    blocks: list[Block] = [kind(latent)]
    if classes:
        blocks.append(Categorical(classes))
    if continuous:
        blocks.append(kind(continuous))
    return Prior(tuple(blocks))


def code_generator(image_shape: ImageShape, width: int, hidden: int, nets: Nets) -> NetSpec:
    """InfoGAN's below 32 pixels; above, the published one: 3x3 kernels, and a second convolution at each resolution."""
    if nets == "mlp" or min(image_shape[1:]) < 32:
        return generator(image_shape, width, hidden, nets=nets)
    wide, doublings = max(hidden // 4, 4), len(conv_maps(image_shape, hidden)) - 1
    maps = (*[wide] * doublings, wide // 2)
    args = {"w_dim": width, "image_shape": image_shape, "maps": maps, "hidden": 0, "kernel": 3, "refine": True}
    return NetSpec("conv_generator", {**args, "output": "tanh"})
