"""Published figures, quoted: never measured here, always marked as published where they are shown."""

from __future__ import annotations

__all__ = ["ALAE_TABLE2", "ALAE_TABLE2_CELLS"]

ALAE_TABLE2_CELLS = (("1nn", "SW"), ("svm", "SW"), ("1nn", "DW"), ("svm", "DW"))
"""Classifier and setting of each column of `ALAE_TABLE2`."""

ALAE_TABLE2: dict[str, tuple[tuple[float, float], ...]] = {
    "ae-l1": ((97.15, 97.43), (88.71, 97.27), (96.84, 96.80), (89.78, 97.72)),
    "ae-l2": ((97.52, 97.37), (88.78, 97.23), (97.05, 96.77), (89.78, 97.72)),
    "lr": ((92.79, 97.28), (89.74, 97.56), (91.90, 96.69), (90.03, 97.80)),
    "jlr": ((92.54, 97.02), (89.23, 97.19), (91.97, 96.45), (90.82, 97.62)),
    "bigan": ((95.83, 97.14), (90.52, 97.59), (95.38, 96.81), (91.34, 97.74)),
    "alae": ((93.79, 97.61), (93.47, 98.20), (94.59, 97.47), (94.23, 98.64)),
}
"""MNIST accuracy in per cent, short and long features, mean of five trials: arXiv 2004.04467, Table 2.

Which of the two AE rows is l1 is not certain: the norms are missing in our copy and follow the order of BiGAN's text.
"""
