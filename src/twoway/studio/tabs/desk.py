"""What the tabs of the page are built with: events that act on the visitor's session, errors as messages."""

from __future__ import annotations

import html
import inspect
import logging
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twoway.errors import UserError
from twoway.studio.abilities import Abilities
from twoway.studio.guests import Guests

if TYPE_CHECKING:
    from twoway.studio.views import View

__all__ = ["AT_ONCE", "Desk", "gallery", "guarded", "picture", "say"]

log = logging.getLogger("twoway.studio")
AT_ONCE = 16
"""Requests of one kind that are worked on at once; the models hand out turns among them."""


@dataclass(frozen=True)
class Desk:
    """A model's part of the page, and what its tabs share.

    Args:
        guests: Who is on the page.
        model: Name of the model; empty for what belongs to whatever model is in use.
        able: What it can do.
        followers: Components that show the picture at hand or depend on it, each with what it becomes.
        changes: Events, as `on` returns them, after which the picture at hand may be another one.
    """

    guests: Guests
    model: str
    able: Abilities
    followers: list[tuple[Any, Callable[[View | None], Any]]] = field(default_factory=list)
    changes: list[Any] = field(default_factory=list)

    @property
    def small(self) -> bool:
        """Whether the model's pictures are so small that they are shown much larger than they are."""
        return max(self.able.image_shape[1:]) <= 128

    def follow(self, component: Any, show: Callable[[View | None], Any]) -> None:
        """Have a component show something of the picture at hand whenever that changes."""
        self.followers.append((component, show))

    def on(
        self,
        trigger: Any,
        act: Callable[..., Any],
        inputs: Sequence[Any] = (),
        outputs: Sequence[Any] = (),
        *,
        live: bool = False,
        queue: bool = True,
        at_once: int = AT_ONCE,
        of_picture: bool = False,
    ) -> Any:
        """Do something for the visitor when something happens on the page.

        Args:
            trigger: An event of a component, or several.
            act: Called with the `Guest` and the values of the inputs; for an event that selects something, with what
                was selected after the guest. May yield.
            inputs: Components whose values it gets.
            outputs: Components it gives new values, all of them or none.
            live: Follow a control while it moves: nothing flickers.
            queue: Wait for a turn; without, it is done at once.
            at_once: How many visitors may do this at once.
            of_picture: What comes of it belongs to the picture at hand, and is not shown beside one opened meanwhile.

        Returns:
            The event, for what follows it.
        """
        import gradio as gr

        triggers = list(trigger) if isinstance(trigger, (list, tuple)) else [trigger]
        names = {getattr(one, "event_name", "") for one in triggers}
        selects = "select" in names
        # of choices made while the last one is at work the latest is done too; a button does nothing meanwhile
        lasting = live or not names.isdisjoint(("input", "select"))
        return gr.on(
            triggers,
            guarded(self.guests, act, selects=selects, model=self.model, of_picture=of_picture),
            list(inputs),
            list(outputs),
            trigger_mode="always_last" if lasting else "once",
            show_progress="hidden" if live or not queue else "minimal",
            queue=queue,
            concurrency_limit=at_once,
            api_visibility="private",
        )

    def after(self, event: Any, act: Callable[..., Any], outputs: Sequence[Any]) -> None:
        """Do something at once when an event of `on` is through.

        Args:
            event: What `on` returned.
            act: Called with the `Guest`.
            outputs: Components it gives new values.
        """
        event.then(
            guarded(self.guests, act),
            None,
            list(outputs),
            show_progress="hidden",
            concurrency_limit=AT_ONCE,
            api_visibility="private",
        )


def guarded(
    guests: Guests, act: Callable[..., Any], *, selects: bool = False, model: str = "", of_picture: bool = False
) -> Callable[..., Any]:
    """An action as the page calls it: finds the guest, and turns errors into messages on the page.

    What a model's part of the page asks after another model was chosen comes too late and is left out, and so is what
    belongs `of_picture` to one that is not at hand any more, of an action that gives one answer. The user's
    mistakes become a message and leave what is shown as it was; anything else is logged, too.
    """
    import gradio as gr

    def fail(error: Exception) -> Any:
        if isinstance(error, UserError):
            say(str(error))
        else:
            log.exception("The studio failed at %s.", getattr(act, "__qualname__", act))
            say("The studio failed at this. The terminal it was started in says why.")
        return gr.skip()

    def many(request: Any, *values: Any) -> Iterator[Any]:
        try:
            guest = guests.guest(request.session_hash)
            if model and not guest.meets(model):
                yield gr.skip()
            else:
                yield from act(guest, *values)
        except Exception as error:
            yield fail(error)

    def selected(request: Any, event: Any, *values: Any) -> Any:
        try:
            guest = guests.guest(request.session_hash)
            return gr.skip() if model and not guest.meets(model) else act(guest, event.index, *values)
        except Exception as error:
            return fail(error)

    def once(request: Any, *values: Any) -> Any:
        try:
            guest = guests.guest(request.session_hash)
            if model and not guest.meets(model):
                return gr.skip()
            before = guest.session.view if of_picture else None
            made = act(guest, *values)
            return gr.skip() if of_picture and guest.session.view is not before else made
        except Exception as error:
            return fail(error)

    answer: Any = many if inspect.isgeneratorfunction(act) else selected if selects else once
    # gradio passes these by their annotations, and it is imported only here
    answer.__annotations__ = {"request": gr.Request, **({"event": gr.SelectData} if selects else {})}
    return answer


def say(text: str) -> None:
    """Show a message on the visitor's page; names of files in it are text, never markup."""
    import gradio as gr

    gr.Warning(html.escape(textwrap.shorten(text, 600, placeholder=" ...")), duration=12, title="That did not work")


def picture(desk: Desk | None, label: str, **places: Any) -> Any:
    """A picture to look at; a small one is enlarged smoothly, or as squares where the visitor wants to see pixels.

    Args:
        desk: The model whose picture it is, shown without loss; or None for a photo.
        label: Above it.
        places: ``elem_id``, ``visible``, ``scale``.
    """
    import gradio as gr

    kinds = ["picture", *(["small"] if desk is not None and desk.small else [])]
    return gr.Image(
        label=label,
        alt_text=label,
        format="png" if desk is not None else "webp",
        interactive=False,
        buttons=[],
        elem_classes=kinds,
        min_width=120,
        **places,
    )


def gallery(desk: Desk, label: str, *, preview: bool = True, downloads: bool = False, **places: Any) -> Any:
    """Several pictures of a model in rows, shown without loss.

    Args:
        desk: The model whose pictures they are.
        label: Above them.
        preview: Whether a click enlarges a picture.
        downloads: Whether they can be downloaded.
        places: ``elem_id``, ``visible``.
    """
    import gradio as gr

    return gr.Gallery(
        label=label,
        format="png",
        height="auto",
        object_fit="contain",
        fit_columns=False,
        allow_preview=preview,
        buttons=["download", "download_all"] if downloads else [],
        elem_classes=["strip", *(["small"] if desk.small else [])],
        **places,
    )
