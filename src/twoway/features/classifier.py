"""Features of a small classifier that was trained on a data set by our own command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import Tensor

from twoway.errors import ModelError
from twoway.features.base import FeatureExtractor, freeze
from twoway.features.classifier_file import ClassifierRecord, read_classifier
from twoway.features.preprocess import resized, to_grey, to_rgb
from twoway.features.registry import features
from twoway.features.weights import FOLDER_VARIABLE, sha256_prefix

__all__ = ["ClassifierFeatures"]


@features("classifier")
class ClassifierFeatures(FeatureExtractor):
    """Feature maps, hidden vector and outputs of a classifier in a file.

    Pictures of another size are brought to the classifier's bilinearly, averaged where that is smaller; grey ones are
    repeated for a classifier of colour, and of colour ones a grey classifier sees the brightness. Numbers are named
    after the name in the file: ``mnist-cnn@1a2b3c``. They can be compared among models of the same pictures only.

    Args:
        weights: File that ``twoway metrics train-extractor`` wrote: a path, or a name in the folder that
            ``TWOWAY_WEIGHTS`` names.

    Attributes:
        record: What the file says: classes or attributes, training, accuracy.

    Raises:
        ModelError: There is no such file, or it is not of a classifier.
    """

    record: ClassifierRecord

    def __init__(self, *, weights: str | None = None) -> None:
        super().__init__()
        if not weights:
            raise ModelError(
                "The extractor 'classifier' needs the file of one. Make it with 'twoway metrics train-extractor --data "
                "DIR -o FILE' and name the file, in place of the extractor or with features.weights "
                "(--feature-weights)."
            )
        self.file = _find(weights)
        self.record, self.net = read_classifier(self.file)
        freeze(self.net)
        self.sha256 = sha256_prefix(self.file)
        self.layers = self.net.layers
        self.outputs = self.record.outputs
        self.exclusive = self.record.of == "classes"
        self.eval()

    @property
    def stem(self) -> str:
        """Name of the classifier."""
        return self.record.name

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of images in [-1, 1], (B, 1 or 3, H, W): one tensor per layer, none negative."""
        return self.net.maps(self._seen(x))

    def pooled(self, x: Tensor) -> Tensor:
        """Hidden vectors, (B, 128) as trained by default, none negative."""
        return self.net.vector(self._seen(x))

    def logits(self, x: Tensor) -> Tensor:
        """Unnormalised log-probabilities of the classes, or log-odds of the attributes, (B, outputs)."""
        return self.net(self._seen(x))

    def describe(self) -> dict[str, Any]:
        """Title, file, hash, what pictures are brought to, and what the classifier was trained on."""
        channels, height, width = self.record.image_shape
        return {
            **super().describe(),
            "title": self.title,
            "weights": self.file.name,
            "image": f"{width}x{height}, {'grey (Rec. 601)' if channels == 1 else 'colour'}",
            "resize": "bilinear, antialiased",
            "net": self.record.net.kind,
            "of": f"{len(self.outputs)} {self.record.of}",
            "trained_on": self.record.training.get("data"),
            "accuracy": self.record.accuracy.get("mean"),
        }

    def _seen(self, x: Tensor) -> Tensor:
        channels, height, width = self.record.image_shape
        return resized(to_grey(x) if channels == 1 else to_rgb(x), height, width)


def _find(given: str) -> Path:
    path = Path(given).expanduser()
    folder = os.environ.get(FOLDER_VARIABLE)
    if not path.exists() and folder and (Path(folder) / given).is_file():
        return Path(folder) / given
    return path
