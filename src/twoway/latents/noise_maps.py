"""The noise in the layers of a style generator as something to search for: maps, their regulariser, their file.

References:
    Karras et al., Analyzing and Improving the Image Quality of StyleGAN, arXiv 1912.04958, section 5 and appendix D.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from twoway.composition import is_style_generator
from twoway.errors import CheckpointError, ModelError
from twoway.model import TwoWayModel
from twoway.networks.style_blocks import Noisy

__all__ = ["autocorrelation", "first_maps", "given_noise", "load_noise", "renormalise", "save_noise"]

COARSEST = 8
"""Maps are compared with themselves at every scale down to this side."""


def given_noise(maps: Sequence[Tensor]) -> Callable[[tuple[int, ...]], Tensor]:
    """What `TwoWayModel.decode` takes as noise, for one call: the maps given, in order.

    Args:
        maps: One (B, 1, H, W) per layer, coarsest first, as `twoway.latents.Projection.noise` holds them.
    """
    left = iter(maps)

    def draw(shape: tuple[int, ...]) -> Tensor:
        one = next(left, None)
        if one is None or tuple(one.shape[1:]) != shape[1:]:
            found = "no more" if one is None else f"one of shape {tuple(one.shape)}"
            raise ModelError(
                f"The generator asked for a noise map of shape {shape}, but of the maps given there is {found}. Give "
                "those that were found for pictures of this model, and make them new for every call of decode."
            )
        return one

    return draw


def first_maps(model: TwoWayModel, count: int) -> list[Tensor]:
    """Copies of the model's fixed maps for so many pictures, each (count, 1, H, W), in the order of their use.

    Raises:
        ModelError: The generator takes no noise.
    """
    generator = model.nets["generator"]
    if not is_style_generator(generator):
        raise ModelError(
            f"The generator of this {model.recipe.method} model has no noise in its layers that could be optimised. "
            "Leave the noise out, or take a model with a style generator (lia, stylegan, style-alae)."
        )
    asked: list[tuple[int, ...]] = []

    def note(shape: tuple[int, ...]) -> Tensor:
        asked.append(shape)
        return torch.zeros(shape, device=model.device)

    with torch.no_grad():
        model.decode(model.w_avg[None], noise=note)
    # a generator that has not grown up yet uses only the first of its layers
    fixed = [module.fixed for module in generator.modules() if isinstance(module, Noisy)][: len(asked)]
    assert [tuple(one.shape) for one in fixed] == asked, "layers take their noise in the order in which they were made"
    return [one.detach().repeat(count, 1, 1, 1) for one in fixed]


def autocorrelation(maps: Sequence[Tensor]) -> Tensor:
    """How much the maps of each picture resemble themselves moved by a pixel, (B,); 0 for white noise of any size.

    The squares of the mean products of a map with itself, moved one pixel across or down and wrapped around, summed
    over both directions, over all maps, and over their pyramids down to 8x8, whose levels keep unit deviation.

    Args:
        maps: (B, 1, H, W) each.

    References:
        Karras et al., arXiv 1912.04958, appendix D (the term L_ij; averages of 2x2 pixels are doubled there).
    """
    total = maps[0].new_zeros(len(maps[0]))
    for one in maps:
        while True:
            for axis in (2, 3):
                total = total + (one * one.roll(1, axis)).mean((1, 2, 3)).square()
            if one.shape[2] <= COARSEST:
                break
            one = 2 * functional.avg_pool2d(one, 2)
    return total


@torch.no_grad()
def renormalise(maps: Sequence[Tensor]) -> None:
    """Bring every map of every picture back to zero mean and unit deviation, in place."""
    for one in maps:
        one.sub_(one.mean((2, 3), keepdim=True))
        one.mul_(one.square().mean((2, 3), keepdim=True).clamp_min(1e-20).rsqrt())


def save_noise(path: Path, maps: Sequence[Tensor], model: TwoWayModel) -> None:
    """Write maps to a safetensors file that says whose they are, under a temporary name first.

    Raises:
        CheckpointError: The file cannot be written.
    """
    tensors = {f"{number:02d}": one.detach().cpu().contiguous() for number, one in enumerate(maps)}
    temporary = path.with_name(f".writing-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(save(tensors, metadata={"fingerprint": model.fingerprint(), "kind": "noise"}))
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CheckpointError(f"The noise maps cannot be written to {path}: {error}. Choose another --out.") from error


def load_noise(path: Path, model: TwoWayModel) -> tuple[Tensor, ...]:
    """Read maps back, each (N, 1, H, W), in the order that `given_noise` takes.

    Raises:
        ModelError: Not such a file, or maps for another model.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            facts = stored.metadata() or {}
            maps = tuple(stored.get_tensor(name) for name in sorted(stored.keys()))
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} is not a file of noise maps as `twoway project` writes them: {error}") from error
    if facts.get("kind") != "noise" or not model.accepts(facts.get("fingerprint", "")):
        raise ModelError(
            f"{path} does not hold noise maps for this model ({model.fingerprint()}), but something of the model "
            f"{facts.get('fingerprint', 'that it does not name')}. Search again with this model."
        )
    return tuple(one.to(model.device) for one in maps)
