"""What tests of artefacts ask for in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twoway.features import FeatureSpec
from twoway.reproduce.command import Asked, reproduce
from twoway.reproduce.registry import load_artefacts


def pyramid_for(name: str) -> dict[str, Any]:
    """Features without weights, for artefacts that look at any; the others refuse the option."""
    return {} if "features" in load_artefacts()[name].without else {"features": FeatureSpec("pyramid")}


def made_in(folder: Path, data: str, name: str, rows: tuple[str, ...] = (), **own: Any) -> dict[str, Any]:
    """Make an artefact at the budget smoke, quietly, with one folder of trainings for all, and read its page."""
    asked = Asked(
        "smoke",
        data=str(folder / data),
        kimg=0.1,
        rows=rows,
        **pyramid_for(name),
        out=folder / name,
        runs=folder / "runs",
        settings=load_artefacts()[name].settings(**own) if own else None,
    )
    reproduce(name, asked, say=lambda text: None)
    return json.loads((folder / name / "table.json").read_text())
