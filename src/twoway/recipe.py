"""A method as data: prior, nets, phases of update steps, optimiser settings."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import yaml

from twoway.augment import Augment
from twoway.composition import Encodes
from twoway.config import apply_overrides, from_plain, to_plain
from twoway.errors import ConfigError, closest
from twoway.features import FeatureSpec
from twoway.networks import NetSpec
from twoway.priors import Prior
from twoway.quantities import VIEWS
from twoway.settings import (
    Averaging,
    CodeSampling,
    Growth,
    GrowthLevel,
    InputJitter,
    InputNoise,
    Neighbours,
    NetOptimiser,
    Optimiser,
    Release,
    Schedule,
)
from twoway.terms import find_term

__all__ = [
    "Averaging",
    "CodeSampling",
    "Growth",
    "GrowthLevel",
    "InputJitter",
    "InputNoise",
    "Neighbours",
    "NetOptimiser",
    "Optimiser",
    "Phase",
    "Recipe",
    "Release",
    "Schedule",
    "Step",
    "Weight",
    "compare_recipes",
]

View = Literal["image", "reconstruction", "encoded", "pair", "code", "latent", "permuted"]


@dataclass(frozen=True)
class Weight:
    """How much a term counts in a step.

    Args:
        value: Factor on the term.
        every: The term is computed in every so many iterations only, and then not rescaled.
        nets: Extra factor per net, 1 for those not named; 0 keeps the term's gradient away from a net.
        options: The term's own hyper-parameters.
    """

    value: float
    every: int = 1
    nets: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(f"A term's 'every' is {self.every}, but must be at least 1.")

    def plain(self) -> Any:
        """A bare number where nothing else is set."""
        rest = {"every": self.every, "nets": to_plain(self.nets), "options": to_plain(self.options)}
        rest = {k: v for k, v in rest.items() if v not in ({}, 1)}
        return {"value": self.value, **rest} if rest else self.value

    @classmethod
    def from_plain(cls, value: Any, where: str = "weight") -> Weight:
        """Read a number or a table."""
        if not isinstance(value, Mapping):
            value = {"value": value}
        fields = {f.name for f in dataclasses.fields(cls)}
        for key in value:
            if key not in fields:
                raise ConfigError(f"{where} has an unknown key '{key}'{closest(str(key), fields)}.")
        return cls(
            value=from_plain(float, value.get("value", 1.0), f"{where}.value"),
            every=from_plain(int, value.get("every", 1), f"{where}.every"),
            nets=from_plain(Mapping[str, float], value.get("nets", {}), f"{where}.nets"),
            options=from_plain(Mapping[str, Any], value.get("options", {}), f"{where}.options"),
        )


@dataclass(frozen=True)
class Step:
    """One update: which nets learn from which weighted terms, and how often.

    During the step only the nets in `train` require a gradient, so none can leak into another net.

    Args:
        name: Shown in statistics.
        train: Slots of the nets that learn.
        terms: Term names and their weights.
        every: The step is taken in every so many iterations.
        reuse: Quantities taken over, detached, from an earlier step of the same iteration instead of drawn anew.
        style_mixing: Chance that the images of the step are made from two codes, crossed at a random layer.
        parts: Terms by parts that are back-propagated one after the other, which needs memory for one at a time; parts
            must not share what they compute. None is one part.
        ages: Nets whose optimiser counts the step although they get a zero gradient. The code behind ALAE's table
            ran under a torch whose ``zero_grad`` wrote zeros, so D's second moment ages in step III too.
    """

    name: str
    train: tuple[str, ...]
    terms: Mapping[str, Weight]
    every: int = 1
    reuse: tuple[str, ...] = ()
    style_mixing: float = 0.0
    parts: tuple[tuple[str, ...], ...] | None = None
    ages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        weights = {k: v if isinstance(v, Weight) else Weight.from_plain(v, k) for k, v in self.terms.items()}
        object.__setattr__(self, "terms", weights)
        if not self.train or not self.terms:
            raise ConfigError(f"Step '{self.name}' must train at least one net with at least one term.")
        if self.every < 1:
            raise ConfigError(f"Step '{self.name}' has every = {self.every}, but must be taken at least once in 1.")
        if not 0 <= self.style_mixing <= 1:
            raise ConfigError(f"Step '{self.name}' has style_mixing = {self.style_mixing}; it is a chance from 0 to 1.")
        if self.parts is not None and sorted(name for part in self.parts for name in part) != sorted(weights):
            raise ConfigError(
                f"The parts of step '{self.name}' must name each of its terms once: {', '.join(weights)}."
            )
        for name, weight in weights.items():
            found = find_term(name, f"step '{self.name}'")
            for option in weight.options:
                if option not in found.options:
                    raise ConfigError(f"Term '{name}' has no option '{option}'{closest(option, found.options)}.")
            for net in weight.nets:
                if net not in self.train:
                    raise ConfigError(
                        f"Step '{self.name}' weights the term '{name}' for the net '{net}', which it does not "
                        f"train{closest(net, self.train)}."
                    )


@dataclass(frozen=True)
class Phase:
    """A stretch of training with its own steps.

    Args:
        name: Shown in statistics.
        steps: Taken in order in each iteration.
        share: Part of the whole budget, relative to the other phases' shares.
        batch: Images per iteration, over all processes; None takes the recipe's.
        optim: Optimiser settings; None takes the recipe's. Every phase starts with fresh optimisers.
        growth: Schedule of resolutions; None trains at full resolution.
        critic_sees: What the critic looks at; None takes the recipe's.
        noise: Noise in the generator's layers: drawn for every image, the model's fixed maps, or none.
        from_average: Nets that start the phase from their moving average instead of their live weights.
        anchor: Nets whose head is set, at the start of the phase, to the measured mean and spread of the latent codes.
        classes: Encoders of codes whose class head is set, at the start of the phase, to tell clusters of real pictures
            apart (see `twoway.training.clusters`).
        release: When the layers of an encoder's per-layer codes get their own offsets; None means from the start.
    """

    name: str
    steps: tuple[Step, ...]
    share: float = 1.0
    batch: int | None = None
    optim: Optimiser | None = None
    growth: Growth | None = None
    critic_sees: View | None = None
    noise: Literal["random", "fixed", "off"] = "random"
    from_average: tuple[str, ...] = ()
    anchor: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    release: Release | None = None


@dataclass(frozen=True)
class Recipe:
    """Everything that makes a method: it can be printed, changed by key, compared and run.

    Args:
        method: Name of the method.
        image_shape: Channels, height, width.
        nets: Slots (``mapping``, ``generator``, ``encoder``, ``critic``) and the nets in them.
        phases: Stretches of training, in order.
        batch: Images per iteration, over all processes.
        prior: Distribution of z; None for a method that draws no codes.
        critic_sees: What the critic looks at (see `twoway.quantities.VIEWS`).
        optim: Optimiser settings.
        averaging: Moving averages.
        encodes: Whether the encoder gives latent codes w; prior codes z, which the mapping then takes to w; or
            distributions over codes: the prior's blocks after the first, which is noise (see `Prior.layout`).
        code_sampling: How codes are drawn from such distributions.
        mirror: Whether half of the training pictures, chosen anew each time, are flipped left to right.
        augment: What images go through before a critic of images sees them.
        features: What the perceptual term compares; None where no step has one.
        neighbours: Batches of pairs of pictures that look alike; None for plain batches.
        input_jitter: Small warps of what the encoder sees in training; None for none.
        views: Warps that make the two views of a real image which some terms compare; None takes `input_jitter`.
        input_noise: Noise on what the encoder sees in training; None for none.
        matmul: ``float32``, or ``bfloat16`` to let matrix products round their inputs where the machine is faster so
            (float32 storage and sums either way).
        labels: Number of classes that the nets are told, one-hot: G behind its code, E and D beside the image. 0 for
            none. The prior then ends in a categorical block for them, which training fills with the real labels.
    """

    method: str
    image_shape: tuple[int, int, int]
    nets: Mapping[str, NetSpec]
    phases: tuple[Phase, ...]
    batch: int
    prior: Prior | None = None
    critic_sees: View = "image"
    encodes: Encodes = "w"
    code_sampling: CodeSampling | None = None
    mirror: bool = False
    augment: Augment = Augment()
    features: FeatureSpec | None = None
    optim: Optimiser = Optimiser()
    averaging: Averaging = Averaging()
    neighbours: Neighbours | None = None
    input_jitter: InputJitter | None = None
    views: InputJitter | None = None
    input_noise: InputNoise | None = None
    matmul: Literal["float32", "bfloat16"] = "float32"
    labels: int = 0

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ConfigError(f"batch is {self.batch}, but must be at least 1.")
        self._check_labels()
        if min(self.image_shape) < 1 or self.image_shape[0] not in (1, 3):
            raise ConfigError(f"image_shape is {list(self.image_shape)}, but must be channels (1 or 3), height, width.")
        if self.encodes == "code":
            if self.prior is None or self.code_sampling is None:
                raise ConfigError("A recipe that encodes codes needs a prior and code_sampling.")
            self.prior.layout()
        if not self.phases or any(p.share <= 0 or not p.steps for p in self.phases):
            raise ConfigError("A recipe needs at least one phase, each with steps and a positive share.")
        for where, optim in [("", self.optim), *((f"phases.{p.name}.", p.optim) for p in self.phases if p.optim)]:
            if optim.lr <= 0:
                raise ConfigError(f"{where}optim.lr is {optim.lr}, but must be positive.")
            for name in optim.nets:
                if name not in self.nets:
                    raise ConfigError(f"{where}optim.nets names the net '{name}'{closest(name, self.nets)}.")
        for phase in self.phases:
            growth = phase.growth
            if growth is not None and growth.levels[-1].size != self.image_shape[1]:
                raise ConfigError(
                    f"The growth of the phase '{phase.name}' ends at {growth.levels[-1].size} pixels, but the images "
                    f"have {self.image_shape[1]}."
                )
            named = dict.fromkeys(
                (*phase.from_average, *phase.anchor, *phase.classes), f"Phase '{phase.name}' prepares"
            )
            for step in phase.steps:
                named |= dict.fromkeys((*step.train, *step.ages), f"Step '{step.name}' trains")
            for net, who in named.items():
                if net not in self.nets:
                    raise ConfigError(f"{who} the net '{net}'{closest(net, self.nets)}.")

    def _check_labels(self) -> None:
        if self.labels < 0 or self.labels == 1:
            raise ConfigError(f"labels is {self.labels}, but the nets are told at least 2 classes, or 0 for none.")
        if self.labels and (self.encodes != "w" or "mapping" in self.nets):
            raise ConfigError(
                "A recipe whose nets are told labels has no mapping and an encoder of latent codes, but "
                f"'{self.method}' has others. Set recipe.labels=0, or take a method with the option classes, "
                "such as vae or bigan."
            )
        last = None if self.prior is None else self.prior.blocks[-1]
        if self.labels and last is not None and (last.kind != "categorical" or last.dim != self.labels):
            raise ConfigError(
                f"The nets are told {self.labels} classes, so the prior must end in categorical({self.labels}), but it "
                f"is {self.prior}. Set recipe.labels and recipe.prior alike, or use the method's option classes."
            )

    @property
    def code_prior(self) -> Prior | None:
        """What training draws: the prior without the labels, which come with the pictures."""
        if self.prior is None or not self.labels:
            return self.prior
        return Prior(self.prior.blocks[:-1])

    def with_batch(self, batch: int) -> Recipe:
        """The recipe with one batch size for all phases and resolutions."""
        phases = []
        for phase in self.phases:
            growth = phase.growth
            if growth is not None:
                growth = replace(growth, levels=tuple(replace(level, batch=None) for level in growth.levels))
            phases.append(replace(phase, batch=None, growth=growth))
        return replace(self, batch=batch, phases=tuple(phases))

    def for_generator(self, made: Recipe) -> Recipe:
        """The later phases of this recipe, for the nets of a generator that another recipe has trained.

        Args:
            made: Recipe of a trained GAN.

        Raises:
            ConfigError: This recipe has no later phase, or the other's nets cannot take its place.
        """
        later = {net for phase in self.phases[1:] for step in phase.steps for net in step.train}
        if not later or "generator" in later:
            raise ConfigError(
                f"The method '{self.method}' trains its nets together and cannot start from a given generator. Methods "
                "with a second phase can, such as lia."
            )
        if made.image_shape != self.image_shape or "generator" not in made.nets or made.prior is None:
            raise ConfigError(
                f"The generator was trained by '{made.method}' for images of shape {list(made.image_shape)}; it "
                f"takes one with a prior and images of shape {list(self.image_shape)}. Set --size and --channels alike."
            )
        nets = {slot: spec for slot, spec in self.nets.items() if slot != "mapping"}
        kept = ("mapping", "generator", *(("critic",) if made.critic_sees == "image" else ()))
        nets |= {slot: made.nets[slot] for slot in kept if slot in made.nets}
        width = made.prior.dim if self.encodes == "z" else made.nets["generator"].args["w_dim"]
        encoder = nets["encoder"]
        nets["encoder"] = replace(encoder, args={**encoder.args, "w_dim": width})
        return replace(self, nets=nets, prior=made.prior, phases=self.phases[1:])

    def to_text(self) -> str:
        """YAML that `from_text` reads back to an equal recipe."""
        return yaml.safe_dump(to_plain(self), sort_keys=False, width=120)

    @classmethod
    def from_text(cls, text: str) -> Recipe:
        """Read a recipe from YAML.

        Raises:
            ConfigError: Text that is not YAML, an unknown key, or a value that cannot work.
        """
        try:
            plain = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"The recipe is not valid YAML: {error}") from error
        return from_plain(cls, plain, "recipe")

    def changed(self, overrides: Mapping[str, Any]) -> Recipe:
        """A copy with dotted keys replaced, as ``{"optim.lr": 0.001}``.

        Raises:
            ConfigError: A key that does not exist or a value that cannot work.
        """
        return from_plain(Recipe, apply_overrides(to_plain(self), overrides), "recipe")

    def __str__(self) -> str:
        return self.to_text()


def compare_recipes(old: Recipe, new: Recipe) -> str:
    """The lines in which two recipes differ, as a unified diff; empty where they are equal."""
    lines = difflib.unified_diff(
        old.to_text().splitlines(), new.to_text().splitlines(), old.method, new.method, lineterm="", n=1
    )
    return "\n".join(lines)


assert set(VIEWS) == set(typing.get_args(View)), "View lists the views"
