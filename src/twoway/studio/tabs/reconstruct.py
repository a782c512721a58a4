"""What the model sees of the photo and what it makes of that."""

from __future__ import annotations

from twoway.studio.tabs.desk import Desk, picture
from twoway.studio.views import View

__all__ = ["build"]


def build(desk: Desk) -> None:
    """Crop and reconstruction side by side, with how far apart they are."""
    import gradio as gr

    with gr.Row(elem_classes="pair"):
        crop = picture(desk, "What the model sees", elem_id=f"crop-{desk.model}")
        again = picture(desk, "Reconstruction", elem_id=f"again-{desk.model}")
    facts = gr.Markdown(elem_classes="facts")
    desk.follow(crop, lambda view: view and view.crop)
    desk.follow(again, lambda view: view and view.reconstruction)
    desk.follow(facts, said)


def said(view: View | None) -> str:
    """The errors of a reconstruction in words."""
    if view is None:
        return "Upload a photo to begin."
    if view.mse is None or view.psnr is None:
        return ""
    return f"Mean squared error {view.mse:.4f} for pixels in [-1, 1]; peak signal-to-noise ratio {view.psnr:.1f} dB."
