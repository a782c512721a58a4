"""The two-way model: prior code to image and image to code, whatever the method that trained it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from twoway.code_reading import expected_codes, likely_codes
from twoway.composition import encode_images, encoder_input, is_style_generator, map_codes, run_encoder
from twoway.conditioning import Labels, read_labels, with_labels
from twoway.config import to_plain
from twoway.errors import ModelError
from twoway.fit import check_fit
from twoway.networks import CodePosterior, Gaussian, Growing, build_net, reset_net
from twoway.recipe import Recipe

__all__ = ["TwoWayModel", "assemble_model", "build_model"]


class TwoWayModel(nn.Module):
    """Nets of a recipe behind one interface.

    Images are float32 in [-1, 1], shape (B, C, H, W). Prior codes z are (B, prior dim). Latent codes w are
    (B, layers, dim), with one layer for nets that take a single code and one per style input for style generators.

    A conditional model is told the class of each image: `encode` and what builds on it take labels, and codes z and w
    carry the class behind them, one-hot, so that they can be decoded, stored and joined by paths as they are.

    A model saved while it was growing takes and gives full images all the same: they are averaged down, or doubled.

    Args:
        recipe: What the nets are; kept with the model.
        nets: Networks by slot.
        w_shape: Layers and width of a latent code.
    """

    w_avg: Tensor

    def __init__(self, recipe: Recipe, nets: Mapping[str, nn.Module], w_shape: tuple[int, int]) -> None:
        super().__init__()
        self.recipe = recipe
        self.tuned_from: tuple[str, ...] = ()  # fingerprints; see twoway.latents.pivotal_tuning.apply_delta
        self.nets = nn.ModuleDict(dict(nets))
        self.register_buffer("w_avg", torch.zeros(w_shape))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the images."""
        return self.recipe.image_shape

    @property
    def w_shape(self) -> tuple[int, int]:
        """Layers and width of a latent code."""
        return cast(tuple[int, int], tuple(self.w_avg.shape))

    @property
    def device(self) -> torch.device:
        """Where the nets are."""
        return self.w_avg.device

    @property
    def invertible(self) -> bool:
        """Whether latent codes have prior codes, see `unmap`."""
        if "mapping" not in self.nets:
            return self.recipe.prior is not None
        return hasattr(self.nets["mapping"], "inverse")

    @property
    def infers_noise(self) -> bool:
        """Whether there is an encoder that gives whole latent codes, and not only the interpretable part of them."""
        if "encoder" not in self.nets:
            return False
        if self.recipe.encodes != "code" or self.recipe.prior is None:
            return True
        return self.recipe.nets["encoder"].args.get("noise", 0) == self.recipe.prior.layout().noise

    @property
    def reconstructs(self) -> bool:
        """Whether pictures can be encoded and decoded again."""
        return self.infers_noise or {"encoder", "decoder"} <= set(self.nets)

    def sample(
        self,
        n: int,
        *,
        labels: Labels | None = None,
        truncation: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Make new images from the prior.

        Args:
            n: How many.
            labels: Classes, (n,) or one for all, of a conditional model or of a discrete code; drawn where None.
            truncation: Factor psi on the distance of a latent code from the mean code; 1 leaves it alone.
            generator: Source of randomness, on the CPU, so that a seed means the same on every device.

        Returns:
            Images in [-1, 1], shape (n, C, H, W).

        Raises:
            ModelError: The method has no prior to sample from, or there are no such classes.
        """
        return self.decode(self.truncate(self.map(self.draw_prior(n, labels=labels, generator=generator)), truncation))

    def draw_prior(self, n: int, *, labels: Labels | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Draw prior codes (n, prior dim) on the model's device, from a generator on the CPU; labels see `sample`.

        Raises:
            ModelError: The method has no prior to sample from, or there are no such classes.
        """
        if self.recipe.prior is None:
            raise ModelError(
                f"A model of the method '{self.recipe.method}' has no prior, so it cannot make new images; it can "
                "encode and reconstruct. For samples train a method with a prior, such as alae or vae."
            )
        z = self.recipe.prior.sample(n, generator=generator).to(self.device)
        return z if labels is None else self.relabelled(z[:, None], labels)[:, 0]

    def map(self, z: Tensor) -> Tensor:
        """Latent codes (B, layers, dim) of prior codes (B, prior dim); the codes themselves without a mapping."""
        self._expect("prior codes z", z, (self.recipe.prior.dim,) if self.recipe.prior else ())
        return self._in_all_layers(map_codes(self._net_mapping(), z))

    def unmap(self, w: Tensor) -> Tensor:
        """Prior codes (B, prior dim) of latent codes (B, layers, dim); of their mean where the layers differ.

        Raises:
            ModelError: The mapping cannot be inverted.
        """
        self._expect("latent codes w", w, self.w_shape)
        if not self.invertible:
            raise ModelError(
                f"The mapping of this {self.recipe.method} model cannot be inverted, so latent codes have no prior "
                "code. Work with w instead (encode, decode), or train a method with an invertible mapping."
            )
        if "mapping" not in self.nets:
            return w.mean(1)
        mapping: Any = self.nets["mapping"]
        return mapping.inverse(w)

    def decode(
        self,
        w: Tensor,
        *,
        labels: Labels | None = None,
        noise: Literal["fixed", "off", "random"] | Callable[[tuple[int, ...]], Tensor] = "fixed",
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Images of latent codes.

        Args:
            w: Codes (B, layers, dim), or (B, 1, dim) for the same code in all layers.
            labels: Classes (B,) to make the images of, or one for all, instead of those that the codes of a
                conditional model carry; codes may then be without any.
            noise: Noise in the layers of a style generator: the maps kept with the model, none, fresh ones, or what
                draws maps of a shape (B, 1, H, W).
            generator: Source of fresh noise, on the CPU.

        Returns:
            Images in [-1, 1], shape (B, C, H, W).
        """
        w = w if labels is None else self.relabelled(w, labels)
        if tuple(w.shape[1:]) != (1, self.w_shape[1]):
            self._expect("latent codes w", w, self.w_shape)
        net = self._net("generator")

        def draw(shape: tuple[int, ...]) -> Tensor:
            return torch.randn(shape, generator=generator).to(self.device)

        x = net(w, noise=draw if noise == "random" else noise) if is_style_generator(net) else net(w)
        # of a generator that has not grown up yet
        return x if x.shape[2:] == self.image_shape[1:] else functional.interpolate(x, size=self.image_shape[1:])

    def relabelled(self, w: Tensor, labels: Labels) -> Tensor:
        """Latent codes (B, layers, dim) with other classes (B,), of a conditional model or one with a discrete code."""
        place, classes = self.w_shape[1] - self.recipe.labels, self.recipe.labels
        if self.recipe.encodes == "code" and self.recipe.prior is not None:
            place, classes, *_ = self.recipe.prior.layout()
        y = read_labels(labels, classes, len(w), method=self.recipe.method, device=self.device)
        return torch.cat([with_labels(w[..., :place], y), w[..., place + classes :]], dim=2)

    def encode(self, x: Tensor, labels: Labels | None = None) -> Tensor:
        """Latent codes (B, layers, dim) of images (B, C, H, W) in [-1, 1]; the mean of a stochastic encoder.

        A conditional model has to be told the class of each image, or one for all; no other model takes labels.

        Raises:
            ModelError: There is no encoder, it does not infer the noise that a whole code needs, or labels do not fit.
        """
        self._net("encoder")  # says so where there is none
        if not self.infers_noise:
            raise ModelError(
                f"The encoder of this {self.recipe.method} model infers the interpretable codes of an image but not "
                "the noise, so an image has no whole latent code. Its codes are encode_code(x); for whole codes find "
                "the noise by optimisation (twoway project --space noise), or train infovaegan with --option "
                "infer_noise=true."
            )
        y = self._one_hot(labels, x.shape[0])
        return self._in_all_layers(encode_images(self._net_mapping(), self._for_encoder(x), self.recipe.encodes, y))

    def encode_code(self, x: Tensor) -> CodePosterior:
        """Distribution over the discrete and continuous codes of images (B, C, H, W) in [-1, 1].

        Raises:
            ModelError: The method has no such codes.
        """
        if self.recipe.encodes != "code":
            raise ModelError(
                f"A model of the method '{self.recipe.method}' has no discrete and continuous codes to read off an "
                "image; use encode(x), or train a method that has, such as infovaegan or infogan."
            )
        self._net("encoder")
        return run_encoder(self._net_mapping(), self._for_encoder(x))

    def represent(self, x: Tensor, labels: Labels | None = None) -> Tensor:
        """What the encoder says of images (B, C, H, W), as vectors (B, width) that classifiers and metrics compare.

        Latent codes, all layers side by side; of a method with interpretable codes the chances of the classes and the
        means of the continuous codes. A class that a conditional model is told is not in it; see `encode` for labels.
        """
        if self.recipe.encodes == "code":
            return expected_codes(self.encode_code(x))
        return self.inferred(self.encode(x, labels))

    def inferred(self, w: Tensor) -> Tensor:
        """The part of latent codes (B, layers, dim) that `represent` can recover: (B, width)."""
        if self.recipe.encodes == "code" and self.recipe.prior is not None:
            return w[:, 0, self.recipe.prior.layout().noise :]
        return w[..., : w.shape[2] - self.recipe.labels].flatten(1)

    def encode_distribution(self, x: Tensor, labels: Labels | None = None) -> Gaussian:
        """Distribution over the codes of images (B, C, H, W) in [-1, 1]: latent codes, or prior codes for some methods.

        Without the class that a conditional model is told; see `encode` for labels.

        Raises:
            ModelError: The encoder is deterministic, or labels do not fit.
        """
        self._net("encoder")
        code = run_encoder(self._net_mapping(), self._for_encoder(x), self._one_hot(labels, x.shape[0]))
        if not isinstance(code, Gaussian):
            raise ModelError(
                f"The encoder of this {self.recipe.method} model gives one code per image, not a distribution; use "
                "encode(x)."
            )
        return code

    def encode_features(self, x: Tensor, labels: Labels | None = None) -> tuple[Tensor, Tensor]:
        """What `represent` gives (B, width) and the encoder's last hidden layer (B, features), from one pass.

        Raises:
            ModelError: The encoder has no hidden features to give, or labels do not fit.
        """
        encoder: Any = self._net("encoder")
        if not hasattr(encoder, "features"):
            raise ModelError(f"The encoder of this {self.recipe.method} model gives no hidden features.")
        seen = encoder_input(self._net_mapping(), self._for_encoder(x))
        y = self._one_hot(labels, x.shape[0])
        hidden = encoder.features(seen) if y is None else encoder.features(seen, y)
        code = encoder.code(hidden)
        if isinstance(code, CodePosterior):
            return expected_codes(code), hidden.flatten(1)
        code = _mean(code)
        if self.recipe.encodes == "z":
            code = self.nets["mapping"](code.flatten(1))
        return self._in_all_layers(code).flatten(1), hidden.flatten(1)

    def reconstruct(self, x: Tensor, labels: Labels | None = None) -> Tensor:
        """Images in [-1, 1] decoded from the codes of images (B, C, H, W) in [-1, 1]; see `encode` for labels.

        Where a method has a second decoder, by that: it makes of the interpretable codes what it can without noise.

        Raises:
            ModelError: The encoder does not infer the noise and there is no second decoder, or labels do not fit.
        """
        if not self.infers_noise and "decoder" in self.nets:
            return self.nets["decoder"](likely_codes(self.encode_code(x)).unsqueeze(1))
        return self.decode(self.encode(x, labels))

    def truncate(self, w: Tensor, psi: float, *, cutoff: int | None = None) -> Tensor:
        """Pull latent codes (B, layers, dim) towards the mean code: w_avg + psi (w - w_avg).

        Args:
            w: Codes, (B, layers, dim).
            psi: 1 leaves them alone, 0 gives the mean.
            cutoff: Only layers before this one are pulled; None pulls all. StyleGAN and ALAE use 8.

        References:
            Karras et al., A Style-Based Generator Architecture, arXiv 1812.04948, appendix B.
        """
        if psi == 1.0:
            return w
        pulled = torch.lerp(self.w_avg.expand_as(w), w, psi)
        if self.recipe.labels:  # the class stays what it is
            pulled[..., -self.recipe.labels :] = w[..., -self.recipe.labels :]
        return pulled if cutoff is None else torch.cat([pulled[:, :cutoff], w[:, cutoff:]], dim=1)

    def fingerprint(self) -> str:
        """Sixteen hex digits that change with any weight, the mean code or the architecture."""
        digest = hashlib.sha256()
        shown: dict[str, Any] = {name: getattr(self.recipe, name) for name in ("nets", "prior", "image_shape")}
        if self.recipe.encodes != "w":
            shown["encodes"] = self.recipe.encodes
        # two nets of equal shapes may still differ in what no weight shows: slopes, pixel range, squashing
        digest.update(json.dumps(to_plain(shown), sort_keys=True).encode())
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def accepts(self, fingerprint: str) -> bool:
        """Whether codes and directions of that model mean here what they mean there: this one, or one it comes from."""
        return fingerprint in self.tuned_from or fingerprint == self.fingerprint()

    def save(self, folder: str | os.PathLike[str], *, card: Mapping[str, Any] | None = None) -> Path:
        """Write a model folder that `twoway.load` reads back (see `twoway.storage.save_model`).

        Args:
            folder: Where; an existing model folder is replaced.
            card: Facts about the training for the model card.

        Raises:
            ModelError: The place is taken by something else or cannot be written.
        """
        from twoway.storage import save_model

        return save_model(self, folder, card=card)

    def _one_hot(self, labels: Labels | None, count: int) -> Tensor | None:
        return read_labels(labels, self.recipe.labels, count, method=self.recipe.method, device=self.device)

    def _in_all_layers(self, w: Tensor) -> Tensor:
        return w.expand(-1, self.w_shape[0], -1) if w.shape[1] == 1 else w

    def _for_encoder(self, x: Tensor) -> Tensor:
        """Images at the resolution at which the encoder works."""
        self._expect("images", x, self.image_shape)
        net = self._net("encoder")
        if isinstance(net, Growing) and net.resolution < x.shape[-1]:
            return functional.avg_pool2d(x, x.shape[-1] // net.resolution)
        return x

    def _net_mapping(self) -> Mapping[str, nn.Module]:
        return dict(self.nets.items())

    def _net(self, slot: str) -> nn.Module:
        if slot not in self.nets:
            raise ModelError(
                f"A model of the method '{self.recipe.method}' has no {slot}; it has {', '.join(self.nets)}."
            )
        return self.nets[slot]

    def _expect(self, what: str, value: Tensor, shape: tuple[int, ...]) -> None:
        if tuple(value.shape[1:]) != shape:
            wanted = ", ".join(["B", *map(str, shape)])
            raise ModelError(f"Got {what} of shape {tuple(value.shape)}, but this model takes ({wanted}).")


def build_model(recipe: Recipe, *, generator: torch.Generator | None = None) -> TwoWayModel:
    """Make the model of a recipe, with fresh weights.

    Args:
        recipe: What to build.
        generator: Source of the initial weights, on the CPU.

    Raises:
        ConfigError: The nets do not fit each other, the prior or the image shape.
    """
    return assemble_model(recipe, check_fit(recipe), generator=generator)


def assemble_model(
    recipe: Recipe, w_shape: tuple[int, int], *, generator: torch.Generator | None = None
) -> TwoWayModel:
    """`build_model` for a recipe whose nets are known to fit.

    Args:
        recipe: What to build.
        w_shape: Layers and width of a latent code, as `twoway.fit.check_fit` found them.
        generator: Source of the initial weights, on the CPU.
    """
    nets = {slot: build_net(spec) for slot, spec in recipe.nets.items()}
    for net in nets.values():
        reset_net(net, generator)
    return TwoWayModel(recipe, nets, w_shape)


def _mean(code: Tensor | Gaussian) -> Tensor:
    return code.mean if isinstance(code, Gaussian) else code
