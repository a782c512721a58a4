"""How near reconstructions are to their images, pixel by pixel."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from twoway.errors import DataError, ModelError
from twoway.metrics.inputs import Pictures, choose_rows, encoder_batches
from twoway.metrics.modes import measuring
from twoway.metrics.pairs import mean_of_pairs
from twoway.metrics.registry import PER_PICTURE, metric
from twoway.metrics.sets import noise_of_reconstructions
from twoway.model import TwoWayModel

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = ["ReconstructionResult", "evaluate_reconstruction", "pixel_errors", "pixel_mse", "psnr"]

BEST_PSNR = 100.0


@dataclass(frozen=True)
class ReconstructionResult:
    """Reconstruction of a set of images.

    Args:
        mse_signed: Mean squared error of images in [-1, 1].
        mse_unit: The same for images in [0, 1]: a quarter.
        psnr: Peak signal-to-noise ratio in dB, mean over the images.
        n_images: How many images it was measured on.
    """

    mse_signed: float
    mse_unit: float
    psnr: float
    n_images: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return asdict(self)


def pixel_mse(x_rec: Tensor, x: Tensor) -> Tensor:
    """Mean squared error of each image, on the scale of the input.

    Args:
        x_rec: Reconstructions, shape (B, C, H, W), as the net gives them, not clamped.
        x: Images, same shape and scale.

    Returns:
        Shape (B,). For images in [-1, 1] it is four times that for images in [0, 1].

    Raises:
        DataError: Different shapes.
    """
    if x_rec.shape != x.shape:
        raise DataError(
            f"Reconstructions of shape {tuple(x_rec.shape)} cannot be compared with images {tuple(x.shape)}."
        )
    return (x_rec - x).square().flatten(1).mean(1)


def psnr(x_rec: Tensor, x: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in dB: 10 log10(peak^2 / mse), with the peak 2 of the range [-1, 1].

    Reconstructions are clamped first, because a picture cannot show more.

    Args:
        x_rec: Reconstructions, shape (B, C, H, W).
        x: Images in [-1, 1].

    Returns:
        Shape (B,), at most 100, which stands for an exact copy.
    """
    mse = pixel_mse(x_rec.clamp(-1, 1), x)
    return (10 * torch.log10(4.0 / mse.clamp_min(1e-20))).clamp_max(BEST_PSNR)


def evaluate_reconstruction(
    model: TwoWayModel, data: Pictures, *, limit: int | None = None, batch: int = 256
) -> ReconstructionResult:
    """Reconstruct images and compare; the arguments are those of `pixel_errors`.

    Raises:
        ModelError: The model has no encoder, or takes other images.
        DataError: No images.
    """
    errors, ratios = pixel_errors(model, data, limit=limit, batch=batch)
    error = errors.mean().item()
    return ReconstructionResult(error, error / 4, ratios.mean().item(), len(errors))


@torch.inference_mode()
def pixel_errors(
    model: TwoWayModel, data: Pictures, *, limit: int | None = None, batch: int = 256
) -> tuple[Tensor, Tensor]:
    """Squared error and peak signal-to-noise ratio of each reconstruction.

    Args:
        model: Encodes and decodes, in evaluation mode while measured.
        data: Images.
        limit: At most so many of them, a fixed random choice.
        batch: Images at a time.

    Returns:
        Two tensors (N,), float64, on the CPU: for images in [-1, 1], and in dB.

    Raises:
        ModelError: The model has no encoder, takes other images, or makes pictures that are not finite.
        DataError: No images.
    """
    with measuring(model):
        errors, ratios = [], []
        for x, labels in encoder_batches(model, data, batch=batch, rows=choose_rows(len(data), limit)):
            x_rec = model.reconstruct(x, labels)
            errors.append(pixel_mse(x_rec, x))
            ratios.append(psnr(x_rec, x))
    found = torch.cat(errors).cpu().double(), torch.cat(ratios).cpu().double()
    if not found[0].isfinite().all():
        raise ModelError(
            f"{int((~found[0].isfinite()).sum())} of {len(found[0])} reconstructions hold values that are not finite, "
            "so their errors are no numbers: the model has diverged. Use an earlier checkpoint."
        )
    return found


@metric(
    "mse",
    "mean squared pixel error of reconstructions, pixels in [-1, 1]",
    headline="signed",
    lower_is_better=True,
    encoder="reconstructs",
    default=True,
)
def _measure_mse(session: Session) -> dict[str, Any]:
    errors = session.pixel_errors[0]
    found = mean_of_pairs(errors).plain()
    signed = found.pop("value")
    return {"signed": signed, "unit": signed / 4, **found, **_facts(session, clamped=False), PER_PICTURE: errors}


@metric(
    "psnr",
    "peak signal-to-noise ratio of reconstructions, dB",
    headline="db",
    lower_is_better=False,
    encoder="reconstructs",
    default=True,
)
def _measure_psnr(session: Session) -> dict[str, Any]:
    ratios = session.pixel_errors[1]
    found = mean_of_pairs(ratios).plain()
    return {"db": found.pop("value"), **found, **_facts(session, clamped=True), PER_PICTURE: ratios}


def _facts(session: Session, *, clamped: bool) -> dict[str, Any]:
    """What a number about single reconstructions is printed with."""
    facts = {"on": session.shown[0], "pixels": "float", "clamped": clamped}
    return {**facts, **noise_of_reconstructions(session.model)}
