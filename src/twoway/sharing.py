"""How a pipeline is loaded, saved and put on a hub, with what is known of its training."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

from twoway.hub import Companions, companions_of, push_model, save_for_others
from twoway.model import TwoWayModel
from twoway.storage import find_folder, load_model, move_to, read_config

__all__ = ["Shared"]

Self = TypeVar("Self", bound="Shared")


class Shared:
    """A model that remembers where it was loaded from.

    Args:
        model: The model, which is put in evaluation mode.
    """

    def __init__(self, model: TwoWayModel) -> None:
        self.model = model.eval()
        self._loaded: tuple[str, Mapping[str, Any], Companions] | None = None

    @classmethod
    def from_pretrained(
        cls: type[Self],
        source: str | os.PathLike[str],
        *,
        device: str | torch.device = "cpu",
        revision: str | None = None,
    ) -> Self:
        """Load a model folder, or ``owner/name`` from the Hugging Face Hub.

        What was loaded from the hub once stays in its cache and is used where there is no network.

        Args:
            source: A folder, ``owner/name`` or ``owner/name@revision``. A folder that exists always wins.
            device: Where the model shall be.
            revision: Branch, tag or commit on the hub.

        Raises:
            ModelError: There is none, or it is damaged (see `twoway.storage.load_model`).
            DeviceError: The device is not there.
        """
        folder = find_folder(source, revision=revision)
        made = cls(load_model(folder, device=device))
        config = read_config(folder)
        made._loaded = (config.fingerprint, config.training, companions_of(folder))
        return made

    def to(self: Self, device: str | torch.device) -> Self:
        """Move the model; returns the pipeline itself.

        Raises:
            DeviceError: The device is not there.
        """
        move_to(self.model, device)
        return self

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is known of the training; nothing of a model that was not loaded, or was changed since."""
        return self._kept()[0]

    def save_pretrained(
        self,
        folder: str | os.PathLike[str],
        *,
        licence: str | None = None,
        dataset: str | None = None,
        notes: str | None = None,
    ) -> Path:
        """Write a model folder with a card for others, a preview, and the directions the model was loaded with.

        Args:
            folder: Where; an existing model folder is replaced.
            licence: Identifier such as ``cc-by-4.0``, for the card.
            dataset: Name of the training pictures on the hub, ``owner/name``, for the card.
            notes: Anything else the card should say.

        Returns:
            The folder, which `from_pretrained` takes.

        Raises:
            ModelError: The place is taken by something else or cannot be written.
            ConfigError: A licence or data set that no hub could show.
        """
        facts, beside = self._kept()
        target = Path(folder)
        save_for_others(
            self.model, target, facts=facts, licence=licence, dataset=dataset, notes=notes, companions=beside
        )
        return target.expanduser()

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        commit_message: str | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        token: str | None = None,
        licence: str | None = None,
        dataset: str | None = None,
        notes: str | None = None,
    ) -> str:
        """Put what `save_pretrained` writes on the Hugging Face Hub; see `twoway.hub.push_model` for the arguments.

        Returns:
            Address of the commit, or of the pull request.

        Raises:
            ModelError: The hub could not be reached, or refused.
            ConfigError: A name that is not ``owner/name``.
        """
        facts, beside = self._kept()
        return push_model(
            self.model,
            repo_id,
            facts=facts,
            licence=licence,
            dataset=dataset,
            notes=notes,
            companions=beside,
            private=private,
            commit_message=commit_message,
            revision=revision,
            create_pr=create_pr,
            token=token,
        )

    def _kept(self) -> tuple[Mapping[str, Any], Companions]:
        """Facts and companions, as long as the model is the one that was loaded."""
        if self._loaded is None or self._loaded[0] != self.model.fingerprint():
            return {}, Companions()
        return self._loaded[1], self._loaded[2]
