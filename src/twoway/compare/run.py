"""Train, measure and show every method of a comparison; what an earlier call has finished is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from twoway.compare.budget import budget_of
from twoway.compare.entries import Entry, Trial
from twoway.compare.plan import Comparison
from twoway.compare.table import write_table
from twoway.conditioning import told_labels
from twoway.config import to_plain
from twoway.data import ImageData, to_float, to_uint8
from twoway.errors import CheckpointError, ConfigError, DataError, ModelError, TrainingError, UserError
from twoway.features import FeatureSpec, default_features
from twoway.grids import image_grid, save_png_atomic
from twoway.metrics import evaluate
from twoway.model import TwoWayModel
from twoway.reproduce.runs import Interrupted, trained_run
from twoway.taxonomy import taxonomy
from twoway.telling import Telling, silent, underway
from twoway.training.checkpoint import latest_checkpoint
from twoway.training.config import DataConfig, RunConfig, make_config, pick_device
from twoway.training.entry import model_of_run
from twoway.training.loop import Trainer
from twoway.training.runs import write_text

__all__ = ["compare"]

COLUMNS = 12
MEASURED = "compare.json"


def compare(plan: Comparison, out: Path, *, say: Callable[[str], None] = print, progress: Telling = silent) -> str:
    """Train every method on equal terms and measure all alike.

    A method that cannot be trained on these pictures is left out with its reason; the others go on. The table is
    written after every training, so that an interrupted one is a table of what is done.

    Args:
        plan: What to compare.
        out: Folder for run folders, budgets, ``table.md``, ``table.json``, ``index.html`` and a picture per method.
        say: Told how it goes.
        progress: Told how far the measuring of a method is.

    Returns:
        The table as Markdown.

    Raises:
        Interrupted: By a signal; call again to continue.
        UserError: Data, settings or the disk do not allow it, or no method can be trained on the pictures.
    """
    pick_device(plan.device)
    source = plan.source()
    pictures = source.open_both()
    metrics = plan.measures(pictures[0])
    features = default_features()
    _writable(out)
    entries: list[Entry] = []
    for name in plan.methods:
        entries.append(_prepared(plan, name, source, out))
        if entries[-1].skipped:
            say(f"leaving out {name}: {entries[-1].skipped}")
    if all(entry.skipped for entry in entries):
        raise ConfigError(f"No method can be trained on {plan.data}. {entries[0].name}: {entries[0].skipped}")
    text = ""
    for trial in range(plan.trials):
        for entry in entries:
            if not entry.skipped:
                try:
                    _try(plan, entry, plan.seed + trial, source, pictures, metrics, features, out, say, progress)
                except Interrupted:
                    write_table(plan, entries, metrics, pictures, out)
                    raise
            text = write_table(plan, entries, metrics, pictures, out)
    return text


def _writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / ".writable", "")
        (out / ".writable").unlink()
    except OSError as error:
        raise CheckpointError(f"Nothing can be written to {out}: {error}. Choose another --out.") from error


def _prepared(plan: Comparison, name: str, source: DataConfig, out: Path) -> Entry:
    """A method with its settings for these pictures, or the reason why it has none."""
    options = plan.options_for(name)
    try:
        config, data = _config(plan, name, source, kimg=1.0, seed=plan.seed)
        trainer = Trainer(Path(), config, data)  # nets that cannot be built for these pictures say so here
    except (ConfigError, ModelError, DataError) as error:
        return Entry(name, options=options, skipped=str(error))
    nets = trainer.model.nets.items()
    return Entry(
        name,
        options=options,
        cells=taxonomy(config.recipe).cells,
        parameters={slot: sum(p.numel() for p in net.parameters()) for slot, net in nets},
        code=trainer.model.w_shape,
        sampled=config.recipe.prior is not None,
        batch=config.recipe.batch,
    )


def _config(plan: Comparison, name: str, source: DataConfig, *, kimg: float, seed: int) -> tuple[RunConfig, ImageData]:
    return make_config(
        name,
        data=source,
        options=plan.options_for(name),
        kimg=kimg,
        seed=seed,
        device=plan.device,
        batch=plan.batch,
    )


def _try(
    plan: Comparison,
    entry: Entry,
    seed: int,
    source: DataConfig,
    pictures: tuple[ImageData, ImageData],
    metrics: Sequence[str],
    features: FeatureSpec,
    out: Path,
    say: Callable[[str], None],
    progress: Telling,
) -> None:
    """One training of one method, measured; a training that fails is noted and does not stop the others."""
    try:
        if entry.kimg is None:
            config, data = _config(plan, entry.name, source, kimg=1.0, seed=plan.seed)
            with underway("measuring speed", progress):
                entry.kimg = budget_of(plan, entry.name, config, data, out)
        config, _ = _config(plan, entry.name, source, kimg=entry.kimg, seed=seed)
        run = trained_run(config, source.open, out / "runs", f"{entry.name}-seed{seed}", say=say)
    except Interrupted:
        raise
    except TrainingError as error:
        entry.failures[seed] = str(error)
        say(f"{entry.name}, seed {seed}, failed: {error}")
        return
    model = model_of_run(str(run), device=plan.device)
    measured = _measured(run / MEASURED, plan, model, pictures, metrics, features, say, progress)
    entry.trials.append(
        Trial(
            seed=seed,
            run=run.name,
            images=config.timeline.images(config.iterations),
            seconds=_seconds(run),
            numbers={name: found for name, found in measured.items() if "value" in found},
            missing={name: found["reason"] for name, found in measured.items() if "reason" in found},
        )
    )
    path = out / "pictures" / f"{entry.name}.png"
    if len(entry.trials) == 1:
        save_png_atomic(_picture(model, pictures[1]), path)
        entry.picture = path


def _seconds(run: Path) -> float:
    checkpoint, _ = latest_checkpoint(run / "checkpoints")
    assert checkpoint is not None, "a finished run has a checkpoint"
    return float(checkpoint.state["seconds"])


def _measured(
    path: Path,
    plan: Comparison,
    model: TwoWayModel,
    pictures: tuple[ImageData, ImageData],
    metrics: Sequence[str],
    features: FeatureSpec,
    say: Callable[[str], None],
    progress: Telling,
) -> dict[str, dict[str, Any]]:
    """Results by metric, or ``reason`` where a model has none; those of an earlier call by the same rules are kept."""
    protocol = {"max_images": plan.max_images, "data": plan.data, "features": to_plain(features)}
    kept: dict[str, dict[str, Any]] = {}
    if path.is_file():
        stored = json.loads(path.read_text(encoding="utf-8"))
        kept = stored["metrics"] if stored["protocol"] == protocol else {}
    wanted = [name for name in metrics if name not in kept]
    if wanted:
        say(f"measuring {path.parent.name}: {', '.join(wanted)}")
        kept |= _evaluate(plan, model, pictures, wanted, features, progress)
        write_text(path, json.dumps({"protocol": protocol, "metrics": kept}, indent=2))
    return {name: kept[name] for name in metrics}


def _evaluate(
    plan: Comparison,
    model: TwoWayModel,
    pictures: tuple[ImageData, ImageData],
    names: Sequence[str],
    features: FeatureSpec,
    progress: Telling,
) -> dict[str, dict[str, Any]]:
    train, test = pictures
    held_out, most = None if test is train else test, plan.max_images
    try:  # together, because they share features and reconstructions
        results = evaluate(
            model, train, held_out, names, max_train=most, max_test=most, features=features, progress=progress
        )
        return dict(zip(names, results.values(), strict=True))
    except UserError as error:
        if len(names) == 1:
            return {names[0]: {"reason": str(error)}}
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        found |= _evaluate(plan, model, pictures, [name], features, progress)
    return found


def _picture(model: TwoWayModel, data: ImageData) -> Any:
    """Originals above their reconstructions, then samples; what the model cannot do is left out."""
    rows: list[torch.Tensor] = []
    with torch.inference_mode():
        if model.reconstructs:
            shown = data.read(range(min(COLUMNS, len(data))))
            told = told_labels(data.labels, model.recipe.labels, 0, len(shown))
            rows += [shown, to_uint8(model.reconstruct(to_float(shown).to(model.device), told)).cpu()]
        if model.recipe.prior is not None:
            made = model.sample(COLUMNS * 3, generator=torch.Generator().manual_seed(0))
            rows.append(to_uint8(made).cpu())
    return image_grid(torch.cat(rows), min(COLUMNS, len(rows[0])))
