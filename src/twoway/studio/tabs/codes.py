"""What single codes do: classes, and codes moved one at a time."""

from __future__ import annotations

from typing import Any

from twoway.studio.guests import Guest
from twoway.studio.tabs.desk import Desk, picture

__all__ = ["build"]


def build(desk: Desk) -> None:
    """A grid of classes, and a grid in which one code moves."""
    import gradio as gr

    able = desk.able
    with gr.Row(elem_classes="controls"):
        rows = gr.Slider(1, 12, value=4, step=1, label="Rows")
        seed = gr.Number(0, label="Seed", precision=0, minimum=0)
        columns = gr.Slider(2, 15, value=9, step=1, label="Columns", visible=bool(able.traversals))
        code = gr.Dropdown(
            list(able.traversals),
            value=able.traversals[0] if able.traversals else None,
            label="Code that moves",
            visible=bool(able.traversals),
            elem_id=f"code-{desk.model}",
        )
    with gr.Row(elem_classes="controls"):
        move = gr.Button(
            "Move the code", variant="primary", visible=bool(able.traversals), elem_id=f"move-{desk.model}"
        )
        classes = gr.Button("Show the classes", visible=able.can("classes"), elem_id=f"classes-{desk.model}")
    grid = picture(desk, "Grid", elem_id=f"grid-{desk.model}")

    def traverse(guest: Guest, code: str, rows: float, columns: float, seed: float | None) -> Any:
        return guest.session.traverse(code, rows=int(rows), columns=int(columns), seed=int(seed or 0))

    def class_grid(guest: Guest, rows: float, seed: float | None) -> Any:
        return guest.session.class_grid(rows=int(rows), seed=int(seed or 0))

    desk.on([move.click, code.input], traverse, [code, rows, columns, seed], [grid])
    desk.on(classes.click, class_grid, [rows, seed], [grid])
