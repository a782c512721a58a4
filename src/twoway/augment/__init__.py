"""Differentiable augmentation of what the critic sees: DiffAugment and adaptive augmentation (ADA)."""

from twoway.augment.controller import AdaController
from twoway.augment.pipeline import augment
from twoway.augment.settings import Augment, choose_augment

__all__ = ["AdaController", "Augment", "augment", "choose_augment"]
