"""Models of the official LIA code: TensorFlow networks to ours, variable by variable.

The file of the second stage holds the networks (E, G, D, Gs, NE), that of the first (G, D, Gs, NE). Used are E, D and
Gs, the average of G. NE, their network for the way from w to z, is saved but never trained; at use their scripts give
it the weights of Gs's mapping. Ours is one net for both ways, with those weights.

Weights of equalised layers are stored as standard normals there and as they act here.

References:
    github.com/genforce/lia.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from twoway.errors import ConfigError, ForeignFileError
from twoway.importers.tf_networks import TFNetwork, read_tf_networks
from twoway.methods import make_recipe
from twoway.model import TwoWayModel, build_model
from twoway.networks import NetSpec
from twoway.recipe import Recipe
from twoway.telling import Telling, silent

__all__ = ["import_lia"]

FUSED_FROM = 128
"""Resolution from which "auto" enlarges with a transposed convolution, whose kernel ours is, turned by half a turn."""

ROOT2 = math.sqrt(2.0)
State = dict[str, Tensor]

# settings that change what a network computes, with the values that ours can take; the first is theirs by default
SETTINGS: dict[str, tuple[Any, ...]] = {
    "use_wscale": (True,),
    "use_styles": (True,),
    "use_noise": (True,),
    "use_instance_norm": (True,),
    "use_pixel_norm": (False,),
    "const_input_layer": (True,),
    "nonlinearity": ("lrelu",),
    "blur_filter": ([1, 2, 1],),
    "fused_scale": ("auto", True, False),
    "mbstd_num_features": (1,),
    "flow_coupling": (0,),
    "label_size": (0,),
}


def import_lia(path: str | os.PathLike[str], *, progress: Telling = silent) -> TwoWayModel:
    """Read a network pickle of the official LIA code; nothing in it is run.

    Args:
        path: The file, of either stage; one of the first gives a model without an encoder.
        progress: Told how many nets have been read.

    Returns:
        The model, in evaluation mode. It does as the official reconstruction script: fixed noise, the moving
        statistics of the encoder's batch norm, no truncation.

    Raises:
        ForeignFileError: No such file, none of LIA, a damaged one, or one that would have to be run.
    """
    path = Path(path).expanduser()
    progress("nets", 0, 4)
    encoder, critic, generator = _pick(path, read_tf_networks(path))
    states: dict[str, State] = {}
    specs: dict[str, NetSpec] = {}
    mapping = Variables(path, "mapping", generator, "mapping/")
    synthesis = Variables(path, "synthesis network", generator, "synthesis/")
    own = Variables(path, "generator", generator, "", skip=("mapping/", "synthesis/"))
    specs["mapping"], states["mapping"] = _mapping(mapping)
    progress("nets", 1, 4)
    dim = int(specs["mapping"].args["dim"])
    specs["generator"], states["generator"] = _synthesis(synthesis, dim, own.lod())
    progress("nets", 2, 4)
    specs["critic"], states["critic"] = _critic(Variables(path, "discriminator", critic, ""))
    progress("nets", 3, 4)
    image_shape = specs["generator"].args["image_shape"]
    w_avg = own.take("dlatent_avg", dim)
    own.finish()
    if encoder is not None:
        specs["encoder"], states["encoder"] = _encoder(Variables(path, "encoder", encoder, ""), image_shape, dim)
    if specs["critic"].args["image_shape"] != image_shape:
        raise _alien(path, f"its discriminator and its generator are not for images of one size ({image_shape})")
    try:
        model = build_model(_recipe(specs, dim), generator=torch.Generator().manual_seed(0))
    except ConfigError as error:
        raise _alien(path, f"nets of its sizes cannot be built ({error})") from error
    for slot, state in states.items():
        model.nets[slot].load_state_dict({name: tensor.contiguous() for name, tensor in state.items()})
    model.w_avg.copy_(w_avg.expand_as(model.w_avg))
    progress("nets", 4, 4)
    return model.eval()


def _recipe(specs: dict[str, NetSpec], dim: int) -> Recipe:
    """The recipe by which such a model was trained, with nets of the file's sizes."""
    recipe = make_recipe("lia", specs["generator"].args["image_shape"], {"latent": dim, "head": "batch_norm"})
    phases = tuple(phase for phase in recipe.phases if all(net in specs for step in phase.steps for net in step.train))
    return dataclasses.replace(recipe, nets=specs, phases=phases)


