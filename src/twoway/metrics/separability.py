"""Linear separability: how well planes in z or w split codes by what a classifier sees in their pictures.

Pictures are made from codes of the prior; a classifier says for each of K yes-or-no attributes which side a picture is
on; of the half on whose side it is most certain a linear machine learns the side from the code. What the machine leaves
open is H(attribute | side of the plane) in bits, and the figure is 2 to the sum of these over the attributes: 1 where
planes tell everything.

The classifier is part of the figure. The published ones are forty attributes of faces; with any other classifier it
compares models measured with the same one.

References:
    Karras et al., A Style-Based Generator Architecture, arXiv 1812.04948, section 4.2 (written there with natural
    logarithms and the exponential function, which is the same number).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from twoway.errors import ConfigError, DataError, ModelError
from twoway.metrics.classifiers import Classifies, Sorts, classifier_for, sorts_of
from twoway.metrics.latent_paths import (
    NoiseKind,
    Space,
    check_space,
    has_mapping,
    how_many,
    noise_said,
)
from twoway.metrics.linear_svm import Solver
from twoway.metrics.modes import measuring
from twoway.metrics.registry import PooledFeatures, metric
from twoway.model import TwoWayModel

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = [
    "LabelledCodes",
    "Separability",
    "attribute_logits",
    "conditional_entropy",
    "draw_labelled_codes",
    "evaluate_separability",
    "separability",
]

MOST_ATTRIBUTES = 100


class LabelledCodes(NamedTuple):
    """Codes of the prior, and what a classifier says of their pictures.

    Args:
        z: Prior codes (N, dim), without the class that a conditional model is told.
        w: Latent codes of the last layer, (N, w dim), likewise; None without a mapping, where they are z.
        logits: Log odds of each attribute, (N, K).
    """

    z: np.ndarray[Any, Any]
    w: np.ndarray[Any, Any] | None
    logits: np.ndarray[Any, Any]


@dataclass(frozen=True)
class Separability:
    """A linear separability.

    Args:
        value: 2 to the sum of the entropies; 1 is best.
        entropies: H(attribute | side) of each attribute, in bits.
        shares: Share of the kept pictures that have each attribute; of 0 or 1 there was nothing to separate.
        attributes: How many.
        n_codes: Codes drawn. The publication takes 200,000.
        kept: Codes kept for each attribute.
        solver: Of the linear machines: ``primal``, or ``paper`` for the dual one.
        converged: How many machines reached their tolerance.
        seed: Of the order in which the dual solver visits examples.
    """

    value: float
    entropies: tuple[float, ...]
    shares: tuple[float, ...]
    attributes: int
    n_codes: int
    kept: int
    solver: str
    converged: int
    seed: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return {**asdict(self), "entropies": list(self.entropies), "shares": list(self.shares)}


def conditional_entropy(table: np.ndarray[Any, Any]) -> float:
    """H(row | column) in bits of counts or chances, (rows, columns).

    Example:
        >>> conditional_entropy(np.array([[2, 0], [0, 2]])), conditional_entropy(np.array([[1, 1], [1, 1]]))
        (0.0, 1.0)
    """
    joint = np.asarray(table, np.float64) / np.sum(table)
    return max(0.0, _entropy(joint) - _entropy(joint.sum(0)))


def _entropy(chances: np.ndarray[Any, Any]) -> float:
    there = chances[chances > 0]
    return -float((there * np.log2(there)).sum())


def attribute_logits(logits: Tensor, sorts: Sorts) -> Tensor:
    """Log odds (N, K) of yes-or-no attributes.

    Args:
        logits: Of a classifier, (N, classes).
        sorts: ``attributes``: each is one already. ``classes``: each class against all others together, and two
            classes are one attribute.
    """
    if sorts == "attributes":
        return logits
    if logits.shape[1] < 2:
        raise ModelError("A classifier that knows a single class separates nothing. Use one of at least two classes.")
    others = []
    for k in range(logits.shape[1]):
        rest = torch.cat([logits[:, :k], logits[:, k + 1 :]], dim=1)
        others.append(logits[:, k] - rest.logsumexp(1))
    odds = torch.stack(others, dim=1)
    return odds[:, :1] if odds.shape[1] == 2 else odds


def separability(
    codes: np.ndarray[Any, Any], logits: np.ndarray[Any, Any], *, solver: Solver = "primal", seed: int = 0
) -> Separability:
    """Separate attributes by planes.

    The machines are scikit-learn's ``LinearSVC`` with its defaults, on the codes as they are. With ``paper`` they are
    solved as in 2019, from the dual side in at most 1,000 passes, which on codes of wide spread end before the
    tolerance is reached; the primal side reaches the same optimum there.

    Args:
        codes: Shape (N, dim).
        logits: Log odds of K attributes, (N, K): positive where a picture has it.
        solver: ``primal`` or ``paper``.
        seed: Of the order in which the dual solver visits examples.

    Raises:
        DataError: Shapes that do not fit, fewer than 4 codes, or values that are not finite.
        ConfigError: An unknown solver.
    """
    codes, logits = np.asarray(codes), np.asarray(logits)
    if codes.ndim != 2 or logits.ndim != 2 or len(codes) != len(logits) or len(codes) < 4 or not logits.shape[1]:
        raise DataError(
            f"Separability needs codes (N, dim) and log odds (N, attributes) of the same N, at least 4; got shapes "
            f"{codes.shape} and {logits.shape}."
        )
    if not (np.isfinite(codes).all() and np.isfinite(logits).all()):
        raise DataError("Codes or log odds hold values that are not finite. Use an earlier checkpoint of the model.")
    if solver not in ("paper", "primal"):
        raise ConfigError(f"The SVM solver is '{solver}', but must be 'primal' or 'paper' (dual).")
    kept = len(codes) // 2
    entropies, shares, converged = [], [], 0
    for odds in logits.T:
        # max softmax of (odds, -odds) grows with |odds|; equal ones stay in the order in which they came
        rows = np.argsort(-np.abs(odds), kind="stable")[:kept]
        entropy, reached = _left_open(codes[rows], odds[rows] > 0, solver, seed)
        entropies.append(entropy)
        shares.append(float((odds[rows] > 0).mean()))
        converged += reached
    return Separability(
        value=float(2.0 ** sum(entropies)),
        entropies=tuple(entropies),
        shares=tuple(shares),
        attributes=len(entropies),
        n_codes=len(codes),
        kept=kept,
        solver=solver,
        converged=converged,
        seed=seed,
    )


def _left_open(codes: np.ndarray[Any, Any], has: np.ndarray[Any, Any], solver: Solver, seed: int) -> tuple[float, bool]:
    """H(attribute | side of the plane), and whether the machine reached its tolerance."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    if has.all() or not has.any():
        return 0.0, True
    machine = LinearSVC(dual=solver == "paper", random_state=seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        side = machine.fit(codes, has).predict(codes)
    table = [[np.count_nonzero((has == h) & (side == s)) for s in (False, True)] for h in (False, True)]
    return conditional_entropy(np.array(table)), not any(issubclass(w.category, ConvergenceWarning) for w in caught)


def draw_labelled_codes(
    model: TwoWayModel,
    classifier: Classifies,
    *,
    sorts: Sorts = "classes",
    n_codes: int = 20_000,
    noise: NoiseKind = "random",
    seed: int = 0,
    batch: int = 256,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> LabelledCodes:
    """Make pictures from the prior, not truncated, and classify them; arguments see `evaluate_separability`.

    Raises:
        ModelError: The method has no prior, or the classifier knows no classes, or too many to be attributes of one
            set of pictures.
    """
    block = 64  # chance is drawn for so many codes at a time, so that the batch changes nothing
    batch = max(block, batch // block * block)
    zs, ws, found = [], [], []
    with measuring(model):
        for start in range(0, n_codes, batch):
            codes, images = [], []
            for first in range(start, min(start + batch, n_codes), block):
                generator = torch.Generator().manual_seed(
                    int(np.random.SeedSequence([seed, first]).generate_state(1)[0])
                )
                z = model.draw_prior(block, generator=generator)
                x = model.decode(model.map(z), noise=noise, generator=generator)
                codes.append(z[: n_codes - first])
                images.append(x[: n_codes - first])
            z = torch.cat(codes)
            logits = classifier.logits(torch.cat(images))
            if logits.shape[1] > MOST_ATTRIBUTES:
                raise ModelError(
                    f"The classifier tells {logits.shape[1]} classes apart, but separability is about a few attributes "
                    f"of the pictures, at most {MOST_ATTRIBUTES}: each class adds what is unknown of it. Use a "
                    "classifier of the data (twoway metrics train-extractor)."
                )
            found.append(attribute_logits(logits.double(), sorts).cpu())
            told = model.recipe.labels
            zs.append(z[:, : z.shape[1] - told].cpu())
            if has_mapping(model):
                w = model.map(z)[:, -1]
                ws.append(w[:, : w.shape[1] - told].cpu())
            tell(start + len(z), n_codes)
    w_all = torch.cat(ws).numpy() if ws else None
    return LabelledCodes(torch.cat(zs).numpy(), w_all, torch.cat(found).numpy())


def evaluate_separability(
    model: TwoWayModel,
    classifier: Classifies,
    *,
    space: Space = "w",
    sorts: Sorts = "classes",
    n_codes: int = 20_000,
    noise: NoiseKind = "random",
    solver: Solver = "primal",
    seed: int = 0,
    batch: int = 256,
    drawn: LabelledCodes | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Linear separability of a model's codes.

    Args:
        model: Measured in evaluation mode, without truncation.
        classifier: Says what is in pictures.
        space: ``z``, or ``w``, of which the last layer counts.
        sorts: Whether its outputs are ``classes``, of which a picture has one, or ``attributes``.
        n_codes: How many; 200,000 in the publication, 20,000 in ALAE's code.
        noise: In the layers of a style generator.
        solver: See `separability`.
        seed: Of all chance.
        batch: Codes at a time.
        drawn: What `draw_labelled_codes` found with the same settings, to separate both spaces for one price.
        tell: Told how many pictures are classified, of how many.

    Returns:
        The figures and every setting, as plain data.

    Raises:
        ConfigError: A setting that cannot work.
        ModelError: The model has no prior, or for ``w`` no mapping, or the classifier does not fit.
    """
    if n_codes < 4:
        raise ConfigError(f"Separability of {n_codes} codes; expected at least 4, of which half are kept.")
    check_space(model, space)
    if drawn is None:
        settings: dict[str, Any] = {"sorts": sorts, "n_codes": n_codes, "noise": noise, "seed": seed, "batch": batch}
        drawn = draw_labelled_codes(model, classifier, **settings, tell=tell)
    codes = drawn.z if space == "z" else drawn.w
    assert codes is not None
    return {
        **separability(codes, drawn.logits, solver=solver, seed=seed).plain(),
        "space": space,
        "sorts": sorts,
        "noise": noise_said(model, noise),
        "truncation": 1.0,
        "classifier": classifier.describe(),
    }


def _register(space: Space) -> None:
    @metric(
        f"separability-{space}",
        f"what planes in {space} leave open of a classifier's classes, 1 at best",
        headline="value",
        lower_is_better=True,
        features=True,
        prior=True,
        mapping=space == "w",
    )
    def _measure(session: Session, extractor: PooledFeatures) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "sorts": sorts_of(extractor),
            "n_codes": how_many(session, 20_000),
            "noise": session.sampling.noise,
            "seed": session.seed,
        }
        check_space(session.model, space)
        classifier = classifier_for(f"separability-{space}", extractor)
        drawn = session.once(
            ("labelled codes", extractor.title),  # both spaces are measured on the same pictures
            lambda: draw_labelled_codes(
                session.model,
                classifier,
                **settings,
                batch=session.batch,
                tell=lambda done, total: session.progress("classifying samples", done, total),
            ),
        )
        return evaluate_separability(session.model, classifier, space=space, drawn=drawn, **settings)


_register("z")
_register("w")
