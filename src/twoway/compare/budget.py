"""Equal time as equal seconds of training: speed is measured once per method, and the budget in images is then fixed.

Schedules of learning rates, phases and resolutions need a budget in images, and a run that is continued must have
the same one. So a training is never stopped by the clock: a short training of the same recipe says how many images a
second it sees, and what follows from that is kept beside the runs.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from twoway.compare.plan import Comparison
from twoway.config import to_plain
from twoway.data import ImageData
from twoway.errors import CheckpointError
from twoway.reproduce.runs import Interrupted
from twoway.training.config import RunConfig
from twoway.training.loop import Trainer
from twoway.training.progress import Progress
from twoway.training.runs import write_text

__all__ = ["Clock", "Speed", "budget_of", "measure_speed"]

Clock = Literal["wall", "processor"]
"""Which seconds are meant: those on the wall, or those that the processors spend on us, whatever else they do."""

LONGEST_S, PART = 15.0, 0.05
FEWEST = 3  # iterations of the first measurement
FASTER = 8  # times as many images in the next measurement, at most
KEPT = "plan.json"


@dataclass(frozen=True)
class Speed:
    """A measurement of speed.

    Args:
        images: Images that were trained on.
        seconds: How long that took.
    """

    images: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Images per second."""
        return self.images / max(self.seconds, 1e-9)


def budget_of(
    plan: Comparison, name: str, config: RunConfig, pictures: ImageData, out: Path, *, clock: Clock = "wall"
) -> float:
    """Thousands of images that a method is trained on.

    Args:
        plan: The comparison.
        name: Method or preset.
        config: Its resolved settings, with any budget.
        pictures: Training pictures.
        out: Folder of the comparison, where measured budgets are kept.
        clock: What the seconds of the plan are.

    Raises:
        Interrupted: A signal asked to stop while speed was measured.
        CheckpointError: What an earlier call kept cannot be read.
    """
    if plan.kimg is not None:
        return plan.kimg
    assert plan.seconds is not None, "a comparison has a budget"
    facts = {"recipe": config.recipe.to_text(), "data": to_plain(config.data), "device": config.training.device}
    fingerprint = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    key = f"{name}, {plan.seconds:g} s{'' if clock == 'wall' else ' of processor'}, {fingerprint}"
    kept = _read(out / KEPT)
    if key not in kept:
        speed = measure_speed(config, pictures, min(LONGEST_S, PART * plan.seconds), clock)
        least = config.recipe.batch / 1000
        kept[key] = {
            "kimg": round(max(least, plan.seconds * speed.per_second / 1000), 3),
            "images_per_s": round(speed.per_second, 2),
            "measured_on_images": speed.images,
            "measured_s": round(speed.seconds, 3),
        }
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / KEPT, json.dumps(kept, indent=2))
    return float(kept[key]["kimg"])


def measure_speed(config: RunConfig, pictures: ImageData, seconds: float, clock: Clock = "wall") -> Speed:
    """Train for a moment and count images.

    A training of small budget goes through all phases and resolutions in their proportions, as the whole one will. It
    starts with a few iterations and becomes longer until it takes long enough, so that the first ones weigh little.

    Args:
        config: Settings; their budget does not matter.
        pictures: Training pictures.
        seconds: Least length of the measurement that counts.
        clock: What those seconds are.

    Raises:
        Interrupted: A signal asked to stop.
    """
    # searching neighbours and clusters is done once, and pairs of pictures are batches like others
    phases = tuple(replace(phase, classes=()) for phase in config.recipe.phases)
    recipe = replace(config.recipe, neighbours=None, phases=phases)
    kimg = FEWEST * recipe.batch / 1000
    while True:
        found = _timed(replace(config, recipe=recipe), pictures, kimg, clock)
        if found.seconds >= seconds:
            return found
        kimg *= min(FASTER, max(2.0, 1.2 * seconds / max(found.seconds, 1e-9)))


def _timed(config: RunConfig, pictures: ImageData, kimg: float, clock: Clock) -> Speed:
    """A throw-away training that ends one iteration early, before it would measure and draw."""
    quiet = replace(
        config.training,
        kimg=kimg,
        plan_kimg=kimg,
        tick_kimg=2 * kimg,
        sample_kimg=0.0,
        checkpoint_kimg=0.0,
        eval_kimg=0.0,
        metrics=(),
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(Path(folder), replace(config, training=quiet), pictures)
        began = time.process_time()
        with Progress(kimg, silent=True) as progress:
            outcome = trainer.train(progress, stop_after=max(1, trainer.timeline.iterations - 1))
        spent = time.process_time() - began
    if outcome.signal is not None:
        raise Interrupted("Interrupted while measuring speed; nothing is lost. Call again to continue.")
    return Speed(round(trainer.kimg * 1000), trainer.seconds if clock == "wall" else spent)


def _read(path: Path) -> dict[str, dict[str, float]]:
    if not path.is_file():
        return {}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if not all(kept[key]["kimg"] > 0 for key in kept):
            raise ValueError("a budget is not positive")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"{path} holds the budgets of this comparison and cannot be read ({error}). Delete it to measure anew, or "
            "give another --out."
        ) from error
    return kept
