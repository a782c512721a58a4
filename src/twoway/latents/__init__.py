"""Working in latent space."""

from twoway.latents.familiarity import Familiarity, familiarity, unlike_training
from twoway.latents.in_domain import InDomain, in_domain
from twoway.latents.interpolation import interpolate, lerp, slerp
from twoway.latents.pivotal_tuning import Tuned, Tuning, TuningStep, tune_generator, tuning
from twoway.latents.projection import EarlyStop, Projection, ProjectionSettings, ProjectionStep, project, projecting
from twoway.latents.tuning_files import Delta, apply_delta, read_delta, save_delta

__all__ = [
    "Delta",
    "EarlyStop",
    "Familiarity",
    "InDomain",
    "Projection",
    "ProjectionSettings",
    "ProjectionStep",
    "Tuned",
    "Tuning",
    "TuningStep",
    "apply_delta",
    "familiarity",
    "in_domain",
    "interpolate",
    "lerp",
    "project",
    "projecting",
    "read_delta",
    "save_delta",
    "slerp",
    "tune_generator",
    "tuning",
    "unlike_training",
]
