"""The picture as it is now and its code, as files."""

from __future__ import annotations

from typing import Any

from twoway.studio.guests import Guest
from twoway.studio.tabs.desk import Desk

__all__ = ["build"]

WHAT = """The last edit, mix or reconstruction as a PNG file at the model's size, what the model saw, and the code:
`code.npz` holds the codes of the picture and of its edit with the model's fingerprint, and is what
`twoway` and `twoway.latents.codes.load_codes` read."""


def build(desk: Desk) -> None:
    """A button that writes the files, and the files."""
    import gradio as gr

    gr.Markdown(WHAT, elem_classes="how")
    with gr.Row(elem_classes="controls"):
        go = gr.Button("Make the files", variant="primary", elem_id=f"download-go-{desk.model}")
    files = gr.File(
        label="Files", file_count="multiple", interactive=False, visible=False, elem_id=f"files-{desk.model}"
    )

    def write(guest: Guest) -> Any:
        return gr.update(value=[str(path) for path in guest.session.download()], visible=True)

    desk.on(go.click, write, [], [files])
    desk.follow(files, lambda _: gr.update(value=None, visible=False))
