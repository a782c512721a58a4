"""The tensors a training step may speak of, each computed at most once, and only when a term asks for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from twoway.code_reading import CodeReading
from twoway.composition import Encodes, encoder_input, is_style_generator, map_codes, run_encoder
from twoway.conditioning import with_labels
from twoway.errors import ConfigError, closest
from twoway.networks import CodePosterior, Gaussian, Growing, PseudoInputs

__all__ = ["QUANTITIES", "TOLD", "VIEWS", "Chance", "Quantities"]

Noise = Literal["random", "fixed", "off"]


@dataclass(frozen=True)
class Chance:
    """The random draws of a step; every process draws those of its own rows.

    Args:
        z: Draws a batch of prior codes, (B, dim).
        normal: Draws standard normals of a shape whose first axis is the batch.
        uniform: Draws uniform numbers in [0, 1) likewise.
        crossover: Draws the layer from which another code rules, given the number of layers; None keeps one code.
            The same for all processes.
    """

    z: Callable[[], Tensor]
    normal: Callable[[tuple[int, ...]], Tensor]
    uniform: Callable[[tuple[int, ...]], Tensor] = torch.rand
    crossover: Callable[[int], int | None] = lambda layers: None


class Quantities(Mapping[str, Any]):
    """Lazily computed quantities of one step on one batch.

    Reading ``q["w_fake"]`` computes E(G(F(z))) and all it needs, and keeps it. Nothing is computed twice, so terms
    that share a quantity share its graph.

    Args:
        nets: Networks by slot.
        view: What the critic looks at, a key of `VIEWS`.
        x: Real images in [-1, 1], shape (B, C, H, W).
        chance: The random draws.
        given: Quantities already known, such as detached ones of an earlier step.
        leaves: Quantities that must require a gradient, because a term takes one with respect to them.
        encodes: Whether the encoder gives latent codes w, prior codes z, or distributions over interpretable codes.
        reading: How codes are drawn from such distributions.
        noise: Noise in the layers of a style generator.
        augment: What images go through before the critic sees them; None for nothing.
        features: What the perceptual term compares, of images; None where no term asks for it.
        jitter: What images go through before the encoder sees them; None for nothing.
        views: What makes the views of real images that are compared; None takes `jitter`.
        input_noise: Standard deviation of the noise on every image that the encoder sees.
        y: One-hot labels (B, classes) that nets are told, of the real images and of those made beside them; None
            where nets are told none.
    """

    def __init__(
        self,
        nets: Mapping[str, nn.Module],
        *,
        view: str,
        x: Tensor,
        chance: Chance,
        given: Mapping[str, Any] | None = None,
        leaves: Collection[str] = (),
        encodes: Encodes = "w",
        reading: CodeReading | None = None,
        noise: Noise = "random",
        augment: Callable[[Tensor], Tensor] | None = None,
        features: Callable[[Tensor], tuple[Tensor, ...]] | None = None,
        jitter: Callable[[Tensor], Tensor] | None = None,
        views: Callable[[Tensor], Tensor] | None = None,
        input_noise: float = 0.0,
        y: Tensor | None = None,
    ) -> None:
        self.nets = nets
        self.view = view
        self.chance = chance
        self.leaves = leaves
        self.encodes = encodes
        self._reading = reading
        self.noise = noise
        self.augment = augment
        self.features = features
        self.jitter = jitter
        self.views = views or jitter
        self.input_noise = input_noise
        self.y = y
        self.known: dict[str, Any] = {"x": self._leaf("x", x), **(given or {})}
        self.past: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self.known:
            if name not in QUANTITIES:
                raise ConfigError(f"No quantity is called '{name}'{closest(name, QUANTITIES)}.")
            self.known[name] = self._leaf(name, QUANTITIES[name](self))
        return self.known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)

    def forget_graphs(self) -> None:
        """Drop what is tied to a graph, once that was back-propagated; detached copies stay in `past`."""
        for name, value in list(self.known.items()):
            if name != "x" and _has_graph(value):
                self.past[name] = _detached(self.known.pop(name))

    def detached(self) -> dict[str, Any]:
        """All that was computed, without graphs; the real images left out."""
        return self.past | {name: _detached(value) for name, value in self.known.items() if name != "x"}

    def encode(self, x: Tensor) -> Any:
        """E on a batch of images, warped and with noise on them where the recipe asks for it."""
        return run_encoder(self.nets, self._shown(x, self.jitter), self.y)

    def _shown(self, x: Tensor, warped: Callable[[Tensor], Tensor] | None) -> Tensor:
        if warped is not None:
            x = warped(x)
        if self.input_noise > 0:
            x = x + self.input_noise * self.chance.normal(tuple(x.shape))
        return x

    def view_features(self) -> Tensor:
        """Hidden features (B, hidden) that the encoder has of a view of each real image, warped anew at every call."""
        encoder: Any = self.nets["encoder"]
        return encoder.features(encoder_input(self.nets, self._shown(self["x"].detach(), self.views)))

    def view_posterior(self, features: str) -> CodePosterior:
        """What the encoder says of a view."""
        encoder: Any = self.nets["encoder"]
        return encoder.code(self[features])

    @property
    def told(self) -> tuple[Tensor, ...]:
        """The labels that the critic gets beside what it sees; nothing where nets are told none."""
        return () if self.y is None or self.view not in TOLD else (self.y,)

    def judge(self, *seen: Tensor) -> Tensor:
        """D on what it sees."""
        return self.nets["critic"](*seen, *self.told)

    @property
    def reading(self) -> CodeReading:
        """How interpretable codes are drawn."""
        if self._reading is None:
            raise ConfigError(
                "A term asks for interpretable codes, but this recipe's encoder gives latent codes. Take a method that "
                "infers discrete and continuous codes, such as infovaegan, or leave the term out."
            )
        return self._reading

    def draw_codes(self, posterior: CodePosterior) -> Tensor:
        """Interpretable codes (B, classes + continuous) drawn from what the encoder says."""
        uniform = self.chance.uniform(tuple(posterior.logits.shape))
        return self.reading.draw(posterior, uniform, self.chance.normal(tuple(posterior.mean.shape)))

    def generate(self, w: Tensor) -> Tensor:
        """G on latent codes, labels behind them where nets are told any, with the step's noise in its layers."""
        net = self.nets["generator"]
        w = with_labels(w, self.y)
        if not is_style_generator(net):
            return net(w)
        return net(w, noise=self.chance.normal if self.noise == "random" else self.noise)

    def code(self, posterior: str, z: str) -> Tensor:
        """Latent codes of what the encoder says: its code or a draw from it, mapped where it speaks of z."""
        if self.encodes == "code":
            return torch.cat([self[posterior].noise, self.draw_codes(self[posterior])], dim=1).unsqueeze(1)
        if self.encodes == "w":
            return self.sample(self[posterior])
        return self.nets["mapping"](self[z])

    def sample(self, code: Tensor | Gaussian) -> Tensor:
        """A code as it stands, or a reparameterised draw from a distribution over codes."""
        if isinstance(code, Gaussian):
            return code.mean + (0.5 * code.log_var).exp() * self.chance.normal(tuple(code.mean.shape))
        return code

    def prior_code(self, posterior: str, w: str) -> Tensor:
        """Prior codes (B, dim) of encoded images: what the encoder says of z, or the mapping's inverse of w."""
        if self.encodes == "z":
            return self.sample(self[posterior]).flatten(1)
        mapping: Any = self.nets.get("mapping")
        if mapping is not None and not hasattr(mapping, "inverse"):
            raise ConfigError(
                "A term asks for the prior codes of images, but this mapping cannot be inverted. Leave the term out "
                "(for lia: in_domain=0), or take a method or a generator with an invertible mapping."
            )
        return self[w].mean(1) if mapping is None else mapping.inverse(self[w])

    def judged(self) -> Tensor:
        """The images that a critic of images scores as fake."""
        if self.view not in ("image", "reconstruction", "code"):
            raise ConfigError(
                f"A term asks for the images that the critic scores as fake, but it sees '{self.view}'. Penalties on "
                "them, as r2 and gradient_penalty, need critic_sees: image or reconstruction."
            )
        return self["x_rec" if self.view == "reconstruction" else "x_fake"]

    def seen(self, x: Tensor) -> Tensor:
        """Images as the critic sees them."""
        return x if self.augment is None else self.augment(x)

    def seen_code(self, plain: str, seen: str) -> Tensor:
        """Codes of the images as the critic sees them; those of the plain images where nothing is done to them."""
        return self[plain] if self.augment is None else self.sample(self.encode(self[seen]))

    def described(self, x: Tensor) -> tuple[Tensor, ...]:
        """Features of images for the perceptual term."""
        if self.features is None:
            raise ConfigError("A perceptual term needs the recipe's 'features', for example features.kind=pyramid.")
        return self.features(x)

    def _leaf(self, name: str, value: Any) -> Any:
        # what depends on a trained net has a graph already; anything else starts one here
        if name in self.leaves and not value.requires_grad:
            return value.detach().requires_grad_(True)
        return value


