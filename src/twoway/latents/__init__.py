"""Working in latent space."""

from twoway.latents.interpolation import interpolate, lerp, slerp

__all__ = ["interpolate", "lerp", "slerp"]
