"""What is usual for the pictures of a model, so that visitors are warned of others; found out in the background."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TypeAlias

from torch import Tensor

from twoway.errors import UserError
from twoway.latents.codes import Codes, load_codes
from twoway.latents.familiarity import Familiarity, familiarity, unlike_known
from twoway.model import TwoWayModel

__all__ = ["Known", "Usual"]

Known: TypeAlias = "Codes | str | os.PathLike[str]"
"""Codes of pictures that a model knows, or the file they lie in."""


class Usual:
    """Warns of pictures unlike those that a model knows.

    Args:
        model: In evaluation mode.
        known: Codes of its training pictures; without them it is judged by samples of the model, and those are made in
            the background once `seek` was called: it takes seconds, and until then nothing is said.
        by_samples: Whether to do that.

    Raises:
        ModelError: Codes of another model.
    """

    def __init__(self, model: TwoWayModel, known: Known | None = None, *, by_samples: bool = True) -> None:
        self._model = model
        self._found: Familiarity | None = None
        self._guard = threading.Lock()
        self._sought = not (by_samples and model.infers_noise and model.recipe.prior is not None)
        if known is not None:
            codes = known if isinstance(known, Codes) else load_codes(Path(known), model)
            self._found, self._sought = familiarity(model, codes), True

    def warning(self, w: Tensor | None, error: float | None) -> str | None:
        """A sentence where a code (1, layers, dim), or the error of its reconstruction, is unusual."""
        if self._found is None or w is None:
            return None
        return unlike_known(self._model, w, self._found, error=error)

    def seek(self) -> threading.Thread | None:
        """Find out in a thread of its own; None where that was done already, or there is nothing to find."""
        with self._guard:
            if self._sought:
                return None
            self._sought = True
        thread = threading.Thread(target=self._seek, name="twoway-usual", daemon=True)
        thread.start()
        return thread

    def _seek(self) -> None:
        try:
            self._found = familiarity(self._model)
        except UserError:
            self._found = Familiarity()  # a model that cannot be judged is not, and works all the same
