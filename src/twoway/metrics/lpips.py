"""LPIPS and distances like it: how different two pictures look to a net that was trained to recognise things.

The features of both pictures are scaled to unit length at each position; the squared differences of the channels are
weighted by learned heads and averaged over positions, and the layers are summed. A number depends on the net, its
weights and the heads, so each distance is named in full:

* ``lpips[vgg@397923]``: the published distance, by the `lpips` package where it and the weights of its trunk are
  installed. Path lengths take the trunk ``vgg``, reconstructions are customarily compared with ``alex``.
* ``lpips-like[squeezenet@069e14+squeeze_v0.1]``: published heads on a trunk whose weights need not be those that the
  heads were fitted to; it ranks models here and compares with no publication.
* ``feature-distance[pyramid]``: without heads, every channel counting alike.

References:
    Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, arXiv 1801.03924, equation 1.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from twoway.errors import ModelError
from twoway.features import FeatureExtractor, FeatureSpec, build_features, default_features, feature_distance
from twoway.features.preprocess import enlarge, to_rgb
from twoway.features.weights import FOLDER_VARIABLE, read_weights, sha256_prefix
from twoway.metrics.pairs import check_pair, score_pairs
from twoway.metrics.registry import PooledFeatures, metric

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = [
    "PUBLISHED",
    "FeatureDistance",
    "ImageDistance",
    "PublishedLpips",
    "image_distance",
    "lpips_distance",
    "read_heads",
    "with_published_layers",
]

HEADS = {
    "squeezenet": ("squeeze_v0.1", ("conv1", "fire3", "fire5", "fire6", "fire7", "fire8", "fire9")),
    "vgg16": ("vgg_v0.1", ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")),
}
"""Published heads of an extractor, and the layers that they were fitted to."""

_TRUNKS = {"vgg": "vgg16-*.pth", "alex": "alexnet-*.pth", "squeeze": "squeezenet1_1-*.pth"}
PUBLISHED = tuple(_TRUNKS)
"""Trunks that the published distance can be chosen with."""

_LEAST = 64  # side of the pictures that LPIPS was fitted to; smaller ones lose their last layers


class ImageDistance(nn.Module, ABC):
    """A distance between pictures, one number a pair, differentiable and never to be trained.

    Attributes:
        title: What numbers are named after, with the weights that they depend on.
    """

    title: str

    @abstractmethod
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances of images in [-1, 1].

        Args:
            a: Shape (B, C, H, W), float; values a little outside of [-1, 1] are taken as they are.
            b: Same shape.

        Returns:
            Shape (B,), none negative, 0 for equal images.

        Raises:
            DataError: Different shapes.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What a number must be printed with, as plain data."""


class FeatureDistance(ImageDistance):
    """Distance of the features of any extractor, with or without heads.

    Args:
        extractor: What looks at the pictures.
        heads: File of heads (see `read_heads`); None lets every channel count alike.

    Raises:
        ModelError: Heads that are not those of these layers.
    """

    def __init__(self, extractor: FeatureExtractor, heads: Path | None = None) -> None:
        super().__init__()
        self.extractor, self.file = extractor, heads
        self.title = f"feature-distance[{extractor.title}]"
        found = [] if heads is None else read_heads(heads)
        if heads is not None:
            if len(found) != len(extractor.layers):
                raise ModelError(
                    f"The file {heads} holds heads of {len(found)} layers, but '{extractor.name}' gives "
                    f"{len(extractor.layers)} ({', '.join(extractor.layers)}). Name heads of this trunk."
                )
            self.title = f"lpips-like[{extractor.title}+{heads.stem}]"
        for number, weight in enumerate(found):
            self.register_buffer(f"head{number}", weight)
        self.count = len(found)
        self.eval()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """As of every distance; sizes and channels are those that the extractor takes."""
        check_pair(a, b)
        first, second = self.extractor(a), self.extractor(b)
        if self.count == 0:
            return feature_distance(first, second, unit=True)
        return lpips_distance(first, second, [self.get_buffer(f"head{number}") for number in range(self.count)])

    def describe(self) -> dict[str, Any]:
        """Title, extractor, and file and hash of the heads."""
        heads = None if self.file is None else {"file": self.file.name, "sha256": sha256_prefix(self.file)}
        return {"title": self.title, "features": self.extractor.describe(), "heads": heads}


class PublishedLpips(ImageDistance):
    """The distance of the `lpips` package, version 0.1 of the heads.

    Args:
        net: Trunk: ``vgg``, which path lengths are measured with, ``alex``, customary for reconstructions, or
            ``squeeze``.

    Raises:
        ModelError: The package or the weights of the trunk are not installed; nothing is downloaded.
    """

    def __init__(self, net: str) -> None:
        super().__init__()
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        files = sorted(folder.glob(_TRUNKS[net]))
        try:
            import lpips
        except (ImportError, RuntimeError) as error:  # torchvision built for another torch fails with RuntimeError
            missing = f"the packages lpips and torchvision (pip install lpips), which cannot be imported ({error})"
        else:
            missing = (
                "" if files else f"the file {_TRUNKS[net]} in {folder}, where torchvision puts it at its first use"
            )
        if missing:
            raise ModelError(
                f"LPIPS with the trunk '{net}' needs {missing}. Of other distances 'squeezenet' needs a file of 2.5 MB "
                "and 'pyramid' none."
            )
        self.file = files[0]
        self.net = lpips.LPIPS(net=net, version="0.1", verbose=False).requires_grad_(False)
        self.sha256 = sha256_prefix(self.file)
        self.title = f"lpips[{net}@{self.sha256[:6]}]"
        self.eval()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """As of every distance; images with a side below 64 pixels are scaled up to it first."""
        check_pair(a, b)
        found: Tensor = self.net(*(enlarge(to_rgb(x), _LEAST) for x in (a, b)))
        return found.flatten()

    def describe(self) -> dict[str, Any]:
        """Title, version of the heads, file and hash of the trunk."""
        hashed = {"weights": self.file.name, "sha256": self.sha256}
        return {"title": self.title, "heads": "v0.1", **hashed, "least": _LEAST}


