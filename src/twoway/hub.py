"""Models for others: a folder with card and preview as a hub shows it, and putting it there.

What goes up is decided here and nowhere else: weights, configuration, card, one picture, directions and extractors of
the model. Never checkpoints, optimisers or training pictures, and no places of this machine. The picture holds only
what the model made: samples, and reconstructions of those samples; reconstructions of pictures that somebody took
would show them.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from twoway.data import to_uint8
from twoway.errors import ConfigError, ModelError
from twoway.folders import whole_folder
from twoway.grids import image_grid, pair_grid, save_png_atomic
from twoway.latents.directions import load_directions, save_directions
from twoway.model import TwoWayModel
from twoway.model_card import LICENCES, Publication
from twoway.places import without_places
from twoway.storage import DIRECTIONS_FILE, EXTRACTORS, check_replaceable, write_model

__all__ = ["Companions", "check_place", "companions_of", "preview", "push_model", "save_for_others", "sizes"]

PREVIEW_FILE = "preview.png"
SAMPLES, COLUMNS = 24, 8
TABLES = {"representation": ("accuracy of 1NN and linear SVM on codes and hidden layer, per cent", ("rows",))}


@dataclass(frozen=True)
class Companions:
    """Files that go with a model.

    Args:
        directions: A file of directions of this model, or of one that it was tuned from.
        extractors: Classifiers, .safetensors.
    """

    directions: Path | None = None
    extractors: tuple[Path, ...] = ()


def companions_of(folder: Path) -> Companions:
    """Directions and extractors that lie in a model folder, or in the run folder that it is in.

    Args:
        folder: A model folder, as ``runs/00007-lia-faces/model``.
    """
    places = [folder] + ([folder.parent] if (folder.parent / "config.yaml").is_file() else [])
    directions = next((p / DIRECTIONS_FILE for p in places if (p / DIRECTIONS_FILE).is_file()), None)
    extractors = {f.name: f for p in reversed(places) for f in sorted((p / EXTRACTORS).glob("*.safetensors"))}
    return Companions(directions, tuple(extractors.values()))


@torch.inference_mode()
def preview(model: TwoWayModel, seed: int = 0) -> tuple[Any, str] | None:
    """A grid of what the model makes, and what it shows; None where there is no prior to draw from.

    Seeds count upwards from the first, as in ``twoway generate``; no sample is chosen. Where the model encodes, every
    sample has its reconstruction below it.
    """
    if model.recipe.prior is None:
        return None
    seeds = [torch.Generator().manual_seed(seed + i) for i in range(SAMPLES)]
    z = torch.cat([model.draw_prior(1, generator=one) for one in seeds])
    w = model.map(z)
    samples = model.decode(w)
    shown, span = to_uint8(samples).cpu(), f"seeds {seed} to {seed + SAMPLES - 1}, none left out"
    if not model.reconstructs:
        return image_grid(shown, COLUMNS), f"Samples of the prior, {span}"
    labels = w[:, 0, -model.recipe.labels :].argmax(1) if model.recipe.labels else None
    again = to_uint8(model.reconstruct(samples.clamp(-1, 1), labels)).cpu()
    return pair_grid(shown, again, COLUMNS), f"Samples of the prior, {span}; below each what comes of encoding it"


def save_for_others(
    model: TwoWayModel,
    folder: str | Path,
    *,
    facts: Mapping[str, Any] | None = None,
    place: str | None = None,
    licence: str | None = None,
    dataset: str | None = None,
    notes: str | None = None,
    companions: Companions | None = None,
) -> list[Path]:
    """Write a model folder as it is put on a hub, complete or not at all; `twoway.load` reads it.

    Args:
        model: The model.
        folder: Where; an existing model folder is replaced.
        facts: Of the training, see `twoway.storage.save_model`.
        place: ``owner/name`` on the hub, for the card.
        licence: Identifier such as ``cc-by-4.0``, for the card.
        dataset: Name of the data set on the hub, ``owner/name``, for the card.
        notes: Anything else the card should say.
        companions: Directions and extractors to go with it.

    Returns:
        The files, relative to the folder, sorted.

    Raises:
        ModelError: Directions of another model, companions that cannot be read, or a place that is taken or cannot be
            written.
        ConfigError: A licence or data set that no hub could show.
    """
    from twoway.metrics import METRICS  # takes a second to import, and only the card needs it

    _check_words(licence, dataset)
    told = companions or Companions()
    target = Path(folder).expanduser()
    check_replaceable(target)
    named = dict(facts or {})
    if notes:
        named["notes"] = notes
    try:
        with whole_folder(target) as new:
            directions = _copy_directions(told.directions, new, model)
            for path in told.extractors:
                (new / EXTRACTORS).mkdir(exist_ok=True)
                _copy_extractor(path, new / EXTRACTORS / path.name)
            shown = preview(model)
            if shown is not None:
                save_png_atomic(shown[0], new / PREVIEW_FILE)
            publication = Publication(
                place,
                licence,
                dataset,
                None if shown is None else (PREVIEW_FILE, shown[1]),
                directions,
                tuple(path.name for path in told.extractors),
                {name: (found.summary, found.headline) for name, found in METRICS.items()}
                | {
                    "representation": (
                        "accuracy of 1NN and linear SVM on codes and hidden layer, per cent",
                        ("rows",),
                    )
                },
            )
            write_model(model, new, card=named, publication=publication)
            return sorted(path.relative_to(new) for path in new.rglob("*") if path.is_file())
    except OSError as error:
        raise ModelError(
            f"The model cannot be written to '{target}': {error}. Choose a place you may write to."
        ) from error


def push_model(
    model: TwoWayModel,
    place: str,
    *,
    facts: Mapping[str, Any] | None = None,
    licence: str | None = None,
    dataset: str | None = None,
    notes: str | None = None,
    companions: Companions | None = None,
    private: bool | None = None,
    commit_message: str | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    token: str | None = None,
) -> str:
    """Put a model on the Hugging Face Hub; the repository is made where there is none.

    Args:
        model: The model.
        place: ``owner/name``.
        facts: See `save_for_others`, as for the next four.
        licence: See there.
        dataset: See there.
        notes: See there.
        companions: See there.
        private: Whether a new repository is private; None takes the owner's default. An old one stays what it is.
        commit_message: Of the commit; None writes the method and the fingerprint.
        revision: Branch to commit to; None is the main one.
        create_pr: Whether to propose the files instead of committing them.
        token: Of the hub; None takes the one that you logged in with.

    Returns:
        Address of the commit, or of the proposal.

    Raises:
        ModelError: The hub could not be reached or refused, or as in `save_for_others`.
        ConfigError: A name that is not ``owner/name``.
    """
    import huggingface_hub

    check_place(place)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        save_for_others(
            model,
            folder,
            facts=facts,
            place=place,
            licence=licence,
            dataset=dataset,
            notes=notes,
            companions=companions,
        )
        api = huggingface_hub.HfApi(token=token, library_name="twoway")
        try:
            if not create_pr:
                api.create_repo(place, private=private, exist_ok=True)
            done = api.upload_folder(
                repo_id=place,
                folder_path=folder,
                commit_message=commit_message or f"{model.recipe.method} model {model.fingerprint()}",
                revision=revision,
                create_pr=create_pr,
            )
        except Exception as error:  # the hub's own errors, and those of its network library
            raise ModelError(_refusal(place, error)) from error
    return str(done.pr_url if create_pr else done.commit_url)


def check_place(place: str) -> None:
    """See that a name is one of a model on a hub.

    Raises:
        ConfigError: It is not.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", place) or re.search(r"--|\.\.", place):
        raise ConfigError(
            f"'{place}' is no name on the Hugging Face Hub. Expected owner/name, of letters, digits and single "
            "-, _ and ., such as ann/lia-cats-64."
        )


