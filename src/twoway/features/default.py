"""The extractor that is used where none is named."""

from __future__ import annotations

from twoway.errors import ModelError
from twoway.features.registry import FeatureSpec
from twoway.features.squeezenet import WEIGHTS_FILE
from twoway.features.weights import find_weights

__all__ = ["default_features"]


def default_features() -> FeatureSpec:
    """SqueezeNet where the folder that ``TWOWAY_WEIGHTS`` names holds its weights, otherwise the pyramid."""
    try:
        find_weights(None, WEIGHTS_FILE, "squeezenet")
    except ModelError:
        return FeatureSpec("pyramid")
    return FeatureSpec("squeezenet")
