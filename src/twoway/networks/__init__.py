"""The parts models are made of. No losses, no files."""

from twoway.networks.image_critic import ImageCritic
from twoway.networks.invertible import CouplingMapping
from twoway.networks.mlp import Gaussian, MLPCritic, MLPEncoder, MLPGenerator, MLPMapping
from twoway.networks.registry import NETWORKS, NetSpec, build_net, network, reset_net
from twoway.networks.residual_encoder import ResidualEncoder

__all__ = [
    "NETWORKS",
    "CouplingMapping",
    "Gaussian",
    "ImageCritic",
    "MLPCritic",
    "MLPEncoder",
    "MLPGenerator",
    "MLPMapping",
    "NetSpec",
    "ResidualEncoder",
    "build_net",
    "network",
    "reset_net",
]
