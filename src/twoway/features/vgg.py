"""VGG16's convolutions: the features of LIA's perceptual loss, from a file or from torchvision."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from twoway.errors import ConfigError, ModelError, closest
from twoway.features.base import FeatureExtractor, FrozenConv
from twoway.features.preprocess import Preprocessing, enlarge, prepare
from twoway.features.registry import features
from twoway.features.weights import fill, find_weights, read_weights, sha256_prefix

__all__ = ["VGG16"]

_WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
_LEAST = 16  # the fifth block sees the image after four poolings


def _numbers() -> dict[str, int]:
    """Number of each convolution in torchvision's ``features``, by its name in the paper's order."""
    numbers, number = {}, 0
    for block, widths in enumerate(_WIDTHS, 1):
        for position in range(1, len(widths) + 1):
            numbers[f"conv{block}_{position}"] = number
            number += 2  # a convolution and its ReLU
        number += 1  # the pooling
    return numbers


_NUMBERS = _numbers()


@features("vgg16")
class VGG16(FeatureExtractor):
    """Convolutions of VGG16 up to the deepest layer asked for; features are taken behind the ReLU.

    Two kinds of weights are about, and each needs its own preprocessing. The authors' Caffe weights expect
    0..255 minus the mean colour; LIA uses them, through Keras, in the order blue, green, red. torchvision has them as
    ``IMAGENET1K_FEATURES``, turned to RGB: these are taken where no file is named. torchvision's ``IMAGENET1K_V1`` are
    its own training on RGB over the standard deviation; most files under its names are of this kind. Features of the
    two differ in scale by orders of magnitude, and so does any weight on their distance: LIA's 5e-5 is for Caffe's.

    Args:
        weights: A .npz or .safetensors file under torchvision's names (``features.0.weight`` and so on); None takes
            torchvision, which downloads its file at the first use.
        layers: Names from ``conv1_1`` to ``conv5_3``, each of which becomes one feature tensor.
        preprocessing: What the weights were trained on; None takes ``caffe_rgb`` for torchvision's
            ``IMAGENET1K_FEATURES`` and ``imagenet`` for a file.
        least: Images with a shorter side than this are scaled up to it first; LIA does not scale.

    Raises:
        ConfigError: An unknown layer.
        ModelError: Neither a file nor torchvision, or a file that is not VGG16's.

    References:
        Simonyan and Zisserman, arXiv 1409.1556, table 1 (D); its use: Zhu et al., LIA, arXiv 1906.08090, eq. 11.
    """

    def __init__(
        self,
        *,
        weights: str | None = None,
        layers: tuple[str, ...] = ("conv4_3",),
        preprocessing: Preprocessing | None = None,
        least: int = _LEAST,
    ) -> None:
        super().__init__()
        for layer in layers:
            if layer not in _NUMBERS:
                raise ConfigError(f"features.options.layers names '{layer}'{closest(layer, _NUMBERS)}.")
        if not layers:
            raise ConfigError("features.options.layers is empty, but must name at least one layer, as conv4_3.")
        self.layers = tuple(sorted(set(layers), key=_NUMBERS.__getitem__))
        self.least = max(least, _LEAST)
        self._usual: Preprocessing = "imagenet" if weights else "caffe_rgb"
        self.preprocessing: Preprocessing = preprocessing or self._usual
        blocks: dict[str, nn.Module] = {}
        inputs = 3
        for block, widths in enumerate(_WIDTHS, 1):
            for position, width in enumerate(widths, 1):
                number = _NUMBERS[f"conv{block}_{position}"]
                if number <= _NUMBERS[self.layers[-1]]:
                    blocks[str(number)] = FrozenConv(inputs, width, 3, padding=1)
                inputs = width
        self.features = nn.ModuleDict(blocks)
        if weights:
            file = find_weights(weights, "", self.name)
            fill(self, read_weights(file), str(file))
            self.source, self.sha256 = file.name, sha256_prefix(file)
        else:
            self.source, found = _from_torchvision()
            fill(self, found, self.source)
            self.sha256 = _hash_of(self)
        self.eval()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Features of images in [-1, 1], (B, 1 or 3, H, W): one tensor per layer, none negative."""
        x = prepare(enlarge(x, self.least), self.preprocessing)
        taps = []
        for name, number in _NUMBERS.items():
            if str(number) not in self.features:
                break
            if name.endswith("_1") and number > 0:
                x = functional.max_pool2d(x, 2)
            x = functional.relu(self.features[str(number)](x))
            if name in self.layers:
                taps.append(x)
        return tuple(taps)

    def changed(self) -> dict[str, Any]:
        """As of every extractor; the usual preprocessing of these weights is the default."""
        options = super().changed()
        if self.preprocessing == self._usual:
            del options["preprocessing"]
        return options

    def describe(self) -> dict[str, Any]:
        """Name, layers, source and hash of the weights, and the settings."""
        return {
            **super().describe(),
            "weights": self.source,
            "least": self.least,
            "preprocessing": self.preprocessing,
        }


def _from_torchvision() -> tuple[str, Mapping[str, Tensor]]:
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:  # a build for another torch fails with RuntimeError
        raise ModelError(
            f"The extractor 'vgg16' was asked for without a file; its weights then come from torchvision, which cannot "
            f"be imported ({error}). Install it to match your torch (pip install torchvision), name a .npz or "
            f".safetensors file of VGG16 with features.weights (--feature-weights), or use 'pyramid', which needs "
            f"neither."
        ) from error
    try:
        net = models.vgg16(weights="IMAGENET1K_FEATURES")
    except OSError as error:
        raise ModelError(
            f"torchvision cannot fetch the weights of VGG16 ({error}). Connect to the network once, or name a .npz or "
            f".safetensors file of VGG16 with features.weights (--feature-weights)."
        ) from error
    return "torchvision vgg16 IMAGENET1K_FEATURES", net.state_dict()


def _hash_of(net: nn.Module) -> str:
    digest = hashlib.sha256()
    for _, buffer in sorted(net.named_buffers()):
        digest.update(buffer.numpy().tobytes())
    return digest.hexdigest()[:12]
