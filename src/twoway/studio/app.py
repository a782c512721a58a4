"""The page: the visitor's photo on one side, what can be done with it in tabs on the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twoway.studio.guests import Guests
from twoway.studio.panel import Panel
from twoway.studio.shared import Studio
from twoway.studio.tabs import TABS
from twoway.studio.tabs.desk import AT_ONCE, Desk

__all__ = ["STYLE", "build_page", "make_theme"]

STYLE = Path(__file__).with_name("style.css")
PIXELS = "(on) => { document.body.classList.toggle('pixels', on); }"
"""Small pictures are enlarged smoothly unless a visitor wants to see their pixels as squares."""
FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


def build_page(studio: Studio, guests: Guests) -> Any:
    """The page as gradio's blocks, with everything wired.

    Args:
        studio: Models and limits.
        guests: Who is on the page.
    """
    import gradio as gr

    with gr.Blocks(title="twoway studio", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        desks = [Desk(guests, name, studio.abilities(name)) for name in studio.names]
        with gr.Row(elem_id="top", equal_height=True):
            gr.HTML("<h1>twoway <span>studio</span></h1>", elem_id="title")
            models = gr.Radio(
                list(studio.names),
                value=studio.names[0],
                show_label=False,
                container=False,
                elem_id="models",
                visible=len(desks) > 1,
            )
            pixels = gr.Checkbox(
                False, label="Show pixels", container=False, elem_id="pixels", visible=any(desk.small for desk in desks)
            )
            pixels.input(None, [pixels], None, js=PIXELS, api_visibility="private")
        with gr.Row(elem_id="work"):
            with gr.Column(scale=2, min_width=280, elem_id="photo-side"):
                panel = Panel(desks)
            with gr.Column(scale=3, min_width=280, elem_id="result-side"):
                columns = []
                for desk in desks:
                    with gr.Column(visible=desk is desks[0], elem_classes="desk") as column:
                        gr.HTML(about(desk), elem_classes="about")
                        with gr.Tabs():
                            for tab in TABS:
                                if tab.shows(desk.able):
                                    with gr.Tab(tab.title, elem_classes="tab"):
                                        tab.build(desk)
                    columns.append(column)
        panel.wire(models, columns)

        def leave(request: Any) -> None:
            guests.leave(request.session_hash)

        leave.__annotations__ = {"request": gr.Request, "return": None}
        page.unload(leave)
    page.queue(max_size=512, default_concurrency_limit=AT_ONCE)
    return page


def about(desk: Desk) -> str:
    """The model in a line."""
    channels, height, width = desk.able.image_shape
    colour = "colour" if channels == 3 else "grey"
    return f"<p>{desk.able.method.upper()} · {width} × {height} pixels, {colour}</p>"


def make_theme() -> Any:
    """Quiet colours, and fonts that are already on the visitor's machine."""
    import gradio as gr

    blue = gr.themes.Color(
        "#eef5fb",
        "#d9e9f6",
        "#b5d4ed",
        "#84b8e0",
        "#4a95cd",
        "#1f78b8",
        "#005a9c",
        "#004a80",
        "#003b66",
        "#002d4e",
        "#001f36",
        "blue",
    )
    grey = gr.themes.Color(
        "#fcfcfa",
        "#f2f3f0",
        "#e3e5e4",
        "#d0d4d6",
        "#9aa3ab",
        "#6c757d",
        "#535c65",
        "#3c444b",
        "#262c31",
        "#1b1f23",
        "#131619",
        "grey",
    )
    return gr.themes.Base(
        primary_hue=blue,
        secondary_hue=blue,
        neutral_hue=grey,
        font=FONTS,
        font_mono=MONO,
        radius_size=gr.themes.sizes.radius_sm,
    )
