"""The measures of codes as they are registered: a session in, figures and settings out.

Most of them look at one pool of codes of pictures with known factors, which the session makes once.
"""

from __future__ import annotations

from typing import Any

from twoway.metrics.beta_vae_score import beta_vae_score
from twoway.metrics.clustering import clustering
from twoway.metrics.code_recovery import evaluate_code_recovery
from twoway.metrics.codes_of import class_logits
from twoway.metrics.dci import dci
from twoway.metrics.factor_vae_score import factor_vae_score
from twoway.metrics.inputs import choose_rows, labels_of
from twoway.metrics.modularity import explicitness, modularity
from twoway.metrics.mutual_information_gap import mutual_information_gap
from twoway.metrics.registry import metric
from twoway.metrics.representation import shuffled_split
from twoway.metrics.sap import sap
from twoway.metrics.session import Session

__all__: list[str] = []


@metric(
    "unsupervised-accuracy",
    "accuracy of the categorical code's clusters, each given a class, per cent",
    headline="hungarian",
    lower_is_better=False,
    labels=True,
    encoder=True,
)
def _score_clusters(session: Session) -> dict[str, Any]:
    """Clusters of a categorical code against labels; on a held-out sixth where there are no test pictures."""
    train = session.labelled_training
    if session.test is None:
        first, second = (rows[:limit] for rows, limit in zip(
            shuffled_split(len(train)), (session.max_train, session.max_test), strict=True
        ))  # fmt: skip
        tested, setting = train, "SW"
    else:
        first, second = choose_rows(len(train), session.max_train), choose_rows(len(session.test), session.max_test)
        tested, setting = session.test, "DW"
    parts = []
    clusters = 0
    for data, rows in ((train, first), (tested, second)):
        labels = labels_of(data)[rows]
        logits = class_logits(session.model, data, rows=rows, batch=session.batch)
        clusters = logits.shape[1]
        parts += [logits.argmax(1), labels]
    return {**clustering(*parts, clusters=clusters).plain(), "setting": setting}


@metric(
    "code-recovery",
    "bound on the information about codes that pictures keep, in nats",
    headline="nats",
    lower_is_better=False,
    prior=True,
    encoder=True,
)
def _score_recovery(session: Session) -> dict[str, Any]:
    """Codes of the prior against what is read off the pictures made from them."""
    n = session.max_test or 10_000
    return evaluate_code_recovery(session.model, n=n, seed=session.seed, batch=session.batch).plain()


@metric(
    "factor-vae",
    "FactorVAE score, 0 to 1: votes by the least varying code; needs pictures of known factors",
    headline="score",
    lower_is_better=False,
    encoder=True,
)
def _score_factor_vae(session: Session) -> dict[str, Any]:
    """The FactorVAE score."""
    pool = session.factor_pool
    return {**factor_vae_score(pool.codes, pool.factors, seed=session.seed).plain(), **pool.plain()}


@metric(
    "beta-vae-score",
    "beta-VAE score, 0 to 1: linear accuracy on differences; needs pictures of known factors",
    headline="score",
    lower_is_better=False,
    encoder=True,
)
def _score_beta_vae(session: Session) -> dict[str, Any]:
    """The beta-VAE score."""
    pool = session.factor_pool
    return {**beta_vae_score(pool.codes, pool.factors, seed=session.seed).plain(), **pool.plain()}


@metric(
    "mig",
    "mutual information gap of the two best codes, 0 to 1; needs pictures of known factors",
    headline="score",
    lower_is_better=False,
    encoder=True,
)
def _score_mig(session: Session) -> dict[str, Any]:
    """The mutual information gap."""
    pool = session.factor_pool
    found = mutual_information_gap(pool.codes, pool.factors, seed=session.seed).plain()
    return {**found, "per_factor": pool.by_name(found["per_factor"]), **pool.plain()}


@metric(
    "sap",
    "gap of the two best codes as predictors, 0 to 1; needs pictures of known factors",
    headline="score",
    lower_is_better=False,
    encoder=True,
)
def _score_sap(session: Session) -> dict[str, Any]:
    """Separated attribute predictability."""
    pool = session.factor_pool
    found = sap(pool.codes, pool.factors, seed=session.seed).plain()
    named = {key: pool.by_name(found[key]) for key in ("per_factor", "best")}
    return {**found, **named, **pool.plain()}


@metric(
    "dci",
    "disentanglement of DCI, 0 to 1; needs pictures of known factors",
    headline="disentanglement",
    lower_is_better=False,
    encoder=True,
)
def _score_dci(session: Session) -> dict[str, Any]:
    """Disentanglement, completeness and informativeness."""
    pool = session.factor_pool
    found = dci(pool.codes, pool.factors, seed=session.seed).plain()
    return {**found, "per_factor": pool.by_name(found["per_factor"]), **pool.plain()}


@metric(
    "modularity",
    "modularity of codes, 0 to 1; needs pictures of known factors",
    headline="score",
    lower_is_better=False,
    encoder=True,
)
def _score_modularity(session: Session) -> dict[str, Any]:
    """Modularity, and explicitness beside it."""
    pool = session.factor_pool
    found = modularity(pool.codes, pool.factors, seed=session.seed).plain()
    linear = explicitness(pool.codes, pool.factors, seed=session.seed).plain()
    linear["per_factor"] = pool.by_name(linear["per_factor"])
    return {**found, "explicitness": linear, **pool.plain()}