def _check_words(licence: str | None, dataset: str | None) -> None:
    if licence is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", licence):
        raise ConfigError(
            f"The licence '{licence}' is no identifier that hubs know. Write it as {', '.join(LICENCES)}, or other."
        )
    if dataset is not None and not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", dataset):
        raise ConfigError(f"'{dataset}' is no name of a data set on a hub. Write it as owner/name.")


def _copy_directions(path: Path | None, folder: Path, model: TwoWayModel) -> tuple[str, ...]:
    """Write directions of the model, or of one that it was tuned from, without places; return their names."""
    if path is None:
        return ()
    found = load_directions(path, model).values()
    save_directions(folder / DIRECTIONS_FILE, [replace(one, facts=without_places(dict(one.facts))) for one in found])
    return tuple(one.name for one in found)


def _copy_extractor(path: Path, target: Path) -> None:
    """Copy a safetensors file without places of this machine in its notes."""
    try:
        with safe_open(path, "pt") as file:
            metadata = {key: _tidied(text) for key, text in (file.metadata() or {}).items()}
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f"'{path}' lies beside the model but is not a readable safetensors file ({error}). Mend or remove it."
        ) from error
    save_file(tensors, target, metadata=metadata or None)


def _tidied(text: str) -> str:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return str(without_places(text))
    return text if without_places(value) == value else json.dumps(without_places(value), ensure_ascii=False)


def _refusal(place: str, error: Exception) -> str:
    from huggingface_hub import constants, errors

    first = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if constants.HF_HUB_OFFLINE:
        advice = "HF_HUB_OFFLINE is set; unset it."
    elif isinstance(error, errors.LocalTokenNotFoundError) or status == 401:
        advice = "Log in with a token that may write: hf auth login, or give token=."
    elif status == 403:
        advice = "The token you logged in with may not write there: make one that may, or choose another owner."
    elif isinstance(error, errors.RepositoryNotFoundError):
        advice = "There is no such model, or you may not see it."
    elif isinstance(error, errors.RevisionNotFoundError):
        advice = "The model has no such branch; leave the revision out, or make it first."
    else:
        advice = "Check the network and try again; nothing was changed that a second try would not put right."
    return f"'{place}' could not be put on the Hugging Face Hub ({type(error).__name__}: {first}). {advice}"


def sizes(folder: Path, files: Sequence[Path]) -> list[tuple[str, int]]:
    """Names and sizes in bytes of files in a folder."""
    return [(path.as_posix(), (folder / path).stat().st_size) for path in files]
