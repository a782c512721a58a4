"""The parts models are made of. No losses, no files."""

from twoway.networks.growing import Growing
from twoway.networks.mlp import Gaussian, MLPCritic, MLPEncoder, MLPGenerator, MLPMapping
from twoway.networks.registry import NETWORKS, NetSpec, build_net, network, reset_net

__all__ = [
    "NETWORKS",
    "Gaussian",
    "Growing",
    "MLPCritic",
    "MLPEncoder",
    "MLPGenerator",
    "MLPMapping",
    "NetSpec",
    "build_net",
    "network",
    "reset_net",
]
