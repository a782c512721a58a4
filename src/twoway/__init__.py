"""twoway: GANs that run both ways."""

__version__ = "0.1.0"
