"""Methods, each a short file that returns a recipe, with its presets beside it."""

from twoway.methods import age, alae, baselines, infovaegan, introvae, lia, pggan, pioneer, style_alae, stylegan
from twoway.methods.registry import METHODS, PRESETS, find_preset, make_recipe, method, preset

__all__ = [
    "METHODS",
    "PRESETS",
    "age",
    "alae",
    "baselines",
    "find_preset",
    "infovaegan",
    "introvae",
    "lia",
    "make_recipe",
    "method",
    "pggan",
    "pioneer",
    "preset",
    "style_alae",
    "stylegan",
]
