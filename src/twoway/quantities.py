"""The tensors a training step may speak of, each computed at most once, and only when a term asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from twoway.errors import ConfigError, closest
from twoway.networks import Gaussian

__all__ = ["QUANTITIES", "VIEWS", "Quantities"]

Draw = Callable[[tuple[int, ...]], Tensor]
"""Draws standard normals for this process's rows; the first axis is the batch."""


class Quantities(Mapping[str, Any]):
    """Lazily computed quantities of one step on one batch.

    Reading ``q["w_fake"]`` computes E(G(F(z))) and all it needs, and keeps it. Nothing is computed twice, so terms
    that share a quantity share its graph.

    Args:
        nets: Networks by slot.
        view: What the critic looks at, a key of `VIEWS`.
        x: Real images in [-1, 1], shape (B, C, H, W).
        draw_z: Draws a batch of prior codes, (B, dim).
        draw_normal: Draws standard normal noise of a given shape.
        given: Quantities already known, such as detached ones of an earlier step.
        input_noise: Standard deviation of the noise on every image that the encoder sees.
    """

    def __init__(
        self,
        nets: Mapping[str, nn.Module],
        *,
        view: str,
        x: Tensor,
        draw_z: Callable[[], Tensor],
        draw_normal: Draw,
        given: Mapping[str, Any] | None = None,
        input_noise: float = 0.0,
    ) -> None:
        self.nets = nets
        self.view = view
        self.draw_z = draw_z
        self.draw_normal = draw_normal
        self.input_noise = input_noise
        self.known: dict[str, Any] = {"x": x, **(given or {})}

    def __getitem__(self, name: str) -> Any:
        if name not in self.known:
            if name not in QUANTITIES:
                raise ConfigError(f"No quantity is called '{name}'{closest(name, QUANTITIES)}.")
            self.known[name] = QUANTITIES[name](self)
        return self.known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)

    def encode(self, x: Tensor) -> Tensor | Gaussian:
        """E on a batch of images, with noise on them where the recipe asks for it."""
        if self.input_noise > 0:
            x = x + self.input_noise * self.draw_normal(tuple(x.shape))
        return self.nets["encoder"](x)

    def sample(self, code: Tensor | Gaussian) -> Tensor:
        """A code as it stands, or a reparameterised draw from a distribution over codes."""
        if isinstance(code, Gaussian):
            return code.mean + (0.5 * code.log_var).exp() * self.draw_normal(tuple(code.mean.shape))
        return code


def _map(q: Quantities) -> Tensor:
    """Latent code F(z) of the drawn prior code; the code itself where a method has no mapping."""
    return q.nets["mapping"](q["z"]) if "mapping" in q.nets else q["z"].unsqueeze(1)


QUANTITIES: dict[str, Callable[[Quantities], Any]] = {
    "x": lambda q: q.known["x"],
    "z": lambda q: q.draw_z(),
    "w": _map,
    "x_fake": lambda q: q.nets["generator"](q["w"]),
    "posterior_fake": lambda q: q.encode(q["x_fake"]),
    "w_fake": lambda q: q.sample(q["posterior_fake"]),
    "posterior": lambda q: q.encode(q["x"]),
    "w_real": lambda q: q.sample(q["posterior"]),
    "x_rec": lambda q: q.nets["generator"](q["w_real"]),
    "posterior_rec": lambda q: q.encode(q["x_rec"]),
    "w_rec": lambda q: q.sample(q["posterior_rec"]),
    "z_real": lambda q: q.nets["mapping"].inverse(q["w_real"]),  # type: ignore[operator]
    "score_real": lambda q: q.nets["critic"](*(q[name] for name in VIEWS[q.view][0])),
    "score_fake": lambda q: q.nets["critic"](*(q[name] for name in VIEWS[q.view][1])),
}
"""How each quantity follows from others.

z prior codes (B, dim), w = F(z), x_fake = G(w), w_fake = E(x_fake), x real images, w_real = E(x), x_rec = G(w_real),
w_rec = E(x_rec), z_real = F^-1(w_real); latent codes are (B, layers, dim), images (B, C, H, W) in [-1, 1], scores (B,).
"posterior" is E's own output, which is a `Gaussian` for a stochastic encoder.
"""

VIEWS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "image": (("x",), ("x_fake",)),
    "encoded": (("w_real",), ("w_fake",)),
    "pair": (("x", "w_real"), ("x_fake", "w")),
    "latent": (("w",), ("w_real",)),
}
"""What a critic looks at: the quantities it scores as real, and those it scores as fake.

image: an ordinary GAN. encoded: ALAE, whose discriminator is D(E(.)). pair: BiGAN and ALI. latent: AAE, where the
prior's codes count as real.
"""
