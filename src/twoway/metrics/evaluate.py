"""Metrics by name: what the command line and reports compute on a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from torch import Tensor

from twoway.errors import ConfigError, closest
from twoway.features import FeatureSpec
from twoway.metrics.code_consistency import evaluate_code_consistency
from twoway.metrics.code_scores import (
    score_beta_vae,
    score_clusters,
    score_dci,
    score_factor_vae,
    score_mig,
    score_modularity,
    score_recovery,
    score_sap,
)
from twoway.metrics.flow_roundtrip import evaluate_flow_roundtrip
from twoway.metrics.frechet import PooledFeatures, feature_moments, frechet_distance, pooled_features
from twoway.metrics.inputs import Pictures
from twoway.metrics.linear_svm import Solver
from twoway.metrics.representation import Classifier
from twoway.metrics.session import Session
from twoway.metrics.sliced_wasserstein import sliced_wasserstein
from twoway.model import TwoWayModel

__all__ = ["METRICS", "Metric", "evaluate", "find_metric"]

Made = Literal["samples", "reconstructions"]


@dataclass(frozen=True)
class Metric:
    """A registered metric.

    Args:
        name: What users type.
        summary: One sentence: what it is, its unit, which way is better.
        labels: Whether it needs labelled pictures.
        encoder: Whether it needs an encoder, or one whose codes the model can make pictures of.
        compute: Returns the value and its settings as plain data.
        headline: Where in that data the one number stands that curves show.
        lower_is_better: Which way that number should go.
        default: Whether it is computed where no names are given; what takes minutes is not.
    """

    name: str
    summary: str
    labels: bool
    encoder: bool | Literal["reconstructs"]
    compute: Callable[[Session], dict[str, Any]]
    headline: tuple[str, ...]
    lower_is_better: bool
    default: bool = True

    def applies(self, model: TwoWayModel) -> bool:
        """Whether the model has the nets that it needs, and is not told the labels that the metric is about."""
        if self.labels and model.recipe.labels:
            return False
        return model.reconstructs if self.encoder == "reconstructs" else "encoder" in model.nets or not self.encoder

    def number(self, result: Mapping[str, Any]) -> float:
        """The headline number of a result."""
        value: Any = result
        for key in self.headline:
            value = value[key]
        return float(value)


def _mse(session: Session) -> dict[str, Any]:
    found = session.reconstruction
    return {"signed": found.mse_signed, "unit": found.mse_unit, "n_images": found.n_images, "on": session.shown[0]}


def _psnr(session: Session) -> dict[str, Any]:
    found = session.reconstruction
    return {"db": found.psnr, "n_images": found.n_images, "on": session.shown[0]}


def _code_consistency(session: Session) -> dict[str, Any]:
    data = session.shown[1] if session.model.recipe.prior is None else None
    return evaluate_code_consistency(
        session.model, data, n_codes=session.max_test or 10_000, seed=session.seed, batch=session.batch
    ).plain()


def _flow_roundtrip(session: Session) -> dict[str, Any]:
    n = session.max_test or 10_000
    return evaluate_flow_roundtrip(session.model, n_codes=n, seed=session.seed, batch=session.batch).plain()


def _made(session: Session, what: Made) -> tuple[Tensor, dict[str, Any]]:
    """Pictures the model made, and what they are and are compared with."""
    pictures = session.sampled if what == "samples" else session.reconstructed
    return pictures, {"of": what, "against": session.shown[0]}


def _swd(session: Session, what: Made) -> dict[str, Any]:
    made, facts = _made(session, what)
    return {**sliced_wasserstein(session.real, made, seed=session.seed, batch=session.batch).plain(), **facts}


def _frechet(session: Session, what: Made) -> dict[str, Any]:
    features = session.features  # what is missing should be said before pictures are made
    made, facts = _made(session, what)
    found = pooled_features(features, made, batch=session.batch)
    distance = frechet_distance(session.real_moments, feature_moments(found))
    described = {"features": features.describe(), "dim": found.shape[1]}
    return {"distance": distance, "n_images": len(made), **facts, **described}


_DISTANCES = (
    ("swd", "sliced Wasserstein distance, times 1000,", _swd, ("mean",)),
    ("frechet", "Fréchet distance of features", _frechet, ("distance",)),
)
_SETS: tuple[tuple[str, Made], ...] = (("", "samples"), ("-rec", "reconstructions"))
_CLASSIFIERS: tuple[tuple[Classifier, str], ...] = (("knn", "1NN"), ("svm", "linear SVM"))
_WIDTHS: tuple[tuple[str, str, tuple[Literal["short", "long"], ...]], ...] = (
    ("", " and of the hidden layer", ("short", "long")),
    ("-short", "", ("short",)),  # the hidden layer costs twenty times as much: curves during training do without it
)
_OF_FACTORS: tuple[tuple[str, str, Callable[[Session], dict[str, Any]], str], ...] = (
    ("factor-vae", "FactorVAE score, 0 to 1: votes by the least varying code", score_factor_vae, "score"),
    ("beta-vae-score", "beta-VAE score, 0 to 1: linear accuracy on differences", score_beta_vae, "score"),
    ("mig", "mutual information gap of the two best codes, 0 to 1", score_mig, "score"),
    ("sap", "gap of the two best codes as predictors, 0 to 1", score_sap, "score"),
    ("dci", "disentanglement of DCI, 0 to 1", score_dci, "disentanglement"),
    ("modularity", "modularity of codes, 0 to 1", score_modularity, "score"),
)
_KNOWN = (
    Metric("mse", "mean squared pixel error of reconstructions", False, "reconstructs", _mse, ("signed",), True),
    Metric("psnr", "peak signal-to-noise ratio of reconstructions in dB", False, "reconstructs", _psnr, ("db",), False),
    Metric("code-consistency", "error of E(G(w)) over variance of w", False, True, _code_consistency, ("value",), True),
    Metric(
        "flow-roundtrip",
        "largest error of prior codes through the mapping and back",
        labels=False,
        encoder=False,
        compute=_flow_roundtrip,
        headline=("max_abs",),
        lower_is_better=True,
        default=False,
    ),
    *(
        Metric(
            f"{name}{ending}",
            f"{title} of {what} from pictures",
            labels=False,
            encoder="reconstructs" if what == "reconstructions" else False,
            compute=partial(compute, what=what),
            headline=headline,
            lower_is_better=True,
            default=False,
        )
        for name, title, compute, headline in _DISTANCES
        for ending, what in _SETS
    ),
    *(
        Metric(
            f"{classifier}{ending}",
            f"{title} accuracy of codes{where}, per cent",
            True,
            True,
            partial(Session.classify, classifier=classifier, kinds=kinds),
            ("short", "raw", classifier),
            False,
        )
        for classifier, title in _CLASSIFIERS
        for ending, where, kinds in _WIDTHS
    ),
    Metric(
        "unsupervised-accuracy",
        "accuracy of the categorical code's clusters, each given a class, per cent",
        labels=True,
        encoder=True,
        compute=score_clusters,
        headline=("hungarian",),
        lower_is_better=False,
        default=False,
    ),
    Metric(
        "code-recovery",
        "bound on the information about codes that pictures keep, in nats",
        labels=False,
        encoder=True,
        compute=score_recovery,
        headline=("nats",),
        lower_is_better=False,
        default=False,
    ),
    *(
        Metric(
            name,
            f"{title}; needs pictures of known factors",
            labels=False,
            encoder=True,
            compute=compute,
            headline=(headline,),
            lower_is_better=False,
            default=False,
        )
        for name, title, compute, headline in _OF_FACTORS
    ),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _KNOWN}


def find_metric(name: str) -> Metric:
    """Look a metric up by name.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in METRICS:
        raise ConfigError(f"There is no metric '{name}'{closest(name, METRICS)}.")
    return METRICS[name]