def _pseudo(q: Quantities) -> Gaussian:
    """What the encoder says of the pseudo-inputs."""
    mapping = q.nets.get("mapping")
    if not isinstance(mapping, PseudoInputs):
        raise ConfigError(
            "A term asks for the codes of pseudo-inputs, but the recipe has none: set nets.mapping.kind=pseudo_inputs."
        )
    return run_encoder(q.nets, mapping.images())


def _styles(q: Quantities) -> Tensor:
    """The drawn codes, in some steps crossed with those of other prior codes from a random layer on."""
    net: Any = q.nets["generator"]
    if not is_style_generator(net):
        return q["w"]
    crossover = q.chance.crossover(2 * (net.level + 1) if isinstance(net, Growing) else net.w_layers)
    w = q["w"]
    if crossover is None:
        return w
    other = map_codes(q.nets, q.chance.z())
    layers = net.w_layers
    return torch.cat([w.expand(-1, crossover, -1), other.expand(-1, layers - crossover, -1)], dim=1)


def _between(q: Quantities) -> Tensor:
    """Images on the lines between real and made ones."""
    x, made = q["x_seen"].detach(), q["fake_seen"].detach()
    return torch.lerp(x, made, q["mixing"])


def _hidden(q: Quantities, x: Tensor) -> Tensor:
    """Last hidden layer of a critic of images, (B, n)."""
    critic: Any = q.nets["critic"]
    if not hasattr(critic, "features"):
        raise ConfigError(
            f"A term compares images in a hidden layer of the critic, which a {type(critic).__name__} does not give. "
            "Take a critic of kind mlp_critic or conv_critic."
        )
    return critic.features(x, *q.told)


