"""Pictures of the studio for the documentation, and how quick it is: a drawn avatar, opened, edited and joined.

    twoway directions fit RUN --data avatars --name all --out avatars.safetensors
    python benchmarks/studio_screenshots.py RUN avatars.safetensors docs/images

RUN is a model of the drawn avatars, such as `twoway train lia-32-cpu --data avatars` makes; its code of the picture is
refined by a projection first. Needs Chromium and playwright.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from twoway.data.avatars import FACTORS, render_avatars
from twoway.latents.directions import load_directions
from twoway.pipeline import Pipeline
from twoway.studio import Studio
from twoway.studio.server import serve
from twoway.training.entry import model_of_run

NAMES = ("Wearing_Glasses", "Wearing_Hat", "Dark_Skin", "Long_Hair", "Dark_Hair", "Smiling")
PLAIN = {"skin": 1, "hair_style": 1, "hair_colour": 1, "background": 3, "turn": 2, "shirt": 2}
SHAPES = {"studio-edit": (1180, 760, "light"), "studio-dark": (1180, 760, "dark"), "studio-phone": (375, 900, "light")}


def draw(path: Path) -> Path:
    """A drawn face as a photo."""
    factors = np.array([[PLAIN.get(name, 0) for name in FACTORS]])
    Image.fromarray(render_avatars(factors, 256)[0].transpose(1, 2, 0)).save(path)
    return path


def slide(page: Page, name: str, steps: int) -> list[float]:
    """Move a slider step by step; milliseconds from each key to the new picture on the page."""
    handle, took = page.locator(f"#slide-{name}-avatars input[type=range]"), []
    source = "() => document.querySelector('#edit-after-avatars img')?.src"
    handle.focus()
    for _ in range(abs(steps)):
        before, began = page.evaluate(source), time.perf_counter()
        page.keyboard.press("ArrowRight" if steps > 0 else "ArrowLeft")
        page.wait_for_function("(b) => document.querySelector('#edit-after-avatars img')?.src != b", arg=before)
        took.append(1000 * (time.perf_counter() - began))
    return took


def turn_to(page: Page, title: str) -> None:
    """Turn to a tab, wherever a narrow page hides it."""
    there = page.locator("[role=tablist] button", has_text=title)
    if not there.count():
        page.locator(".overflow-menu > button").first.click()
        there = page.locator(".overflow-dropdown button", has_text=title)
    there.first.click()


def refine(page: Page, steps: int = 200) -> None:
    """Search for a better code than the encoder's, so that the pictures show a person."""
    turn_to(page, "Project")
    field = page.locator("#project-steps-avatars input[type=number]")
    field.fill(str(steps))
    field.press("Enter")
    page.click("#project-go-avatars")
    page.wait_for_selector(f"text=Done in {steps} steps")


def main() -> None:
    """Serve, look, write."""
    run, directions, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    pipeline = Pipeline(model_of_run(run))
    known = load_directions(directions, pipeline.model)
    chosen = {name: known[name] for name in NAMES if name in known}
    folder = Path(tempfile.mkdtemp())
    photo = draw(folder / "avatar.png")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    studio = Studio({"avatars": pipeline}, directions={"avatars": chosen}, by_samples=False)
    with serve(studio, port=0) as running, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (width, height, scheme) in SHAPES.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            began = time.perf_counter()
            page.set_default_timeout(240_000)
            page.goto(running.url)
            page.wait_for_selector("#upload input[type=file]", state="attached")
            usable = time.perf_counter() - began
            page.set_input_files("#upload input[type=file]", photo)
            page.wait_for_selector("#again-avatars img")
            refine(page)
            turn_to(page, "Edit")
            page.wait_for_selector("#edit-after-avatars img")
            took = slide(page, "Long_Hair", -18) + slide(page, "Dark_Hair", 10)
            page.wait_for_timeout(800)
            page.evaluate("document.activeElement.blur()")
            page.screenshot(path=out / f"{name}.png", full_page=True)
            print(f"{name}: usable after {usable:.2f} s, slider to picture {statistics.median(took):.0f} ms (median)")
            if name == "studio-edit":
                turn_to(page, "Interpolate")
                page.click("#walk-go-avatars")
                page.wait_for_selector("#walk-frames-avatars img")
                page.wait_for_timeout(800)
                page.screenshot(path=out / "studio-interpolate.png", full_page=True)
            page.close()
        browser.close()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
