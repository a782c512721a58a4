"""Published figures, quoted: never measured here, always marked as published where they are shown."""

from __future__ import annotations

__all__ = [
    "ALAE_TABLE1",
    "ALAE_TABLE2",
    "ALAE_TABLE2_CELLS",
    "ALAE_TABLE3",
    "ALAE_TABLE4",
    "LIA_TABLE2",
    "LIA_TABLE3",
]

ALAE_TABLE1: dict[str, tuple[str, str, str]] = {
    "vae": ("similarity", "imposed / divergence", "data"),
    "aae": ("similarity", "imposed / adversarial", "data"),
    "vae-gan": ("similarity", "imposed / divergence", "data"),
    "vampprior": ("similarity", "learned / divergence", "data"),
    "bigan": ("adversarial", "imposed / adversarial", "adversarial"),
    "ali": ("adversarial", "imposed / adversarial", "adversarial"),
    "veegan": ("adversarial", "imposed / divergence", "latent"),
    "age": ("adversarial", "imposed / adversarial", "latent"),
    "introvae": ("adversarial", "imposed / adversarial", "data"),
    "alae": ("adversarial", "learned / divergence", "latent"),
}
"""Data distribution, latent distribution and reciprocity of autoencoders: arXiv 2004.04467, Table 1."""

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

ALAE_TABLE3: dict[str, dict[str, tuple[float, ...]]] = {
    "ffhq": {"stylegan": (4.40,), "style-alae": (13.09, 16.52)},
    "bedroom": {
        "stylegan": (2.65,),
        "pggan": (8.34,),
        "introvae": (8.84,),
        "pioneer": (18.39,),
        "balanced-pioneer": (17.89,),
        "style-alae": (17.13, 15.92),
    },
}
"""FID of generations, and of reconstructions where there are any, by data set: arXiv 2004.04467, Table 3.

FFHQ at 1024, LSUN Bedroom at 256 pixels; Inception features, 50,000 generations.
"""

ALAE_TABLE4: dict[str, tuple[float, float]] = {
    "traditional-z": (412.0, 415.3),
    "stylegan-no-mixing-w": (200.5, 160.6),
    "stylegan-w": (231.5, 182.1),
    "style-alae-z": (300.5, 292.0),
    "style-alae-w": (134.5, 103.4),
}
"""Perceptual path length on FFHQ, full and end: arXiv 2004.04467, Table 4.

The symbols of the spaces are missing in our copy; they follow the text: StyleGAN's row in Z (here ``traditional-z``) is
"a traditional network", the others are in W, and StyleALAE has one row in each. The three rows of StyleGAN are those of
arXiv 1812.04948, Table 3. The figures of Table 5 are not in our copy.
"""

LIA_TABLE2: dict[str, tuple[float, float, float]] = {
    "z": (207.48, 206.56, 132.19),
    "w": (74.65, 67.11, 7.75),
}
"""Path length (full, end) and separability of both spaces on FFHQ: arXiv 1906.08090, Table 2, where w is called y.

The model is not named; the section works with StyleGAN.
"""

LIA_TABLE3: dict[str, tuple[float, float, float]] = {
    "lia": (19.26, 12.16, 11.79),
    "vaegan-z": (22.26, 15.82, 23.18),
    "optimisation": (44.79, 43.44, 18.81),
    "ali": (74.98, 15.09, 32.61),
}
"""FID, SWD and MSE of reconstructions of FFHQ at 128x128: arXiv 1906.08090, Table 3.

Some decimal points were lost in our copy and restored. The scale of the MSE is not stated; times 1e-3 on pixels in
[0, 1] is the reading that fits later papers.
"""
