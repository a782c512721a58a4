"""The parts models are made of. No losses, no files."""

from twoway.networks.mlp import Gaussian, MLPCritic, MLPEncoder, MLPGenerator, MLPMapping
from twoway.networks.registry import NETWORKS, NetSpec, build_net, network, reset_net

__all__ = [
    "NETWORKS",
    "Gaussian",
    "MLPCritic",
    "MLPEncoder",
    "MLPGenerator",
    "MLPMapping",
    "NetSpec",
    "build_net",
    "network",
    "reset_net",
]
