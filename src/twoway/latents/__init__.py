"""Working in latent space."""

from twoway.latents.familiarity import Familiarity, familiarity, unlike_training
from twoway.latents.in_domain import InDomain, in_domain
from twoway.latents.interpolation import interpolate, lerp, slerp
from twoway.latents.projection import EarlyStop, Projection, ProjectionSettings, ProjectionStep, project, projecting

__all__ = [
    "EarlyStop",
    "Familiarity",
    "InDomain",
    "Projection",
    "ProjectionSettings",
    "ProjectionStep",
    "familiarity",
    "in_domain",
    "interpolate",
    "lerp",
    "project",
    "projecting",
    "slerp",
    "unlike_training",
]
