"""The documentation as a site: every room has a page, it builds without a warning and needs no other host."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import pytest
import yaml
from blocks import ROOT

pytest.importorskip("mkdocs")
pytest.importorskip("mkdocstrings")


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rooms():
    """Top-level modules and packages of the package, as they are on the disk."""
    inside = (ROOT / "src" / "twoway").iterdir()
    return {p.stem for p in inside if p.suffix == ".py" or (p / "__init__.py").is_file()} - {"__init__"}


def test_every_room_has_a_page_or_a_reason(reference):
    shown = [room for _, rooms in reference.PAGES.values() for room in rooms]
    assert len(shown) == len(set(shown))
    assert {*shown} | {*reference.LEFT_OUT} >= rooms()
    assert not {*shown} & {*reference.LEFT_OUT}


def test_what_the_package_offers_is_documented(reference):
    import twoway
    from twoway import data, latents, methods, recipe

    text = "\n".join(reference.page_text(name) for name in reference.PAGES)
    documented = set(re.findall(r"\w+", " ".join(re.findall(r"members: \[(.*)\]", text))))
    modules = set(re.findall(r"^::: twoway\.\S*?(\w+)$", text, re.MULTILINE))
    names = {n for room in (data, latents, methods, recipe) for n in room.__all__} | {*twoway.__all__}
    renamed = {"load", "__version__"}  # twoway.load is twoway.storage.load_model
    assert names - renamed - modules <= documented
    assert {"load_model", "Pipeline", "TwoWayModel", "Recipe", "method", "term", "open_data"} <= documented


def test_pages_in_the_navigation_are_there(reference):
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = re.findall(r"[\w/-]+\.md", text.split("\nnav:")[1])
    for page in pages:
        assert (ROOT / "docs" / page).is_file() or page.removeprefix("api/").removesuffix(".md") in reference.PAGES, (
            page
        )
    assert {f"api/{name}.md" for name in reference.PAGES} <= {*pages}
    assert yaml.safe_load(text.split("plugins:")[0])["theme"]["font"] is False


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_site_builds_strictly_and_needs_no_other_host(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        html = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=\"?([^\" >]+)", html)
        loaded += re.findall(r"<link\b(?![^>]*rel=\"?canonical)[^>]*\bhref=\"?([^\" >]+)", html)
        assert loaded, page
        assert not [url for url in loaded if re.match(r"(?:https?:)?//", url)], page
    for sheet in (tmp_path / "site").rglob("*.css"):
        assert not re.search(r"@import|url\(\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet
