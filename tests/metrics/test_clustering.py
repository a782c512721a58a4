"""Clusters against classes: permuted, merged, split and meaningless clusterings."""

import numpy as np
import pytest

from twoway.errors import DataError
from twoway.metrics.clustering import clustering, hungarian_map, majority_map

LABELS = np.arange(400) % 4


def score(clusters, labels=LABELS, *, count, test=None, test_labels=None):
    return clustering(
        clusters,
        labels,
        clusters if test is None else test,
        labels if test_labels is None else test_labels,
        clusters=count,
    )


def test_other_names_for_the_classes_are_all_right():
    found = score(np.array([2, 0, 3, 1])[LABELS], 10 * LABELS - 5, count=4)
    assert (found.hungarian, found.majority, found.nmi, found.ari) == (100.0, 100.0, 1.0, pytest.approx(1.0))
    assert (found.clusters, found.used, found.classes, found.n_train, found.n_test) == (4, 4, 4, 400, 400)


def test_two_classes_merged():
    """One of the two can be right: three quarters of the pictures, by either map."""
    found = score(np.array([0, 1, 2, 2])[LABELS], count=3)
    assert (found.hungarian, found.majority) == (75.0, 75.0)
    # classes 2 log 2, clusters 1.5 log 2, all of which is shared: 1.5 over the mean of both
    assert found.nmi == pytest.approx(1.5 / 1.75)


def test_a_class_split_in_two():
    """Each cluster is pure; the assignment leaves one of five without a class of its own, an eighth of the pictures."""
    halves = np.where((LABELS == 0) & (np.arange(400) >= 200), 4, LABELS)
    found = score(halves, count=5)
    assert (found.hungarian, found.majority) == (87.5, 100.0)


def test_the_map_comes_from_training_pictures():
    """Test clusters named otherwise than training clusters are wrong, though a map fitted on them would do."""
    turned = (LABELS + 1) % 4
    found = score(LABELS, count=4, test=turned)
    assert (found.hungarian, found.majority, found.nmi) == (0.0, 0.0, 1.0)
    unseen = score(LABELS, count=4, test_labels=np.where(LABELS == 3, 9, LABELS))
    assert unseen.hungarian == 75.0


def test_the_assignment_is_the_best_of_all():
    from itertools import permutations

    table = np.random.default_rng(0).integers(1, 50, size=(5, 5))
    best = max(sum(table[i, p[i]] for i in range(5)) for p in permutations(range(5)))
    assert table[np.arange(5), hungarian_map(table)].sum() == best
    # taking each row's largest in turn would give 9 + 1
    assert hungarian_map([[9, 8], [8, 1]]).tolist() == [1, 0]


def test_empty_clusters_stand_for_nothing():
    assert hungarian_map([[5, 0], [0, 0]]).tolist() == [0, -1]
    assert majority_map([[5, 0], [0, 0]]).tolist() == [0, -1]
    found = score(
        np.zeros(4, int), np.array([0, 0, 0, 1]), count=2, test=np.array([0, 1]), test_labels=np.array([0, 1])
    )
    assert (found.hungarian, found.majority) == (50.0, 50.0)


def test_noise():
    rng = np.random.default_rng(0)
    found = score(rng.integers(4, size=8000), np.arange(8000) % 4, count=4)
    assert found.hungarian == pytest.approx(25, abs=2)
    assert found.nmi == pytest.approx(0, abs=0.01)
    assert found.ari == pytest.approx(0, abs=0.01)
    assert score(np.zeros(400, int), count=1).ari == 0.0


def test_mistakes():
    with pytest.raises(DataError, match="one of each per picture"):
        score(LABELS[:-1], count=4)
    with pytest.raises(DataError, match="there are 0 to 2"):
        score(LABELS, count=3)
    with pytest.raises(DataError, match="at least one picture"):
        score(LABELS[:0], LABELS[:0], count=4)
