"""Parts of a model as functions of tensors alone, the form in which they are exported.

Whatever a model decides by looking at values (which class a label is, whether codes fit) is decided before; what is
left is arithmetic on batches of any size. Nets are copies: on the CPU, in evaluation mode, with what does not depend on
the input computed once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from twoway.composition import encode_images, run_encoder
from twoway.errors import ModelError
from twoway.model import TwoWayModel
from twoway.networks import Growing
from twoway.networks.invertible import Rotation

__all__ = ["Examples", "Part", "Port", "parts_of"]

Examples: TypeAlias = Callable[[int, torch.Generator], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Port:
    """An input or an output.

    Args:
        name: In the file.
        shape: Without the batch.
        about: What it holds, with its range.
    """

    name: str
    shape: tuple[int, ...]
    about: str


@dataclass(frozen=True)
class Part:
    """One function of a model.

    Args:
        name: Of the file.
        net: The function, which takes one tensor per input and gives a tuple with one per output.
        inputs: What goes in.
        outputs: What comes out.
        examples: Inputs for a batch of a size, from a generator on the CPU.
    """

    name: str
    net: nn.Module
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    examples: Examples


def parts_of(
    model: TwoWayModel, *, noise: Literal["fixed", "off"] = "fixed", truncation: float = 1.0
) -> dict[str, Part]:
    """Everything that a model can do, by name: ``encoder``, ``mapping``, ``unmap``, ``generator``, ``decoder``.

    Args:
        model: The model, which is left alone.
        noise: Noise in the layers of a style generator: the maps kept with the model, or none.
        truncation: Factor psi on the distance of what the mapping gives from the mean code.
    """
    nets = set(model.nets)
    able = {
        "encoder": "encoder" in nets,
        "mapping": "mapping" in nets and model.recipe.prior is not None,
        "unmap": "mapping" in nets and model.invertible,
        "generator": "generator" in nets,
        "decoder": "decoder" in nets,
    }
    makers: dict[str, Callable[[], Part]] = {
        "encoder": lambda: _encoder(model),
        "mapping": lambda: _mapping(model, truncation),
        "unmap": lambda: _unmap(model),
        "generator": lambda: _generator(model, noise),
        "decoder": lambda: _decoder(model),
    }
    return {name: makers[name]() for name, can in able.items() if can}


class _Encode(nn.Module):
    """Images to latent codes."""

    def __init__(self, model: TwoWayModel) -> None:
        super().__init__()
        self.model = model

    def seen(self, x: Tensor) -> Tensor:
        net = self.model.nets["encoder"]
        if isinstance(net, Growing) and net.resolution < x.shape[-1]:
            return functional.avg_pool2d(x, x.shape[-1] // net.resolution)
        return x

    def codes(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        w = encode_images(dict(self.model.nets.items()), self.seen(x), self.model.recipe.encodes, y)
        return w.expand(-1, self.model.w_shape[0], -1).contiguous()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (self.codes(x),)


class _EncodeTold(_Encode):
    """Images and their one-hot classes to latent codes."""

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        return (self.codes(x, y),)


class _ReadCodes(_Encode):
    """Images to what is known of their interpretable codes, and whole codes where the noise is inferred too."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        found = run_encoder(dict(self.model.nets.items()), self.seen(x))
        parts = [found.logits.softmax(1), found.mean, found.log_var, found.noise]
        return tuple(part for part in parts if part.shape[1]) + ((self.codes(x),) if self.model.infers_noise else ())


class _Map(nn.Module):
    """Prior codes to latent codes, truncated."""

    def __init__(self, model: TwoWayModel, psi: float) -> None:
        super().__init__()
        self.model = model
        self.psi = psi

    def forward(self, z: Tensor) -> tuple[Tensor, ...]:
        return (self.model.truncate(self.model.map(z), self.psi).contiguous(),)


class _Unmap(nn.Module):
    """Latent codes to prior codes."""

    def __init__(self, model: TwoWayModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, w: Tensor) -> tuple[Tensor, ...]:
        return (self.model.unmap(w),)


class _Generate(nn.Module):
    """Latent codes to images."""

    def __init__(self, model: TwoWayModel, noise: Literal["fixed", "off"]) -> None:
        super().__init__()
        self.model = model
        self.noise = noise

    def forward(self, w: Tensor) -> tuple[Tensor, ...]:
        return (self.model.decode(w, noise=cast(Any, self.noise)),)


class _Decode(nn.Module):
    """Interpretable codes to images, by the second decoder."""

    def __init__(self, model: TwoWayModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, codes: Tensor) -> tuple[Tensor, ...]:
        return (self.model.nets["decoder"](codes.unsqueeze(1)),)


class _Turned(nn.Module):
    """A `Rotation` whose matrix, which is the solution of linear equations, is a constant."""

    matrix: Tensor

    def __init__(self, rotation: Rotation) -> None:
        super().__init__()
        self.register_buffer("matrix", rotation.matrix().detach())

    def forward(self, u: Tensor) -> Tensor:
        return u.flip(1) @ self.matrix

    def inverse(self, u: Tensor) -> Tensor:
        return (u @ self.matrix.T).flip(1)


