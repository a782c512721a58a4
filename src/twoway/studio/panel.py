"""The side of the photo: upload, points to align it by, warnings; what all tabs start from."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twoway.errors import UserError
from twoway.studio.boards import PROMPTS, board, enlargement
from twoway.studio.guests import Guest
from twoway.studio.limits import upload_bytes
from twoway.studio.tabs.desk import Desk, picture, say
from twoway.studio.views import View

__all__ = ["Panel"]


class Panel:
    """The photo and what is done before anything else.

    Args:
        desks: Of all models; which of them is in use, the guest knows.
    """

    def __init__(self, desks: Sequence[Desk]) -> None:
        import gradio as gr

        self.desks = desks
        self.count = 0
        self.file = gr.File(label="Upload a photo", show_label=False, height=92, elem_id="upload")
        self.photo = picture(None, "Your photo", elem_id="photo", visible=False)
        self.prompt = gr.Markdown(visible=False, elem_id="prompt")
        with gr.Row(visible=False, elem_id="points") as self.buttons:
            self.undo = gr.Button("Undo point", size="sm", elem_id="undo")
            self.middle = gr.Button("Start over", size="sm", elem_id="middle")
        self.label = gr.Dropdown([], label="Class of the picture", visible=False, elem_id="label")
        self.warning = gr.Markdown(visible=False, elem_id="warning")

    def wire(self, models: Any, columns: Sequence[Any]) -> None:
        """Connect the events; after all tabs are built, whose components follow the picture at hand.

        Args:
            models: The choice of a model.
            columns: The part of the page of each model.
        """
        desk = replace(self.desks[0], model="")  # of whatever model is in use
        everything = [self.photo, self.prompt, self.buttons, self.label, self.warning]
        everything += [component for d in self.desks for component, _ in d.followers]
        self.count = len(everything)
        desk.on(self.file.upload, self._open, [models, self.file], [self.file, *everything])
        desk.on(self.photo.select, self._click, [models], everything)
        desk.on(self.undo.click, self._undo, [models], everything)
        desk.on(self.middle.click, self._take_middle, [models], everything)
        desk.on(self.label.input, self._tell, [models, self.label], everything)
        desk.on(models.input, self._choose, [models], [*columns, *everything])
        for own in self.desks:
            for event in own.changes:
                own.after(event, self.shown, everything)

    def _open(self, guest: Guest, model: str, path: str | None) -> list[Any]:
        import gradio as gr

        try:
            guest.meets(model)
            if path is not None:  # the file is left alone: all who send the same bytes share it
                guest.session.open(upload_bytes(path, guest.studio.limits))
                guest.points.clear()
            return [None, *self.shown(guest)]
        except UserError as error:
            say(str(error))
            return [None, *[gr.skip()] * self.count]  # ready for another file

    def _click(self, guest: Guest, index: Sequence[float], model: str) -> list[Any]:
        guest.meets(model)
        view = guest.session.view
        if view is None or view.photo is None:
            return self.shown(guest)
        before = list(guest.points)
        if len(guest.points) >= len(PROMPTS):
            guest.points.clear()
        by = enlargement(view.photo)
        guest.points.append(((index[0] + 0.5) / by, (index[1] + 0.5) / by))
        whole = len(guest.points) == len(PROMPTS)
        if whole:
            try:
                guest.session.align(guest.points)
            except UserError:
                guest.points[:] = before
                raise
        return self.shown(guest, changed=whole)

    def _undo(self, guest: Guest, model: str) -> list[Any]:
        guest.meets(model)
        whole = len(guest.points) == len(PROMPTS)
        if whole:
            guest.session.align(None)
        if guest.points:
            guest.points.pop()
        return self.shown(guest, changed=whole)

    def _take_middle(self, guest: Guest, model: str) -> list[Any]:
        guest.meets(model)
        guest.session.align(None)
        guest.points.clear()
        return self.shown(guest)

    def _tell(self, guest: Guest, model: str, label: int) -> list[Any]:
        guest.meets(model)
        guest.session.set_label(int(label))
        return self.shown(guest)

    def _choose(self, guest: Guest, model: str) -> list[Any]:
        import gradio as gr

        guest.session.use_model(model)
        guest.model = model
        guest.points.clear()
        return [*(gr.update(visible=desk.model == model) for desk in self.desks), *self.shown(guest)]

    def shown(self, guest: Guest, *, changed: bool = True) -> list[Any]:
        """New values of the panel and of all that follows the picture at hand.

        Args:
            guest: Whose.
            changed: Whether the picture at hand is another one now; otherwise only the panel is.
        """
        import gradio as gr

        view = guest.session.view
        photo = view.photo if view is not None else None
        able = self.desks[guest.studio.names.index(guest.model)].able
        told: dict[str, Any] = {}
        if able.told:
            told = {"choices": list(range(able.classes)), "value": None if view is None else view.label}
        values: list[Any] = [
            gr.update(
                value=None if view is None or photo is None else board(photo, guest.points, view.outline),
                visible=photo is not None,
            ),
            gr.update(value=prompt(len(guest.points)), visible=photo is not None),
            gr.update(visible=photo is not None),
            gr.update(visible=able.told and photo is not None, **told),
            gr.update(value=warning(view), visible=bool(view and view.warning)),
        ]
        for desk in self.desks:
            mine = changed and desk.model == guest.model
            values += [show(view) if mine else gr.skip() for _, show in desk.followers]
        return values


def prompt(done: int) -> str:
    """What to click next, after so many points.

    Example:
        >>> prompt(1)
        'Now click the eye on the right.'
    """
    if done == 0:
        return f"A face? Click {PROMPTS[0]} as you see it, then {PROMPTS[1]}, then {PROMPTS[2]}."
    return "Aligned by your points." if done == len(PROMPTS) else f"Now click {PROMPTS[done]}."


def warning(view: View | None) -> str:
    """The view's warning as text of its own."""
    return html.escape(view.warning) if view is not None and view.warning else ""
