"""Working in latent space."""

from twoway.latents.familiarity import Familiarity, familiarity, unlike_training
from twoway.latents.in_domain import InDomain, in_domain
from twoway.latents.interpolation import interpolate, lerp, slerp
from twoway.latents.projection import Projection, project

__all__ = [
    "Familiarity",
    "InDomain",
    "Projection",
    "familiarity",
    "in_domain",
    "interpolate",
    "lerp",
    "project",
    "slerp",
    "unlike_training",
]
