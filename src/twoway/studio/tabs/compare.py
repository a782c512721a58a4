"""The picture through two models, side by side."""

from __future__ import annotations

from typing import Any

from twoway.studio.guests import Guest
from twoway.studio.tabs.desk import Desk, picture

__all__ = ["build"]


def build(desk: Desk) -> None:
    """Another model, and both reconstructions with their errors."""
    import gradio as gr

    others = [name for name in desk.guests.studio.names if name != desk.model]
    with gr.Row(elem_classes="controls"):
        other = gr.Dropdown(others, value=others[0], label="Compare with", elem_id=f"compare-with-{desk.model}")
        go = gr.Button("Compare", variant="primary", elem_id=f"compare-go-{desk.model}")
    with gr.Row(elem_classes="pair"):
        mine = picture(desk, "This model", elem_id=f"compare-mine-{desk.model}")
        theirs = picture(desk, "The other", elem_id=f"compare-theirs-{desk.model}")
    facts = gr.Markdown(elem_classes="facts", elem_id=f"compare-facts-{desk.model}")

    def compare(guest: Guest, other: str) -> list[Any]:
        found = guest.session.compare(other)
        rows = [
            f"| {name.replace('|', ' ')} | {mse:.4f} | {ratio:.1f} dB |"
            for name, mse, ratio in zip(found.names, found.mse, found.psnr, strict=True)
        ]
        table = "\n".join(["| model | mean squared error | PSNR |", "|---|---:|---:|", *rows])
        text = table + (f"\n\n{found.warning}" if found.warning else "")
        shown = [gr.update(value=p, label=name) for p, name in zip(found.images, found.names, strict=True)]
        return [*shown, text]

    desk.on(go.click, compare, [other], [mine, theirs, facts], of_picture=True)
    desk.follow(mine, lambda _: None)
    desk.follow(theirs, lambda _: None)
    desk.follow(facts, lambda _: "")
