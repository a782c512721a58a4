"""Working in latent space."""

from twoway.latents.in_domain import InDomain, in_domain
from twoway.latents.interpolation import interpolate, lerp, slerp
from twoway.latents.projection import Projection, project

__all__ = ["InDomain", "Projection", "in_domain", "interpolate", "lerp", "project", "slerp"]
