"""Whether the nets of a recipe fit each other, its prior and its images, found out before any memory is spent."""

from __future__ import annotations

import inspect
from typing import Any, cast

import torch
from torch import Tensor

from twoway.composition import encode_images, map_codes, run_encoder
from twoway.errors import ConfigError
from twoway.networks import NETWORKS, CodePosterior, build_net
from twoway.quantities import TOLD
from twoway.recipe import Recipe

__all__ = ["check_fit"]


def check_fit(recipe: Recipe) -> tuple[int, int]:
    """Push two codes and two images through shapes-only copies of the nets.

    Returns:
        Layers and width of a latent code.

    Raises:
        ConfigError: The nets do not fit each other, the prior or the image shape.
    """
    for slot, spec in recipe.nets.items():
        defaults = inspect.signature(NETWORKS[spec.kind].__init__).parameters
        for key, value in spec.args.items():
            sizes = value if isinstance(value, tuple) else (value,)
            least = 0 if defaults[key].default == 0 else 1  # 0 stands for none where that is the default
            if any(type(size) is int and size < least for size in sizes):
                raise ConfigError(f"{key} of the net '{slot}' is {value}, but sizes must be at least 1.")
    with torch.device("meta"), torch.no_grad():
        nets = {slot: build_net(spec).eval() for slot, spec in recipe.nets.items()}
        x = torch.empty(2, *recipe.image_shape)
        y = torch.empty(2, recipe.labels) if recipe.labels else None
        seen: dict[str, Tensor] = {"x": x}
        where = ""
        try:
            if recipe.prior is not None:
                where = "mapping"
                z = torch.empty(2, recipe.prior.dim)
                seen["w"] = map_codes(nets, z)
            if "encoder" in nets:
                where = "encoder"
                _check_told(recipe, getattr(nets["encoder"], "beside", 0))
                if recipe.encodes == "code":
                    _check_codes(recipe, run_encoder(nets, x))
                else:
                    seen["w_real"] = encode_images(nets, x, recipe.encodes, y)
            w = seen.get("w", seen.get("w_real"))
            if w is None:
                raise ConfigError(f"The recipe '{recipe.method}' has neither a prior nor an encoder, so no codes.")
            for name, other in (("mapping", seen.get("w")), ("encoder", seen.get("w_real"))):
                if other is not None and other.shape[-1] != w.shape[-1]:
                    raise ConfigError(
                        f"The {name} gives codes {other.shape[-1]} wide where {w.shape[-1]} were expected: the "
                        "mapping (or the prior, where there is no mapping) and the encoder must agree on w."
                    )
            where = "generator"
            layers = cast(int, getattr(nets["generator"], "w_layers", w.shape[1]))
            made = nets["generator"](w)
            if "w_real" in seen and seen["w_real"].shape != w.shape:
                nets["generator"](seen["w_real"])
            if made.shape != x.shape:
                raise ConfigError(
                    f"The generator makes images of shape {tuple(made.shape[1:])}, but the recipe's image_shape is "
                    f"{recipe.image_shape}."
                )
            if y is not None and "critic" in nets:
                where = "critic"
                code = w[..., : w.shape[2] - recipe.labels]
                for view in {phase.critic_sees or recipe.critic_sees for phase in recipe.phases}:
                    seen_by = {"pair": (x, code), "latent": (code,)}.get(view, (x,))
                    if view in TOLD:
                        nets["critic"](*seen_by, y)
        except RuntimeError as error:
            raise ConfigError(
                f"The {where} of the recipe '{recipe.method}' does not fit its neighbours: "
                f"{str(error).splitlines()[0]}. Check that the widths in recipe.nets agree with the prior and with "
                "image_shape."
            ) from error
    return layers, w.shape[2]


def _check_told(recipe: Recipe, beside: int) -> None:
    """See that the encoder is told as many classes as the recipe has.

    Raises:
        ConfigError: It is not.
    """
    if beside != recipe.labels:
        raise ConfigError(
            f"The nets of the recipe '{recipe.method}' are told {recipe.labels} classes (labels), but its encoder "
            f"({recipe.nets['encoder'].kind}) takes {beside} numbers beside the image. Set recipe.labels and "
            "recipe.nets.encoder.beside alike (mlp_encoder and conv_encoder have it), or use the method's option "
            "classes."
        )


def _check_codes(recipe: Recipe, posterior: Any) -> None:
    """See that the encoder speaks of the codes that the prior has.

    Raises:
        ConfigError: It does not.
    """
    assert recipe.prior is not None, "a recipe that encodes codes has a prior"
    wanted = recipe.prior.layout()
    if not isinstance(posterior, CodePosterior):
        raise ConfigError(
            f"The recipe '{recipe.method}' encodes codes, but its encoder ({recipe.nets['encoder'].kind}) gives latent "
            "codes. Use a code encoder, such as conv_code_encoder."
        )
    found = {"classes": posterior.logits.shape[1], "continuous codes": posterior.mean.shape[1]}
    for what, count in (("classes", wanted.discrete), ("continuous codes", wanted.continuous)):
        if found[what] != count:
            raise ConfigError(
                f"The prior {recipe.prior} has {count} {what}, but the encoder speaks of {found[what]}. Set both alike "
                "(recipe.prior and recipe.nets.encoder), or use the method's options classes and continuous."
            )
    if posterior.noise.shape[1] not in (0, wanted.noise):
        raise ConfigError(
            f"The encoder estimates {posterior.noise.shape[1]} numbers of noise, but the prior {recipe.prior} has "
            f"{wanted.noise}. Set recipe.nets.encoder.noise to {wanted.noise}, or to 0."
        )
