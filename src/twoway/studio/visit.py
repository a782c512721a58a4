"""A visitor's stay in the studio: the picture at hand, the model in use, files, and the end of it."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image
from torch import Tensor

from twoway.errors import CheckpointError, ModelError, StudioError
from twoway.grids import save_png_atomic
from twoway.latents.codes import Codes, save_codes
from twoway.photos.framing import Frame
from twoway.photos.points import check_points, make_points
from twoway.pictures import deliver
from twoway.studio.abilities import Abilities
from twoway.studio.limits import Upload, check_seed, check_upload
from twoway.studio.pictures import AtHand, of_seed, pasted, read_photo
from twoway.studio.shared import Studio
from twoway.studio.views import Favourite, View

__all__ = ["Visit"]

V = TypeVar("V", bound="Visit")


class Visit:
    """The state of one visitor, and how pictures come into it and go out; what is done with them is `Session`.

    Args:
        studio: Of all visitors.
        model: Name of the model to start with; the first where None.

    Raises:
        ConfigError: No such model.
        StudioError: Too many visitors.

    Attributes:
        studio: Of all visitors.
        id: Unguessable name.
        used_at: When something was last asked of it, by the studio's clock.
        folder: Where its files lie; removed on `close`.
    """

    def __init__(self, studio: Studio, model: str | None = None) -> None:
        self._shared = studio.shared(model)
        self.studio = studio
        self.id = secrets.token_hex(16)
        self.used_at = studio.clock()
        self._stop = threading.Event()
        self._closed = False
        self._at_hand: AtHand | None = None
        self._edited: tuple[Tensor | None, Tensor] | None = None
        self._others: OrderedDict[tuple[Any, ...], Tensor] = OrderedDict()
        self._samples: list[Favourite] = []
        self._favourites: list[Favourite] = []
        self._shelves: dict[str, tuple[list[Favourite], list[Favourite]]] = {}
        self.folder = studio._admit(self)

    @property
    def model(self) -> str:
        """Name of the model in use."""
        return self._shared.name

    @property
    def abilities(self) -> Abilities:
        """What the model in use can do."""
        return self._shared.abilities

    @property
    def view(self) -> View | None:
        """The picture at hand; None before there is one."""
        at_hand = self._at_hand
        return None if at_hand is None else at_hand.view(self.studio.limits.preview)

    @property
    def favourites(self) -> tuple[Favourite, ...]:
        """Samples that were kept."""
        return tuple(self._favourites)

    @property
    def closed(self) -> bool:
        """Whether the session has ended."""
        return self._closed

    def use_model(self, model: str) -> View | None:
        """Go on with another model; an uploaded picture at hand is read anew by it; each model has its own favourites.

        Raises:
            ConfigError: No such model.
        """
        self._touch()
        shared, before = self.studio.shared(model), self._at_hand
        self.cancel()
        self._shelves[self.model] = (self._samples, self._favourites)
        self._shared, self._at_hand, self._edited = shared, None, None
        self._samples, self._favourites = self._shelves.pop(shared.name, ([], []))
        self._others.clear()
        if before is None or before.frame is None:
            return None
        return self._read(before.frame, before.label, template=before.template)

    def open(self, upload: Upload, *, label: int | None = None) -> View:
        """Make an uploaded picture the one at hand.

        Args:
            upload: Bytes of a picture file, or where it lies.
            label: Its class, for a model that is told one; 0 where None, and the view says so.

        Raises:
            DataError: Not a picture, or one beyond the limits.
            ModelError: No such class.
            StudioError: The session has ended.
        """
        self._touch()
        photo = check_upload(upload, self.studio.limits)
        return self._read(photo, label)

    def open_seed(self, seed: int, *, truncation: float = 1.0, label: int | None = None) -> View:
        """Make a picture of the model's own the one at hand, such as a favourite.

        Raises:
            ModelError: The model makes no new pictures, or there is no such class.
        """
        self._touch()
        self.cancel()
        return self._put(of_seed(self._shared, check_seed(seed), truncation, label))

    def align(self, points: Sequence[Sequence[float]] | None, *, template: str | None = None) -> View:
        """Cut the photo at hand anew by points clicked on it.

        Args:
            points: Eyes and mouth, see `twoway.photos.points.make_points`, in pixels of `View.photo`; left is the left
                of the picture. None takes the middle of the photo.
            template: Where they lie in the pictures that the model was trained on, see `twoway.photos.TEMPLATES`; None
                takes what the studio was told of the model.

        Raises:
            StudioError: There is no photo at hand.
            DataError: Points outside the photo, or that make no face.
            ConfigError: No such template.
        """
        self._touch()
        at_hand, frame = self._hand(), self._frame()
        if points is None:
            return self._read(frame.photo, at_hand.label)
        shown = (at_hand.view(self.studio.limits.preview).photo or frame.photo).size
        face = check_points(make_points(points), shown)
        across, down = frame.photo.width / shown[0], frame.photo.height / shown[1]
        whole = [(x * across, y * down) for x, y in face.listed]
        return self._read(frame.photo, at_hand.label, points=whole, template=template)

    def set_label(self, label: int) -> View:
        """Read the photo at hand as one of another class.

        Raises:
            StudioError: There is no photo at hand.
            ModelError: The model is told no classes, or no such one.
        """
        self._touch()
        at_hand, frame = self._hand(), self._frame()
        if not at_hand.shared.abilities.told:
            raise ModelError("This model is not told the class of a picture, so there is none to choose.")
        return self._read(frame, label, template=at_hand.template)

    def cancel(self) -> None:
        """Stop the projection that runs, if one does."""
        self._stop.set()

    def download(self) -> list[Path]:
        """Write what there is to the session's folder.

        The files are picture.png (as last changed), photo.png (the photo with the change in it), crop.png, and code.npz
        as `twoway.latents.codes.load_codes` reads it, with the code of the picture and, where there is one, that of the
        changed picture.

        Returns:
            The files, the picture first.

        Raises:
            StudioError: There is no picture at hand.
        """
        self._touch()
        at_hand, edited = self._hand(), self._edited
        shown = edited[1] if edited is not None else at_hand.again if at_hand.again is not None else at_hand.x
        folder = self.folder / secrets.token_hex(8)
        pictures = {"picture.png": deliver(shown, "pil")[0], "crop.png": deliver(at_hand.x, "pil")[0]}
        if edited is not None and at_hand.frame is not None:
            pictures["photo.png"] = pasted(at_hand, pictures["picture.png"])
        files = [folder / name for name in pictures]
        try:
            for file in files:
                save_png_atomic(pictures[file.name], file)
        except OSError as error:
            raise CheckpointError(f"The pictures cannot be written to {folder}: {error}.") from error
        rows = {at_hand.name: at_hand.w, f"{at_hand.name}-edited": edited[0] if edited is not None else None}
        codes = {name: w.cpu().numpy() for name, w in rows.items() if w is not None}
        if codes:
            files.append(folder / "code.npz")
            w = np.concatenate(list(codes.values()))
            save_codes(files[-1], Codes(w, tuple(codes), None, at_hand.shared.fingerprint))
        if self._closed:  # in the middle of it
            shutil.rmtree(self.folder, ignore_errors=True)
            self._touch()
        return files

    def close(self) -> None:
        """End the session: projections stop, files are removed; closing twice is once."""
        self._closed = True
        self.cancel()
        self.studio._dismiss(self)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._at_hand, self._edited = None, None
        self._samples, self._favourites = [], []
        self._shelves.clear()
        self._others.clear()

    def __enter__(self: V) -> V:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _touch(self) -> None:
        if self._closed:
            raise StudioError("This session has ended, because it was closed or not used for long. Reload the page.")
        self.used_at = self.studio.clock()

    def _hand(self) -> AtHand:
        at_hand = self._at_hand
        if at_hand is None:
            raise StudioError("There is no picture yet. Upload one, or take one of the samples.")
        return at_hand

    def _frame(self) -> Frame:
        frame = self._hand().frame
        if frame is None:
            raise StudioError("The picture at hand was made by the model, so there is no photo around it. Upload one.")
        return frame

    def _read(
        self,
        photo: Frame | Image.Image,
        label: int | None,
        *,
        points: Sequence[Sequence[float]] | None = None,
        template: str | None = None,
    ) -> View:
        at_hand = read_photo(self._shared, photo, label, points=points, template=template)
        self.cancel()
        return self._put(at_hand)

    def _put(self, at_hand: AtHand) -> View:
        self._at_hand, self._edited = at_hand, None
        if self._closed:  # in the middle of it
            self._at_hand = None
        return at_hand.view(self.studio.limits.preview)
