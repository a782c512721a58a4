"""Unsupervised classification: how well the classes of a categorical code are those people know.

The map from clusters to classes is fitted on training pictures and scored on test pictures: fitted on the test pictures
it would see their labels.

References:
    Chen et al., InfoGAN, arXiv 1606.03657, section 7.2 (a cluster is matched with a class).
    Kuhn, The Hungarian method for the assignment problem, 1955. Hubert and Arabie, Comparing partitions, 1985 (ARI).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from twoway.errors import DataError

__all__ = ["Clustering", "clustering", "hungarian_map", "majority_map"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Clustering:
    """Scores of a clustering.

    Args:
        hungarian: Accuracy on test pictures, per cent; each cluster stands for a class of its own, clusters that are
            left over for none, and classes that are left over are never answered.
        majority: Accuracy on test pictures, per cent; each cluster stands for its most common class.
        nmi: Normalised mutual information of clusters and classes of the test pictures, 0 to 1.
        ari: Adjusted Rand index of the same: 1 for the same partition, about 0 for chance.
        clusters: Clusters there are.
        used: Clusters that hold test pictures.
        classes: Classes among the training pictures.
        n_train: Pictures the maps were fitted on.
        n_test: Pictures scored.
    """

    hungarian: float
    majority: float
    nmi: float
    ari: float
    clusters: int
    used: int
    classes: int
    n_train: int
    n_test: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return asdict(self)


def clustering(train: Any, train_labels: Any, test: Any, test_labels: Any, *, clusters: int) -> Clustering:
    """Score clusters against classes.

    Args:
        train: Cluster of each training picture, (N,), 0 to clusters - 1.
        train_labels: Their classes, (N,), any whole numbers.
        test: Cluster of each test picture, (M,).
        test_labels: Their classes, (M,). A class that no training picture has is always a mistake.
        clusters: How many there are.

    Raises:
        DataError: Shapes that do not fit, no pictures, or clusters out of range.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    c, y, c_test, y_test = (np.asarray(part) for part in (train, train_labels, test, test_labels))
    for which, found, labels in (("training", c, y), ("test", c_test, y_test)):
        if found.ndim != 1 or found.shape != labels.shape or not len(found):
            raise DataError(
                f"Got {which} clusters of shape {found.shape} and labels of shape {labels.shape}; expected one of each "
                "per picture, and at least one picture."
            )
        if found.min() < 0 or found.max() >= clusters:
            raise DataError(
                f"The {which} clusters run from {found.min()} to {found.max()}, but there are 0 to {clusters - 1}."
            )
    classes, index = np.unique(y, return_inverse=True)
    table = np.zeros((clusters, len(classes)), dtype=np.int64)
    np.add.at(table, (c, index), 1)
    accuracy = {}
    for name, found in (("hungarian", hungarian_map(table)), ("majority", majority_map(table))):
        stands = found[c_test]
        accuracy[name] = 100.0 * float(((stands >= 0) & (classes[stands] == y_test)).mean())
    return Clustering(
        **accuracy,
        nmi=float(normalized_mutual_info_score(y_test, c_test)),
        ari=float(adjusted_rand_score(y_test, c_test)),
        clusters=clusters,
        used=len(np.unique(c_test)),
        classes=len(classes),
        n_train=len(y),
        n_test=len(y_test),
    )


def hungarian_map(table: Any) -> Array:
    """Give each cluster a class of its own so that most pictures are right.

    Args:
        table: How many pictures of each class each cluster holds, (clusters, classes).

    Returns:
        Column of each cluster's class, -1 for clusters that are left over or hold no picture of the class left for
        them.

    Example:
        >>> hungarian_map([[0, 9], [8, 7], [1, 0]])
        array([ 1,  0, -1])
    """
    from scipy.optimize import linear_sum_assignment

    counts = np.asarray(table)
    found = np.full(len(counts), -1, dtype=np.int64)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    # a pair that shares no picture says nothing: it only completes the assignment
    found[rows] = np.where(counts[rows, columns] > 0, columns, -1)
    return found


def majority_map(table: Any) -> Array:
    """Column of the most common class of each cluster, -1 for clusters without pictures.

    Example:
        >>> majority_map([[0, 9], [8, 7], [1, 0], [0, 0]])
        array([ 1,  0,  0, -1])
    """
    counts = np.asarray(table)
    return np.where(counts.sum(1) > 0, counts.argmax(1), -1)
