"""Checkpoints of the official ALAE code as models: the style nets, and the MLP of ``mnist_fc``.

The checkpoint holds live nets, averaged nets (``_s``) and one table of mean codes for both. The mean code and the
averaged nets are what all figures of the paper were made with, and what is imported by default.

Where paper and official code differ the nets follow the code (see `twoway.networks.style_encoder` and
`style_generator`). Two things differ from the official code in use: noise is fixed instead of drawn for every image,
and the truncation is chosen when images are made. The official MLP sees and makes pictures of 28 pixels inside and is
given 32: nearest-neighbour resampling, which leaves out or repeats rows and columns. Here its first and last layer take
and give 32 pixels, with zero or repeated weights, which is the same function.

References:
    Pidhorskyi, Adjeroh, Doretto: Adversarial Latent Autoencoders, arXiv 2004.04467; github.com/podgorskiy/ALAE, commit
    42bcf2e.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from twoway.errors import ConfigError, ForeignFileError
from twoway.importers.alae_layout import our_weights, style_levels
from twoway.importers.restricted_pickle import Stub
from twoway.importers.torch_file import StoredTensor, read_torch_file
from twoway.methods import make_recipe
from twoway.model import TwoWayModel, build_model
from twoway.networks import NetSpec, build_net
from twoway.priors import Normal, Prior
from twoway.recipe import Recipe
from twoway.telling import Telling, counted, silent

__all__ = ["import_alae"]

OFFICIAL = {"mapping": "mapping_fl", "generator": "generator", "encoder": "discriminator", "critic": "mapping_tl"}
STUBS = dict.fromkeys(
    [
        "tracker.RunningMean",
        "tracker.RunningMeanTorch",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.scalar",
        "numpy.dtype",
        "_codecs.encode",
    ],
    Stub,
)
MLP_INSIDE, MLP_OUTSIDE = 28, 32
MOST_LEVELS = 9

Weights = dict[str, Tensor]


def import_alae(path: str | os.PathLike[str], *, live: bool = False, progress: Telling = silent) -> TwoWayModel:
    """Read a checkpoint of the official ALAE code; nothing in it is run.

    Args:
        path: The .pth file, in either format of `torch.save`.
        live: Take the nets as they were trained last instead of their moving averages.
        progress: Told how many nets have been read.

    Returns:
        The model, in evaluation mode.

    Raises:
        ForeignFileError: The file is not there, damaged, of another program, would have to be run, or holds nets that
            differ from the official configurations.
    """
    file = Path(path).expanduser()
    stored = _models(file)
    ending = "" if live else "_s"
    nets = {
        slot: our_weights(slot, _loaded(file, stored, name + ending), f"'{file}'")
        for slot, name in counted(OFFICIAL.items(), "nets", progress, len(OFFICIAL))
    }
    average = _loaded(file, stored, "dlatent_avg").get("buff")
    try:
        levels = style_levels(stored["generator" + ending])
        recipe = _style_recipe(nets, levels) if levels else _mlp_recipe(nets)
    except (KeyError, IndexError, ConfigError) as error:
        raise _unlike(file, f"a weight is missing or has another shape ({error})") from error
    for slot, weights in nets.items():
        _check(file, slot, recipe.nets[slot], weights)
    model = build_model(recipe, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for slot, weights in nets.items():
            for name, parameter in model.nets[slot].named_parameters():
                parameter.copy_(weights[name])
    if average is None or average.ndim != 2 or average.shape[1] != model.w_shape[1] or len(average) < model.w_shape[0]:
        raise _unlike(file, "its mean code has another shape")
    model.w_avg.copy_(average[: model.w_shape[0]])
    return model.eval()


def _models(file: Path) -> Mapping[str, Mapping[str, Any]]:
    contents = read_torch_file(file, STUBS)
    models = contents.get("models") if isinstance(contents, dict) else None
    wanted = [*OFFICIAL.values(), *(f"{name}_s" for name in OFFICIAL.values()), "dlatent_avg"]
    if not isinstance(models, dict) or not all(isinstance(models.get(name), dict) for name in wanted):
        raise ForeignFileError(
            f"'{file}' was written by torch.save, but is no checkpoint of ALAE: it should hold 'models' with "
            f"{', '.join(wanted)}. Give a file that train_alae.py wrote, or one of the released ones."
        )
    return models


def _loaded(file: Path, models: Mapping[str, Mapping[str, Any]], name: str) -> Weights:
    """State dict of a net, as float32."""
    result = {}
    for key, value in models[name].items():
        if not isinstance(value, StoredTensor) or not value.storage.dtype.is_floating_point:
            raise _unlike(file, f"'{name}.{key}' is not a tensor of floating-point numbers")
        result[str(key)] = value.load().float()
    return result


def _style_recipe(nets: Mapping[str, Weights], levels: int) -> Recipe:
    if levels > MOST_LEVELS:
        raise ConfigError(f"{levels} levels, where the largest images, of 1024 pixels, need {MOST_LEVELS}")
    generator, encoder = nets["generator"], nets["encoder"]
    colours = len(generator["to_rgb.0.weight"])
    w_dim = len(encoder["heads.0.0.weight"])
    image_shape = (colours, 4 * 2 ** (levels - 1), 4 * 2 ** (levels - 1))
    sizes: dict[str, Any] = {"image_shape": image_shape, "w_dim": w_dim}
    made = tuple(generator[f"to_rgb.{i}.weight"].shape[1] for i in range(levels))
    seen = tuple(len(encoder[f"from_rgb.{i}.weight"]) for i in range(levels))
    bottom = len(encoder["blocks.0.down.weight"])
    specs = {
        "mapping": _mapping(nets["mapping"]),
        "generator": NetSpec("style_generator", {**sizes, "channels": made}),
        "encoder": NetSpec("style_encoder", {**sizes, "channels": seen, "bottom": bottom, "eps_std": 0.0}),
        "critic": _critic(nets["critic"], score=w_dim),
    }
    return _recipe("style-alae", image_shape, specs)


def _mlp_recipe(nets: Mapping[str, Weights]) -> Recipe:
    _widen_mlp(nets)
    colours = len(nets["generator"]["head.weight"]) // MLP_OUTSIDE**2
    image_shape = (colours, MLP_OUTSIDE, MLP_OUTSIDE)
    w_dim = len(nets["encoder"]["head.linear.weight"])
    widths = {slot: _widths(nets[slot], "hidden.{}.linear.weight") for slot in ("generator", "encoder")}
    sizes: dict[str, Any] = {"image_shape": image_shape, "w_dim": w_dim, "slope": 0.2}
    specs = {
        "mapping": _mapping(nets["mapping"]),
        "generator": NetSpec("mlp_generator", {**sizes, "hidden": widths["generator"]}),
        "encoder": NetSpec("mlp_encoder", {**sizes, "hidden": widths["encoder"], "head_slope": 0.2}),
        "critic": _critic(nets["critic"], score=None),
    }
    return _recipe("alae", image_shape, specs)


def _mapping(weights: Weights) -> NetSpec:
    widths = _widths(weights, "layers.{}.linear.weight")
    z_dim = weights["layers.0.linear.weight"].shape[1]
    return NetSpec("mlp_mapping", {"z_dim": z_dim, "w_dim": widths[-1], "depth": len(widths)})


def _critic(weights: Weights, score: int | None) -> NetSpec:
    widths = _widths(weights, "hidden.{}.linear.weight")
    inputs, outputs = weights["hidden.0.linear.weight"].shape[1], len(weights["head.weight"])
    sizes = {"inputs": inputs, "hidden": widths, "outputs": outputs, "score": score}
    return NetSpec("mlp_critic", {**sizes, "slope": 1.0, "lr_mul": 0.1})


def _widths(weights: Weights, name: str) -> tuple[int, ...]:
    layers = range(sum(1 for i in range(len(weights)) if name.format(i) in weights))
    return tuple(len(weights[name.format(i)]) for i in layers)


def _recipe(method: str, image_shape: tuple[int, int, int], nets: dict[str, NetSpec]) -> Recipe:
    """The method's recipe with the nets of the file."""
    prior = Prior((Normal(nets["mapping"].args["z_dim"]),))
    return dataclasses.replace(make_recipe(method, image_shape), nets=nets, prior=prior)


