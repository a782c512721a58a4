"""The parts models are made of. No losses, no files."""

from twoway.networks.classifiers import ImageClassifier, LeNet, ResidualClassifier
from twoway.networks.code_encoders import CodePosterior, ConvCodeEncoder, CriticCodeEncoder, MLPCodeEncoder
from twoway.networks.dcgan import ConvCritic, ConvEncoder, ConvGenerator
from twoway.networks.growing import Growing
from twoway.networks.image_critic import ImageCritic
from twoway.networks.invertible import CouplingMapping
from twoway.networks.mlp import Gaussian, MLPCritic, MLPEncoder, MLPGenerator, MLPMapping
from twoway.networks.progressive_encoder import ProgressiveEncoder
from twoway.networks.progressive_generator import ProgressiveGenerator
from twoway.networks.pseudo_inputs import PseudoInputs
from twoway.networks.registry import NETWORKS, NetSpec, build_net, network, reset_net
from twoway.networks.residual_encoder import ResidualEncoder
from twoway.networks.skip_generator import SkipGenerator
from twoway.networks.style_blocks import style_channels
from twoway.networks.style_encoder import StyleEncoder
from twoway.networks.style_generator import StyleGenerator

__all__ = [
    "NETWORKS",
    "CodePosterior",
    "ConvCodeEncoder",
    "ConvCritic",
    "ConvEncoder",
    "ConvGenerator",
    "CouplingMapping",
    "CriticCodeEncoder",
    "Gaussian",
    "Growing",
    "ImageClassifier",
    "ImageCritic",
    "LeNet",
    "MLPCodeEncoder",
    "MLPCritic",
    "MLPEncoder",
    "MLPGenerator",
    "MLPMapping",
    "NetSpec",
    "ProgressiveEncoder",
    "ProgressiveGenerator",
    "PseudoInputs",
    "ResidualClassifier",
    "ResidualEncoder",
    "SkipGenerator",
    "StyleEncoder",
    "StyleGenerator",
    "build_net",
    "network",
    "reset_net",
    "style_channels",
]
