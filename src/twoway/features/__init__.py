"""Feature extractors by name: what distances between images, and between sets of images, look at."""

from twoway.features import classifier, inception, pca, pyramid, squeezenet, vgg  # noqa: F401  (they register themselves)
from twoway.features.base import FeatureExtractor, FrozenConv, feature_distance
from twoway.features.default import default_features
from twoway.features.registry import FEATURES, FeatureSpec, build_features, features

__all__ = [
    "FEATURES",
    "FeatureExtractor",
    "FeatureSpec",
    "FrozenConv",
    "build_features",
    "default_features",
    "feature_distance",
    "features",
]