def _pick(path: Path, networks: Sequence[TFNetwork]) -> tuple[TFNetwork | None, TFNetwork, TFNetwork]:
    """Encoder (if any), discriminator, averaged generator."""
    if len(networks) not in (4, 5):
        raise _alien(path, f"it holds {len(networks)} networks, not four (G, D, Gs, NE) or five (E, G, D, Gs, NE)")
    *encoder, _, critic, generator, _ = networks
    if not any(re.match(r"mapping/\d+/f_inv/", name) for name in generator.variables):
        raise _alien(path, "the network before its last one has no invertible mapping, as the averaged generator has")
    for network in (critic, generator):
        for name, allowed in SETTINGS.items():
            given = network.settings.get(name, allowed[0])
            if not any(given == value for value in allowed):
                raise _alien(path, f"its network '{network.name}' was built with {name} = {given!r}")
    return (encoder[0] if encoder else None), critic, generator


def _alien(path: Path, why: str) -> ForeignFileError:
    return ForeignFileError(
        f"'{path}' cannot be imported as a model of LIA: {why}. Give a network pickle (network-snapshot-*.pkl) of the "
        "official code, with its default networks."
    )


class Variables:
    """Hands out the variables of a network, each once; what is left at the end has no place in ours.

    Args:
        path: The file, for messages.
        what: The network, for messages.
        network: Where they are.
        prefix: Only names that begin so count, and are known without it.
        skip: Names that begin so do not count.
    """

    def __init__(self, path: Path, what: str, network: TFNetwork, prefix: str, skip: tuple[str, ...] = ()) -> None:
        self.path = path
        self.what = what
        self.settings = network.settings
        self.left = {
            name.removeprefix(prefix): array
            for name, array in network.variables.items()
            if name.startswith(prefix) and not (skip and name.startswith(skip))
        }

    def __contains__(self, name: str) -> bool:
        return name in self.left

    def numbers(self, pattern: str) -> list[int]:
        """The numbers that stand in the names that match a pattern with one group, in order."""
        found = {int(match[1]) for name in self.left if (match := re.fullmatch(pattern, name))}
        return sorted(found)

    def shape(self, name: str, axes: int) -> tuple[int, ...]:
        """Shape of a variable that is still there and has so many axes."""
        if name not in self.left:
            raise _alien(self.path, f"its {self.what} lacks the variable '{name}'")
        shape = tuple(self.left[name].shape)
        if len(shape) != axes or 0 in shape:
            raise _alien(self.path, f"the variable '{name}' of its {self.what} is of shape {list(shape)}")
        return shape

    def take(self, name: str, *shape: int) -> Tensor:
        """A variable of this shape, in double precision."""
        found = self.shape(name, len(shape))
        if found != shape:
            raise _alien(
                self.path,
                f"the variable '{name}' of its {self.what} is of shape {list(found)}, but the others ask for "
                f"{list(shape)}",
            )
        array = self.left.pop(name)
        if not np.isfinite(array).all():
            raise _alien(self.path, f"the variable '{name}' of its {self.what} holds numbers that are not finite")
        return torch.from_numpy(array.astype(np.float64))

    def bias(self, scope: str, width: int, lr_mul: float = 1.0) -> Tensor:
        """Bias of a layer."""
        return (self.take(f"{scope}/bias", width) * lr_mul).float()

    def dense(self, scope: str, inputs: int, outputs: int, gain: float = ROOT2, lr_mul: float = 1.0) -> Tensor:
        """Weight of an equalised dense layer, (outputs, inputs)."""
        return (self.take(f"{scope}/weight", inputs, outputs).T * (gain * lr_mul / math.sqrt(inputs))).float()

    def kernel(self, scope: str, size: int, inputs: int, outputs: int, gain: float | None = ROOT2) -> Tensor:
        """Weight of a convolution, (outputs, inputs, size, size); equalised unless the gain is None."""
        scale = 1.0 if gain is None else gain / math.sqrt(size * size * inputs)
        return (self.take(f"{scope}/weight", size, size, inputs, outputs).permute(3, 2, 0, 1) * scale).float()

    def number(self, name: str, default: float) -> float:
        """A setting that is a number."""
        value = self.settings.get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value <= 0:
            raise _alien(self.path, f"its {self.what} was built with {name} = {value!r}")
        return value

    def lod(self) -> float:
        """How many resolutions were still to be grown."""
        return max(float(self.take("lod")), 0.0) if "lod" in self.left else 0.0

    def finish(self) -> None:
        """See that nothing is left."""
        if self.left:
            name, array = next(iter(self.left.items()))
            raise _alien(
                self.path, f"its {self.what} has a variable '{name}' of shape {list(array.shape)}, which LIA's has not"
            )


