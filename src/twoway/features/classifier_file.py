"""Small classifiers as single safetensors files: weights, and in the header what they are of. Nothing is executed."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from twoway.config import from_plain, to_plain
from twoway.errors import ConfigError, ModelError
from twoway.folders import write_whole
from twoway.networks import NETWORKS, ImageClassifier, NetSpec, build_net

__all__ = ["ClassifierRecord", "check_name", "check_writable", "read_classifier", "write_classifier"]

FORMAT = 1
_KEY = "twoway_extractor"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOW = "Such a file is made by 'twoway metrics train-extractor --data DIR -o FILE'"


@dataclass(frozen=True)
class ClassifierRecord:
    """What is known of a trained classifier.

    Args:
        name: What numbers are named after, as ``mnist-cnn``.
        net: Architecture; its arguments hold the shape of the images.
        of: Whether the outputs are classes, of which one is right, or attributes, each of which may be there.
        outputs: Name of each class or attribute.
        training: Plain data: on which pictures, how, with which seed.
        accuracy: Plain data: how often it is right on pictures it was not trained on.
    """

    name: str
    net: NetSpec
    of: Literal["classes", "attributes"]
    outputs: tuple[str, ...]
    training: Mapping[str, Any]
    accuracy: Mapping[str, Any]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the pictures it was trained on."""
        channels, height, width = self.net.args["image_shape"]
        return channels, height, width


def check_name(name: str, taken: Mapping[str, Any]) -> None:
    """Refuse a name that could not stand in the name of a number, or is another extractor's.

    Args:
        name: Of a classifier.
        taken: Registered extractors.

    Raises:
        ConfigError: Saying which names can be had.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"The classifier's name is '{name}', but must be up to 64 letters, digits, '.', '_' or '-', as mnist-cnn."
        )
    if name in taken or name in ("inception-tf", "frechet") or re.fullmatch(r"pca\d*", name):
        raise ConfigError(
            f"The classifier's name is '{name}', which is another extractor's; its numbers would pass for that one's. "
            f"Choose another, as {name}-own."
        )


def check_writable(path: Path) -> None:
    """Refuse, before anything is computed, a file that could not be written in the end.

    Raises:
        ModelError: Another kind of file name, a folder of that name, or a place where nothing can be written.
    """
    if path.suffix != ".safetensors":
        raise ModelError(f"The file is to be '{path}', but its name must end with .safetensors. Choose such a name.")
    if path.is_dir():
        raise ModelError(f"The file is to be '{path}', but that is a folder. Choose another name.")
    there = next(folder for folder in path.absolute().parents if folder.exists())
    try:
        with tempfile.NamedTemporaryFile(prefix=f".{path.name}-", dir=there):
            pass
    except OSError as error:
        raise _unwritable(path, error) from error


def write_classifier(path: Path, record: ClassifierRecord, weights: Mapping[str, Tensor]) -> None:
    """Write a classifier; the file appears complete or not at all.

    Args:
        path: A file name that ends with ``.safetensors``; replaced where it exists.
        record: What it is.
        weights: State of the net of that record.

    Raises:
        ModelError: It cannot be written there.
    """
    check_writable(path)
    header = {_KEY: json.dumps({"format": FORMAT, **to_plain(record)}, ensure_ascii=False, sort_keys=True)}
    blob = save({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, metadata=header)
    try:
        write_whole(path, blob)
    except OSError as error:
        raise _unwritable(path, error) from error


def read_classifier(path: Path) -> tuple[ClassifierRecord, ImageClassifier]:
    """Read a classifier and check it.

    Returns:
        What it is, and the net with its weights, in evaluation mode on the CPU.

    Raises:
        ModelError: There is no such file, or it is damaged or something else.
    """
    record, weights = _contents(path)
    try:
        with torch.device("meta"):  # a description that does not belong to the weights costs no memory
            net = build_net(record.net)
    except (ConfigError, TypeError, ValueError) as error:
        raise ModelError(f"The classifier in '{path}' describes no working net: {error} {_AGAIN}") from error
    assert isinstance(net, ImageClassifier)
    wanted = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if wanted != found:
        odd = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
        raise ModelError(
            f"The weights in '{path}' do not belong to the net that the file describes: '{odd[0]}' has the shape "
            f"{found.get(odd[0], 'none')}, and {wanted.get(odd[0], 'none')} was expected. {_AGAIN}"
        )
    if not all(bool(tensor.isfinite().all()) for tensor in weights.values()):
        raise ModelError(f"The weights in '{path}' are not all finite numbers. {_AGAIN}")
    net.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, assign=True)
    return record, net.eval()


_AGAIN = "Get an unaltered copy, or train it again."


def _contents(path: Path) -> tuple[ClassifierRecord, dict[str, Tensor]]:
    if not path.is_file():
        raise ModelError(
            f"There is no file '{path}' of a classifier to take features from. {_HOW}; give its path, or use the "
            f"features 'pyramid', which need no file."
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()} if _KEY in metadata else {}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f"'{path}' cannot be read as a classifier to take features from ({error}): it is another kind of file, or "
            f"was cut off. {_HOW}; get an unaltered copy, or name another extractor."
        ) from error
    if _KEY not in metadata:
        raise ModelError(
            f"'{path}' is a safetensors file, but of something else than a classifier to take features from; its "
            f"header has no entry '{_KEY}'. {_HOW}; weights of SqueezeNet or VGG16 go with that extractor's own name "
            f"(--features squeezenet --feature-weights FILE)."
        )
    try:
        plain = json.loads(metadata[_KEY])
    except ValueError as error:
        raise ModelError(f"The header of '{path}' is not valid JSON ({error}). {_AGAIN}") from error
    if not isinstance(plain, dict) or plain.pop("format", None) != FORMAT:
        raise ModelError(
            f"The classifier in '{path}' is of a format that this twoway does not know; it reads format {FORMAT}. "
            f"Train it again, or use the version that wrote it."
        )
    return _checked(plain, path), weights


def _checked(plain: dict[str, Any], path: Path) -> ClassifierRecord:
    try:
        record: ClassifierRecord = from_plain(ClassifierRecord, plain, "the record")
        if not issubclass(NETWORKS[record.net.kind], ImageClassifier):
            raise ConfigError(f"its net is a '{record.net.kind}', which is no classifier.")
        if record.net.args["outputs"] != len(record.outputs):
            raise ConfigError(f"it names {len(record.outputs)} outputs, its net has {record.net.args['outputs']}.")
        check_name(record.name, {})
    except ConfigError as error:
        raise ModelError(f"What '{path}' says of its classifier cannot be used: {error} {_AGAIN}") from error
    return record


def _unwritable(path: Path, error: OSError) -> ModelError:
    return ModelError(f"The classifier cannot be written to '{path}': {error}. Choose a place you may write to.")