def _widen_mlp(nets: Mapping[str, Weights]) -> None:
    """Let the first and last layer of the MLP work on 32 pixels, as the resampling around them does."""
    first, last = nets["encoder"]["hidden.0.linear.weight"], nets["generator"]["head.weight"]
    colours = first.shape[1] // MLP_INSIDE**2
    if first.shape[1] != len(last) or len(last) != colours * MLP_INSIDE**2 or colours not in (1, 3):
        raise ConfigError(f"its pictures have {first.shape[1]} and {len(last)} numbers")
    inside = torch.arange(colours * MLP_OUTSIDE**2, dtype=torch.float64).view(1, colours, MLP_OUTSIDE, MLP_OUTSIDE)
    kept = functional.interpolate(inside, size=MLP_INSIDE).flatten().long()
    wide = first.new_zeros(len(first), colours * MLP_OUTSIDE**2)
    wide[:, kept] = first
    nets["encoder"]["hidden.0.linear.weight"] = wide
    outside = torch.arange(len(last), dtype=torch.float64).view(1, colours, MLP_INSIDE, MLP_INSIDE)
    repeated = functional.interpolate(outside, size=MLP_OUTSIDE).flatten().long()
    for name in ("head.weight", "head.bias"):
        nets["generator"][name] = nets["generator"][name][repeated]


def _check(file: Path, slot: str, spec: NetSpec, weights: Weights) -> None:
    with torch.device("meta"):  # shapes first: false ones must not cost memory
        wanted = {name: parameter.shape for name, parameter in build_net(spec).named_parameters()}
    off = [n for n in {*wanted, *weights} if n not in weights or n not in wanted or weights[n].shape != wanted[n]]
    if off:
        raise _unlike(
            file, f"'{min(off)}' of the {slot} is missing, unknown, or of a shape that does not fit the others"
        )
    if not all(tensor.isfinite().all() for tensor in weights.values()):
        raise _unlike(file, f"the {slot} has weights that are not finite")


def _unlike(file: Path, why: str) -> ForeignFileError:
    return ForeignFileError(
        f"'{file}' is a checkpoint of ALAE whose nets are unlike those of the official configurations: {why}. Only "
        "the default style nets (ffhq, celeba, celeba-hq256, bedroom, mnist and other sizes of these) and mnist_fc "
        "can be imported."
    )
