"""The way from one picture to another, as a film and picture by picture."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from PIL import Image

from twoway.studio.guests import Guest
from twoway.studio.tabs.desk import Desk, gallery, picture
from twoway.studio.tabs.other import Other

__all__ = ["build", "save_film"]

SPACES = {"w": "w, a straight line", "z": "z, a great circle"}
PAUSE = 120
"""Milliseconds of each picture of the film."""


def build(desk: Desk) -> None:
    """Another picture, the number of steps, the film and its pictures."""
    import gradio as gr

    with gr.Row(elem_classes="pair"):
        first = picture(desk, "From", elem_id=f"walk-first-{desk.model}")
        last = picture(desk, "To", elem_id=f"walk-last-{desk.model}")
        film = picture(desk, "Film", elem_id=f"walk-film-{desk.model}")
    frames = gallery(desk, "Pictures on the way", visible=False, elem_id=f"walk-frames-{desk.model}")
    other = Other(desk, "walk", last)
    most = desk.guests.studio.limits.frames
    steps = gr.Slider(2, most, value=min(16, most), step=1, label="Pictures", elem_id=f"walk-steps-{desk.model}")
    spaces = desk.able.spaces
    space = gr.Radio(
        [(SPACES[s], s) for s in spaces],
        value=spaces[0],
        label="Way in",
        visible=len(spaces) > 1,
        elem_id=f"walk-space-{desk.model}",
    )
    with gr.Row(elem_classes="controls"):
        go = gr.Button("Go", variant="primary", elem_id=f"walk-go-{desk.model}")

    def walk(guest: Guest, steps: float, space: Any, source: str, seed: float | None) -> list[Any]:
        session = guest.session
        made = session.interpolate(other.take(guest, source, seed), int(steps), space)
        for earlier in session.folder.glob("walk-*.webp"):  # the page has its own copy of what it shows
            earlier.unlink(missing_ok=True)
        path = session.folder / f"walk-{secrets.token_hex(8)}.webp"
        save_film(made, path)
        return [made[-1], str(path), gr.update(value=made, visible=True)]

    desk.on(go.click, walk, [steps, space, *other.inputs], [last, film, frames], of_picture=True)
    desk.follow(first, lambda view: view and view.reconstruction)
    desk.follow(film, lambda _: None)
    desk.follow(frames, lambda _: gr.update(value=None, visible=False))


def save_film(pictures: list[Image.Image], path: Path) -> None:
    """Write pictures as a film that goes there and back for ever, without loss.

    Args:
        pictures: At least two, of one size.
        path: A .webp file.
    """
    there = [p.convert("RGB") for p in pictures]
    back = there[-2:0:-1]
    pauses = [4 * PAUSE, *[PAUSE] * (len(there) - 2), 4 * PAUSE, *[PAUSE] * len(back)]  # stays at both ends
    there[0].save(path, "WEBP", save_all=True, append_images=there[1:] + back, duration=pauses, loop=0, lossless=True)