def _permuted(q: Quantities) -> Tensor:
    """Codes of images with each number taken from another row of the batch, drawn for each dimension by itself."""
    w = q["w_real"]
    flat = w.flatten(1)
    order = q.chance.uniform(tuple(flat.shape)).argsort(0)
    return flat.gather(0, order).view_as(w)


QUANTITIES: dict[str, Callable[[Quantities], Any]] = {
    "x": lambda q: q.known["x"],
    "z": lambda q: q.chance.z(),
    "w": lambda q: map_codes(q.nets, q["z"]),
    "w_styles": _styles,
    "x_fake": lambda q: q.generate(q["w_styles"]),
    "posterior_fake": lambda q: q.encode(q["x_fake"]),
    "z_fake": lambda q: q.prior_code("posterior_fake", "w_fake"),
    "w_fake": lambda q: q.code("posterior_fake", "z_fake"),
    "posterior": lambda q: q.encode(q["x"]),
    "z_real": lambda q: q.prior_code("posterior", "w_real"),
    "w_real": lambda q: q.code("posterior", "z_real"),
    "w_permuted": _permuted,
    "x_rec": lambda q: q.generate(q["w_real"]),
    "posterior_pseudo": _pseudo,
    "posterior_rec": lambda q: q.encode(q["x_rec"]),
    "z_rec": lambda q: q.prior_code("posterior_rec", "w_rec"),
    "w_rec": lambda q: q.code("posterior_rec", "z_rec"),
    "posterior_rec_held": lambda q: q.encode(q["x_rec"].detach()),
    "z_rec_held": lambda q: q.prior_code("posterior_rec_held", "w_rec_held"),
    "w_rec_held": lambda q: q.code("posterior_rec_held", "z_rec_held"),
    "x_rec_again": lambda q: q.generate(q["w_rec_held"]),
    "x_fake_again": lambda q: q.generate(q["w_fake"]),
    "x_seen": lambda q: q.seen(q["x"]),
    "x_fake_seen": lambda q: q.seen(q["x_fake"]),
    "fake": lambda q: q.judged(),
    "fake_seen": lambda q: q.seen(q["fake"]),
    "w_real_seen": lambda q: q.seen_code("w_real", "x_seen"),
    "w_fake_seen": lambda q: q.seen_code("w_fake", "x_fake_seen"),
    "score_real": lambda q: q.judge(*(q[name] for name in VIEWS[q.view][0])),
    "score_fake": lambda q: q.judge(*(q[name] for name in VIEWS[q.view][1])),
    "noise": lambda q: q["z"][:, : q.reading.layout.noise],
    "u": lambda q: q["z"][:, q.reading.layout.noise :],
    "u_fake": lambda q: q.draw_codes(q["posterior_fake"]),
    "u_real": lambda q: q.draw_codes(q.encode(q["x"].detach())).detach(),
    "features_view": lambda q: q.view_features(),
    "features_other_view": lambda q: q.view_features(),
    "posterior_view": lambda q: q.view_posterior("features_view"),
    "posterior_other_view": lambda q: q.view_posterior("features_other_view"),
    "x_again": lambda q: q.generate(torch.cat([q["noise"], q["u_fake"]], dim=1).unsqueeze(1)),
    "x_decoded": lambda q: q.nets["decoder"](q["u_real"].unsqueeze(1)),
    "mixing": lambda q: q.chance.uniform((len(q["x"]), 1, 1, 1)),
    "x_mixed": _between,
    "u_mixed": lambda q: torch.lerp(q["u_real"], q["u"].detach(), q["mixing"].flatten(1)),
    "score_mixed": lambda q: q.judge(q["x_mixed"], *((q["u_mixed"],) if q.view == "code" else ())),
    "score_rec": lambda q: q.judge(q.seen(q["x_rec"])),
    "critic_features_real": lambda q: _hidden(q, q["x"]),
    "critic_features_rec": lambda q: _hidden(q, q["x_rec"]),
    "features_real": lambda q: q.described(q["x"]),
    "features_rec": lambda q: q.described(q["x_rec"]),
}
"""How each quantity follows from others.

z prior codes (B, dim), w = F(z), x_fake = G(w), w_fake = E(x_fake), x real images, w_real = E(x), x_rec = G(w_real),
w_rec = E(x_rec), z_real = F^-1(w_real); latent codes are (B, layers, dim), images (B, C, H, W) in [-1, 1], scores (B,).
"posterior" is E's own output, which is a `Gaussian` for a stochastic encoder. "w_styles" is w, or two codes crossed at
a layer. "fake" is x_fake, or x_rec where a critic judges reconstructions. "..._seen" is what the critic sees of an
image after augmentation. "x_mixed" and "u_mixed" lie between real and made images
and their codes, as far along as "mixing" says. "..._held" is what E says of x_rec as a given
picture, so that no gradient goes back through x_rec; "..._again" are pictures encoded and decoded once more.
"w_permuted" has the numbers of w_real, each dimension permuted over the rows of this process; "posterior_pseudo" is
what E says of the pseudo-inputs; "critic_features_..." are the critic's last hidden layer, (B, n).

Methods whose prior is noise and interpretable codes (see `Prior.layout`): "noise" and "u" are the two parts of z,
"u_real" and "u_fake" codes drawn from what E says of real and of made images (those of real ones are held fixed),
"x_again" = G(noise, u_fake), "x_decoded" what a second decoder makes of u_real alone. "posterior_view" and
"posterior_other_view" are what E says of two views of a real image, each warped in its own way, and "features_view"
and "features_other_view" its hidden features of them.

Where nets are told labels, G, E and D get them beside all else; codes are without them here, so no term sees any.
"""