def image_distance(spec: str | FeatureSpec | PooledFeatures | None = None, *, net: str = "vgg") -> ImageDistance:
    """Make a distance between pictures.

    Args:
        spec: ``vgg``, ``alex`` or ``squeeze``, or a spec of that kind, for the published distance; the name of an
            extractor, its spec or itself for the distance of its features, with the published heads where
            `TWOWAY_WEIGHTS` holds ``lpips_heads/squeeze_v0.1.npz`` or ``vgg_v0.1.npz`` and the layers are theirs. None
            takes the best there is: the published one, then ``squeezenet``, then ``pyramid``.
        net: Trunk of the published one that None tries first, before ``vgg``.

    Raises:
        ConfigError: An unknown extractor.
        ModelError: Weights that are not there, or damaged, or an extractor that gives no maps.

    Example:
        >>> image_distance("pyramid").title
        'feature-distance[pyramid]'
    """
    if spec is None:
        for trunk in dict.fromkeys((net, "vgg")):
            with suppress(ModelError):
                return PublishedLpips(trunk)
        spec = default_features()
    if isinstance(spec, str):
        spec = FeatureSpec(spec)
    if isinstance(spec, FeatureSpec):
        if spec.kind in _TRUNKS:
            return PublishedLpips(spec.kind)
        spec = build_features(with_published_layers(spec))
    spec = _with_maps(spec)
    name, layers = HEADS.get(spec.name, ("", ()))
    file = Path(os.environ.get(FOLDER_VARIABLE) or ".") / "lpips_heads" / f"{name}.npz"
    fits = layers == spec.layers and FOLDER_VARIABLE in os.environ and file.is_file()
    return FeatureDistance(spec, file if fits else None)


def with_published_layers(spec: FeatureSpec) -> FeatureSpec:
    """A spec with the layers that the published heads were fitted to, where it leaves them open."""
    if spec.kind == "vgg16" and "layers" not in spec.options:
        return replace(spec, options={**spec.options, "layers": list(HEADS["vgg16"][1])})
    return spec


def _with_maps(extractor: PooledFeatures) -> FeatureExtractor:
    if not isinstance(extractor, FeatureExtractor):
        raise ModelError(
            f"The extractor '{extractor.title}' gives one vector per picture; this distance needs maps of features. "
            "Use 'squeezenet' or 'pyramid'."
        )
    return extractor


def lpips_distance(first: Sequence[Tensor], second: Sequence[Tensor], heads: Sequence[Tensor]) -> Tensor:
    """LPIPS of features: weighted squared differences of unit vectors, averaged over positions, summed over layers.

    Args:
        first: Features of one batch, one tensor (B, channels, height, width) per layer.
        second: Features of the other, same shapes.
        heads: Weight of each channel of each layer, (channels,), none negative.

    Returns:
        Shape (B,).
    """
    layers = []
    for a, b, weight in zip(first, second, heads, strict=True):
        squared = (functional.normalize(a, dim=1, eps=1e-10) - functional.normalize(b, dim=1, eps=1e-10)).square()
        layers.append((squared.mean((2, 3)) * weight).sum(1))
    return torch.stack(layers).sum(0)


def read_heads(path: Path) -> list[Tensor]:
    """Weights of LPIPS's heads, one tensor (channels,) per layer.

    Args:
        path: A .npz or .safetensors file with ``lin0.model.1.weight``, ``lin1...``, each (1, channels, 1, 1).

    Raises:
        ModelError: Another kind of file, a damaged one, or weights that are missing or negative.
    """
    arrays = read_weights(path)
    heads: list[Tensor] = []
    while (name := f"lin{len(heads)}.model.1.weight") in arrays:
        heads.append(arrays[name].flatten())
    if not heads or len(heads) != len(arrays) or any((head < 0).any() for head in heads):
        raise ModelError(
            f"The file {path} holds {', '.join(sorted(arrays)) or 'nothing'}, but the heads of LPIPS are expected: "
            "lin0.model.1.weight, lin1.model.1.weight and so on, none negative. Fetch them from the lpips package."
        )
    return heads


@metric(
    "lpips",
    "learned perceptual distance of reconstructions, or the nearest thing to it, named in full",
    headline="value",
    lower_is_better=True,
    encoder="reconstructs",
    distances=("alex", "vgg", "squeeze"),
)
def _measure(session: Session, distance: ImageDistance) -> dict[str, Any]:
    return _score(session, distance)


@metric(
    "feature-distance",
    "distance of reconstructions in features of unit length, every channel counting alike",
    headline="value",
    lower_is_better=True,
    encoder="reconstructs",
    features=True,
)
def _measure_features(session: Session, extractor: PooledFeatures) -> dict[str, Any]:
    return _score(session, FeatureDistance(_with_maps(extractor)))


def _score(session: Session, distance: ImageDistance) -> dict[str, Any]:
    return {"name": distance.title, **score_pairs(session, distance), "distance": distance.describe()}
