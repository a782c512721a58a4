"""One evaluation: model, data, settings, and what several metrics share, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

from torch import Tensor

from twoway.errors import DataError, ModelError
from twoway.features import FeatureSpec, build_features
from twoway.metrics.frechet import (
    Moments,
    PooledFeatures,
    default_features,
    feature_moments,
    pooled_features,
)
from twoway.metrics.inputs import (
    Pictures,
    choose_rows,
    labels_of,
    real_pictures,
    reconstructed_pictures,
    sampled_pictures,
)
from twoway.metrics.known_factors import FactorPool, factor_pool
from twoway.metrics.linear_svm import Solver
from twoway.metrics.reconstruction import ReconstructionResult, evaluate_reconstruction
from twoway.metrics.representation import Classifier, Features, Setting, evaluate_representation, extract_features
from twoway.model import TwoWayModel

__all__ = ["SET_LIMIT", "Session"]

SET_LIMIT = 5_000
"""Pictures a set holds in metrics that compare sets, where no limit is given; half a minute of ``swd`` for MNIST."""


class Session:
    """Model, data and what several metrics share: features and reconstructions are computed once.

    The arguments are those of `twoway.metrics.evaluate`.
    """

    def __init__(
        self,
        model: TwoWayModel,
        train: Pictures | None,
        test: Pictures | None,
        *,
        max_train: int | None,
        max_test: int | None,
        seed: int,
        batch: int,
        solver: Solver,
        features: FeatureSpec | PooledFeatures | None,
    ) -> None:
        # pictures that were trained on are no test: a nearest neighbour would find the picture itself
        self.model, self.train, self.test = model, train, None if test is train else test
        self.max_train, self.max_test = max_train, max_test
        self.seed, self.batch, self.solver = seed, batch, solver
        self._features = features

    @property
    def shown(self) -> tuple[str, Pictures]:
        """The pictures that are reconstructed: the test pictures where there are any."""
        if self.test is not None:
            return "test", self.test
        if self.train is not None:
            return "train", self.train
        raise DataError("This measure needs pictures, and no data were given. Name a data set.")

    @cached_property
    def reconstruction(self) -> ReconstructionResult:
        """Pixel errors of the pictures shown."""
        return evaluate_reconstruction(self.model, self.shown[1], limit=self.max_test, batch=self.batch)

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

    def classify(
        self, classifier: Classifier, kinds: Sequence[Literal["short", "long"]] = ("short", "long")
    ) -> dict[str, Any]:
        """Accuracies of a classifier on features, with the protocol."""
        train, test = self.labelled
        assert train is not None
        setting: Setting = "SW" if test is None else "DW"
        result = evaluate_representation(
            *train,
            *(test or (None, None)),
            settings=(setting,),
            kinds=kinds,
            classifiers=(classifier,),
            max_train=self.max_train,
            max_test=self.max_test,
            solver=self.solver,
        ).plain()
        return {**result.pop(setting), "setting": setting, "protocol": result["protocol"]}

    @cached_property
    def real(self) -> Tensor:
        """The pictures that sets are compared with, uint8, a fixed choice of at most `SET_LIMIT` or the limit given."""
        return real_pictures(self.shown[1], self._rows, batch=self.batch)

    @cached_property
    def reconstructed(self) -> Tensor:
        """Reconstructions of the same pictures, uint8."""
        return reconstructed_pictures(self.model, self.shown[1], self._rows, batch=self.batch)

    @cached_property
    def sampled(self) -> Tensor:
        """As many pictures from the prior, uint8."""
        return sampled_pictures(self.model, len(self._rows), seed=self.seed, batch=self.batch)

    @cached_property
    def features(self) -> PooledFeatures:
        """What turns pictures into vectors for the Fréchet distances."""
        given = default_features() if self._features is None else self._features
        return build_features(given).to(self.model.device) if isinstance(given, FeatureSpec) else given

    @cached_property
    def real_moments(self) -> Moments:
        """Mean and covariance of the features of `real`."""
        return feature_moments(pooled_features(self.features, self.real, batch=self.batch))

    @property
    def _rows(self) -> Any:
        limit = SET_LIMIT if self.max_test is None else self.max_test
        return choose_rows(len(self.shown[1]), limit)
