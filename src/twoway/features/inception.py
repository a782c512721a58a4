"""Inception v3 as published FIDs use it, through the package torch-fidelity and a file of its weights."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from twoway.errors import ModelError
from twoway.features.base import FeatureExtractor, freeze
from twoway.features.preprocess import to_rgb
from twoway.features.registry import features
from twoway.features.weights import FOLDER_VARIABLE, find_weights, sha256_prefix

__all__ = ["WEIGHTS_FILE", "Inception"]

WEIGHTS_FILE = "weights-inception-2015-12-05-6726825d.pth"


@features("inception")
class Inception(FeatureExtractor):
    """Inception v3 of 2015-12-05 in torch-fidelity's port: 2048 pooled features and 1008 classes.

    Images are rounded to whole grey levels of 256, grey ones repeated to RGB, and scaled to 299x299 by the package as
    TensorFlow 1 did it, without averaging. There is no gradient. Numbers are named after ``inception-tf``. The
    tests use a stand-in for the package; with the net of torch-fidelity 0.4.0 and random weights the features were that
    net's own, bit for bit. It was never run on the real weights: compare with a published figure before you trust it.

    Args:
        weights: The file of weights; None looks for ``weights-inception-2015-12-05-6726825d.pth`` in the folder that
            ``TWOWAY_WEIGHTS`` names. It is read as plain numbers: a file that would run code is refused.

    Raises:
        ModelError: The package or the file is not there, or the file is not Inception's.

    References:
        Szegedy et al., Rethinking the Inception Architecture, arXiv 1512.00567; Heusel et al., arXiv 1706.08500.
    """

    layers = ("pool3",)

    def __init__(self, *, weights: str | None = None) -> None:
        super().__init__()
        make = _package()
        file = find_weights(weights, WEIGHTS_FILE, self.name)
        self.net = _filled(make, file)
        freeze(self.net)
        self.file, self.sha256 = file, sha256_prefix(file)
        self.eval()

    @property
    def stem(self) -> str:
        """``inception-tf``: other ports of Inception give other numbers."""
        return "inception-tf"

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Pooled features of images in [-1, 1], (B, 1 or 3, H, W): one tensor (B, 2048, 1, 1), without gradient."""
        return (self._run(x)[0][:, :, None, None],)

    def logits(self, x: Tensor) -> Tensor:
        """Scores of the classes without the last layer's bias, as Inception scores use them, (B, 1008)."""
        return self._run(x)[1]

    def describe(self) -> dict[str, Any]:
        """Title, file and hash of the weights, version of the package, how images are scaled."""
        import torch_fidelity

        return {
            **super().describe(),
            "title": self.title,
            "weights": self.file.name,
            "package": f"torch-fidelity {torch_fidelity.__version__}",
            "resize": "bilinear as in TensorFlow 1, to 299x299",
        }

    @torch.no_grad()
    def _run(self, x: Tensor) -> tuple[Tensor, Tensor]:
        levels = ((to_rgb(x) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        pooled, scores = self.net(levels)
        return pooled, scores


def _package() -> Callable[..., nn.Module]:
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except (ImportError, RuntimeError) as error:  # its torchvision fails with RuntimeError beside another torch
        raise ModelError(
            f"The extractor 'inception' comes from the package torch-fidelity, which cannot be imported ({error}). "
            f"Install it with a torchvision that matches your torch, and without replacing that "
            f"(pip install 'twoway[inception]' -c constraints.txt), and put {WEIGHTS_FILE} into the folder that "
            f"{FOLDER_VARIABLE} names; or use 'squeezenet' or 'pyramid'."
        ) from error
    found: Callable[..., nn.Module] = FeatureExtractorInceptionV3
    return found


def _filled(make: Callable[..., nn.Module], file: Path) -> nn.Module:
    # the package would unpickle the file without safeguards: it gets a copy that holds nothing but the tensors
    copy = io.BytesIO()
    torch.save(_tensors(file), copy)
    copy.seek(0)
    try:
        return make("inception-tf", ["2048", "logits_unbiased"], copy)
    except (RuntimeError, TypeError) as error:
        first = " ".join(str(error).split())[:200]
        raise ModelError(
            f"The weights in {file} are not those of torch-fidelity's Inception v3 ({first}). Fetch "
            f"{WEIGHTS_FILE} from the releases of torch-fidelity."
        ) from error


def _tensors(file: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, EOFError, ValueError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"The weights in {file} cannot be read as plain numbers ({first}). The file is damaged or another kind of "
            f"file, or it would run code, which is refused. Fetch {WEIGHTS_FILE} from the releases of torch-fidelity."
        ) from error
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ModelError(
            f"The weights in {file} are not a table of tensors. Fetch {WEIGHTS_FILE} from the releases of "
            f"torch-fidelity."
        )
    return found
