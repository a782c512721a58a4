"""What all visitors of a studio share: models with their turns, directions, limits, the list of sessions."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import torch

from twoway.errors import ConfigError, StudioError, closest
from twoway.latents.directions import Direction, check_direction, load_directions
from twoway.model import TwoWayModel
from twoway.photos.templates import Template, read_template
from twoway.pipeline import Pipeline
from twoway.studio.abilities import Abilities, abilities_of
from twoway.studio.leftovers import SETTLED, clear_leftovers
from twoway.studio.limits import Limits
from twoway.studio.turns import Turns
from twoway.studio.usual import Known, Usual

if TYPE_CHECKING:
    from twoway.studio.session import Session
    from twoway.studio.visit import Visit

__all__ = ["PAGE", "GivenDirections", "Shared", "Studio"]

GivenDirections: TypeAlias = "Mapping[str, Direction] | str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"
"""Directions by name, the file they lie in, or several files."""


TEMPLATE = "celeba"
"""A guess, for models of which nobody said where faces lie in their pictures."""
WHOLE = 2
"""Photos decoded at full size at once; one may take 120 MB."""
PAGE = "page"
"""Folder of the page's server in the studio's."""
NEWCOMER = 10.0
"""Seconds that a session without a picture lasts at least, also where others want its place."""


@dataclass(frozen=True)
class Shared:
    """One model of a studio.

    Args:
        name: What visitors choose it by.
        pipeline: The model.
        fingerprint: Of the model; computed once, it reads every weight.
        abilities: What it can do.
        directions: By name.
        template: Where faces lie in its pictures, see `twoway.photos.templates`.
        guessed: Whether the template is a guess.
        usual: Warns of pictures unlike those it knows.
        turns: Whoever computes with the model takes one.
        projections: Free places of projections.
    """

    name: str
    pipeline: Pipeline
    fingerprint: str
    abilities: Abilities
    directions: Mapping[str, Direction]
    template: Template
    guessed: bool
    usual: Usual
    turns: Turns
    projections: threading.Semaphore

    @contextlib.contextmanager
    def at_work(self) -> Iterator[Pipeline]:
        """A turn for quick work, without gradients."""
        with self.turns.quick(), torch.inference_mode():
            yield self.pipeline


class Studio:
    """Models that several visitors play with, each in a `Session` of their own.

    Args:
        pipelines: Models by name; the first is what a session starts with.
        directions: By name of the model: directions by name, or the file (or files) they lie in.
        templates: By name of the model: where faces lie in the pictures it was trained on, see
            `twoway.photos.templates`; of those not named ``celeba`` is a guess, and who clicks points is told so.
        known: By name of the model: codes of its training pictures, or their file, to warn of pictures unlike them.
        by_samples: Whether models without such codes are judged by samples of their own, see `Usual`.
        limits: What visitors may ask for.
        folder: Where sessions keep their files; a temporary folder where None. What sessions wrote is removed on
            `close`, the folder itself only where the studio made it; that one goes also when the program ends, or the
            studio is forgotten, without `close`.
        clock: Seconds that only grow; for tests.

    Attributes:
        whole_photos: A place for each photo that is decoded at full size.

    Raises:
        ConfigError: No models, or directions for one that is not there.
        ModelError: Directions that were made for another model; names the file.

    Example:
        >>> from twoway.methods import make_recipe
        >>> from twoway.model import build_model
        >>> pipeline = Pipeline(build_model(make_recipe("alae-digits", (1, 8, 8))))
        >>> with Studio({"digits": pipeline}) as studio:
        ...     session = studio.open_session()
        ...     pictures = session.sample(seed=3, n=2)
        >>> len(pictures), pictures[0].size
        (2, (8, 8))
    """

    def __init__(
        self,
        pipelines: Mapping[str, Pipeline],
        *,
        directions: Mapping[str, GivenDirections] | None = None,
        templates: Mapping[str, Template | str] | None = None,
        known: Mapping[str, Known] | None = None,
        by_samples: bool = True,
        limits: Limits | None = None,
        folder: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not pipelines:
            raise ConfigError("A studio needs at least one model.")
        for what, given in (("directions", directions), ("a template", templates), ("known codes", known)):
            for name in given or {}:
                if name not in pipelines:
                    raise ConfigError(f"'{name}' got {what}, but is no model here{closest(name, pipelines)}.")
        self.limits = limits or Limits()
        self.clock = clock
        self._models: dict[str, Shared] = {}
        for name, pipeline in pipelines.items():
            fingerprint = pipeline.model.fingerprint()
            own = _read_directions(pipeline.model, (directions or {}).get(name, {}), fingerprint)
            template = (templates or {}).get(name, TEMPLATE)
            self._models[name] = Shared(
                name,
                pipeline,
                fingerprint,
                abilities_of(pipeline.model, list(own), others=len(pipelines) - 1),
                own,
                read_template(template) if isinstance(template, str) else template,
                name not in (templates or {}),
                Usual(pipeline.model, (known or {}).get(name), by_samples=by_samples),
                Turns(),
                threading.Semaphore(self.limits.projections),
            )
        self.folder = Path(tempfile.mkdtemp(prefix="twoway-studio-")) if folder is None else folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self._clear = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True) if folder is None else None
        self.whole_photos = threading.Semaphore(WHOLE)
        self._guard = threading.Lock()
        self._sessions: dict[str, Visit] = {}
        self._closed = False

    @property
    def names(self) -> tuple[str, ...]:
        """Of the models; the first is what a session starts with."""
        return tuple(self._models)

    @property
    def sessions(self) -> int:
        """How many are open."""
        return len(self._sessions)

    def abilities(self, model: str | None = None) -> Abilities:
        """What a model can do, the first where None.

        Raises:
            ConfigError: No such model.
        """
        return self.shared(model).abilities

    def shared(self, model: str | None = None) -> Shared:
        """A model with what belongs to it, the first where None.

        Raises:
            ConfigError: No such model.
        """
        name = self.names[0] if model is None else model
        if name not in self._models:
            raise ConfigError(f"There is no model '{name}' here{closest(name, self._models)}.")
        return self._models[name]

    def open_session(self, model: str | None = None) -> Session:
        """A new visitor.

        Args:
            model: Name of the model to start with; the first where None.

        Raises:
            ConfigError: No such model.
            StudioError: As many visitors as there may be, all of them active.
        """
        from twoway.studio.session import Session

        return Session(self, model)

    def sweep(self) -> int:
        """Close the sessions that nobody used for `Limits.idle_minutes`; returns how many.

        A projection that is watched counts as use. Opening a session sweeps, too. What the page's server left goes when
        it is as old, or soon when nobody is there.
        """
        latest = self.clock() - 60 * self.limits.idle_minutes
        with self._guard:
            idle = [session for session in self._sessions.values() if session.used_at <= latest]
        for session in idle:
            session.close()
        older = 60 * self.limits.idle_minutes if self._sessions else SETTLED
        clear_leftovers(self.folder / PAGE, older=older, most=self.limits.page_mib * 2**20)
        return len(idle)

    def close(self) -> None:
        """Close all sessions and remove their files; closing twice is once."""
        with self._guard:
            self._closed = True
            sessions = list(self._sessions.values())
        for session in sessions:
            session.close()
        if self._clear is not None:
            self._clear()
            shutil.rmtree(self.folder, ignore_errors=True)  # again: who was in the middle of writing may have made it

    def __enter__(self) -> Studio:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _admit(self, session: Visit) -> Path:
        """Enter a new session in the list; returns its own new folder."""
        self.sweep()
        self._make_room()
        with self._guard:
            if self._closed:
                raise StudioError("The studio was closed.")
            if len(self._sessions) >= self.limits.sessions:
                raise StudioError(
                    f"The studio has {len(self._sessions)} visitors, as many as it may. Try again in a few minutes."
                )
            self._sessions[session.id] = session
            return Path(tempfile.mkdtemp(prefix="session-", dir=self.folder))

    def _make_room(self) -> None:
        """In a full studio close the session longest unused of those that have no picture.

        Sessions begin with any request, and a hundred that ask for nothing more are not to lock everybody out. A
        visitor whose session it was gets another one with the next click.
        """
        with self._guard:
            full = len(self._sessions) >= self.limits.sessions
            empty = [session for session in self._sessions.values() if full and session.empty]
        oldest = min(empty, key=lambda session: session.used_at, default=None)
        if oldest is not None and oldest.used_at <= self.clock() - NEWCOMER:
            oldest.close()

    def _dismiss(self, session: Visit) -> None:
        with self._guard:
            self._sessions.pop(session.id, None)


def _read_directions(model: TwoWayModel, given: GivenDirections, fingerprint: str) -> dict[str, Direction]:
    """Directions by name; those of another model are refused with the name of their file."""
    if isinstance(given, Mapping):
        for direction in given.values():
            check_direction(direction, model, fingerprint)
        return dict(given)
    files = [given] if isinstance(given, (str, os.PathLike)) else given
    found: dict[str, Direction] = {}
    for file in files:
        for name, direction in load_directions(file, model).items():
            if name in found:
                raise ConfigError(f"There are two directions '{name}', the second in '{file}'. Leave one out.")
            found[name] = direction
    return found
