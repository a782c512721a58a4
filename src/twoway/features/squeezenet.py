"""SqueezeNet 1.1: small pretrained features (2.5 MB of weights) for perceptual and Frechet distances."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from twoway.errors import ModelError
from twoway.features.base import FeatureExtractor, FrozenConv
from twoway.features.preprocess import Preprocessing, enlarge, prepare
from twoway.features.registry import features
from twoway.features.weights import fill, find_weights, read_weights, sha256_prefix

__all__ = ["WEIGHTS_FILE", "Fire", "SqueezeNet"]

WEIGHTS_FILE = "squeezenet1_1_imagenet_fp16.npz"
_MEAN = (123.0, 117.0, 104.0)  # the rounded mean that SqueezeNet's Caffe training subtracted
_HEAD = "classifier.1.weight"
_CLASSES = 1000
_LEAST = 32  # below it nothing is left after the third pooling


class Fire(nn.Module):
    """A 1x1 bottleneck, then 1x1 and 3x3 convolutions of it side by side, each with a ReLU.

    Args:
        inputs: Channels of the input.
        squeezed: Channels of the bottleneck.
        expanded: Channels of each of the two branches.
    """

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = FrozenConv(inputs, squeezed, 1)
        self.expand1x1 = FrozenConv(squeezed, expanded, 1)
        self.expand3x3 = FrozenConv(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, 2 expanded, H, W)."""
        x = functional.relu(self.squeeze(x))
        return torch.cat([functional.relu(self.expand1x1(x)), functional.relu(self.expand3x3(x))], dim=1)


@features("squeezenet")
class SqueezeNet(FeatureExtractor):
    """SqueezeNet 1.1, tapped where LPIPS taps it.

    Seven layers with 64, 128, 256, 384, 384, 512 and 512 channels, at strides of about 2, 4, 8, 16, 16, 16 and 16. The
    vector of an image is the mean of the last one, 512 numbers.

    Args:
        weights: A .npz or .safetensors file under torchvision's names; None looks for
            ``squeezenet1_1_imagenet_fp16.npz`` in the folder that ``TWOWAY_WEIGHTS`` names.
        least: Images with a shorter side than this are scaled up to it first.
        preprocessing: What the weights were trained on. The default suits Caffe's weights, as the file above; for
            those trained by torchvision say ``imagenet``.

    Raises:
        ModelError: The weights are not there or not SqueezeNet 1.1's.

    References:
        Iandola et al., SqueezeNet, arXiv 1602.07360, and the authors' version 1.1; taps: Zhang et al., LPIPS,
        arXiv 1801.03924.
    """

    layers = ("conv1", "fire3", "fire5", "fire6", "fire7", "fire8", "fire9")

    def __init__(
        self, *, weights: str | None = None, least: int = 64, preprocessing: Preprocessing = "caffe_rgb"
    ) -> None:
        super().__init__()
        self.least = max(least, _LEAST)
        self.preprocessing: Preprocessing = preprocessing
        # numbered as in torchvision, so that its names fit; 1, 2, 5 and 8 are the ReLU and the poolings
        blocks: dict[str, nn.Module] = {"0": FrozenConv(3, 64, 3, stride=2)}
        inputs = 64
        for number, squeezed, expanded in (
            (3, 16, 64),
            (4, 16, 64),
            (6, 32, 128),
            (7, 32, 128),
            (9, 48, 192),
            (10, 48, 192),
            (11, 64, 256),
            (12, 64, 256),
        ):
            blocks[str(number)] = Fire(inputs, squeezed, expanded)
            inputs = 2 * expanded
        self.features = nn.ModuleDict(blocks)
        self.file = find_weights(weights, WEIGHTS_FILE, self.name)
        arrays = read_weights(self.file)
        self.classifier = nn.ModuleDict({"1": FrozenConv(512, _CLASSES, 1)} if _HEAD in arrays else {})
        fill(self, arrays, str(self.file))
        self.sha256 = sha256_prefix(self.file)
        self.eval()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Features of images in [-1, 1], (B, 1 or 3, H, W): one tensor per layer, none negative."""
        x = prepare(enlarge(x, self.least), self.preprocessing, _MEAN)
        taps = [functional.relu(self.features["0"](x))]
        for slice_ in (("3", "4"), ("6", "7"), ("9",), ("10",), ("11",), ("12",)):
            x = taps[-1]
            if slice_[0] in ("3", "6", "9"):
                x = functional.max_pool2d(x, 3, stride=2, ceil_mode=True)
            for number in slice_:
                x = self.features[number](x)
            taps.append(x)
        return tuple(taps)

    def logits(self, x: Tensor) -> Tensor:
        """Scores of ImageNet's 1000 classes in their usual order, (B, 1000), none negative.

        The net was trained on photographs of 224 pixels; with smaller `least` it guesses worse.

        Raises:
            ModelError: The file of weights is without the classifier.
        """
        if not self.classifier:
            raise ModelError(
                f"The weights in {self.file} lack '{_HEAD}', the classifier of SqueezeNet, so there are features but "
                f"no classes. Name a file of the whole net with features.weights (--feature-weights)."
            )
        return functional.relu(self.classifier["1"](self(x)[-1])).mean((2, 3))

    def describe(self) -> dict[str, Any]:
        """Name, layers, file and hash of the weights, and the settings."""
        return {
            **super().describe(),
            "weights": self.file.name,
            "least": self.least,
            "preprocessing": self.preprocessing,
        }
