"""The models of an evaluation, under names that tell them apart, and the pictures they are measured on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twoway.data import ImageData
from twoway.errors import ConfigError, DataError, NoSplitError
from twoway.model import TwoWayModel, build_model
from twoway.storage import move_to, read_config
from twoway.training.checkpoint import latest_checkpoint
from twoway.training.config import DataConfig, RunConfig, pick_device
from twoway.training.entry import data_for_model, data_of_run, model_of_run
from twoway.training.runs import model_folder, run_or_path, split_delta

__all__ = ["Judged", "Shown", "load_models", "open_pictures"]

HELD_OUT = ("test", "testing", "val", "valid", "validation")


@dataclass(frozen=True)
class Judged:
    """A model with the name of its column.

    Args:
        name: Short, and its own among the models of the evaluation.
        source: What the user named.
        model: In evaluation mode.
        weights: ``EMA``, ``live``, or what else its folder says.
    """

    name: str
    source: str
    model: TwoWayModel
    weights: str

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return {
            "name": self.name,
            "source": self.source,
            "method": self.model.recipe.method,
            "weights": self.weights,
            "fingerprint": self.model.fingerprint(),
            "image_shape": list(self.model.image_shape),
        }


@dataclass(frozen=True)
class Shown:
    """Pictures at the size of a model.

    Args:
        train: Training pictures.
        test: Test pictures; None where the data set has none.
    """

    train: ImageData
    test: ImageData | None

    def plain(self) -> dict[str, Any]:
        """Description and fingerprint of both."""
        parts = {"train": self.train, "test": self.test}
        return {
            name: None if data is None else {**data.describe(), "fingerprint": data.fingerprint()}
            for name, data in parts.items()
        }


def load_models(sources: Sequence[str], *, live: bool = False, device: str = "auto") -> tuple[Judged, ...]:
    """Load models of runs, model folders or hub ids.

    Args:
        sources: What the user named.
        live: Take the live weights of a run's newest checkpoint and not their average.
        device: Where the models shall be.

    Raises:
        ConfigError: `live`, and a model outside a run folder, which has no others than those saved.
        ModelError: There is no such model, or it cannot be loaded.
        CheckpointError: A run without a model, or with no checkpoint that can be read.
    """
    place = str(pick_device(device))
    names = _names(sources)
    judged = []
    for source, name in zip(sources, names, strict=True):
        if live:
            judged.append(Judged(name, source, move_to(_live_model(source), place).eval(), "live"))
            continue
        model = model_of_run(source, device=place)
        folder = model_folder(split_delta(source)[0])
        facts = read_config(Path(folder)).training if Path(folder).is_dir() else {}
        judged.append(Judged(name, source, model, str(facts.get("weights", "as saved"))))
    return tuple(judged)


def open_pictures(models: Sequence[Judged], data: str | None, label: str | None = None) -> list[Shown]:
    """The pictures of an evaluation, for each model at its size; models of one size share them.

    Args:
        models: The models.
        data: Built-in set or path; None takes the pictures of the runs, which must be the same.
        label: Attribute or known factor that is the class.

    Raises:
        ConfigError: No data named, and models of no run, or of runs with different pictures.
        DataError: Pictures that cannot be found or used, or a folder of held-out pictures without any.
    """
    if data is not None:
        source = DataConfig.make(data)
    else:
        sources = [data_of_run(one.source) for one in models]
        source = sources[0]
        for one, other in zip(models, sources, strict=True):
            if other.source != source.source:
                raise ConfigError(
                    f"{models[0].name} was trained on {source.source} and {one.name} on {other.source}; models are "
                    "compared on the same pictures. Say which with --data."
                )
    if label is not None:
        source = replace(source, label=label)
    opened: dict[tuple[int, ...], Shown] = {}
    for one in models:
        shape = one.model.image_shape
        if shape not in opened:
            opened[shape] = _open(data_for_model(one.model, source))
    return [opened[one.model.image_shape] for one in models]


def _open(source: DataConfig) -> Shown:
    train = source.open("train", minimum=1)
    try:
        return Shown(train, source.open("test", minimum=1))
    except NoSplitError as error:
        empty = _held_out_folder(Path(source.source))
        if empty is not None:
            raise DataError(
                f"{empty} should hold the pictures to measure on, but none of its files can be used: {error} Put "
                "pictures there, or remove the folder to measure on the training pictures."
            ) from error
    return Shown(train, None)


def _held_out_folder(path: Path) -> Path | None:
    """The folder of held-out pictures, where the data set is a folder of folders that has one."""
    try:
        inside = sorted(p for p in path.iterdir() if p.is_dir())
    except OSError:
        return None
    # a class may be called `test`; beside a folder `train` it is the split
    split = any(p.name.lower() in ("train", "training") for p in inside)
    return next((p for p in inside if split and p.name.lower() in HELD_OUT), None)


def _live_model(source: str) -> TwoWayModel:
    run = run_or_path(source)
    if not (run / "config.yaml").is_file():
        raise ConfigError(
            f"'{source}' is no run folder, and only runs keep live weights beside the averaged ones. Name a run "
            "folder, or leave --live out."
        )
    checkpoint, problems = latest_checkpoint(run / "checkpoints")
    if checkpoint is None:
        why = f" ({problems[0]})" if problems else ""
        raise ConfigError(f"The run {run} has no checkpoint to take live weights from{why}. Leave --live out.")
    model = build_model(RunConfig.read(run / "config.yaml").recipe)
    model.load_state_dict(dict(checkpoint.tensors["live"]))
    return model


def _names(sources: Sequence[str]) -> list[str]:
    """As much of the end of each path as tells the models apart."""
    paths = []
    for source in sources:
        parts = [p for p in run_or_path(source).parts if p not in ("/", ".", "..")] or [source]
        paths.append(parts[:-1] if len(parts) > 1 and parts[-1] == "model" else parts)
    for depth in range(1, max(map(len, paths)) + 1):
        names = ["/".join(parts[-depth:]) for parts in paths]
        if len(set(names)) == len(names):
            return names
    seen: Counter[str] = Counter()
    numbered = []
    for name in ("/".join(parts[-1:]) for parts in paths):
        seen[name] += 1
        numbered.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return numbered