def _mapping(given: Variables) -> tuple[NetSpec, State]:
    depth = len(given.numbers(r"(\d+)/f_inv/dense1/weight"))
    half, hidden = given.shape("0/f_inv/dense1/weight", 2)
    lr_mul = given.number("mapping_lrmul", 0.01)
    state = {}
    for i in range(depth):
        for ours, theirs, inputs, outputs in (("first", "dense1", half, hidden), ("second", "dense2", hidden, half)):
            scope = f"{i}/f_inv/{theirs}"
            state[f"couplings.{i}.{ours}.weight"] = given.dense(scope, inputs, outputs, lr_mul=lr_mul)
            state[f"couplings.{i}.{ours}.bias"] = given.bias(scope, outputs, lr_mul)
    given.finish()
    return NetSpec("coupling_mapping", {"dim": 2 * half, "depth": depth, "hidden": hidden, "lr_mul": lr_mul}), state


def _sides(given: Variables, pattern: str) -> list[int]:
    """Resolutions 4, 8, ..., as the names say."""
    sides = given.numbers(pattern)
    if not sides or sides != [4 * 2**i for i in range(len(sides))]:
        raise _alien(given.path, f"the layers of its {given.what} are of the resolutions {sides}, not of 4, 8, 16, ...")
    return sides


def _growth(levels: int, lod: float) -> Tensor:
    """Extra state of our growing nets: with lod = n + f the n finest levels are off, the next is faded in by 1 - f."""
    level = levels - 1 - int(lod)
    return torch.tensor([max(level, 0), 1.0 - lod % 1 if level > 0 else 1.0], dtype=torch.float64)


def _synthesis(given: Variables, dim: int, lod: float) -> tuple[NetSpec, State]:
    given.lod()  # follows that of the whole generator when that is run
    sides = _sides(given, r"(\d+)x\1/(?:Const/const|Conv1/weight)")
    maps = [given.shape("4x4/Const/const", 4)[1], *(given.shape(f"{r}x{r}/Conv1/weight", 4)[3] for r in sides[1:])]
    (colours,) = given.shape("ToRGB_lod0/bias", 1)
    fused = given.settings.get("fused_scale", "auto")
    state: State = {"_extra_state": _growth(len(sides), lod)}
    state["constant.value"] = given.take("4x4/Const/const", 1, maps[0], 4, 4).float()
    for level, (side, width) in enumerate(zip(sides, maps, strict=True)):
        scopes = ("4x4/Const", "4x4/Conv") if level == 0 else (f"{side}x{side}/Conv0_up", f"{side}x{side}/Conv1")
        if level:
            up = given.kernel(scopes[0], 3, maps[level - 1], width)
            turned = side >= FUSED_FROM if fused == "auto" else bool(fused)
            state[f"blocks.{level}.up.weight"] = up.flip(2, 3) if turned else up
        state[f"blocks.{level}.conv.weight"] = given.kernel(scopes[1], 3, width, width)
        for half, (name, scope) in enumerate(zip(("first", "second"), scopes, strict=True)):
            ours = f"blocks.{level}.{name}"
            state[f"{ours}.noisy.strength"] = given.take(f"{scope}/Noise/weight", width).float()
            state[f"{ours}.noisy.bias"] = given.bias(scope, width)
            state[f"{ours}.noisy.fixed"] = given.take(f"noise{2 * level + half}", 1, 1, side, side).float()
            state[f"{ours}.style.affine.weight"] = given.dense(f"{scope}/StyleMod", dim, 2 * width, gain=1.0)
            state[f"{ours}.style.affine.bias"] = given.bias(f"{scope}/StyleMod", 2 * width)
        scope = f"ToRGB_lod{len(sides) - 1 - level}"
        state[f"to_rgb.{level}.weight"] = given.kernel(scope, 1, width, colours, gain=1.0)
        state[f"to_rgb.{level}.bias"] = given.bias(scope, colours)
    given.finish()
    shape = (colours, sides[-1], sides[-1])
    args = {"image_shape": shape, "w_dim": dim, "channels": tuple(maps), "rgb_gain": 1.0, "tanh": True}
    return NetSpec("style_generator", args), state


