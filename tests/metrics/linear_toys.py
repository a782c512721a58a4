"""Models whose mapping and generator are matrices, so that measures of their codes have closed forms."""

import torch
from small import SHAPE, small_model
from torch import nn


class LinearMapping(nn.Module):
    """F(z) = z M, one layer, with its inverse."""

    def __init__(self, matrix):
        super().__init__()
        self.register_buffer("matrix", matrix)

    def forward(self, z):
        return (z @ self.matrix).unsqueeze(1)

    def inverse(self, w):
        return w[:, 0] @ torch.linalg.inv(self.matrix.double()).to(w.dtype)


class LinearGenerator(nn.Module):
    """G(w) = w A as pixels."""

    def __init__(self, matrix):
        super().__init__()
        self.register_buffer("matrix", matrix)

    def forward(self, w):
        return (w[:, 0] @ self.matrix).unflatten(1, SHAPE)


class LinearEncoder(nn.Module):
    """E(x) = x B."""

    def __init__(self, matrix):
        super().__init__()
        self.register_buffer("matrix", matrix)

    def forward(self, x):
        return (x.flatten(1) @ self.matrix).unsqueeze(1)


class SquaredError:
    """Sum of squared differences of pixels."""

    title = "squared-error"

    def __call__(self, a, b):
        return (a.double() - b.double()).square().flatten(1).sum(1)

    def describe(self):
        return {"name": self.title}


def linear_model(latent=6, seed=0, mapping=True, prior="normal"):
    """Model, M (latent, latent) and A (latent, pixels); the encoder is the pseudo-inverse of A."""
    without = {"normal": "vae", "uniform": "bigan"}[prior]
    draws = torch.Generator().manual_seed(seed)
    model = small_model("alae" if mapping else without, latent=latent)
    m = torch.randn(latent, latent, generator=draws) + torch.eye(latent) if mapping else torch.eye(latent)
    a = 0.3 * torch.randn(latent, 64, generator=draws)
    if mapping:
        model.nets["mapping"] = LinearMapping(m)
    model.nets["generator"] = LinearGenerator(a)
    model.nets["encoder"] = LinearEncoder(torch.linalg.pinv(a.double()).float())
    return model, m.double(), a.double()
