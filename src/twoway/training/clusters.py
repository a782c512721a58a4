"""Classes to start from: clusters of real pictures in an encoder's hidden features, found without any label.

A class head that learns from two views alone often ends where one class is two digits and another is half of a digit,
and stays there. Clusters of features that were learnt before do not.

References:
    Ng, Jordan, Weiss, On Spectral Clustering: Analysis and an Algorithm, NIPS 2001.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from twoway.composition import encoder_input
from twoway.errors import DataError
from twoway.model import TwoWayModel

__all__ = ["class_head", "spectral_clusters", "start_classes"]

PICTURES = 6000
BATCH = 500


@torch.no_grad()
def start_classes(live: TwoWayModel, averaged: TwoWayModel, pictures: Callable[[int], Tensor]) -> None:
    """Set the class head of the encoder to tell clusters of real pictures apart.

    Args:
        live: Model whose encoder's features are clustered; the head is changed in place.
        averaged: Its moving average, which gets the same head.
        pictures: Gives so many real images in [-1, 1], or as many as there are.

    Raises:
        DataError: Not more pictures than classes.
    """
    x = pictures(PICTURES)
    nets: Any = live.nets
    prior = live.recipe.prior
    assert prior is not None, "an encoder of codes has a prior"
    classes = prior.layout().discrete
    if len(x) <= classes:
        raise DataError(
            f"{classes} classes are to start as clusters of pictures, but there are only {len(x)} pictures. Train with "
            "more pictures, fewer classes, or without clusters (phases.train.classes=[])."
        )
    modes = {slot: net.training for slot, net in nets.items()}
    for net in nets.values():
        net.eval()
    features = torch.cat([nets["encoder"].features(encoder_input(nets, part)) for part in x.split(BATCH)])
    for slot, net in nets.items():
        net.train(modes[slot])
    weight, bias = class_head(features, spectral_clusters(features, classes), classes)
    for model in (live, averaged):
        encoder: Any = model.nets["encoder"]
        encoder.heads.set_classes(weight, bias)


def spectral_clusters(features: Tensor, classes: int, *, neighbours: int = 10) -> Tensor:
    """Spectral clusters of the graph that joins each picture with those whose features point most nearly its way.

    Args:
        features: Hidden features (N, hidden).
        classes: Number of clusters, below N.
        neighbours: How many each picture is joined with.

    Returns:
        Cluster of each picture, int64 of shape (N,).
    """
    # they take a second to import, and only trainings that start from clusters need them
    from scipy import sparse
    from scipy.sparse.linalg import eigsh
    from sklearn.cluster import KMeans
    from sklearn.neighbors import kneighbors_graph

    count = len(features)
    directions = functional.normalize(features.float(), dim=1).cpu().numpy()
    joined = kneighbors_graph(directions, min(neighbours, count - 1))
    joined = (joined + joined.T) / 2
    scale = sparse.diags(1 / np.sqrt(np.asarray(joined.sum(1)).ravel()))
    normalised = scale @ joined @ scale
    if count <= 1000:  # the iterative solver is for few eigenvectors of large matrices
        vectors = np.linalg.eigh(normalised.toarray())[1][:, -classes:]
    else:  # a fixed start makes it repeatable
        vectors = eigsh(normalised, k=classes, which="LA", v0=np.ones(count))[1]
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-9)
    return torch.from_numpy(KMeans(classes, n_init=10, random_state=0).fit(vectors).labels_).long()


def class_head(
    features: Tensor, clusters: Tensor, classes: int, *, scale: float = 8.0, ridge: float = 0.01
) -> tuple[Tensor, Tensor]:
    """A linear head whose logits tell clusters apart: ridge regression of one-hot clusters on standardised features.

    Args:
        features: Hidden features (N, hidden).
        clusters: Cluster of each, (N,).
        classes: Number of clusters.
        scale: Difference of the logits that the regression aims at between a picture's cluster and the others.
        ridge: Penalty on the squared weights, per picture.

    Returns:
        Weight (classes, hidden) and bias (classes,).
    """
    features = features.double()
    mean, spread = features.mean(0), features.std(0) + 1e-3
    standard = torch.cat([(features - mean) / spread, torch.ones_like(features[:, :1])], dim=1)
    target = functional.one_hot(clusters.to(features.device), classes).double() - 1 / classes
    penalty = ridge * len(features) * torch.eye(standard.shape[1], dtype=torch.float64, device=features.device)
    solution = scale * torch.linalg.solve(standard.T @ standard + penalty, standard.T @ target)
    weight = (solution[:-1] / spread[:, None]).T
    bias = solution[-1] - weight @ mean
    return weight.float(), bias.float()
