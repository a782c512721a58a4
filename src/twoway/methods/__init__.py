"""Methods, each a short file that returns a recipe, with its presets beside it."""

from twoway.methods import (
    aae,
    alae,
    ali,
    baselines,
    factor_vae,
    infovaegan,
    lia,
    style_alae,
    stylegan,
    vae_family,
    vae_gan,
    vamp_prior,
    veegan,
)
from twoway.methods.registry import METHODS, PRESETS, find_preset, make_recipe, method, preset

__all__ = [
    "METHODS",
    "PRESETS",
    "aae",
    "alae",
    "ali",
    "baselines",
    "factor_vae",
    "find_preset",
    "infovaegan",
    "lia",
    "make_recipe",
    "method",
    "preset",
    "style_alae",
    "stylegan",
    "vae_family",
    "vae_gan",
    "vamp_prior",
    "veegan",
]
