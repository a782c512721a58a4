"""Directions as sliders: the picture changes while they move."""

from __future__ import annotations

from typing import Any

from twoway.studio.guests import Guest
from twoway.studio.tabs.desk import Desk, picture
from twoway.studio.views import View

__all__ = ["build"]

FAR = 3.0
"""How far a slider goes to both sides, in standard deviations."""
AT_SIGHT = 6
"""Sliders shown at once; the others are folded away."""
HOW = """There are no directions for this model yet. A direction is what a slider moves a picture along: more smile,
more beard, another colour. Make some, then start the studio with them:

```
twoway directions pca MODEL --out directions.safetensors
twoway studio MODEL --directions directions.safetensors
```

With labelled pictures, `twoway directions fit` finds a direction for each label."""


def build(desk: Desk) -> None:
    """Before and after, a slider for each direction; or how to make directions."""
    import gradio as gr

    names = desk.able.directions
    if not names:
        gr.Markdown(HOW, elem_classes="how")
        return
    with gr.Row(elem_classes="pair") as crops:
        before = picture(desk, "Before", elem_id=f"edit-before-{desk.model}")
        after = picture(desk, "After", elem_id=f"edit-after-{desk.model}")
    with gr.Row(elem_classes="pair", visible=False) as photos:
        whole_before = picture(None, "Photo before", elem_id=f"photo-before-{desk.model}")
        whole_after = picture(None, "Photo after", elem_id=f"photo-after-{desk.model}")
    sliders = [_slider(desk, name) for name in names[:AT_SIGHT]]
    if names[AT_SIGHT:]:
        with gr.Accordion(f"{len(names) - AT_SIGHT} more", open=False):
            sliders += [_slider(desk, name) for name in names[AT_SIGHT:]]
    groups = ["all", *desk.able.groups]
    layers = gr.Radio(groups, value="all", label="Layers", visible=len(groups) > 1, elem_id=f"edit-layers-{desk.model}")
    in_photo = gr.Checkbox(False, label="Show in the photo", elem_id=f"in-photo-{desk.model}")
    with gr.Row(elem_classes="controls"):
        reset = gr.Button("Reset", size="sm", elem_id=f"edit-reset-{desk.model}")

    def change(guest: Guest, layers: str, in_photo: bool, *amounts: float) -> list[Any]:
        session = guest.session
        edited = session.edit(dict(zip(names, amounts, strict=True)), layers=layers)
        if not in_photo:
            return [edited, gr.skip(), gr.skip()]
        whole = session.in_frame()
        whole.thumbnail((guest.studio.limits.preview, guest.studio.limits.preview))
        view = session.view
        return [edited, view and view.photo, whole]

    def show(guest: Guest, layers: str, in_photo: bool, *amounts: float) -> list[Any]:
        changed = change(guest, layers, in_photo, *amounts)
        return [gr.update(visible=not in_photo), gr.update(visible=in_photo), *changed]

    def start_over(guest: Guest, layers: str, in_photo: bool) -> list[Any]:
        still = [0.0] * len(names)
        return [*still, *change(guest, layers, in_photo, *still)]

    inputs, outputs = [layers, in_photo, *sliders], [after, whole_before, whole_after]
    desk.on([slider.input for slider in sliders], change, inputs, outputs, live=True)
    desk.on(layers.input, change, inputs, outputs)
    desk.on(in_photo.input, show, inputs, [crops, photos, *outputs])
    desk.on(reset.click, start_over, [layers, in_photo], [*sliders, *outputs])
    desk.follow(before, lambda view: view and view.reconstruction)
    desk.follow(after, lambda view: view and view.reconstruction)
    desk.follow(crops, lambda _: gr.update(visible=True))
    desk.follow(photos, lambda _: gr.update(visible=False))
    desk.follow(in_photo, _whole)
    for slider in sliders:
        desk.follow(slider, lambda _: 0.0)


def _whole(view: View | None) -> Any:
    """The choice to see the whole photo, where there is one."""
    import gradio as gr

    return gr.update(value=False, visible=bool(view and view.photo is not None))


def _slider(desk: Desk, name: str) -> Any:
    import gradio as gr

    return gr.Slider(
        -FAR,
        FAR,
        value=0.0,
        step=0.1,
        label=name.replace("_", " "),
        elem_classes="direction",
        elem_id=f"slide-{name}-{desk.model}",
    )