VIEWS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "image": (("x_seen",), ("fake_seen",)),
    "reconstruction": (("x_seen",), ("fake_seen",)),
    "encoded": (("w_real_seen",), ("w_fake_seen",)),
    "pair": (("x", "w_real"), ("x_fake", "w")),
    "code": (("x_seen", "u_real"), ("fake_seen", "u")),
    "latent": (("w",), ("w_real",)),
    "permuted": (("w_real",), ("w_permuted",)),
}
"""What a critic looks at: the quantities it scores as real, and those it scores as fake.

image: an ordinary GAN. reconstruction: LIA's second phase, where G(E(x)) is the fake. encoded: ALAE, whose
discriminator is D(E(.)). pair: BiGAN and ALI. code: InfoVAEGAN, images with their interpretable codes. latent: AAE,
where the prior's codes count as real. permuted: FactorVAE, where codes count as real and fakes are their dimensions
permuted over the batch.
"""

TOLD = ("image", "reconstruction", "pair", "latent")
"""Views in which the critic gets the labels too, where nets are told any: it then judges each class by itself."""


def _has_graph(value: Any) -> bool:
    parts = (value,) if isinstance(value, Tensor) else value
    return any(part.requires_grad for part in parts)


def _detached(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach()
    parts = [part.detach() for part in value]
    return type(value)(*parts) if isinstance(value, (Gaussian, CodePosterior)) else tuple(parts)
