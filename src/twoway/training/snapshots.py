"""What a training shows of itself: grids from fixed seeds, and metrics on held-out pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from twoway.composition import is_style_generator
from twoway.conditioning import lonely_classes, told_labels
from twoway.data import ImageData, to_float, to_uint8
from twoway.errors import DataError, UserError
from twoway.features import build_features
from twoway.grids import cross_grid, image_grid, pair_grid, save_png_atomic
from twoway.latents.interpolation import interpolate
from twoway.latents.style_mixing import layers_of, style_grid
from twoway.latents.traversal import class_samples, traversals
from twoway.metrics import find_metric, read_metric
from twoway.metrics.evaluate import measure
from twoway.metrics.session import Session
from twoway.model import TwoWayModel
from twoway.training.config import RunConfig
from twoway.training.streams import seeded

__all__ = ["Snapshots"]

COLUMNS = 12
ROWS = 8  # draws of each class
MIXED = 4  # rows and columns of the grid of mixed styles


class Snapshots:
    """Draws and measures the averaged model of a run.

    Args:
        run: Run folder; grids go to its ``samples``.
        config: Resolved settings.
        data: Training pictures; shown where there are no held-out ones.

    Attributes:
        test: Pictures the model was not trained on; None where the data set has no test split.

    Raises:
        ConfigError: An unknown metric, or labels that do not fit a conditional recipe.
        ModelError: Weights of a metric's extractor that are not there.
        DataError: A metric or a conditional recipe that needs labels, and pictures without any; or a test split that
            cannot be used.
    """

    def __init__(self, run: Path, config: RunConfig, data: ImageData) -> None:
        self.run = run
        self.config = config
        self.data = data
        self.test = config.data.open_test()  # now, because what is wrong with it is better heard before hours of work
        self.notes: list[str] = []
        self._told: set[str] = set()
        if config.recipe.labels:
            lonely = lonely_classes(data.labels, config.recipe.labels, data.source)
            self.notes += [f"only one picture shows what class {label} looks like" for label in lonely]
        for name in config.training.metrics:
            found, extractor = read_metric(name)
            if found.features and extractor is not None:
                build_features(extractor)  # weights that are not there are better missed now than after hours
            if found.labels and data.labels is None:
                raise DataError(
                    f"training.metrics names '{name}', which needs a label for every picture, and {data.source} has "
                    "none. Use a labelled set (one folder per class, or a .npz with 'labels'), or leave it out."
                )

    @property
    def held_out(self) -> ImageData:
        """The test pictures, or the training pictures where there are none."""
        return self.test or self.data

    def draw(self, model: TwoWayModel, kimg: float) -> None:
        """Write the grids of this moment: samples, and originals above their reconstructions.

        There are no reconstructions while no step has trained the encoder. Samples have the model's fixed noise, so
        that a picture changes with the model alone.
        """
        name = f"{round(kimg * 1000):010d}"
        with torch.inference_mode():
            if model.recipe.prior is not None:
                made = model.sample(5 * COLUMNS, generator=seeded(0, "samples"))
                self._save(image_grid(to_uint8(made).cpu(), COLUMNS), f"{name}-generated.png")
            self._draw_classes(model, name)
            if not (self.encodes(model, kimg) and model.reconstructs):
                return
            shown = self.held_out.read(range(min(3 * COLUMNS, len(self.held_out))))
            told = told_labels(self.held_out.labels, model.recipe.labels, 0, len(shown))
            again = to_uint8(model.reconstruct(to_float(shown).to(model.device), told)).cpu()
            self._save(pair_grid(shown, again, COLUMNS), f"{name}-reconstructed.png")

    def _draw_classes(self, model: TwoWayModel, name: str) -> None:
        """A grid of made pictures by class, where the method has classes."""
        prior = model.recipe.prior
        coded = model.recipe.encodes == "code" and prior is not None and prior.layout().discrete
        if coded or (model.recipe.labels and prior is not None):
            made = class_samples(model, ROWS, generator=seeded(0, "samples"))
            grid = image_grid(to_uint8(made.flatten(0, 1)).cpu(), made.shape[1])
            self._save(grid, f"{name}-classes.png")

    def traverse(self, model: TwoWayModel) -> None:
        """Write a grid of what each interpretable code does: a row per code, the same picture in all of them."""
        if model.recipe.encodes != "code":
            return
        with torch.inference_mode():
            found = [t for t in traversals(model, rows=2, generator=seeded(0, "samples")) if t.name != "class"]
            if found:
                frames = torch.cat([t.images for t in found])
                self._save(image_grid(to_uint8(frames.flatten(0, 1)).cpu(), frames.shape[1]), "traversals.png")

    def encodes(self, model: TwoWayModel, kimg: float) -> bool:
        """Whether the model has an encoder that has been trained by now, in thousands of images."""
        segments = self.config.timeline.segments
        starts = [s.images for s in segments if any("encoder" in step.train for step in s.phase.steps)]
        return "encoder" in model.nets and bool(starts) and round(kimg * 1000) > min(starts)

    def mix(self, model: TwoWayModel) -> None:
        """Write a grid of samples with the coarse layers of others, where there are layers and samples."""
        if model.recipe.prior is None or not is_style_generator(model.nets["generator"]):
            return
        with torch.inference_mode():
            w = model.map(model.draw_prior(2 * MIXED, generator=seeded(0, "samples")))
            made = to_uint8(style_grid(model, w[:MIXED], w[MIXED:], layers_of(model, "coarse"))).cpu()
            margins = to_uint8(model.decode(w)).cpu()
            self._save(cross_grid(margins[:MIXED], margins[MIXED:], made), "style-mix.png")

    def walk(self, model: TwoWayModel, rows: int = 5, steps: int = 12) -> None:
        """Write a grid of walks between the codes of held-out pictures."""
        if not model.infers_noise:
            return
        with torch.inference_mode():
            count = min(2 * rows, len(self.held_out) // 2 * 2)
            x = to_float(self.held_out.read(range(count))).to(model.device)
            w = model.encode(x, told_labels(self.held_out.labels, model.recipe.labels, 0, count))
            frames = interpolate(model, w[0::2], w[1::2], steps).transpose(0, 1)  # a walk a row
            self._save(image_grid(to_uint8(frames.flatten(0, 1)).cpu(), steps), "interpolation.png")

    def measure(self, model: TwoWayModel, names: Sequence[str], kimg: float) -> dict[str, float]:
        """Headline numbers of metrics of the averaged model, by full name; of its encoder only once that is trained."""
        return {name: float(result["value"]) for name, result in self.results(model, names, kimg).items()}

    def results(self, model: TwoWayModel, names: Sequence[str], kimg: float) -> dict[str, dict[str, Any]]:
        """All figures of those metrics; what cannot be measured becomes a note and does not end the training."""
        session = Session(model, self.data, self.test)
        found: dict[str, dict[str, Any]] = {}
        for name in self.measurable(model, names, kimg):
            try:
                taken = measure(session, *read_metric(name))
            except UserError as error:
                self.notes.append(f"'{name}' could not be measured: {error}")
            else:
                found[taken.name] = taken.result
        return found

    def measurable(self, model: TwoWayModel, names: Sequence[str], kimg: float) -> list[str]:
        """Those metrics that say something of the model as it is after so many thousand images."""
        known = {name: find_metric(name) for name in names}
        return [n for n, m in known.items() if m.applies(model) and (not m.encoder or self.encodes(model, kimg))]

    def sign(self, metric: str) -> float:
        """1 where less is better, -1 where more is."""
        return 1.0 if find_metric(metric).lower_is_better else -1.0

    def new_notes(self) -> list[str]:
        """What is worth saying since the last call: damaged checkpoints, pictures that were skipped."""
        notes, self.notes = self.notes, []
        for file, reason in self.data.skipped.items():
            if file not in self._told:
                self._told.add(file)
                notes.append(f"skipped {file}: {reason}")
        return notes

    def _save(self, image: object, name: str) -> None:
        save_png_atomic(image, self.run / "samples" / name)  # type: ignore[arg-type]
