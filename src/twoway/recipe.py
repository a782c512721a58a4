"""A method as data: prior, nets, phases of update steps, optimiser settings."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from twoway.config import apply_overrides, from_plain, to_plain
from twoway.errors import ConfigError, closest
from twoway.networks import NetSpec
from twoway.priors import Prior
from twoway.quantities import VIEWS
from twoway.terms import find_term

__all__ = [
    "Averaging",
    "InputNoise",
    "Neighbours",
    "NetOptimiser",
    "Optimiser",
    "Phase",
    "Recipe",
    "Schedule",
    "Step",
    "Weight",
    "compare_recipes",
]


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
        ages: Nets whose optimiser counts the step although they get a zero gradient. The code behind ALAE's table
            ran under a torch whose ``zero_grad`` wrote zeros, so D's second moment ages in step III too.
    """

    name: str
    train: tuple[str, ...]
    terms: Mapping[str, Weight]
    every: int = 1
    reuse: tuple[str, ...] = ()
    ages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        weights = {k: v if isinstance(v, Weight) else Weight.from_plain(v, k) for k, v in self.terms.items()}
        object.__setattr__(self, "terms", weights)
        if not self.train or not self.terms:
            raise ConfigError(f"Step '{self.name}' must train at least one net with at least one term.")
        if self.every < 1:
            raise ConfigError(f"Step '{self.name}' has every = {self.every}, but must be taken at least once in 1.")
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
    """

    name: str
    steps: tuple[Step, ...]
    share: float = 1.0


@dataclass(frozen=True)
class NetOptimiser:
    """What one net's optimiser does differently; None keeps the common setting."""

    lr: float | None = None
    betas: tuple[float, float] | None = None
    weight_decay: float | None = None


@dataclass(frozen=True)
class Schedule:
    """Learning rate over the course of a training.

    Args:
        kind: ``constant``, or a ``linear`` or ``cosine`` descent.
        start: Part of the budget after which the descent begins.
        end: Factor on the learning rate when the budget is spent.
        warmup_kimg: Thousands of images over which the rate rises linearly from zero.
    """

    kind: Literal["constant", "linear", "cosine"] = "constant"
    start: float = 0.0
    end: float = 0.0
    warmup_kimg: float = 0.0


@dataclass(frozen=True)
class Optimiser:
    """Adam, one instance per net, shared by all the steps that train the net.

    Args:
        lr: Learning rate; equalised layers multiply it by their own factor.
        betas: Decay of the first and second moment.
        eps: Added to the root of the second moment.
        weight_decay: L2 penalty, added to the gradient of every parameter (not AdamW's decoupled decay).
        schedule: Learning rate over the training.
        nets: Exceptions by slot.
    """

    lr: float = 0.002
    betas: tuple[float, float] = (0.0, 0.99)
    eps: float = 1e-8
    weight_decay: float = 0.0
    schedule: Schedule = Schedule()
    nets: Mapping[str, NetOptimiser] = field(default_factory=dict)


@dataclass(frozen=True)
class Averaging:
    """Moving averages kept beside the trained nets.

    Args:
        halflife_kimg: Thousands of images after which an old weight counts half in the averaged nets.
        rampup: The half-life is at most this part of the images seen so far; 0 means no ramp-up.
        w_decay: Per-step decay of the mean latent code, which truncation pulls towards.
        every: The averaged nets are brought up to date in every so many iterations.
    """

    halflife_kimg: float = 10.0
    rampup: float = 0.0
    w_decay: float = 0.995
    every: int = 1


@dataclass(frozen=True)
class Neighbours:
    """Batches of pairs of pictures that look alike (see `twoway.data.neighbours`).

    Args:
        k: Nearest pictures of each that count as alike.
        walk: The partner is the end of a random walk of one to so many steps from picture to near picture.
    """

    k: int = 10
    walk: int = 1

    def __post_init__(self) -> None:
        if self.k < 1 or self.walk < 1:
            raise ConfigError(f"neighbours has k = {self.k} and walk = {self.walk}; both must be at least 1.")


@dataclass(frozen=True)
class InputNoise:
    """Normal noise on every image that the encoder sees in training, real and generated alike ("instance noise").

    Args:
        start: Its standard deviation at the start, for images in [-1, 1].
        end: The same at the end; in between it falls linearly.
        until: Part of the budget after which it stays at the end's value.

    References:
        Sønderby et al., Amortised MAP Inference for Image Super-resolution, arXiv 1610.04490, section 3.1.
    """

    start: float
    end: float
    until: float = 1.0

    def __post_init__(self) -> None:
        if self.start < 0 or self.end < 0 or not 0 < self.until <= 1:
            raise ConfigError("input_noise needs start and end from 0, and until above 0 and at most 1.")

    def at(self, progress: float) -> float:
        """Standard deviation when this part of the budget is spent."""
        return self.start + (self.end - self.start) * min(progress / self.until, 1.0)


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
        neighbours: Batches of pairs of pictures that look alike; None for plain batches.
        input_noise: Noise on what the encoder sees in training; None for none.
        matmul: ``float32``, or ``bfloat16`` to let matrix products round their inputs where the machine is faster so
            (float32 storage and sums either way).
    """

    method: str
    image_shape: tuple[int, int, int]
    nets: Mapping[str, NetSpec]
    phases: tuple[Phase, ...]
    batch: int
    prior: Prior | None = None
    critic_sees: Literal["image", "encoded", "pair", "latent"] = "image"
    optim: Optimiser = Optimiser()
    averaging: Averaging = Averaging()
    neighbours: Neighbours | None = None
    input_noise: InputNoise | None = None
    matmul: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ConfigError(f"batch is {self.batch}, but must be at least 1.")
        if self.optim.lr <= 0:
            raise ConfigError(f"optim.lr is {self.optim.lr}, but must be positive.")
        if min(self.image_shape) < 1 or self.image_shape[0] not in (1, 3):
            raise ConfigError(f"image_shape is {list(self.image_shape)}, but must be channels (1 or 3), height, width.")
        if not self.phases or any(p.share <= 0 or not p.steps for p in self.phases):
            raise ConfigError("A recipe needs at least one phase, each with steps and a positive share.")
        for name in self.optim.nets:
            if name not in self.nets:
                raise ConfigError(f"optim.nets names the net '{name}'{closest(name, self.nets)}.")
        for phase in self.phases:
            for step in phase.steps:
                for net in (*step.train, *step.ages):
                    if net not in self.nets:
                        raise ConfigError(f"Step '{step.name}' trains the net '{net}'{closest(net, self.nets)}.")

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


assert set(VIEWS) == {"image", "encoded", "pair", "latent"}, "Recipe.critic_sees lists the views"
