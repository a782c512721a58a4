"""The search for a code that makes the picture better than the encoder's does."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

from twoway.studio.guests import Guest
from twoway.studio.tabs.desk import Desk, picture

__all__ = ["build"]

AT_ONCE = 4
"""Visitors who may search at once; others wait."""
OFTEN = 0.2
"""Seconds between two pictures of the progress."""
STARTS = {"encoder": "the picture's code", "mean": "the mean code", "random": "a random code"}
SPACES = {"w+": "W+, a code a layer", "w": "W, one code", "z": "Z, the prior", "noise": "the noise"}


def build(desk: Desk) -> None:
    """Steps, space and start; the picture as the search goes on; a button to stop it."""
    import gradio as gr

    able, limits = desk.able, desk.guests.studio.limits
    with gr.Row(elem_classes="pair"):
        before = picture(desk, "What the model sees", elem_id=f"project-target-{desk.model}")
        after = picture(desk, "Found so far", elem_id=f"project-result-{desk.model}")
    state = gr.Markdown(elem_classes="facts", elem_id=f"project-state-{desk.model}")
    steps = gr.Slider(
        10, limits.steps, value=min(100, limits.steps), step=10, label="Steps", elem_id=f"project-steps-{desk.model}"
    )
    with gr.Accordion("Advanced", open=False, elem_classes="advanced", elem_id=f"project-advanced-{desk.model}"):
        space = gr.Radio(
            [(SPACES.get(s, s), s) for s in able.projects_in],
            value=able.projects_in[0],
            label="Search in",
            visible=len(able.projects_in) > 1,
        )
        start = gr.Radio(
            [(STARTS.get(s, s), s) for s in able.starts],
            value=able.starts[0],
            label="Start from",
            visible=len(able.starts) > 1,
        )
        perceptual = gr.Slider(
            0,
            5,
            value=0.0,
            step=0.1,
            label="Weight of edges and textures beside pixels",
            elem_id=f"project-perceptual-{desk.model}",
        )
    with gr.Row(elem_classes="controls"):
        go = gr.Button("Search", variant="primary", elem_id=f"project-go-{desk.model}")
        stop = gr.Button("Stop", interactive=False, elem_id=f"project-stop-{desk.model}")

    def search(guest: Guest, steps: float, space: str, start: str, perceptual: float) -> Iterator[list[Any]]:
        on, off = gr.update(interactive=True), gr.update(interactive=False)
        last, done, loss = 0.0, 0, ""
        before = guest.session.view
        try:
            found = guest.session.project(int(steps), space=space, start=start, perceptual=perceptual)
            for progress in found:
                done = progress.step
                loss = "" if math.isnan(progress.loss) else f", loss {progress.loss:.4f}"
                if time.monotonic() - last < OFTEN and done < progress.steps:
                    continue
                last = time.monotonic()
                yield [progress.image, f"Step {done} of {progress.steps}{loss}", off, on]
            if done < steps:
                yield [
                    gr.skip(),
                    f"Stopped at step {done} of {int(steps)}{loss}; the picture's code is as it was.",
                    on,
                    off,
                ]
            elif guest.session.view is before:
                yield [gr.skip(), f"Done in {done} steps{loss}: no better than what there was, which is kept.", on, off]
            else:
                yield [gr.skip(), f"Done in {done} steps{loss}; the other tabs now start from this code.", on, off]
        except Exception:
            yield [gr.skip(), "", on, off]
            raise

    searched = desk.on(go.click, search, [steps, space, start, perceptual], [after, state, go, stop], at_once=AT_ONCE)
    desk.changes.append(searched)
    desk.on(stop.click, lambda guest: guest.session.cancel(), queue=False)
    desk.follow(state, lambda view: gr.skip() if view is not None and view.found else "")
    desk.follow(before, lambda view: view and view.crop)
    desk.follow(after, lambda view: view and view.reconstruction)
