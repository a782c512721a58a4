"""A study: what an artefact is given to train, measure, keep and draw with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from PIL import Image
from torch import Tensor

import twoway
from twoway.config import to_plain
from twoway.data import ImageData
from twoway.errors import CheckpointError, ConfigError
from twoway.features import FeatureSpec
from twoway.grids import save_png_atomic
from twoway.model import TwoWayModel
from twoway.plots import save_plot
from twoway.reproduce.budget import Budget, BudgetName, Role
from twoway.reproduce.identity import features_identity, pictures_identity, settings_identity, weights_identity
from twoway.reproduce.keeping import keep_tensors, keep_values
from twoway.reproduce.record import Ledger
from twoway.reproduce.registry import Artefact
from twoway.reproduce.result import Result
from twoway.reproduce.runs import checkpoint_of, model_from, trained_run
from twoway.telling import Telling, silent, underway
from twoway.training.config import DataConfig, RunConfig, make_config, pick_device

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Study", "Trained"]

T = TypeVar("T")
COUNTS = ("samples", "images", "pairs", "steps", "shown")


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Args:
        run: Its folder.
        config: Its settings.
        device: Where its models are put.
    """

    run: Path
    config: RunConfig
    device: str = "cpu"

    @cached_property
    def model(self) -> TwoWayModel:
        """The averaged weights, in evaluation mode."""
        return self._model("ema")

    @cached_property
    def live(self) -> TwoWayModel:
        """The weights that training ended with, in evaluation mode."""
        return self._model("live")

    @property
    def seconds(self) -> float:
        """Seconds of training by the clock on the wall."""
        return float(self.state["seconds"])

    @cached_property
    def state(self) -> Mapping[str, Any]:
        """What its last checkpoint says of itself."""
        return checkpoint_of(self.run).state

    @property
    def kimg(self) -> float:
        """Thousands of images it was trained on."""
        return self.config.timeline.images(self.config.iterations) / 1000

    def fingerprint(self) -> str:
        """Of recipe, pictures, seed, budget and the weights it ended with: what makes it the training that it is."""
        facts = (
            to_plain(self.config.recipe),
            self.config.data.source,
            self.config.training.seed,
            self.kimg,
            weights_identity(self.state),
        )
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]

    def _model(self, weights: str) -> TwoWayModel:
        model = model_from(checkpoint_of(self.run), self.config, weights)
        return model.to(pick_device(self.device))


