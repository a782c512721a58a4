"""Methods, each a short file that returns a recipe, with its presets beside it."""

from twoway.methods import alae, baselines, factor_vae, infovaegan, lia, style_alae, stylegan, vae_family, vamp_prior
from twoway.methods.registry import METHODS, PRESETS, find_preset, make_recipe, method, preset

__all__ = [
    "METHODS",
    "PRESETS",
    "alae",
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
    "vamp_prior",
]
