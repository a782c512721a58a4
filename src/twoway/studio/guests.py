"""Who is on the page: a session for each open tab of a browser, found by the name the page gives itself."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass, field

from PIL import Image

from twoway.errors import StudioError
from twoway.studio.limits import check_upload, upload_bytes
from twoway.studio.session import Session
from twoway.studio.shared import Studio

__all__ = ["Guest", "Guests"]

NEWCOMER = 60.0
"""Seconds after which a guest without a session is forgotten."""


@dataclass
class Guest:
    """What the page remembers of one visitor besides the session.

    Args:
        studio: Of all guests.
        model: Name of the model in use.
        points: Clicks on the photo so far, in pixels of `View.photo`.
        others: Second pictures as PNG files, by the tab they were given to.
        since: When the guest came, by the studio's clock.
    """

    studio: Studio
    model: str
    points: list[tuple[float, float]] = field(default_factory=list)
    others: dict[str, bytes] = field(default_factory=dict)
    since: float = 0.0
    _session: Session | None = None
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def session(self) -> Session:
        """The visitor's session; a new one where there is none yet, or where it was not used for long.

        Raises:
            StudioError: Too many visitors.
        """
        with self._guard:
            if self._session is None or self._session.closed:
                self._session = self.studio.open_session(self.model)
                self.points.clear()
                self.others.clear()
            return self._session

    def meets(self, model: str) -> bool:
        """Whether the guest works with a model; who has no session, or no more, does so from now on.

        A page goes on showing a model when its session has ended, because the connection was lost or after a long time.
        """
        with self._guard:
            if self._session is None or self._session.closed:
                self.model = model
            return self.model == model

    def give(self, tab: str, path: str) -> Image.Image:
        """Remember a second picture for a tab; returns it.

        Raises:
            DataError: Not a picture, or one beyond the limits.
        """
        self.session  # noqa: B018 whoever gives something is a visitor, and counted as one
        picture = check_upload(upload_bytes(path, self.studio.limits), self.studio.limits)
        picture.thumbnail((self.studio.limits.preview, self.studio.limits.preview))
        content = io.BytesIO()
        picture.save(content, "PNG")
        self.others[tab] = content.getvalue()
        return picture

    def other(self, tab: str) -> bytes:
        """The second picture of a tab.

        Raises:
            StudioError: There is none yet.
        """
        if tab not in self.others:
            raise StudioError("There is no second picture yet. Upload one, or take the picture of a seed.")
        return self.others[tab]

    def close(self) -> None:
        """End the session, if there is one."""
        self.others.clear()
        with self._guard:
            if self._session is not None:
                self._session.close()


class Guests:
    """All guests, by the name that a page gives itself when it is loaded.

    Args:
        studio: Of all guests.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._guests: dict[str, Guest] = {}
        self._guard = threading.Lock()

    def __len__(self) -> int:
        return len(self._guests)

    def guest(self, key: str | None) -> Guest:
        """The guest of a page, which starts with the first thing asked of it.

        Raises:
            StudioError: A page without a name.
        """
        if not key:
            raise StudioError("The request does not say which page it comes from. Open the studio in a browser.")
        with self._guard:
            if key not in self._guests:
                self._forget()
                self._guests[key] = Guest(self.studio, self.studio.names[0], since=self.studio.clock())
            return self._guests[key]

    def leave(self, key: str | None) -> None:
        """A page was closed: its session ends, and with it a projection that runs."""
        with self._guard:
            guest = self._guests.pop(key or "", None)
        if guest is not None:
            guest.close()

    def sweep(self) -> None:
        """Forget those whose sessions the studio has closed, or who have none; those who never leave would pile up."""
        with self._guard:
            self._forget()

    def _forget(self) -> None:
        self.studio.sweep()
        latest = self.studio.clock() - NEWCOMER
        for key, one in list(self._guests.items()):
            if one._session.closed if one._session is not None else one.since < latest:
                self._guests.pop(key).others.clear()
