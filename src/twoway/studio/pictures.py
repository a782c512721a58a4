"""The picture a visitor works on, encoded once: what later actions start from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from PIL import Image
from torch import Tensor

from twoway.errors import ModelError
from twoway.metrics.reconstruction import pixel_mse, psnr
from twoway.photos.framing import Frame, align
from twoway.photos.opening import notes_of
from twoway.photos.pasting import paste_back
from twoway.pictures import deliver, prepare_image
from twoway.studio.kept import KeptFrame
from twoway.studio.shared import Shared
from twoway.studio.views import View

__all__ = ["AtHand", "of_seed", "pasted", "read_photo", "whole_code"]

GUESS = (
    "Where faces lie in this model's pictures is not known, so that your points were brought to where {} has them: "
    "a guess. If it looks wrong, start the studio with --template."
)
"""Said to who clicks points of a face where nobody said which template is the model's."""


@dataclass(frozen=True)
class AtHand:
    """A picture and what the model makes of it; replaced as a whole, never changed.

    Args:
        shared: The model that reads it.
        name: ``upload`` or ``seed-5``, never the name of a file that somebody sent.
        x: What the model sees, in [-1, 1], shape (1, C, H, W).
        w: Its code (1, layers, dim); None where the encoder gives no whole code, until a projection found one.
        again: The picture of that code, shape (1, C, H, W); None where the model cannot reconstruct.
        frame: The photo and where x lies in it; None of a picture that the model made, or that is not kept.
        template: By which it was aligned, where the visitor chose one.
        label: Its class, where the model is told one.
        seed: Of a picture that the model made.
        warnings: What the visitor should know.
        found: Whether its code was found by a search.
    """

    shared: Shared
    name: str
    x: Tensor
    w: Tensor | None
    again: Tensor | None
    frame: KeptFrame | None = None
    template: str | None = None
    label: int | None = None
    seed: int | None = None
    warnings: tuple[str, ...] = ()
    found: bool = False

    _views: dict[int, View] = field(default_factory=dict, compare=False)

    def view(self, preview: int) -> View:
        """What the visitor sees of it; the photo at most so many pixels long. Made once."""
        if preview not in self._views:
            self._views[preview] = _viewed(self, preview)
        return self._views[preview]

    @property
    def error(self) -> float | None:
        """Mean squared error of its reconstruction, pixels in [-1, 1]; None without one."""
        return None if self.again is None else pixel_mse(self.again, self.x.to(self.again.device)).item()


def read_photo(
    shared: Shared,
    photo: Frame | Image.Image,
    label: int | None,
    *,
    points: Sequence[Sequence[float]] | None = None,
    template: str | None = None,
    keep: Callable[[Frame], KeptFrame] | None = None,
) -> AtHand:
    """Cut out of a photo what a model takes, and encode it.

    Args:
        shared: The model.
        photo: A photo, upright; or one as another model took it, to be cut in the same way.
        label: Its class, for a model that is told one.
        points: Of the face, in pixels of the photo.
        template: Where they lie; None takes the model's.
        keep: What to keep of the photo; None keeps no more than the crop.

    Raises:
        DataError: Points that do not fit the photo.
        ConfigError: No such template.
        ModelError: No such class.
    """
    able = shared.abilities
    if isinstance(photo, Frame):
        points = None if photo.points is None else photo.points.listed
        photo = photo.photo
    notes = notes_of(photo)
    if not able.told:
        label = None
    elif label is None:
        label = 0
        notes = (*notes, "This model is told the class of a picture; it was read as class 0. Choose its class.")
    if points is not None and template is None and shared.guessed:
        notes = (*notes, GUESS.format(shared.template.name))
    frame = align(photo, able.image_shape, points=points, template=template or shared.template)
    x = prepare_image(frame.crop, able.image_shape)[None]
    w, again = _encoded(shared, x, label)
    if again is None:
        notes = (*notes, f"{able.reasons['reconstruct']} Project the picture to find its code.")
    kept = None if keep is None else keep(frame)
    found = AtHand(shared, "upload", x, w, again, kept, template, label)
    with shared.at_work():
        warning = shared.usual.warning(w, found.error)
    shared.usual.seek()
    return replace(found, warnings=(*notes, warning) if warning else notes, _views={})


def _encoded(shared: Shared, x: Tensor, label: int | None) -> tuple[Tensor | None, Tensor | None]:
    """Code and reconstruction of a picture x (1, C, H, W), each None where the model cannot."""
    able = shared.abilities
    if not able.can("reconstruct"):
        return None, None
    with shared.at_work() as pipeline:
        model = pipeline.model
        x = x.to(model.device)
        if not able.encodes:
            return None, model.reconstruct(x, label)
        w = model.encode(x, label)
        return w, model.decode(w)


def of_seed(shared: Shared, seed: int, truncation: float, label: int | None) -> AtHand:
    """The picture of a seed, with its code.

    Raises:
        ModelError: The model has no prior, or no such class.
    """
    shared.abilities.require("sample")
    with shared.at_work() as pipeline:
        w = pipeline.code_of_seed(seed, truncation=truncation)
        if label is not None:
            w = pipeline.model.relabelled(w, label)
        x = pipeline.model.decode(w)
    return AtHand(shared, f"seed-{seed}", x.clamp(-1, 1), w, x, label=label, seed=seed)


def whole_code(at_hand: AtHand) -> Tensor:
    """Its code (1, layers, dim).

    Raises:
        ModelError: The model has found none.
    """
    if at_hand.w is None:
        able = at_hand.shared.abilities
        which = "This model's encoder does not find the whole code of a picture"
        if not able.can("reconstruct"):
            which = f"This {able.method} model has no encoder that finds the code of a picture"
        raise ModelError(f"{which}, which this needs. Project the picture first, or take one of the samples.")
    return at_hand.w


def pasted(at_hand: AtHand, image: Image.Image, *, preview: bool = False) -> Image.Image:
    """A changed crop in its photo: what the model changed is added to the photo, so that all else stays.

    Args:
        at_hand: With a photo.
        image: The crop, at the model's size.
        preview: Whether to take the small copy of the photo; otherwise it is taken as it is, however long that takes.
    """
    assert at_hand.frame is not None, "a picture of the model's own has no photo"
    again = None if at_hand.again is None else deliver(at_hand.again, "pil")[0]
    frame = at_hand.frame.small if preview else at_hand.frame.whole()
    return paste_back(frame, image, reconstruction=again)


def _viewed(at_hand: AtHand, preview: int) -> View:
    frame, again = at_hand.frame, at_hand.again
    photo = outline = None
    if frame is not None:
        photo = frame.small.photo.copy()
        photo.thumbnail((preview, preview))
        across, down = photo.width / frame.small.photo.width, photo.height / frame.small.photo.height
        outline = tuple((x * across, y * down) for x, y in frame.small.outline)
    ratio = None if again is None else psnr(again, at_hand.x.to(again.device)).item()
    return View(
        crop=deliver(at_hand.x, "pil")[0],
        reconstruction=None if again is None else deliver(again, "pil")[0],
        warning=" ".join(at_hand.warnings) or None,
        photo=photo,
        outline=outline,
        mse=at_hand.error,
        psnr=ratio,
        label=at_hand.label,
        found=at_hand.found,
    )
