"""Pictures of the model's own: made from seeds, kept, or taken to be worked on."""

from __future__ import annotations

from typing import Any

from twoway.studio.guests import Guest
from twoway.studio.tabs.desk import Desk, gallery

__all__ = ["build"]

CHOOSE = "Click a picture to choose it."


def build(desk: Desk) -> None:
    """A grid of samples; a click chooses one, to keep it or to go on with it."""
    import gradio as gr

    most = desk.guests.studio.limits.samples
    with gr.Row(elem_classes="controls"):
        seed = gr.Number(0, label="First seed", precision=0, minimum=0, elem_id=f"seed-{desk.model}")
        count = gr.Slider(1, most, value=min(12, most), step=1, label="Pictures", elem_id=f"count-{desk.model}")
        trunc = gr.Slider(
            0,
            1.5,
            value=1.0,
            step=0.05,
            label="Truncation",
            elem_id=f"trunc-{desk.model}",
        )
    classes = [("any", -1), *((str(c), c) for c in range(desk.able.classes))]
    label = gr.Dropdown(classes, value=-1, label="Class", visible=desk.able.told)
    with gr.Row(elem_classes="controls"):
        make = gr.Button("Make pictures", variant="primary", elem_id=f"sample-go-{desk.model}")
        more = gr.Button("Next seeds", elem_id=f"sample-next-{desk.model}")
    samples = gallery(desk, "Samples", preview=False, elem_id=f"samples-{desk.model}")
    made, chosen = gr.State(None), gr.State(None)
    note = gr.Markdown(CHOOSE, elem_classes="facts")
    with gr.Row(elem_classes="controls"):
        keep = gr.Button("Keep", size="sm", interactive=False, elem_id=f"keep-{desk.model}")
        use = gr.Button("Work on it", size="sm", interactive=False, elem_id=f"use-{desk.model}")
    kept = gallery(desk, "Favourites", downloads=True, visible=False, elem_id=f"kept-{desk.model}")
    favourite = gr.State(None)
    with gr.Row(elem_classes="controls", visible=False) as with_favourite:
        take = gr.Button("Work on it", size="sm", elem_id=f"take-{desk.model}")
        drop = gr.Button("Drop", size="sm", elem_id=f"drop-{desk.model}")

    def sample(guest: Guest, seed: float | None, count: float, trunc: float, label: int) -> list[Any]:
        first = int(seed or 0)
        told = None if label < 0 else label
        pictures = guest.session.sample(first, int(count), trunc, label=told)
        off = gr.update(interactive=False)
        shown = gr.update(value=[(one, str(first + i)) for i, one in enumerate(pictures)], selected_index=None)
        return [shown, (first, trunc, told), None, CHOOSE, off, off]

    def onward(guest: Guest, seed: float | None, count: float, trunc: float, label: int) -> list[Any]:
        following = int(seed or 0) + int(count)
        return [following, *sample(guest, following, count, trunc, label)]

    def choose(guest: Guest, index: int, made: tuple[int, float, int | None]) -> list[Any]:
        on = gr.update(interactive=True)
        note = f"Seed {made[0] + index} is chosen: keep it among the favourites, or work on it in the other tabs."
        return [index, note, on, on]

    def favourites(guest: Guest) -> list[Any]:
        shown = [(one.image, f"seed {one.seed}, {one.truncation:g}") for one in guest.session.favourites]
        return [gr.update(value=shown, visible=bool(shown), selected_index=None), None, gr.update(visible=False)]

    def put_aside(guest: Guest, index: int) -> list[Any]:
        guest.session.keep(index)
        return favourites(guest)

    def put_away(guest: Guest, index: int) -> list[Any]:
        guest.session.drop(index)
        return favourites(guest)

    def go_on_with(guest: Guest, index: int) -> None:
        one = guest.session.favourites[index]
        guest.session.open_seed(one.seed, truncation=one.truncation, label=one.label)
        guest.points.clear()

    def work_on(guest: Guest, index: int, made: tuple[int, float, int | None]) -> None:
        first, truncation, label = made
        guest.session.open_seed(first + index, truncation=truncation, label=label)
        guest.points.clear()

    inputs, outputs = [seed, count, trunc, label], [samples, made, chosen, note, keep, use]
    desk.on([make.click, seed.submit], sample, inputs, outputs)
    desk.on(more.click, onward, inputs, [seed, *outputs])
    desk.on(samples.select, choose, [made], [chosen, note, keep, use])
    shelf = [kept, favourite, with_favourite]
    desk.on(keep.click, put_aside, [chosen], shelf)
    desk.on(kept.select, lambda _, index: [index, gr.update(visible=True)], [], [favourite, with_favourite])
    desk.on(drop.click, put_away, [favourite], shelf)
    desk.changes.append(desk.on(take.click, go_on_with, [favourite]))
    desk.changes.append(desk.on(use.click, work_on, [chosen, made]))
