"""Small models and recipes that most tests share."""

import torch

from twoway.methods import make_recipe
from twoway.model import TwoWayModel, build_model

SHAPE = (1, 8, 8)
STYLE_METHODS = ("lia", "style-alae", "stylegan", "vaegan-z")
READ_CODES = ("infogan", "infovaegan")  # their encoders give no whole latent codes
GROWING_METHODS = (*STYLE_METHODS, "pggan", "pioneer", "balanced-pioneer")


def widths(method, hidden):
    """What makes the nets of a method small: hidden layers of MLPs, feature maps of nets that grow."""
    return {"start": 4, "maximum": 8} if method in GROWING_METHODS else {"hidden": hidden}


def small_recipe(method="alae", image_shape=SHAPE, latent=6, hidden=16, **options):
    return make_recipe(method, image_shape, {"latent": latent, **widths(method, hidden), **options})


def small_model(method="alae", image_shape=SHAPE, seed=0, **options) -> TwoWayModel:
    recipe = small_recipe(method, image_shape, **options)
    return build_model(recipe, generator=torch.Generator().manual_seed(seed)).eval()
