"""A studio on a toy model, and headless Chromium to look at it, for the tests of the page."""

from __future__ import annotations

import hashlib
import shutil
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from PIL import Image
from small import small_model

from twoway.latents.directions import Direction
from twoway.pipeline import Pipeline
from twoway.studio import Limits, Studio

SIDE = 16
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


def toy_studio(folder: Path | None = None, **limits) -> Studio:
    """Two style models of 16x16 pixels, the first with two directions."""
    models = {name: small_model("lia", (3, SIDE, SIDE), seed=seed) for seed, name in enumerate(("one", "two"))}
    dim, print_of_one = models["one"].w_shape[1], models["one"].fingerprint()
    directions = {
        name: Direction(name, torch.eye(dim)[i : i + 1] * 5, print_of_one, "given", intercept=0.7, facts={})
        for i, name in enumerate(("Smiling", "Hat"))
    }
    return Studio(
        {name: Pipeline(model) for name, model in models.items()},
        directions={"one": directions},
        by_samples=False,
        folder=folder,
        limits=Limits(**limits) if limits else None,
    )


def photo(path: Path, seed: int = 0, size: tuple[int, int] = (60, 48)) -> Path:
    """Coloured noise as a PNG file."""
    width, height = size
    pixels = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).save(path)
    return path


class Visitor:
    """One tab of a browser: what it asked for, what it complained of, and what it shows."""

    def __init__(self, browser, url: str, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        self.page.on("request", self._asked)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._said)
        began = time.monotonic()
        self.page.goto(url)
        self.page.wait_for_selector("#upload input[type=file]", state="attached")
        self.usable_after = time.monotonic() - began

    def _said(self, said):
        late = "upload_progress" in said.location.get("url", "")  # the upload was through before it was asked about
        if said.type == "error" and not late:
            self.complaints.append(said.text)

    def _asked(self, request):
        where = urlsplit(request.url)
        if where.scheme not in ("data", "blob", "about"):
            self.hosts.add(where.hostname)

    def shown(self, place: str) -> str | None:
        """Digest of the bytes of the picture shown in a place; None where there is none."""
        source = self.page.evaluate("(p) => document.querySelector(p + ' img')?.src", f"#{place}")
        for _ in range(5):
            try:
                return None if not source else hashlib.sha256(self.page.request.get(source).body()).hexdigest()
            except Exception:  # gradio was writing the same picture again while it sent it
                self.page.wait_for_timeout(100)
        raise AssertionError(f"{source} cannot be loaded")

    def changed(self, place: str, before: str | None) -> str:
        """Wait until a place shows another picture than before; returns its digest."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            now = self.shown(place)
            if now is not None and now != before:
                return now
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{place} still shows what it did")

    def settled(self, place: str) -> str | None:
        """Wait until a place has shown the same for most of a second; returns its digest."""
        before, now = None, self.shown(place)
        while now != before:
            self.page.wait_for_timeout(700)
            before, now = now, self.shown(place)
        return now

    def upload(self, path: Path, model: str = "one") -> str:
        """Upload a photo; returns the digest of the reconstruction."""
        before = self.shown(f"again-{model}")
        self.page.set_input_files("#upload input[type=file]", path)
        return self.changed(f"again-{model}", before)

    def tab(self, title: str) -> None:
        """Turn to a tab, wherever a narrow page hides it."""
        there = self.page.locator(".desk:visible [role=tablist] button", has_text=title)
        if not there.count():
            self.page.locator(".desk:visible .overflow-menu > button").click()
            there = self.page.locator(".desk:visible .overflow-dropdown button", has_text=title)
        there.first.click()

    def message(self) -> str:
        """Wait for a message to pop up, read it and close it."""
        toast = self.page.locator(".toast-body").first
        toast.wait_for()
        text = toast.inner_text()
        toast.locator("button.toast-close").click()
        toast.wait_for(state="detached")
        return text

    def slide(self, name: str, steps: int, model: str = "one") -> None:
        """Move a direction's slider by steps of 0.1."""
        handle = self.page.locator(f"#slide-{name}-{model} input[type=range]")
        handle.focus()
        for _ in range(abs(steps)):
            self.page.keyboard.press("ArrowRight" if steps > 0 else "ArrowLeft")

    def leave(self) -> None:
        """Close the tab; it must have asked nobody else, and complained of nothing."""
        self.context.close()
        assert self.hosts == {"127.0.0.1"}
        assert self.complaints == []


def require_browser():
    """Skip where there is no gradio, no playwright or no Chromium."""
    import importlib.util

    for package in ("gradio", "playwright"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed", allow_module_level=True)
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine", allow_module_level=True)
