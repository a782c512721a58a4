"""Directions as sliders: the picture changes while they move."""

from __future__ import annotations

from typing import Any

from twoway.studio.guests import Guest
from twoway.studio.tabs.desk import Desk, picture
from twoway.studio.views import View

__all__ = ["build"]

FAR = 3.0
"""How far a slider goes to both sides, in standard deviations."""
HALF_A_STEP = 0.05
"""Sliders nearer than this to where they rest were not moved."""
MODES = {
    "relative": "Relative (LIA): a slider moves the picture from where it is.",
    "absolute": "Absolute (InterFaceGAN): a slider says how far from the boundary the picture shall be.",
    "alae": "ALAE's: a slider replaces what the picture has along the direction, beyond the mean of all.",
}
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
        with gr.Accordion(f"{len(names) - AT_SIGHT} more", open=False, elem_classes="advanced"):
            sliders += [_slider(desk, name) for name in names[AT_SIGHT:]]
    groups = ["all", *desk.able.groups]
    in_photo = gr.Checkbox(False, label="Show in the photo", elem_id=f"in-photo-{desk.model}")
    with gr.Row(elem_classes="controls"):
        reset = gr.Button("Reset", size="sm", elem_id=f"edit-reset-{desk.model}")
    with gr.Accordion("Advanced", open=False, elem_classes="advanced", elem_id=f"edit-advanced-{desk.model}"):
        mode = gr.Radio(
            [(said, mode) for mode, said in MODES.items()],
            value="relative",
            label="What sliders mean",
            elem_classes="sentences",
            elem_id=f"edit-mode-{desk.model}",
        )
        layers = gr.Radio(
            groups, value="all", label="Layers", visible=len(groups) > 1, elem_id=f"edit-layers-{desk.model}"
        )

    def at_rest(guest: Guest, mode: Any, layers: str) -> list[float]:
        stands = guest.session.standing(mode, layers=layers)
        return [round(min(max(stands[name], -FAR), FAR), 1) for name in names]

    def change(guest: Guest, mode: Any, layers: str, in_photo: bool, *amounts: float) -> list[Any]:
        session, view = guest.session, guest.session.view
        rest = at_rest(guest, mode, layers)
        moved = {n: t for n, t, still in zip(names, amounts, rest, strict=True) if abs(t - still) > HALF_A_STEP}
        edited = session.edit(moved, layers=layers, mode=mode)
        if session.view is not view:  # another picture was opened meanwhile, and this is of the one before
            return [gr.skip()] * 3
        if not in_photo:
            return [edited, gr.skip(), gr.skip()]
        whole = session.in_frame(edited, preview=True)
        return [edited, view and view.photo, whole]

    def show(guest: Guest, mode: Any, layers: str, in_photo: bool, *amounts: float) -> list[Any]:
        changed = change(guest, mode, layers, in_photo, *amounts)
        return [gr.update(visible=not in_photo), gr.update(visible=in_photo), *changed]

    def start_over(guest: Guest, mode: Any, layers: str, in_photo: bool) -> list[Any]:
        still = at_rest(guest, mode, layers)
        return [*still, *change(guest, mode, layers, in_photo, *still)]

    def other_layers(guest: Guest, mode: Any, layers: str, in_photo: bool, *amounts: float) -> list[Any]:
        if mode != "relative":  # the picture stands elsewhere in these layers
            return start_over(guest, mode, layers, in_photo)
        return [*amounts, *change(guest, mode, layers, in_photo, *amounts)]

    how = [mode, layers, in_photo]
    inputs, outputs = [*how, *sliders], [after, whole_before, whole_after]
    desk.on([slider.input for slider in sliders], change, inputs, outputs, live=True)
    desk.on(layers.input, other_layers, inputs, [*sliders, *outputs])
    desk.on(in_photo.input, show, inputs, [crops, photos, *outputs])
    desk.on([reset.click, mode.input], start_over, how, [*sliders, *outputs])
    desk.follow(before, lambda view: view and view.reconstruction)
    desk.follow(after, lambda view: view and view.reconstruction)
    desk.follow(crops, lambda _: gr.update(visible=True))
    desk.follow(photos, lambda _: gr.update(visible=False))
    desk.follow(in_photo, _whole)
    desk.follow(mode, lambda _: "relative")
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
