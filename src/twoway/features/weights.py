"""Files of pretrained weights: where to look, reading them without running anything, and their hash."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from twoway.errors import ModelError

__all__ = ["FOLDER_VARIABLE", "fill", "find_weights", "read_weights", "sha256_prefix"]

FOLDER_VARIABLE = "TWOWAY_WEIGHTS"
"""Environment variable that names the folder where files of pretrained weights are looked for."""


def find_weights(given: str | None, default: str, kind: str) -> Path:
    """File of an extractor's weights.

    Args:
        given: What the user named, or None.
        default: File name looked for in the folder that ``TWOWAY_WEIGHTS`` names.
        kind: Name of the extractor, for the message.

    Raises:
        ModelError: There is no such file; the message says where to put it and which option names another.
    """
    if given:
        path = Path(given).expanduser()
        if path.is_file():
            return path
        raise ModelError(
            f"features.weights is '{given}', but there is no such file. The extractor '{kind}' needs its weights: name "
            f"a .npz or .safetensors file, or use 'pyramid', which needs none."
        )
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder and (Path(folder) / default).is_file():
        return Path(folder) / default
    state = f"names '{folder}', which does not hold it" if folder else "is not set"
    raise ModelError(
        f"The extractor '{kind}' needs the file {default}, but {FOLDER_VARIABLE} {state}. Put the file into a folder "
        f"and set {FOLDER_VARIABLE} to that folder, name the file with features.weights "
        f"(--feature-weights), or use 'pyramid', which needs none."
    )


def read_weights(path: Path) -> dict[str, Tensor]:
    """Arrays of a .npz or .safetensors file by name, as float32.

    Raises:
        ModelError: Another kind of file, or a damaged one. Pickles are never opened.
    """
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name].astype(np.float32)) for name in arrays.files}
        if path.suffix == ".safetensors":
            return {name: value.float() for name, value in load_file(path).items()}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, SafetensorError) as error:
        raise ModelError(
            f"The weights in {path} cannot be read ({error}). The file seems damaged; fetch or convert it again."
        ) from error
    raise ModelError(
        f"The weights in {path} are in a file of type '{path.suffix}', but .npz or .safetensors is expected. Convert "
        f"the file; pickled weights (.pth, .pt) are not opened, since they can run code."
    )


def fill(net: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Copy weights into the buffers of a net by name; names the net does not have are passed over.

    Args:
        net: Its buffers are overwritten.
        weights: Arrays by dotted name.
        source: File or package they are from, for messages.

    Raises:
        ModelError: An array that is missing or of another shape.
    """
    for name, buffer in net.named_buffers():
        if name not in weights:
            raise ModelError(
                f"The weights in {source} lack '{name}'. Names as torchvision gives them are expected "
                f"(features.0.weight and so on); check that the file is of this network."
            )
        found = tuple(weights[name].shape)
        if found != tuple(buffer.shape):
            raise ModelError(
                f"The weights in {source} hold '{name}' in shape {found}, but this network has {tuple(buffer.shape)}. "
                f"Check that the file is of this network."
            )
        buffer.copy_(weights[name])


def sha256_prefix(path: Path, length: int = 12) -> str:
    """First hexadecimal digits of a file's SHA-256."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:length]
