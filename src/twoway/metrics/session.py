"""One evaluation: model, data, settings, and what several metrics share, computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from torch import Tensor

from twoway.data import ImageData, to_float
from twoway.errors import DataError, ModelError
from twoway.features import FeatureSpec, build_features, default_features
from twoway.features.cache import cache_folder, cached
from twoway.features.pca import PCA
from twoway.metrics.inputs import Pictures, choose_rows, labels_of
from twoway.metrics.known_factors import FactorPool, factor_pool
from twoway.metrics.linear_svm import Solver
from twoway.metrics.lpips import PUBLISHED, ImageDistance, image_distance, with_published_layers
from twoway.metrics.reconstruction import pixel_errors
from twoway.metrics.registry import Made, Metric, PooledFeatures
from twoway.metrics.representation import Features, extract_features
from twoway.metrics.sets import (
    KEPT_MIB,
    Kept,
    PictureSet,
    RealSet,
    ReconstructedSet,
    SampledSet,
    Sampling,
    fitting_batch,
    noise_of_reconstructions,
    vectors_of,
)
from twoway.model import TwoWayModel
from twoway.telling import Telling, silent

if TYPE_CHECKING:
    from twoway.metrics.path_length import Crop

__all__ = ["SET_LIMIT", "Session"]

SET_LIMIT = 5_000
"""Pictures a set holds in metrics that compare sets, where no limit is given; half a minute of ``swd`` for MNIST."""

T = TypeVar("T")


class Session:
    """Model, data and what several metrics share: sets, features and codes are computed once.

    The arguments are those of `twoway.metrics.evaluate`.
    """

    def __init__(
        self,
        model: TwoWayModel,
        train: Pictures | None,
        test: Pictures | None,
        *,
        max_train: int | None = None,
        max_test: int | None = None,
        n_samples: int | None = None,
        seed: int = 0,
        batch: int = 256,
        solver: Solver = "paper",
        features: FeatureSpec | PooledFeatures | None = None,
        sampling: Sampling | None = None,
        crop: Crop = "none",
        progress: Telling = silent,
    ) -> None:
        # pictures that were trained on are no test: a nearest neighbour would find the picture itself
        self.model, self.train, self.test = model, train, None if test is train else test
        self.max_train, self.max_test, self.n_samples = max_train, max_test, n_samples
        self.seed, self.batch, self.solver = seed, min(batch, fitting_batch(model.image_shape)), solver
        self.sampling, self.crop = sampling or Sampling(), crop
        self.progress = progress
        self._features = features
        self._part = (0, 1)
        self._extractors: list[tuple[FeatureSpec, PooledFeatures]] = []
        self._distances: list[tuple[FeatureSpec | PooledFeatures | None, str, ImageDistance]] = []
        self._sets: dict[str, Kept] = {}
        self._vectors: dict[tuple[str, str], Tensor] = {}
        self._shared: dict[Hashable, Any] = {}
        self._digest: str | None = None

    @property
    def shown(self) -> tuple[str, Pictures]:
        """The pictures that are reconstructed: the test pictures where there are any."""
        if self.test is not None:
            return "test", self.test
        if self.train is not None:
            return "train", self.train
        raise DataError("This measure needs pictures, and no data were given. Name a data set.")

    @property
    def rows(self) -> np.ndarray[Any, Any]:
        """Numbers of the pictures shown that sets hold: a fixed choice of at most `SET_LIMIT` or the limit given."""
        limit = SET_LIMIT if self.max_test is None else self.max_test
        chosen = choose_rows(len(self.shown[1]), limit)
        number, parts = self._part
        return chosen[number::parts]

    def like(
        self, *, model: TwoWayModel | None = None, seed: int | None = None, part: tuple[int, int] = (0, 1)
    ) -> Session:
        """Another session by the same rules; it takes over what this one knows of the same real pictures.

        Args:
            model: Another model for pictures of the same shape.
            seed: Another seed of all draws.
            part: Sets hold every so-manyth of their pictures only: ``(1, 4)`` is the second of four disjoint parts.
        """
        other = Session(
            model or self.model,
            self.train,
            self.test,
            max_train=self.max_train,
            max_test=self.max_test,
            n_samples=self.n_samples,
            seed=self.seed if seed is None else seed,
            batch=self.batch,
            solver=self.solver,
            features=self._features,
            sampling=self.sampling,
            crop=self.crop,
            progress=self.progress,
        )
        other._part = part
        other._extractors, other._distances = self._extractors, self._distances
        if part == self._part:
            other._digest = self._digest
            other._sets.update({what: kept for what, kept in self._sets.items() if what == "real"})
            other._vectors.update({key: kept for key, kept in self._vectors.items() if key[1] == "real"})
        return other

    def set_of(self, what: Made | Literal["real"]) -> PictureSet:
        """The real pictures that sets are compared with, their reconstructions, or samples.

        Raises:
            DataError: No pictures were given.
            ModelError: The model has no encoder, or no prior.
        """
        if what not in self._sets:
            made: PictureSet
            if what == "real":
                made = RealSet(self.shown[1], self.rows)
            elif what == "reconstructions":
                made = ReconstructedSet(self.model, self.shown[1], self.rows)
            else:
                n = self.n_samples or len(self.rows)
                made = SampledSet(self.model, n, seed=self.seed, sampling=self.sampling)
            self._sets[what] = Kept(made, KEPT_MIB - sum(kept.mib for kept in self._sets.values()))
        return self._sets[what]

    def facts_of(self, what: Made) -> dict[str, Any]:
        """What a number about a set of made pictures is printed with."""
        facts: dict[str, Any] = {"of": what, "against": self.shown[0], "n_real": len(self.set_of("real"))}
        if what == "samples":
            return {**facts, "n_samples": len(self.set_of(what)), "seed": self.seed, **self.sampling.plain(self.model)}
        return {**facts, **noise_of_reconstructions(self.model)}

    @cached_property
    def pixel_errors(self) -> tuple[Tensor, Tensor]:
        """Squared error and signal-to-noise ratio of each of the pictures shown, two tensors (N,)."""
        return pixel_errors(self.model, self.shown[1], limit=self.max_test, batch=self.batch)

    def pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Reconstructions and their originals, in steps of uint8, as floats in [-1, 1], each (B, C, H, W)."""
        sets = [self.set_of("reconstructions"), self.set_of("real")]
        done, total = 0, len(sets[1])
        for made, real in zip(*(one.batches(self.batch) for one in sets), strict=True):
            yield to_float(made), to_float(real)
            done += len(made)
            self.progress("comparing reconstructions", done, total)

    def extractor(self, spec: FeatureSpec | None = None) -> PooledFeatures:
        """The extractor of a spec, or the one of this evaluation; built once.

        Raises:
            ModelError: Its weights are not there.
        """
        if spec is None:
            if self._features is None:
                self._features = default_features()
            if not isinstance(self._features, FeatureSpec):
                return self._features
            spec = self._features
        for known, built in self._extractors:
            if known == spec:
                return built
        extractor = build_features(spec).to(self.model.device)
        if isinstance(extractor, PCA):
            extractor.fit(to_float(part) for part in self.set_of("real").batches(self.batch))
        self._extractors.append((spec, extractor))
        return extractor

    def looking(self, found: Metric, spec: FeatureSpec | None = None) -> PooledFeatures | ImageDistance | None:
        """What a metric looks through: an extractor, a distance of pictures, or nothing; built once.

        Args:
            found: The metric.
            spec: What stood in its brackets; None for what is customary or was chosen for the evaluation.

        Raises:
            ModelError: Weights are not there, or an extractor gives no maps to take a distance of.
        """
        if not found.distances:
            return self.extractor(spec) if found.features else None
        given = self._features if spec is None and found.features else spec
        net = found.distances[0]
        for known, customary, built in self._distances:
            if known == given and customary == net:
                return built
        looks: FeatureSpec | PooledFeatures | None = given
        if isinstance(given, FeatureSpec) and given.kind not in PUBLISHED:
            looks = self.extractor(with_published_layers(given))
        distance = image_distance(looks, net=net).to(self.model.device)
        self._distances.append((given, net, distance))
        return distance

    def features_of(self, extractor: PooledFeatures, what: Made | Literal["real"]) -> Tensor:
        """Features of a set, float32, shape (N, dim), on the CPU."""
        key = (extractor.title, what)
        if key not in self._vectors:
            data = self.shown[1] if what == "real" else None
            if isinstance(data, ImageData) and cache_folder() is not None:
                # what stays the same from one evaluation to the next is kept on disk
                facts = {"pictures": self._real_digest(), "extractor": extractor.describe(), "products": "float32"}
                self._vectors[key] = cached(facts, lambda: self.seen(extractor.pooled, what, "features"))
            else:
                self._vectors[key] = self.seen(extractor.pooled, what, "features")
        return self._vectors[key]

    def _real_digest(self) -> str:
        """Hash of the pixels of the real pictures, as they were read: names and sizes of files do not tell pixels."""
        if self._digest is None:
            real = self.set_of("real")
            digest = hashlib.sha256(f"{len(real)} {real.shape}".encode())
            for part in real.batches(self.batch):
                digest.update(part.contiguous().numpy().data)
            self._digest = digest.hexdigest()
        return self._digest

    def seen(self, look: Callable[[Tensor], Tensor], what: Made | Literal["real"], said: str) -> Tensor:
        """What an extractor's function says of a set, see `vectors_of`; ``said`` names it to those who wait."""
        return vectors_of(
            look,
            self.set_of(what),
            device=self.model.device,
            batch=self.batch,
            tell=lambda done, total: self.progress(f"{said} of {what}", done, total),
        )

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What several metrics share, computed by the first of them; the key says what it is, and of which features."""
        if key not in self._shared:
            self._shared[key] = compute()
        return self._shared[key]

    @property
    def labelled_training(self) -> Pictures:
        """The training pictures, for measures that learn from their labels."""
        if self.train is None:
            raise DataError(
                "The measures knn, svm and unsupervised-accuracy need training pictures with labels. Name the training "
                "data."
            )
        return self.train

    @cached_property
    def factor_pool(self) -> FactorPool:
        """Codes of pictures with known factors: of training or test pictures, whichever are more.

        Definitions draw from all combinations of factors, and a test set may hold few of them.
        """
        known = [
            (on, data, limit)
            for on, data, limit in (("test", self.test, self.max_test), ("train", self.train, self.max_train))
            if data is not None and getattr(data, "factors", None) is not None
        ]
        on, data, limit = max(known, key=lambda one: len(one[1])) if known else (*self.shown, self.max_test)
        return factor_pool(self.model, data, on=on, limit=limit, batch=self.batch)

    @cached_property
    def labelled(self) -> list[tuple[Features, Any] | None]:
        """Features and labels of training and test pictures, no more of them than the limits allow."""
        if self.model.recipe.labels:
            raise ModelError(
                f"The encoder of this {self.model.recipe.method} model is told the class of every picture, so how well "
                "its features tell classes apart says nothing about it. Leave the measures knn and svm out, or train "
                "the method without classes."
            )
        sets: list[tuple[Features, Any] | None] = []
        for data, limit in ((self.labelled_training, self.max_train), (self.test, self.max_test)):
            if data is None:
                sets.append(None)
                continue
            rows = choose_rows(len(data), limit if self.test is not None else None)
            labels = labels_of(data)[rows]
            sets.append((extract_features(self.model, data, rows=rows, batch=self.batch), labels))
        return sets
