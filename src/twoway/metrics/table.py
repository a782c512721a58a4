"""Rows of a table of accuracies: several encoders and controls, classified alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twoway.errors import DataError
from twoway.metrics.inputs import Pictures, choose_rows, labels_of
from twoway.metrics.linear_svm import Solver
from twoway.metrics.representation import Setting, evaluate_representation, extract_features
from twoway.model import TwoWayModel
from twoway.telling import Telling, counted, silent

__all__ = ["accuracy_rows"]


def accuracy_rows(
    encoders: Mapping[str, TwoWayModel | None],
    train: Pictures,
    test: Pictures | None,
    *,
    settings: Sequence[Setting] = ("DW",),
    max_images: int | None = None,
    solver: Solver = "paper",
    say: Callable[[str], None] = lambda text: None,
    progress: Telling = silent,
) -> list[dict[str, Any]]:
    """Accuracies of encoders by ALAE's protocol.

    Args:
        encoders: What each row is called, and the model; None stands for raw pixels.
        train: Labelled training pictures.
        test: Labelled test pictures; None leaves the setting SW only.
        settings: ``DW``, ``SW`` or both.
        max_images: At most so many pictures of each split, for a quick look.
        solver: Of the SVM.
        say: Told what is being measured.
        progress: Told how many encoders are done.

    Returns:
        Rows with the keys ``features``, ``setting``, ``width`` (short or long), ``1nn``, ``1nn_standardised``,
        ``svm``, ``svm_standardised`` (per cent), ``svm_converged``, ``n_train``, ``n_test``, ``dim``. Raw pixels have
        no hidden layer, so they give one row, called long.

    Raises:
        DataError: Pictures without labels.
    """
    if test is None:
        settings = ("SW",)
    rows: list[dict[str, Any]] = []
    for label, model in counted(encoders.items(), "encoders", progress, len(encoders)):
        say(f"classifying: {label}")
        features = []
        for data in (train, test):
            if data is None:
                features += [None, None]
                continue
            chosen = choose_rows(len(data), max_images)
            features += [extract_features(model, data, rows=chosen), labels_of(data)[chosen]]  # type: ignore[list-item]
        kinds = ("long",) if model is None else ("short", "long")
        found = evaluate_representation(*features, settings=settings, kinds=kinds, solver=solver)  # type: ignore[arg-type]
        rows.extend(_rows(label, found.scores))
    if not rows:
        raise DataError("No encoder was given to classify.")
    return rows


def _rows(label: str, scores: Sequence[Any]) -> list[dict[str, Any]]:
    """One row for the raw and the standardised score of the same features."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for score in scores:
        row = rows.setdefault(
            (score.setting, score.features),
            {
                "features": label,
                "setting": score.setting,
                "width": score.features,
                "n_train": score.n_train,
                "n_test": score.n_test,
                "dim": score.dim,
            },
        )
        ending = "_standardised" if score.scaling == "standardised" else ""
        row[f"1nn{ending}"] = score.knn
        row[f"svm{ending}"] = score.svm
        row["svm_converged"] = bool(row.get("svm_converged", True) and score.svm_converged)
    return list(rows.values())
