"""What measured values depend on besides names: contents of pictures, weights and files, which may change in place."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from twoway.config import to_plain
from twoway.data import ImageData
from twoway.errors import ConfigError, ModelError
from twoway.features import FeatureSpec, build_features
from twoway.features.weights import sha256_prefix
from twoway.metrics.lpips import image_distance

__all__ = ["features_identity", "pictures_identity", "settings_identity", "weights_identity"]

WEIGHTS = ("ema.safetensors", "live.safetensors")


def pictures_identity(train: ImageData, test: ImageData) -> dict[str, Any]:
    """Fingerprints of training and held-out pictures, and hashes of what is known of them."""
    return {"train": _pictures(train), "test": _pictures(test)}


def features_identity(spec: FeatureSpec) -> dict[str, Any]:
    """What an extractor and the distance of its features are named with, hashes of their weights included.

    Raises:
        UserError: There is no such extractor, or its weights are missing.
    """
    extractor = build_features(spec)
    try:
        heads = image_distance(extractor).describe().get("heads")
    except (ConfigError, ModelError):  # it gives one vector per picture: no distance of maps
        heads = None
    return {"title": extractor.title, "sha256": extractor.sha256, "heads": heads}


def settings_identity(settings: Any) -> dict[str, Any]:
    """Settings of an artefact as plain data; those that name a file stand with its hash."""
    found = {}
    for one in dataclasses.fields(settings):
        value = getattr(settings, one.name)
        found[one.name] = to_plain(value)
        path = Path(value).expanduser() if isinstance(value, str) and value else None
        if path is not None and path.is_file():
            found[one.name] = {"file": value, "sha256": sha256_prefix(path)}
    return found


def weights_identity(state: Mapping[str, Any]) -> dict[str, Any]:
    """Of a checkpoint's state: the pictures it was trained on, and hashes of its averaged and of its live weights."""
    return {"data": state["data"], "weights": {name: state["sha256"].get(name) for name in WEIGHTS}}


def _pictures(data: ImageData) -> dict[str, str | None]:
    known = [data.attribute_names, data.labels, data.attributes]
    digest = hashlib.sha256()
    for one in known:
        digest.update(one.tobytes() if isinstance(one, np.ndarray) else repr(one).encode())
    return {"pictures": data.fingerprint(), "known": digest.hexdigest()[:16]}
