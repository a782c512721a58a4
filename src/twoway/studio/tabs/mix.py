"""One picture with some layers of another."""

from __future__ import annotations

from typing import Any

from twoway.studio.guests import Guest
from twoway.studio.tabs.desk import Desk, picture
from twoway.studio.tabs.other import Other

__all__ = ["build"]


def build(desk: Desk) -> None:
    """The picture at hand, another one, and the mix of both."""
    import gradio as gr

    with gr.Row(elem_classes="pair"):
        before = picture(desk, "Picture at hand", elem_id=f"mix-first-{desk.model}")
        second = picture(desk, "The other", elem_id=f"mix-second-{desk.model}")
        after = picture(desk, "Mix", elem_id=f"mix-result-{desk.model}")
    other = Other(desk, "mix", second)
    groups = [(f"{name} ({_span(rows)})", name) for name, rows in desk.able.groups.items()]
    layers = gr.Radio(
        groups, value=groups[0][1], label="Layers taken from the other", elem_id=f"mix-layers-{desk.model}"
    )
    numbers = gr.Textbox(
        label="Or layers by number", placeholder="0-3,6", max_lines=1, elem_id=f"mix-numbers-{desk.model}"
    )
    with gr.Row(elem_classes="controls"):
        go = gr.Button("Mix", variant="primary", elem_id=f"mix-go-{desk.model}")

    everything = f"0-{desk.able.layers - 1}"

    def mix(guest: Guest, layers: str, numbers: str, source: str, seed: float | None) -> list[Any]:
        session, given = guest.session, other.take(guest, source, seed)
        return [session.mix(given, everything), session.mix(given, numbers.strip() or layers)]

    def by_word(guest: Guest, layers: str, source: str, seed: float | None) -> list[Any]:
        return ["", *mix(guest, layers, "", source, seed)]  # numbers of before would go before the word

    inputs = [layers, numbers, *other.inputs]
    desk.on(layers.input, by_word, [layers, *other.inputs], [numbers, second, after])
    desk.on([go.click, numbers.submit, other.seed.submit], mix, inputs, [second, after], of_picture=True)
    desk.follow(before, lambda view: view and view.reconstruction)
    desk.follow(after, lambda _: None)


def _span(rows: tuple[int, ...]) -> str:
    """Layers in short.

    Example:
        >>> _span((2, 3, 4)), _span((0,))
        ('2-4', '0')
    """
    return f"{rows[0]}-{rows[-1]}" if len(rows) > 1 else str(rows[0])