def _critic(given: Variables) -> tuple[NetSpec, State]:
    sides = _sides(given, r"(\d+)x\1/(?:Conv|Conv0)/weight")
    colours = given.shape("FromRGB_lod0/weight", 4)[2]
    maps = [given.shape("4x4/Conv/weight", 4)[3], *(given.shape(f"{r}x{r}/Conv0/weight", 4)[3] for r in sides[1:])]
    group = int(given.number("mbstd_group_size", 4))
    state: State = {"_extra_state": _growth(len(sides), given.lod())}
    for level, (side, width) in enumerate(zip(sides, maps, strict=True)):
        scope = f"FromRGB_lod{len(sides) - 1 - level}"
        state[f"from_rgb.{level}.weight"] = given.kernel(scope, 1, colours, width)
        state[f"from_rgb.{level}.bias"] = given.bias(scope, width)
        if level:
            for ours, theirs, outputs in (("conv1", "Conv0", width), ("conv2", "Conv1_down", maps[level - 1])):
                scope = f"{side}x{side}/{theirs}"
                state[f"blocks.{level - 1}.{ours}.weight"] = given.kernel(scope, 3, width, outputs)
                state[f"blocks.{level - 1}.{ours}.bias"] = given.bias(scope, outputs)
    width = maps[0]
    state["last_conv.weight"] = given.kernel("4x4/Conv", 3, width + (group > 1), width)
    state["last_conv.bias"] = given.bias("4x4/Conv", width)
    state["hidden.weight"] = given.dense("4x4/Dense0", width * 16, width)
    state["hidden.bias"] = given.bias("4x4/Dense0", width)
    state["head.weight"] = given.dense("4x4/Dense1", width, 1, gain=1.0)
    state["head.bias"] = given.bias("4x4/Dense1", 1)
    given.finish()
    shape = (colours, sides[-1], sides[-1])
    return NetSpec("image_critic", {"image_shape": shape, "channels": tuple(maps), "stddev_group": group}), state


def _encoder(given: Variables, image_shape: tuple[int, int, int], dim: int) -> tuple[NetSpec, State]:
    halvings = len(given.numbers(r"encoder/encoder_res_block_(\d+)/conv2/weight"))
    base = given.shape("encoder/input_image_stage/weight", 4)[3]
    maps = [base, *(given.shape(f"encoder/encoder_res_block_{i}/conv2/weight", 4)[3] for i in range(halvings))]
    if maps != [min(base * 2**i, maps[-1]) for i in range(halvings + 1)] or 4 * 2**halvings != image_shape[1]:
        raise _alien(given.path, f"its encoder has {maps} maps, which do not double with every halving down to 4x4")
    state: State = {}

    def normed(ours: str, scope: str, norm: str, size: int, inputs: int, outputs: int, bias: bool) -> None:
        state[f"{ours}.conv.weight"] = given.kernel(scope, size, inputs, outputs, gain=None)
        if bias:
            state[f"{ours}.conv.bias"] = given.bias(scope, outputs)
        _batch_norm(given, state, f"{ours}.norm", scope, norm, outputs)

    normed("stem", "encoder/input_image_stage", "bn_input_stage", 3, image_shape[0], base, False)
    for i, (inputs, outputs) in enumerate(itertools.pairwise(maps)):
        scope = f"encoder/encoder_res_block_{i}"
        if inputs != outputs:
            normed(f"blocks.{i}.shortcut", f"{scope}/shortcut", "shortcut_bn", 1, inputs, outputs, False)
        normed(f"blocks.{i}.conv1", f"{scope}/conv1", "bn_1", 3, inputs, inputs, True)
        normed(f"blocks.{i}.conv2", f"{scope}/conv2", "bn_2", 3, inputs, outputs, True)
    state["head.linear.weight"] = given.dense("encoder/encoder_fc", maps[-1] * 16, dim, gain=1.0)
    _batch_norm(given, state, "head.norm", "encoder/encoder_fc", "fc", dim)
    given.finish()
    args = {"image_shape": image_shape, "w_dim": dim, "base": base, "maximum": maps[-1], "head": "batch_norm"}
    return NetSpec("residual_encoder", args), state


def _batch_norm(given: Variables, state: State, ours: str, scope: str, norm: str, width: int) -> None:
    """Offset and moving statistics; the norm stands within the scope of its layer, or beside it."""
    inside = f"{scope}/{norm}/BatchNorm"
    place = inside if f"{inside}/beta" in given else f"{scope.rpartition('/')[0]}/{norm}/BatchNorm"
    for name, theirs in (("bias", "beta"), ("running_mean", "moving_mean"), ("running_var", "moving_variance")):
        state[f"{ours}.{name}"] = given.take(f"{place}/{theirs}", width).float()
