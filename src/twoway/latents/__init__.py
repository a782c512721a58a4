"""Working in latent space."""

from twoway.latents.in_domain import InDomain, in_domain
from twoway.latents.interpolation import interpolate, lerp, slerp
from twoway.latents.projection import EarlyStop, Projection, ProjectionSettings, ProjectionStep, project, projecting

__all__ = [
    "EarlyStop",
    "InDomain",
    "Projection",
    "ProjectionSettings",
    "ProjectionStep",
    "in_domain",
    "interpolate",
    "lerp",
    "project",
    "projecting",
    "slerp",
]
