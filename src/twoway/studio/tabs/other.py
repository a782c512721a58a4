"""The choice of a second picture: an upload or a seed, whatever the model can."""

from __future__ import annotations

from typing import Any

from twoway.errors import UserError
from twoway.studio.guests import Guest
from twoway.studio.tabs.desk import Desk, say

__all__ = ["Other"]

UPLOAD, SEED = "A picture", "A seed"


class Other:
    """Components to choose a second picture with.

    Args:
        desk: Of the model.
        tab: Name of the tab, under which the guest's picture is remembered.
        shown: Where an upload is shown as soon as it is there.

    Attributes:
        inputs: Components whose values `take` wants, in order.
    """

    def __init__(self, desk: Desk, tab: str, shown: Any) -> None:
        import gradio as gr

        self.tab = f"{desk.model} {tab}"
        kinds = [k for k, there in ((UPLOAD, desk.able.encodes), (SEED, desk.able.can("sample"))) if there]
        first = kinds[-1]
        self.source = gr.Radio(
            kinds, value=first, label="With", visible=len(kinds) > 1, elem_id=f"{tab}-source-{desk.model}"
        )
        self.seed = gr.Number(
            1, label="Seed", precision=0, minimum=0, visible=first == SEED, elem_id=f"{tab}-seed-{desk.model}"
        )
        self.file = gr.File(
            show_label=False,
            height=92,
            visible=first == UPLOAD,
            elem_id=f"{tab}-upload-{desk.model}",
        )
        self.inputs = [self.source, self.seed]
        self.given = desk.on(self.file.upload, self._give, [self.file], [self.file, shown])
        desk.on(self.source.input, self._switch, [self.source], [self.seed, self.file])

    def take(self, guest: Guest, source: str, seed: float | None) -> bytes | int:
        """What was chosen.

        Raises:
            StudioError: Nothing was uploaded yet.
        """
        return guest.other(self.tab) if source == UPLOAD else int(seed or 0)

    def _give(self, guest: Guest, path: str | None) -> list[Any]:
        import gradio as gr

        try:
            if path is None:
                return [gr.skip(), gr.skip()]
            return [None, guest.give(self.tab, path)]
        except UserError as error:
            say(str(error))
            return [None, gr.skip()]

    def _switch(self, guest: Guest, source: str) -> list[Any]:
        import gradio as gr

        upload = source == UPLOAD
        return [gr.update(visible=not upload), gr.update(visible=upload)]
