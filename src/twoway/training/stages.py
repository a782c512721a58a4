"""What changes along the way of a training: the working resolution, and what a phase finds prepared when it begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from twoway.errors import ConfigError
from twoway.model import TwoWayModel
from twoway.networks import Growing, ResidualEncoder
from twoway.recipe import Phase
from twoway.training.clusters import start_classes
from twoway.training.timeline import Moment

__all__ = ["check_phases", "copy_weights", "enter_phase", "grow", "real_images", "take_generator"]

ANCHOR_CODES = 10_000
ANCHOR_BATCH = 500


def grow(model: TwoWayModel, moment: Moment) -> None:
    """Set every growing net to the resolution and blend of a moment, and release the layers that are due."""
    level = moment.segment.level
    for net in model.nets.values():
        if isinstance(net, Growing):
            top = net.levels - 1
            # levels count from 4x4 pixels
            net.grow_to(top if level is None else level.size.bit_length() - 3, moment.blend)
        release = moment.segment.phase.release
        if release is not None and isinstance(net, ResidualEncoder):
            net.release(release.layers(moment.phase_part, net.w_layers))


def real_images(x: Tensor, moment: Moment) -> Tensor:
    """Bring full images (B, C, H, W) to the working resolution, cross-faded with the one below while that fades out."""
    level = moment.segment.level
    if level is not None and level.size < x.shape[-1]:
        x = functional.avg_pool2d(x, x.shape[-1] // level.size)
    if moment.blend < 1.0:
        coarse = functional.interpolate(functional.avg_pool2d(x, 2), scale_factor=2, mode="nearest")
        x = torch.lerp(coarse, x, moment.blend)
    return x


def check_phases(phases: Sequence[Phase], model: TwoWayModel) -> None:
    """See at the start of a training that every phase can be entered when its time comes.

    Raises:
        ConfigError: A net is to be anchored that has nothing to anchor.
    """
    for phase in phases:
        for slot in phase.anchor:
            if not getattr(model.nets[slot], "can_anchor", False):
                raise ConfigError(
                    f"The phase '{phase.name}' anchors the net '{slot}', but a net of this kind has no head to anchor. "
                    f"Set phases.{phase.name}.anchor=[], or give the net a head that can be, as the residual encoder's "
                    "head=anchored."
                )
        if phase.classes and (phase.classes != ("encoder",) or not _tells_classes(model)):
            raise ConfigError(
                f"The phase '{phase.name}' sets the class heads of {', '.join(phase.classes)} by clusters, but only an "
                "encoder of codes with at least two classes has one. Set "
                f"phases.{phase.name}.classes=[], or take a method such as infovaegan with classes=10."
            )


def _tells_classes(model: TwoWayModel) -> bool:
    return (
        model.recipe.encodes == "code" and model.recipe.prior is not None and model.recipe.prior.layout().discrete > 1
    )


@torch.no_grad()
def enter_phase(
    phase: Phase,
    live: TwoWayModel,
    averaged: TwoWayModel,
    generator: torch.Generator,
    pictures: Callable[[int], Tensor] | None = None,
) -> None:
    """Prepare the nets that a phase wants prepared.

    Args:
        phase: The phase that begins.
        live: Its nets are changed in place.
        averaged: The moving average of the same model.
        generator: Source of the prior codes whose latent codes are measured.
        pictures: Gives so many real images in [-1, 1], or as many as there are; for phases that set class heads.

    Raises:
        DataError: Too few pictures for clusters.
    """
    for slot in phase.from_average:
        live.nets[slot].load_state_dict(averaged.nets[slot].state_dict())
    if phase.classes and pictures is not None:
        start_classes(live, averaged, pictures)
    if not phase.anchor:
        return
    codes = [
        averaged.map(averaged.draw_prior(ANCHOR_BATCH, generator=generator))[:, 0]
        for _ in range(ANCHOR_CODES // ANCHOR_BATCH)
    ]
    w = torch.cat(codes)
    for slot in phase.anchor:
        for model in (live, averaged):
            net: Any = model.nets[slot]
            net.anchor(w.mean(0), w.std(0))


def take_generator(source: TwoWayModel, target: TwoWayModel) -> None:
    """Give a model the generator of another, its mapping, its mean code, and its critic where that is of the same kind.

    Args:
        source: A trained model.
        target: A model of `Recipe.for_generator` of the source's recipe; changed in place.

    Raises:
        ConfigError: The nets differ, or the generator does not make full images yet.
    """
    generator = source.nets["generator"]
    if isinstance(generator, Growing) and (generator.resolution != target.image_shape[1] or generator.blend < 1):
        raise ConfigError(
            f"The given generator stopped while it grew: it makes images of {generator.resolution} pixels, faded in to "
            f"{generator.blend:.0%}, not of {target.image_shape[1]}. Train it to the end first (twoway resume)."
        )
    slots = [s for s in ("mapping", "generator") if s in source.nets]
    if "critic" in target.nets and source.recipe.nets.get("critic") == target.recipe.nets["critic"]:
        slots.append("critic")
    copy_weights(source, target, slots)


def copy_weights(source: TwoWayModel, target: TwoWayModel, slots: Sequence[str] | None = None) -> None:
    """Give a model the weights, statistics and mean code of another.

    Args:
        source: Where they come from.
        target: Changed in place.
        slots: Nets to copy; None copies all.

    Raises:
        ConfigError: The nets differ.
    """
    theirs, ours = source.state_dict(), target.state_dict()
    if slots is not None:
        ours = {k: v for k, v in ours.items() if k == "w_avg" or k.split(".")[1] in slots}
    wrong = [k for k in ours if k not in theirs or theirs[k].shape != ours[k].shape]
    if wrong:
        raise ConfigError(
            f"The model given with --init-from or --generator does not fit this recipe: '{wrong[0]}' is "
            f"{tuple(theirs[wrong[0]].shape) if wrong[0] in theirs else 'missing'} there and "
            f"{tuple(ours[wrong[0]].shape)} here. Use the same preset, sizes and channels."
        )
    target.load_state_dict({k: theirs[k] for k in ours}, strict=slots is None)
