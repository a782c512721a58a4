"""Making feature extractors: small classifiers trained on a data set, for measures of models of the same pictures."""

from twoway.extractors.targets import Targets, choose_targets
from twoway.extractors.train_classifier import ClassifierTraining, TrainedClassifier, train_classifier

__all__ = ["ClassifierTraining", "Targets", "TrainedClassifier", "choose_targets", "train_classifier"]
