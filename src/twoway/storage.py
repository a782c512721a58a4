"""Models as folders: weights, configuration and a model card, written whole and checked before use.

A model folder holds ``model.safetensors``, ``config.json`` and ``README.md``. Nothing in it is ever executed: weights
are plain numbers, the architecture is data that names registered nets.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

import twoway
from twoway.config import from_plain, to_plain
from twoway.errors import ConfigError, DeviceError, ModelError, closest
from twoway.fit import check_fit
from twoway.folders import whole_folder
from twoway.model import TwoWayModel, assemble_model
from twoway.model_card import Publication, model_card
from twoway.places import without_places
from twoway.recipe import Recipe

__all__ = [
    "CARD_FILE",
    "CONFIG_FILE",
    "DIRECTIONS_FILE",
    "EXTRACTORS",
    "FORMAT",
    "WEIGHTS_FILE",
    "check_replaceable",
    "find_folder",
    "load_model",
    "move_to",
    "read_config",
    "save_model",
    "write_model",
]

FORMAT = 1
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "README.md"
DIRECTIONS_FILE = "directions.safetensors"
EXTRACTORS = "extractors"
HUB_FILES = [CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, DIRECTIONS_FILE, f"{EXTRACTORS}/*.safetensors"]
"""What is taken from the hub."""


@dataclass(frozen=True)
class WeightsFile:
    """What `config.json` says of the weights file.

    Args:
        file: Its name, in the same folder.
        sha256: Hash of its bytes, hexadecimal.
        size: Its length in bytes.
        tensors: How many tensors it holds.
    """

    file: str
    sha256: str
    size: int
    tensors: int


@dataclass(frozen=True)
class ModelConfig:
    """Contents of `config.json`.

    Args:
        format: Version of the folder's layout.
        twoway: Version of the package that wrote it.
        recipe: The whole recipe.
        weights: The weights file.
        fingerprint: Of the model (see `TwoWayModel.fingerprint`).
        training: Facts about the training, as data, kimg, metrics; free-form.
        tuned_from: Fingerprints of the models that this one was tuned from; left out where there are none.
    """

    format: int
    twoway: str
    recipe: Recipe
    weights: WeightsFile
    fingerprint: str
    training: Mapping[str, Any]
    tuned_from: tuple[str, ...] = ()


def save_model(model: TwoWayModel, folder: str | os.PathLike[str], *, card: Mapping[str, Any] | None = None) -> Path:
    """Write a model folder; it appears complete or not at all.

    Args:
        model: What to save.
        folder: Where; an existing model folder is replaced.
        card: Facts about the training for the model card and `config.json`: ``data`` (name of the data set), ``kimg``
            (budget), ``weights`` (such as ``EMA``), ``metrics`` (name to value), ``notes``, or any other plain data.

    Returns:
        The folder.

    Raises:
        ModelError: The place is taken by something that is not a model, or cannot be written.
    """
    target = Path(folder).expanduser()
    check_replaceable(target)
    try:
        with whole_folder(target) as new:
            write_model(model, new, card=card)
    except OSError as error:
        raise ModelError(
            f"The model cannot be written to '{target}': {error}. Choose a place you may write to."
        ) from error
    return target


def write_model(
    model: TwoWayModel, folder: Path, *, card: Mapping[str, Any] | None = None, publication: Publication | None = None
) -> None:
    """Write the files of a model to an empty folder that is there.

    Places of this machine in the facts and in the recipe become names (see `twoway.places`).

    Args:
        model: What to save.
        folder: Where.
        card: See `save_model`.
        publication: What a card for others says besides.

    Raises:
        OSError: The folder cannot be written.
    """
    facts = _plain_facts(card or {})
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    weights = WeightsFile(
        WEIGHTS_FILE, _sha256(folder / WEIGHTS_FILE), (folder / WEIGHTS_FILE).stat().st_size, len(tensors)
    )
    origin = model.tuned_from
    config = ModelConfig(FORMAT, twoway.__version__, model.recipe, weights, model.fingerprint(), facts, origin)
    plain = without_places(to_plain(config))
    if not origin:  # as all versions read it
        del plain["tuned_from"]
    text = json.dumps(plain, indent=2, ensure_ascii=False)
    (folder / CONFIG_FILE).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    card_text = model_card(model, facts, config.fingerprint, publication)
    (folder / CARD_FILE).write_text(card_text, encoding="utf-8", errors="backslashreplace")


def load_model(
    source: str | os.PathLike[str], *, device: str | torch.device = "cpu", revision: str | None = None
) -> TwoWayModel:
    """Load a model folder, checked, in evaluation mode.

    Args:
        source: A folder, or ``owner/name`` of a model on the Hugging Face Hub. A path that exists always wins.
        device: Where the model shall be.
        revision: Branch, tag or commit of a model on the hub; ``owner/name@revision`` says the same.

    Returns:
        The model; its weights, names and fingerprint are those that were saved.

    Raises:
        ModelError: There is no such model, or the folder is incomplete, damaged, tampered with, of another version,
            or holds a file that would have to be executed to be read.
        DeviceError: The device is not there.
    """
    folder = find_folder(source, revision=revision)
    config = read_config(folder)
    tensors = _read_weights(folder, config)
    try:
        # shapes first, so that a recipe that does not belong to the weights costs no memory
        w_shape = check_fit(config.recipe)
        with torch.device("meta"):
            wanted = assemble_model(config.recipe, w_shape).state_dict()
        _check_tensors(folder, tensors, wanted)
        model = assemble_model(config.recipe, w_shape, generator=torch.Generator().manual_seed(0))
    except ConfigError as error:
        raise ModelError(f"The recipe in '{folder / CONFIG_FILE}' describes no working model: {error}") from error
    model.load_state_dict(tensors)
    model.tuned_from = config.tuned_from
    if model.fingerprint() != config.fingerprint:
        raise ModelError(
            f"The model in '{folder}' has the fingerprint {model.fingerprint()}, but its {CONFIG_FILE} says "
            f"{config.fingerprint}: weights or recipe were changed after saving. Get an unaltered copy of the folder."
        )
    return move_to(model, device).eval()


def move_to(model: TwoWayModel, device: str | torch.device) -> TwoWayModel:
    """Move a model to a device.

    Raises:
        DeviceError: There is no such device.
    """
    try:
        return model.to(torch.device(device))
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first = str(error).splitlines()[0]
        raise DeviceError(
            f"The device '{device}' cannot be used: {first}. Use 'cpu', or a device that is there."
        ) from error


def read_config(folder: Path) -> ModelConfig:
    """Read and check `config.json` of a model folder, without touching the weights.

    Raises:
        ModelError: It is missing, not JSON, of another version, or holds unknown or unusable keys.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise ModelError(
            f"'{folder}' is not a model folder: it has no {CONFIG_FILE}. Expected a folder written by model.save or by "
            "training (runs/NAME/model). Checkpoints of other programs are imported first: twoway import --help."
        )
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"'{path}' is not valid JSON ({error}). Get an unaltered copy of the folder.") from error
    if not isinstance(plain, dict) or "format" not in plain:
        raise ModelError(f"'{path}' was not written by twoway: it has no key 'format'. Give a folder saved by twoway.")
    if plain["format"] != FORMAT:
        raise ModelError(
            f"'{path}' has format {plain['format']!r}, but this twoway ({twoway.__version__}) reads format {FORMAT}. "
            f"Use the version that wrote it ({plain.get('twoway', 'unknown')}), or save the model again."
        )
    try:
        config: ModelConfig = from_plain(ModelConfig, plain, CONFIG_FILE)
    except ConfigError as error:
        raise ModelError(f"'{path}' cannot be used: {error}") from error
    return config


