"""twoway: GANs that run both ways."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twoway.model import TwoWayModel, build_model
    from twoway.pipeline import Pipeline
    from twoway.storage import load_model as load
    from twoway.training.entry import train

__all__ = ["Pipeline", "TwoWayModel", "__version__", "build_model", "load", "train"]
__version__ = "0.1.0"

# looked up on first use, so that `import twoway` and `twoway --help` do not wait for torch
_LAZY = {
    "Pipeline": ("twoway.pipeline", "Pipeline"),
    "TwoWayModel": ("twoway.model", "TwoWayModel"),
    "build_model": ("twoway.model", "build_model"),
    "load": ("twoway.storage", "load_model"),
    "train": ("twoway.training.entry", "train"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'twoway' has no attribute '{name}'")
    module, attribute = _LAZY[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
