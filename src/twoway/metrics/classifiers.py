"""What measures that need a classifier ask of an extractor."""

from __future__ import annotations

from typing import Any, Literal, Protocol, cast

from torch import Tensor

from twoway.errors import ModelError

__all__ = ["Classifies", "Sorts", "classifier_for", "sorts_of"]

Sorts = Literal["classes", "attributes"]


class Classifies(Protocol):
    """What knows classes of pictures, and says what it is.

    One whose outputs are attributes says so by ``exclusive = False``, as `twoway.features.FeatureExtractor` does.
    """

    @property
    def title(self) -> str:
        """What numbers are named with, such as ``squeezenet@069e14``."""

    def logits(self, x: Tensor) -> Tensor:
        """Unnormalised log chances (B, classes) of images (B, C, H, W) in [-1, 1]; of attributes their log odds."""

    def describe(self) -> dict[str, Any]:
        """Plain data: which classifier, of which weights."""


def sorts_of(classifier: object) -> Sorts:
    """Whether a classifier's outputs are of classes that exclude each other, or of attributes."""
    return "classes" if getattr(classifier, "exclusive", True) else "attributes"


def classifier_for(name: str, extractor: Any, *, exclusive: bool = False) -> Classifies:
    """The extractor, if a measure can use it as a classifier.

    Args:
        name: Of the measure, as users type it.
        extractor: What it was asked for with.
        exclusive: Whether the measure is about classes that exclude each other, and means nothing for attributes.

    Raises:
        ModelError: It knows no classes, or attributes where classes are needed.
    """
    if not callable(getattr(extractor, "logits", None)):
        raise ModelError(
            f"The measure '{name}' needs a classifier, but '{extractor.title}' only describes pictures. Name an "
            f"extractor that knows classes in brackets, as {name}[squeezenet]."
        )
    if exclusive and sorts_of(extractor) == "attributes":
        raise ModelError(
            f"The measure '{name}' needs chances of classes that exclude each other, but '{extractor.title}' tells "
            "attributes, of which a picture may have several or none. Use a classifier of classes, or separability, "
            "which is about attributes."
        )
    return cast(Classifies, extractor)
