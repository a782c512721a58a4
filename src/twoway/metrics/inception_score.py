"""Inception score: how sure a classifier is of each picture, and how many classes it sees in all of them.

It looks at no real pictures, whose own score only stands beside it where there are any: it sees neither copies of one
good picture per class nor anything the classes do not tell apart. It means what it says for a classifier of the classes
of the data; ImageNet's classes on faces or digits say little.

References:
    Salimans et al., Improved Techniques for Training GANs, arXiv 1606.03498, section 4 (ten splits).
    Barratt and Sharma, A Note on the Inception Score, arXiv 1801.01973 (the splits' bias, other classifiers).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from twoway.errors import ConfigError, DataError
from twoway.metrics.classifiers import classifier_for
from twoway.metrics.feature_sets import BLOCK, check_features
from twoway.metrics.registry import Made, PooledFeatures, metric

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = ["InceptionScore", "inception_score"]


@dataclass(frozen=True)
class InceptionScore:
    """The score and the entropies it is made of.

    Args:
        value: Mean of the splits' scores, 1 to the number of classes; higher is better.
        sd: Standard deviation of the splits' scores (their sum of squares divided by their number).
        whole: Score of all pictures at once, which no order of the pictures changes: the exponential of
            `marginal_entropy` less `conditional_entropy`.
        marginal_entropy: Entropy of the mean class probabilities in nats: high where all classes are made alike.
        conditional_entropy: Mean entropy of a picture's class probabilities in nats: low where pictures are clear.
        classes: How many the classifier knows.
        splits: Parts the score was averaged over.
        n: Pictures.
        seed: Of the order in which pictures went to the splits; None where they stayed in theirs.
        warning: What limits the score, where something does.
    """

    value: float
    sd: float
    whole: float
    marginal_entropy: float
    conditional_entropy: float
    classes: int
    splits: int
    n: int
    seed: int | None
    warning: str | None = None

    def plain(self) -> dict[str, Any]:
        """Names and values; the warning only where there is one."""
        facts = asdict(self)
        if self.warning is None:
            del facts["warning"]
        return facts


@torch.inference_mode()
def inception_score(logits: Tensor, *, splits: int = 10, seed: int | None = 0) -> InceptionScore:
    """Score what a classifier says of pictures.

    Args:
        logits: Unnormalised log probabilities, (N, classes).
        splits: Parts that are scored alone and averaged.
        seed: Of a random order of the pictures, because those of a data set may come sorted by class; None leaves them
            in theirs.

    Raises:
        ConfigError: No splits.
        DataError: Logits that are not finite, of fewer than two classes, or of fewer pictures than splits.
    """
    check_features(logits, "classified")
    n, classes = logits.shape
    if splits < 1:
        raise ConfigError(f"The Inception score was asked for {splits} splits; it needs at least 1.")
    if classes < 2 or n < splits:
        raise DataError(
            f"The Inception score was given {n} pictures and {classes} classes; it needs at least one picture for each "
            f"of the {splits} splits, and two classes. Give more pictures, or another classifier."
        )
    order = torch.arange(n) if seed is None else torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    bounds = [part * n // splits for part in range(splits + 1)]
    sums = [_sums(logits, order[start:stop]) for start, stop in pairwise(bounds)]
    scores = torch.stack(
        [_information(*part, stop - start) for part, (start, stop) in zip(sums, pairwise(bounds), strict=True)]
    ).exp()
    total, doubt = (torch.stack(parts).sum(0) for parts in zip(*sums, strict=True))
    warning = None
    if n // splits < classes:
        warning = (
            f"A split holds {n // splits} pictures and the classifier knows {classes} classes: no split can score more "
            f"than {n // splits}, so the score is too low. Give at least {classes * splits} pictures, better ten "
            "times as many."
        )
    return InceptionScore(
        value=float(scores.mean()),
        sd=float(scores.std(correction=0)),
        whole=float(_information(total, doubt, n).exp()),
        marginal_entropy=float(torch.special.entr(total / n).sum()),
        conditional_entropy=float(doubt / n),
        classes=classes,
        splits=splits,
        n=n,
        seed=seed,
        warning=warning,
    )


def _sums(logits: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the class probabilities of some pictures, (classes,), and of the entropies of each, float64."""
    total, doubt = torch.zeros(logits.shape[1], dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for block in rows.split(BLOCK):
        p = logits[block].double().softmax(1)
        total += p.sum(0)
        doubt += torch.special.entr(p).sum()
    return total, doubt


def _information(total: Tensor, doubt: Tensor, n: int) -> Tensor:
    """Entropy of the mean probabilities less the mean entropy, nats: what a picture tells of its class."""
    return torch.special.entr(total / n).sum() - doubt / n


@metric(
    "is",
    "Inception score of {of} by a classifier's logits, 1 to the number of classes",
    headline="value",
    lower_is_better=False,
    of=("samples", "reconstructions"),
    features=True,
)
def _measure(session: Session, extractor: PooledFeatures, of: Made) -> dict[str, Any]:
    def score(what: Made | Literal["real"]) -> dict[str, Any]:
        return session.once(("inception score", extractor.title, what), partial(_score, session, extractor, what))

    made, described = score(of), {"features": extractor.describe()}
    if session.train is None and session.test is None:  # samples need none, and there is nothing to compare with
        drawn = {"of": of, "n_samples": len(session.set_of(of)), **session.sampling.plain(session.model)}
        return {**made, **drawn, "seed": session.seed, **described}
    real = score("real")
    compared = {"real": {key: real[key] for key in ("value", "sd", "whole")}}
    return {**made, **compared, **session.facts_of(of), **described}


def _score(session: Session, extractor: PooledFeatures, what: Made | Literal["real"]) -> dict[str, Any]:
    classifier = classifier_for("is", extractor, exclusive=True)
    return inception_score(session.seen(classifier.logits, what, "classes"), seed=session.seed).plain()
