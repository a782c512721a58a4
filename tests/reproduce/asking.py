"""What tests of artefacts ask for in common."""

from __future__ import annotations

from typing import Any

from twoway.features import FeatureSpec
from twoway.reproduce.registry import load_artefacts


def pyramid_for(name: str) -> dict[str, Any]:
    """Features without weights, for artefacts that look at any; the others refuse the option."""
    return {} if "features" in load_artefacts()[name].without else {"features": FeatureSpec("pyramid")}