def _part(model: TwoWayModel, *slots: str) -> TwoWayModel:
    """A copy with some of the nets."""
    nets = {slot: copy.deepcopy(model.nets[slot]).cpu().float() for slot in dict.fromkeys(slots) if slot in model.nets}
    for net in nets.values():
        for parent in list(net.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, Rotation):
                    setattr(parent, name, _Turned(child))
    part = TwoWayModel(model.recipe, nets, model.w_shape)
    part.w_avg.copy_(model.w_avg.cpu())
    return part.eval().requires_grad_(False)


def _encoder(model: TwoWayModel) -> Part:
    recipe = model.recipe
    reads_critic = getattr(model.nets["encoder"], "reads_critic", False)
    slots = ("encoder", *(("critic",) if reads_critic else ()), *(("mapping",) if recipe.encodes == "z" else ()))
    part = _part(model, *slots)
    x = Port("x", model.image_shape, "images, RGB or grey, pixels in [-1, 1]")
    w = Port("w", model.w_shape, "latent codes" + _class_behind(model))
    if recipe.encodes == "code":
        assert recipe.prior is not None
        noise, discrete, continuous, _ = recipe.prior.layout()
        ports = [
            Port("chances", (discrete,), "chances of the classes, which add up to 1"),
            Port("mean", (continuous,), "means of the continuous codes"),
            Port("log_var", (continuous,), "log variances of the continuous codes"),
            Port("noise", (noise if part.infers_noise else 0,), "estimate of the noise"),
        ]
        outputs = tuple(p for p in ports if p.shape[0]) + ((w,) if part.infers_noise else ())
        return Part("encoder", _ReadCodes(part), (x,), outputs, _pictures(model))
    if recipe.labels:
        y = Port("y", (recipe.labels,), "classes of the images, one-hot")
        return Part("encoder", _EncodeTold(part), (x, y), (w,), _pictures(model, told=True))
    return Part("encoder", _Encode(part), (x,), (w,), _pictures(model))


def _mapping(model: TwoWayModel, psi: float) -> Part:
    assert model.recipe.prior is not None
    z = Port("z", (model.recipe.prior.dim,), f"prior codes, {model.recipe.prior}" + _class_behind(model))
    w = Port(
        "w", model.w_shape, "latent codes" + (f", truncated by {psi:g}" if psi != 1 else "") + _class_behind(model)
    )
    part = _part(model, "mapping", "encoder") if _through_encoder(model) else _part(model, "mapping")
    return Part("mapping", _Map(part, psi), (z,), (w,), lambda n, g: (model.recipe.prior.sample(n, generator=g),))  # type: ignore[union-attr]


def _unmap(model: TwoWayModel) -> Part:
    assert model.recipe.prior is not None
    w = Port("w", model.w_shape, "latent codes; of codes that differ between layers the mean is taken")
    z = Port("z", (model.recipe.prior.dim,), "prior codes")
    return Part("unmap", _Unmap(_part(model, "mapping")), (w,), (z,), _codes(model))


def _generator(model: TwoWayModel, noise: Literal["fixed", "off"]) -> Part:
    w = Port("w", model.w_shape, "latent codes" + _class_behind(model))
    x = Port("x", model.image_shape, "images, RGB or grey, pixels around [-1, 1]; clip them")
    return Part("generator", _Generate(_part(model, "generator"), noise), (w,), (x,), _codes(model))


def _decoder(model: TwoWayModel) -> Part:
    if model.recipe.prior is None:
        raise ModelError("A model with a second decoder has codes, but this one has no prior that says which.")
    prior, layout = model.recipe.prior, model.recipe.prior.layout()
    codes = Port(
        "codes", (layout.discrete + layout.continuous,), "the most likely class, one-hot, and the continuous codes"
    )
    x = Port("x", model.image_shape, "images, RGB or grey, pixels around [-1, 1]; clip them")

    def examples(n: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        return (prior.sample(n, generator=generator)[:, layout.noise :],)

    return Part("decoder", _Decode(_part(model, "decoder")), (codes,), (x,), examples)


def _through_encoder(model: TwoWayModel) -> bool:
    return hasattr(model.nets["mapping"], "images")


def _class_behind(model: TwoWayModel) -> str:
    return f", the class behind, one-hot ({model.recipe.labels})" if model.recipe.labels else ""


def _pictures(model: TwoWayModel, *, told: bool = False) -> Examples:
    """Random pictures, smooth ones and noise in turn, with random classes where they are told."""

    def examples(n: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        channels, height, width = model.image_shape
        rough = torch.rand(n, channels, height, width, generator=generator) * 2 - 1
        small = torch.rand(n, channels, 4, 4, generator=generator) * 2 - 1
        smooth = functional.interpolate(small, size=(height, width), mode="bilinear", align_corners=False)
        x = torch.where((torch.arange(n) % 2 == 0)[:, None, None, None], smooth, rough)
        if not told:
            return (x,)
        classes = torch.randint(model.recipe.labels, (n,), generator=generator)
        return x, functional.one_hot(classes, model.recipe.labels).float()

    return examples


def _codes(model: TwoWayModel) -> Examples:
    """Latent codes of drawn prior codes; around the mean code where there is no prior."""
    mapping = None if "mapping" not in model.nets else _part(model, "mapping", "encoder")

    @torch.no_grad()
    def examples(n: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        if model.recipe.prior is None:
            return (model.w_avg.cpu() + torch.randn(n, *model.w_shape, generator=generator),)
        z = model.recipe.prior.sample(n, generator=generator)
        w = z[:, None] if mapping is None else mapping.map(z)
        return (w.expand(-1, model.w_shape[0], -1).contiguous(),)

    return examples