@dataclass
class Study:
    """What an artefact is given.

    Args:
        artefact: Which.
        budget_name: ``smoke``, ``cpu`` or ``paper``.
        budget: The budget, with what the user asked for otherwise already in it.
        out: Folder of the table, its pictures and what was measured.
        runs: Folder of run folders, shared with other artefacts.
        seed: Of the first trial.
        rows: Names of the rows wanted; all of the artefact's where the user chose none.
        features: What distances of pictures look at.
        device: See `twoway.training.config.TrainingConfig`.
        say: Told how it goes.
        settings: Options that only this artefact has.
        is_main: Whether this process measures and writes; others of a torchrun train along and wait.
        write: Called with an unfinished result.
        saved: Names of the pictures so far.
        used: Folders of the trainings so far.
        used_seeds: Their seeds.
        noted: What differs from the paper, so far.
        ledger: When, with what and where the kept values were measured.
        progress: Told how far measuring and searching have come; trainings show their own progress.
    """

    artefact: Artefact
    budget_name: BudgetName
    budget: Budget
    out: Path
    runs: Path
    seed: int
    rows: tuple[str, ...]
    features: FeatureSpec
    device: str
    say: Callable[[str], None]
    settings: Any
    is_main: bool = True
    write: Callable[[Result], None] = field(default=lambda result: None)
    saved: list[str] = field(default_factory=list)
    used: list[Path] = field(default_factory=list)
    used_seeds: list[int] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    progress: Telling = silent

    @property
    def trials(self) -> int:
        """Trainings per row."""
        return self.budget.trials

    @property
    def seeds(self) -> tuple[int, ...]:
        """One per trial."""
        return tuple(self.seed + trial for trial in range(self.trials))

    def chosen(self, kind: type[T]) -> T:
        """The settings that only this artefact has, as the type that it registered."""
        assert isinstance(self.settings, kind), "an artefact asks for the settings that it has registered"
        return self.settings

    @cached_property
    def source(self) -> DataConfig:
        """The pictures, as settings.

        Raises:
            ConfigError: None were named, and the budget has none of its own.
        """
        if self.budget.data is None:
            raise ConfigError(
                f"'{self.artefact.name}' at the budget '{self.budget_name}' needs pictures: give --data with a folder, "
                "a ZIP, an .npz file or a built-in set, or take --budget smoke, which draws its own."
            )
        return DataConfig.make(self.budget.data, size=self.budget.size)

    def pictures(self) -> tuple[ImageData, ImageData]:
        """Training and held-out pictures; the same twice where there are none held out, which is then noted."""
        train, test = self._pictures
        if test is train:
            self.note(f"{train.name} has no held-out pictures: measured on those that were trained on.")
        return train, test

    def trained(
        self,
        role: str,
        *,
        trial: int = 0,
        options: Mapping[str, Any] | None = None,
        changes: Mapping[str, Any] | None = None,
        kimg: float | None = None,
        epochs: float | None = None,
        seed: int | None = None,
        batch: int | None = None,
        generator: Trained | None = None,
        source: DataConfig | None = None,
        final_metrics: tuple[str, ...] | None = None,
    ) -> Trained:
        """A training: found in the folder of runs, continued where it was interrupted, or made.

        Args:
            role: A role of the budget, or a preset or method.
            trial: Number of the trial, which moves the seed on.
            options: Options of the method, in addition to the role's.
            changes: Dotted keys of the settings, in addition to the role's.
            kimg: Budget; where it and `epochs` are None the role's, else that of this budget, else the preset's. With
                a generator that is the budget of all phases, of which the later ones take their share.
            epochs: Budget in passes over the training pictures.
            seed: Seed; None takes that of the trial.
            batch: Images per iteration; None takes the role's or the recipe's.
            generator: Train only the later phases, for the generator of this training.
            source: Other pictures than those of the study.
            final_metrics: Measures in the report of the run; None takes the error of pixels, and at ``smoke`` none,
                which leaves pictures and accuracies out too.

        Raises:
            Interrupted: By a signal; call again to continue.
            UserError: Data, settings or the disk do not allow it.
        """
        config = self.config(
            role,
            trial=trial,
            options=options,
            changes=changes,
            kimg=kimg,
            epochs=epochs,
            seed=seed,
            batch=batch,
            generator=generator,
            source=source,
        )
        measures = (() if self.budget_name == "smoke" else ("mse",)) if final_metrics is None else final_metrics
        run = trained_run(
            config,
            config.data.open,
            self.runs,
            f"{role}-seed{config.training.seed}",
            generator=None if generator is None else generator.model,
            final_metrics=measures,
            say=self.say,
        )
        made = Trained(run, config, self.device)
        self.take(made)
        return made

    def take(self, made: Trained) -> None:
        """Take note of a training that the page stands on."""
        if made.run not in self.used:
            self.used.append(made.run)
        if made.config.training.seed not in self.used_seeds:
            self.used_seeds.append(made.config.training.seed)

    def config(
        self,
        role: str,
        *,
        trial: int = 0,
        options: Mapping[str, Any] | None = None,
        changes: Mapping[str, Any] | None = None,
        kimg: float | None = None,
        epochs: float | None = None,
        seed: int | None = None,
        batch: int | None = None,
        generator: Trained | None = None,
        source: DataConfig | None = None,
    ) -> RunConfig:
        """The settings of a training, without training; arguments as of `trained`."""
        found = self.budget.roles.get(role, Role(role))
        if kimg is None and epochs is None:
            kimg = found.kimg if found.kimg is not None else self.budget.kimg
            epochs = self.budget.epochs
        if generator is not None:
            phases = generator.config.recipe.phases
            part = phases[-1].share / sum(phase.share for phase in phases)
            kimg, epochs = kimg and kimg * part, epochs and epochs * part
        config, _ = make_config(
            found.preset,
            data=source or self.source,
            options={**found.options, **(options or {})},
            overrides={**found.changes, **(changes or {})},
            kimg=kimg,
            epochs=epochs,
            seed=self.seed + trial if seed is None else seed,
            device=self.device,
            batch=found.batch if batch is None else batch,
            generator=None if generator is None else generator.config.recipe,
        )
        return config

    def keep(self, name: str, compute: Callable[[], T], *, of: Trained | None = None) -> T:
        """Measured values, kept so that an interrupted command continues and a later one finds them.

        They are measured again when pictures, features, seed, counts of the budget, settings, or the training that they
        are of have changed, also where a file of pictures or weights has been replaced by another of its name.

        Args:
            name: Of what is measured, such as ``reconstruction, lia, seed 0``; once per study.
            compute: Returns what JSON can hold: numbers, texts, lists, tables with names.
            of: The training that is measured.
        """
        path = self.out / "measured" / f"{name}.json"
        return keep_values(
            path,
            self._protocol(name, of),
            lambda: self._computed(name, compute),
            mine=self.is_main,
            ledger=self.ledger,
        )

    def keep_tensors(
        self, name: str, compute: Callable[[], Mapping[str, Tensor]], *, of: Trained | None = None
    ) -> dict[str, Tensor]:
        """`keep` for tensors by name, such as pictures or codes that took long to find."""
        path = self.out / "measured" / f"{name}.safetensors"
        return keep_tensors(
            path,
            self._protocol(name, of),
            lambda: self._computed(name, compute),
            mine=self.is_main,
            ledger=self.ledger,
        )

    def save_picture(self, name: str, image: Image.Image) -> Path:
        """Write a picture as ``NAME.png``, which the page then shows.

        Raises:
            CheckpointError: It cannot be written.
        """
        path = self.out / f"{name}.png"
        if self.is_main:
            try:
                save_png_atomic(image, path)
            except OSError as error:
                raise CheckpointError(f"{path} cannot be written: {error}. Choose another --out.") from error
        self._saved(path.name)
        return path

    def save_figure(self, name: str, figure: Figure) -> Path:
        """Write a matplotlib figure as ``NAME.png`` and ``NAME.svg``; the page shows the first.

        Raises:
            CheckpointError: It cannot be written.
        """
        if self.is_main:
            save_plot(figure, self.out / f"{name}.png")
        self._saved(f"{name}.png")
        return self.out / f"{name}.png"

    def replace_roles(self, roles: Mapping[str, Role]) -> None:
        """Take other trainings than the budget's, where an option of the artefact asks for them."""
        self.budget = replace(self.budget, roles={**self.budget.roles, **roles})

    def so_far(self, result: Result) -> None:
        """Write what there is, marked as unfinished: an interrupted table is a table of what is done."""
        self.write(result)

    def note(self, sentence: str) -> None:
        """Add to what differs from the paper; a sentence that is there already is not repeated."""
        if sentence not in self.noted:
            self.noted.append(sentence)

    def generator(self, purpose: str, trial: int = 0) -> torch.Generator:
        """A source of chance on the CPU that depends on the seed of a trial and on what it is for."""
        digest = hashlib.sha256(f"{self.seed + trial} {purpose}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

    @cached_property
    def _pictures(self) -> tuple[ImageData, ImageData]:
        return self.source.open_both()

    @cached_property
    def _looks(self) -> dict[str, Any] | None:
        """What features are, with the hash of their weights; None where the artefact looks at none."""
        return None if "features" in self.artefact.without else features_identity(self.features)

    def _saved(self, name: str) -> None:
        if name not in self.saved:
            self.saved.append(name)

    def _computed(self, name: str, compute: Callable[[], T]) -> T:
        self.say(f"measuring {name}")
        with underway(name, self.progress):  # not all that is measured can say how far it is
            return compute()

    def _protocol(self, name: str, of: Trained | None) -> dict[str, Any]:
        budget = replace(self.budget, trials=1, takes="")
        return {
            "artefact": self.artefact.name,
            "measured": name,
            "twoway": twoway.__version__,
            "data": None if budget.data is None else to_plain(replace(self.source, cache_mib=0)),
            "pictures": None if budget.data is None else pictures_identity(*self._pictures),
            "features": self._looks,
            "seed": self.seed,
            "counts": {count: getattr(budget, count) for count in COUNTS},
            "budget": {"kimg": budget.kimg, "epochs": budget.epochs, "roles": to_plain(budget.roles)},
            "settings": settings_identity(self.settings),
            "of": None if of is None else of.fingerprint(),
        }