def evaluate(
    model: TwoWayModel,
    data_train: Pictures | None = None,
    data_test: Pictures | None = None,
    names: Sequence[str] | None = None,
    *,
    max_train: int | None = None,
    max_test: int | None = None,
    seed: int = 0,
    batch: int = 256,
    solver: Solver = "paper",
    features: FeatureSpec | PooledFeatures | None = None,
) -> dict[str, dict[str, Any]]:
    """Compute metrics of a model.

    Args:
        model: Measured in evaluation mode. Whether its weights are live or averaged is the caller's to say.
        data_train: Training pictures; needed, with labels, for ``knn`` and ``svm``.
        data_test: Test pictures. Without them reconstructions are of training pictures, and classifiers are tested on
            a held-out sixth of the training pictures (setting SW).
        names: Metrics, see `METRICS`; all defaults that the data and the model's nets allow where None.
        max_train: At most so many training pictures.
        max_test: At most so many test pictures or codes. Sets that are compared as wholes (``swd``, ``frechet``) hold
            at most 5,000 pictures where None.
        seed: Of prior draws.
        batch: Pictures at a time.
        solver: Of the SVM.
        features: For the Fréchet distances; SqueezeNet where its weights are found, otherwise the pyramid, where None.

    Returns:
        For each name its headline number as ``value``, its figures and the settings they depend on, as plain data.

    Raises:
        ConfigError: An unknown metric.
        DataError: Pictures or labels that a metric needs are missing.
        ModelError: The model lacks a net that a metric needs.
    """
    if names is None:
        labelled = data_train is not None and getattr(data_train, "labels", None) is not None
        names = [
            name
            for name, metric in METRICS.items()
            if metric.default and (labelled or not metric.labels) and metric.applies(model)
        ]
    for name in names:
        find_metric(name)
    session = Session(
        model,
        data_train,
        data_test,
        max_train=max_train,
        max_test=max_test,
        seed=seed,
        batch=batch,
        solver=solver,
        features=features,
    )
    results = {}
    for name in names:
        found = METRICS[name].compute(session)
        results[name] = {"value": METRICS[name].number(found), **found}
    return results