def find_folder(source: str | os.PathLike[str], *, revision: str | None = None) -> Path:
    """The folder of a model, which is downloaded to the hub's cache where the source is a name on the hub.

    Args:
        source: A folder, ``owner/name`` or ``owner/name@revision``.
        revision: Branch, tag or commit on the hub.

    Raises:
        ModelError: There is no such model, or a revision of a folder on this machine was asked for.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        if revision is not None:
            raise ModelError(
                f"'{path}' is a folder on this machine, which has no revisions, but revision '{revision}' was asked "
                "for. Leave it out, or give the name of the model on the hub from another working directory."
            )
        return path
    if path.exists():
        raise ModelError(
            f"'{path}' is a file, but a model is a folder with {CONFIG_FILE} and {WEIGHTS_FILE}. Give the folder; a "
            "checkpoint of another program (.pth, .pkl) is imported first: twoway import --help."
        )
    # a name below a folder that is here is a misspelt path, not a name on the hub
    name = re.fullmatch(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(\S+))?", str(source))
    if name and not path.parent.is_dir():
        return _download(name[1], revision or name[2])
    raise ModelError(
        f"There is no model folder '{path}'. Expected a folder saved by twoway, or 'owner/name' of a model on the "
        "Hugging Face Hub. Check the spelling and the working directory."
    )


def _download(name: str, revision: str | None) -> Path:
    import huggingface_hub

    try:
        # nothing but what a model folder holds, so that no pickle even reaches the disk
        return Path(huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=HUB_FILES))
    except Exception as error:  # the hub's own errors, those of its network library, and of the file system
        first = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        offline = " HF_HUB_OFFLINE is set, so only models in the local cache can be had." if _offline() else ""
        asked = f"{name}' with the revision '{revision}" if revision else name
        raise ModelError(
            f"There is no folder '{name}' here, and a model '{asked}' could not be had from the Hugging Face Hub "
            f"({type(error).__name__}: {first}).{offline} {_way_out(error)}"
        ) from error


def _way_out(error: Exception) -> str:
    from huggingface_hub import errors

    if isinstance(error, errors.RevisionNotFoundError):
        return "The model is there, but not that branch, tag or commit: see its page for those that are."
    if isinstance(error, errors.GatedRepoError):
        return "Its owner grants access on its page; ask there, and log in with: hf auth login."
    return "Check the path or the name, the network, and for a private model that you are logged in."


def _offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _read_weights(folder: Path, config: ModelConfig) -> dict[str, Tensor]:
    stated = config.weights
    path = folder / stated.file
    if Path(stated.file).name != stated.file or stated.file in ("", ".", ".."):
        raise ModelError(
            f"'{folder / CONFIG_FILE}' names the weights file '{stated.file}', but that must be a plain file name in "
            "the same folder. Get an unaltered copy of the folder."
        )
    if not path.is_file():
        raise ModelError(f"The weights file '{path}' is missing. Copy the whole folder, {stated.file} included.")
    with path.open("rb") as file:
        magic = file.read(9)
    # a safetensors file begins with the length of its header, whose low bytes may be anything, and then the header
    if magic[8:] != b"{" and (magic[:2] == b"PK" or magic[:1] == b"\x80"):
        what = "a zip archive, as torch.save writes it" if magic[:2] == b"PK" else "a pickle"
        raise ModelError(
            f"'{path}' is {what}, not a safetensors file. Reading it could execute code hidden in it, so it was left "
            "alone. Load it in the program that wrote it, if you trust it, and save its tensors with safetensors."
        )
    size = path.stat().st_size
    if size != stated.size:
        raise ModelError(
            f"'{path}' is {size} bytes long, but {CONFIG_FILE} says {stated.size}: it is truncated or was changed. "
            "Copy or download it again."
        )
    if (found := _sha256(path)) != stated.sha256:
        raise ModelError(
            f"'{path}' has the sha256 {found[:16]}..., but {CONFIG_FILE} says {stated.sha256[:16]}...: it was changed "
            "or damaged after saving. Copy or download it again."
        )
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ModelError(f"'{path}' is not a readable safetensors file ({error}). Get an unaltered copy.") from error
    if len(tensors) != stated.tensors:
        raise ModelError(
            f"'{path}' holds {len(tensors)} tensors, but {CONFIG_FILE} says {stated.tensors}. Get an unaltered copy."
        )
    return tensors


def _check_tensors(folder: Path, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    mend = "Weights and recipe do not belong together; get an unaltered copy of the folder."
    for name in found:
        if name not in wanted:
            raise ModelError(f"The weights in '{folder}' hold a tensor '{name}' that its recipe does not have. {mend}")
    for name, tensor in wanted.items():
        if name not in found:
            raise ModelError(f"The weights in '{folder}' lack the tensor '{name}'{closest(name, found)}. {mend}")
        here, there = found[name], tensor
        if here.shape != there.shape or here.dtype != there.dtype:
            raise ModelError(
                f"The tensor '{name}' in '{folder}' is {tuple(here.shape)} {here.dtype}, but the recipe makes it "
                f"{tuple(there.shape)} {there.dtype}. {mend}"
            )


def check_replaceable(target: Path) -> None:
    """See that a place is free for a model folder, or holds an older one.

    Raises:
        ModelError: It holds something else, which saving would remove.
    """
    if target.is_dir():
        if any(target.iterdir()) and not (target / CONFIG_FILE).is_file():
            raise ModelError(
                f"'{target}' already holds files that are not a model, which saving would remove. Choose a new folder."
            )
    elif target.exists():
        raise ModelError(f"'{target}' is a file, but a model is saved as a folder. Choose another name.")


def _plain_facts(card: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as JSON data: numpy and torch scalars become numbers, anything else text."""
    text = json.dumps(to_plain(card), default=lambda v: v.item() if hasattr(v, "item") else str(v))
    facts: dict[str, Any] = without_places(json.loads(text))
    return facts


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)


def _digest(file: Any) -> str:
    """The same for Python 3.10, which has no ``file_digest``."""
    digest = hashlib.sha256()
    for block in iter(lambda: file.read(1 << 20), b""):
        digest.update(block)
    return digest.hexdigest()
