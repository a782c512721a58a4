"""Small models and recipes that most tests share."""

import torch

from twoway.methods import make_recipe
from twoway.model import TwoWayModel, build_model

SHAPE = (1, 8, 8)


def small_recipe(method="alae", image_shape=SHAPE, latent=6, hidden=16, **options):
    return make_recipe(method, image_shape, {"latent": latent, "hidden": hidden, **options})


def small_model(method="alae", image_shape=SHAPE, seed=0, **options) -> TwoWayModel:
    recipe = small_recipe(method, image_shape, **options)
    return build_model(recipe, generator=torch.Generator().manual_seed(seed)).eval()
