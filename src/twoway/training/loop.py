"""The training loop: iterations, averages, ticks, checkpoints; stops cleanly and continues exactly."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from twoway.data import Batches, ImageData, PairedBatches, nearest_pictures, to_float
from twoway.data.batches import permutation
from twoway.errors import CheckpointError, ConfigError, TrainingError
from twoway.model import TwoWayModel, build_model
from twoway.recipe import compare_recipes
from twoway.training.checkpoint import (
    disk_trouble,
    latest_checkpoint,
    prune_checkpoints,
    save_tensors,
    write_checkpoint,
)
from twoway.training.config import RunConfig, pick_device
from twoway.training.distributed import World
from twoway.training.ema import EMA
from twoway.training.optimisers import Optimisers
from twoway.training.progress import Progress, peak_memory_mib
from twoway.training.signals import stop_signals
from twoway.training.snapshots import Snapshots
from twoway.training.stages import check_phases, copy_weights, enter_phase, grow, real_images, take_generator
from twoway.training.stats import Stats
from twoway.training.steps import StepRunner, matmul_precision
from twoway.training.streams import Streams, seeded
from twoway.training.timeline import Moment, Segment

__all__ = ["Outcome", "Trainer"]


@dataclass(frozen=True)
class Outcome:
    """How a call of `Trainer.train` ended.

    Args:
        finished: Whether the budget is spent.
        iteration: Iterations done.
        signal: Number of the signal that stopped it, if one did.
    """

    finished: bool
    iteration: int
    signal: int | None = None


class Trainer:
    """A training: the live model, its average, and everything needed to go on.

    Args:
        run: Run folder.
        config: Resolved settings.
        data: Training pictures.
        world: The processes.
        resume: Continue from the newest checkpoint of the run, if there is one.
        init_from: Model whose weights the nets start from.
        generator: Model whose generator, and what goes with it, the nets start from.

    Raises:
        CheckpointError: The run cannot be continued.
        ConfigError: Settings that cannot work.
        DeviceError: The device is not there.
    """

    def __init__(
        self,
        run: Path,
        config: RunConfig,
        data: ImageData,
        *,
        world: World = World(),
        resume: bool = False,
        init_from: TwoWayModel | None = None,
        generator: TwoWayModel | None = None,
    ) -> None:
        self.run = run
        self.config = config
        self.recipe = config.recipe
        self.world = world
        self.data = data
        if data.shape != self.recipe.image_shape:
            raise ConfigError(
                f"The pictures of {data.source} are {data.shape} (channels, height, width), but the recipe is for "
                f"{self.recipe.image_shape}. Use --size and --channels to bring them to the recipe's shape."
            )
        self.device = pick_device(config.training.device, world.local_rank)
        seed = config.training.seed
        self.model = build_model(self.recipe, generator=seeded(seed, "weights"))
        check_phases(self.recipe.phases, self.model)
        if init_from is not None:
            copy_weights(init_from, self.model)
        if generator is not None:
            take_generator(generator, self.model)
        self.model.to(self.device).train()
        self.ema = EMA(self.model)
        self.timeline = config.timeline
        self.streams = Streams(seed, world, self.device)
        for segment in self.timeline.segments:  # a batch that cannot be is said at once
            Batches(data, segment.batch, seed=seed, rank=world.rank, world=world.size)
        self.segment = self.timeline.segments[0]
        self.runner = StepRunner(self.model, Optimisers({}, self.recipe.optim), self.streams, world)
        self._use(self.segment)
        self._begin(self.segment)
        grow(self.ema.model, self.timeline.at(0))
        self.stats = Stats(run / "stats.jsonl")
        self.snapshots = Snapshots(run, config, data)
        self.iteration = 0
        self.seconds = 0.0
        self.nonfinite = 0
        self.nonfinite_in_a_row = 0
        self.best: tuple[int, float] | None = None
        self.last_checkpoint: Path | None = None
        if resume:
            self._resume()

    def _use(self, segment: Segment) -> None:
        """Put the optimisers and batches of a segment in place, as they are before they are used."""
        self.segment = segment
        self.optimisers = Optimisers(self.model.nets, segment.optim)  # type: ignore[arg-type]
        self.runner.optimisers = self.optimisers
        self._batches: Batches | None = None

    def _begin(self, segment: Segment) -> None:
        """Prepare the nets for a segment that starts a phase."""
        if segment.phase_images == 0:
            random = seeded(self.config.training.seed, "anchor")
            enter_phase(segment.phase, self.model, self.ema.model, random, self._some_pictures)

    def _some_pictures(self, count: int) -> torch.Tensor:
        """Real images in [-1, 1], chosen by the seed alone: the same in all processes."""
        order = permutation(len(self.data), self.config.training.seed, 0)
        return to_float(self.data.read(order[:count]).to(self.device))

    @property
    def batches(self) -> Batches:
        """The batches of this process; finding neighbours takes a while, so they are made when training begins."""
        if self._batches is None:
            self._batches = self._open_batches()
            self._batches.seek(self.iteration - self.segment.start)
        return self._batches

    def _open_batches(self) -> Batches:
        place = {"rank": self.world.rank, "world": self.world.size, "series": self.segment.number}
        seed, batch, pairs = self.config.training.seed, self.segment.batch, self.recipe.neighbours
        if pairs is None:
            return Batches(self.data, batch, seed=seed, **place)
        return PairedBatches(self.data, batch, nearest=self._nearest(pairs.k), walk=pairs.walk, seed=seed, **place)

    def _nearest(self, k: int) -> torch.Tensor:
        """The table of neighbours: found once, then kept in the run folder so that a resume sees the same one."""
        if self.world.is_main and not self._neighbours_file.is_file():
            save_tensors(self._neighbours_file, {"nearest": nearest_pictures(self.data, k)})
        self.world.barrier()
        return load_file(self._neighbours_file)["nearest"]

    @property
    def _neighbours_file(self) -> Path:
        return self.run / "neighbours.safetensors"

    @property
    def kimg(self) -> float:
        """Thousands of images seen."""
        return self.timeline.images(self.iteration) / 1000

    def train(self, progress: Progress, *, stop_after: int | None = None) -> Outcome:
        """Train until the budget is spent or a signal asks to stop.

        Args:
            progress: Shows how it goes.
            stop_after: Number of iterations after which to stop as if asked to; for tests.

        Raises:
            TrainingError: Losses stay non-finite, or too many pictures cannot be read.
            CheckpointError: The disk cannot be written.
        """
        total = self.timeline.iterations
        last = total if stop_after is None else min(total, stop_after)
        if self.recipe.neighbours is not None and not self._neighbours_file.is_file():
            progress.note(f"finding the {self.recipe.neighbours.k} nearest pictures of each of {len(self.data)}")
        with stop_signals() as asked, matmul_precision(self.recipe.matmul):
            while self.iteration < last and not self.world.any(bool(asked)):
                began = time.perf_counter()
                values = self._iterate()
                self._guard(values)
                elapsed = time.perf_counter() - began
                self.seconds += elapsed
                progress.update(self.kimg, self.segment.batch / elapsed, values)
                with disk_trouble("statistics or samples", self.run), matmul_precision("float32"):
                    self._bookkeeping(progress, finished=self.iteration == total)
            if self.iteration < total:
                self.save()
        self.batches.close()
        return Outcome(self.iteration >= total, self.iteration, asked[0] if asked else None)

    def _iterate(self) -> dict[str, float]:
        moment = self.timeline.at(self.iteration)
        if moment.segment is not self.segment:
            self._enter(moment.segment)
        self.optimisers.set_progress(
            moment.phase_kimg, moment.segment.phase_total / 1000, factor=moment.segment.lr_factor
        )
        for model in (self.model, self.ema.model):
            grow(model, moment)
        position = self.batches.position
        x = self._next_images(moment)
        labels = self._labels_at(position)
        spent = self.iteration / self.timeline.iterations
        values = self.runner.iterate(moment.segment.phase, x, self.iteration, spent, labels)
        self.iteration += 1
        every = self.recipe.averaging.every
        if self.iteration % every == 0:
            self.ema.update(moment.segment.batch * every, self.kimg)
        self.stats.add({k: v for k, v in values.items() if not k.startswith("nonfinite/")})
        return values

    def _enter(self, segment: Segment) -> None:
        """Go over to the next segment."""
        state = self.optimisers.state()
        afresh = segment.starts_afresh(self.segment)
        self.batches.close()
        self._use(segment)
        if not afresh:
            self.optimisers.load(state)
        self._begin(segment)

    def _next_images(self, moment: Moment) -> torch.Tensor:
        x = to_float(self.batches.next().to(self.device, non_blocking=True))
        if self.recipe.mirror:
            flipped = self.streams.draw_uniform((len(x), 1, 1, 1), "mirror") < 0.5
            x = torch.where(flipped, x.flip(3), x)
        return real_images(x, moment)

    def _labels_at(self, position: int) -> torch.Tensor | None:
        """Classes (B,) of the images of a batch that was read, where the nets are told them."""
        if not self.recipe.labels:
            return None
        return torch.from_numpy(self.data.labels_of(self.batches.rows(position))).to(self.device)

    def _guard(self, values: Mapping[str, float]) -> None:
        bad = [name for name in values if name.startswith("nonfinite/")]
        self.nonfinite_in_a_row = self.nonfinite_in_a_row + 1 if bad else 0
        if bad:
            self.nonfinite += 1
        if self.nonfinite_in_a_row >= self.config.training.max_nonfinite:
            good = (
                f"The last good checkpoint is {self.last_checkpoint}" if self.last_checkpoint else "None was saved yet"
            )
            raise TrainingError(
                f"The losses or gradients of the step {bad[0].split('/')[1]} were not finite in "
                f"{self.nonfinite_in_a_row} iterations in a row, the last of them {self.iteration - 1}; those steps "
                f"were not taken. {good}. Lower the learning rate (--set optim.lr=...), or start anew with another "
                "--seed."
            )

    def _bookkeeping(self, progress: Progress, *, finished: bool) -> None:
        settings = self.config.training
        extra: dict[str, float] = {}
        if self._due(settings.sample_kimg, finished=finished) and self.world.is_main:
            self.snapshots.draw(self.ema.model, self.kimg)
        if self._due(settings.eval_kimg, finished=finished) and self.world.is_main:
            extra = self.snapshots.measure(self.ema.model, settings.metrics, self.kimg)
        improved = self.world.any(self._improved(extra))
        if self._due(settings.tick_kimg, finished=finished) and self.world.is_main:
            progress.tick(self.stats.write({**self._facts(), **{f"metric/{k}": v for k, v in extra.items()}}))
            for note in self.snapshots.new_notes():
                progress.note(note)
        elif extra and self.world.is_main:
            self.stats.add({f"metric/{k}": v for k, v in extra.items()})
        if self._due(settings.checkpoint_kimg, finished=finished) or improved:
            self.save()

    def _due(self, interval_kimg: float, *, finished: bool) -> bool:
        """Whether something with this interval is due after the iteration just done."""
        if finished:
            return True
        images = round(interval_kimg * 1000)
        if images <= 0:
            return interval_kimg > 0
        now, before = (self.timeline.images(i) for i in (self.iteration, self.iteration - 1))
        return now // images > before // images

    def _improved(self, measured: Mapping[str, float]) -> bool:
        wanted = self.config.training.metrics[:1]
        # a metric of features is measured under a name that says whose
        value = next((v for k, v in measured.items() if wanted and k.split("[")[0] == wanted[0].split("[")[0]), None)
        if value is None:
            return False
        signed = value * self.snapshots.sign(wanted[0])
        better = self.best is None or signed < self.best[1]
        if better:
            self.best = (self.iteration, signed)
        return better

    def _facts(self) -> dict[str, Any]:
        return {
            "iteration": self.iteration,
            "kimg": self.kimg,
            "phase": self.segment.phase.name,
            **({"resolution": self.segment.level.size} if self.segment.level else {}),
            "seconds": round(self.seconds, 3),
            "images_per_s": round(self.kimg * 1000 / max(self.seconds, 1e-9), 1),
            "lr": self.optimisers.lr,
            "nonfinite": self.nonfinite,
            "skipped_files": len(self.data.skipped),
            "peak_memory_mib": round(peak_memory_mib(), 1),
        }

    def save(self) -> None:
        """Write a checkpoint; in several processes after comparing their weights.

        Raises:
            CheckpointError: The disk is full.
            TrainingError: The processes no longer hold equal weights.
        """
        self.world.assert_equal(self.model.state_dict().values(), "weights")
        if self.world.is_main:
            self.last_checkpoint = write_checkpoint(
                self.run / "checkpoints",
                self.iteration,
                {
                    "live": self.model.state_dict(),
                    "ema": self.ema.model.state_dict(),
                    "optimisers": self.optimisers.state(),
                    "streams": self.streams.state(),
                },
                {
                    "iteration": self.iteration,
                    "segment": self.segment.number,
                    "seconds": self.seconds,
                    "recipe": self.recipe.to_text(),
                    "seed": self.config.training.seed,
                    "data": self.data.fingerprint(),
                    "stats": self.stats.state(),
                    "nonfinite": self.nonfinite,
                    "nonfinite_in_a_row": self.nonfinite_in_a_row,
                    "best": self.best,
                    "augment": self.runner.ada.state(),
                },
            )
            best = self.best[0] if self.best else None
            prune_checkpoints(self.run / "checkpoints", self.config.training.keep, best)
        self.world.barrier()

    def _resume(self) -> None:
        found, problems = latest_checkpoint(self.run / "checkpoints")
        self.snapshots.notes.extend(problems)
        if found is None:
            self.stats.load(None)
            return
        state = found.state
        self._same_training(state)
        self.model.load_state_dict(dict(found.tensors["live"]))
        self.ema.model.load_state_dict(dict(found.tensors["ema"]))
        self._use(self.timeline.segments[state.get("segment", 0)])
        if "augment" in state:
            self.runner.ada.load(state["augment"])
        self.optimisers.load(found.tensors["optimisers"])
        self.streams.load(dict(found.tensors["streams"]))
        self.iteration = state["iteration"]
        self.seconds = state["seconds"]
        self.nonfinite = state["nonfinite"]
        self.nonfinite_in_a_row = state["nonfinite_in_a_row"]
        self.best = tuple(state["best"]) if state["best"] else None
        if self.world.is_main:
            self.stats.load(state["stats"])
        self.last_checkpoint = found.path

    def _same_training(self, state: Mapping[str, Any]) -> None:
        written = self.recipe.from_text(state["recipe"])
        if written != self.recipe:
            raise CheckpointError(
                f"The recipe in {self.run / 'config.yaml'} is not the one its checkpoints were written with, so the "
                "run cannot be continued exactly. Undo the change, or start a new run with `twoway train ... "
                f"--init-from {self.run}`. What differs:\n{compare_recipes(written, self.recipe)}"
            )
        if state["seed"] != self.config.training.seed:
            raise CheckpointError(
                f"The run was started with seed {state['seed']}, but config.yaml now says "
                f"{self.config.training.seed}; undo the change or start a new run."
            )
        if state["data"] != self.data.fingerprint():
            raise CheckpointError(
                f"The pictures of {self.data.source} are not those this run was trained on (their names, sizes or "
                "number changed), so it cannot be continued exactly. Put them back, or start a new run with "
                f"`twoway train ... --init-from {self.run}`."
            )
