"""Pages of the API reference, one per group of rooms, made from the modules that are there; a hook of mkdocs."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parent.parent / "src" / "twoway"
PAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "models": ("Models and pictures", ("model", "pipeline", "storage", "pictures", "saving", "grids")),
    "recipes": (
        "Recipes",
        (
            "recipe",
            "settings",
            "priors",
            "quantities",
            "composition",
            "conditioning",
            "code_reading",
            "taxonomy",
            "fit",
        ),
    ),
    "methods": ("Methods", ("methods",)),
    "networks": ("Networks", ("networks",)),
    "terms": ("Terms", ("terms",)),
    "data": ("Data", ("data",)),
    "training": ("Training", ("training", "augment")),
    "latents": ("Latent tools", ("latents",)),
    "photos": ("Photographs and studio", ("photos", "studio")),
    "features": ("Features and extractors", ("features", "extractors")),
    "metrics": ("Metrics and evaluation", ("metrics", "evaluation")),
    "reproduce": ("Comparing and reproducing", ("compare", "reproduce", "published")),
    "plots": ("Drawings and reports", ("plots", "report", "report_curves", "report_page")),
    "export": ("Export and import", ("export", "hub", "model_card", "importers")),
    "foundations": ("Foundations", ("errors", "config", "telling")),
}
"""File name of a page to its title and the rooms on it; rooms that are not there yet are passed over."""
LEFT_OUT = {"cli": "the verbs explain themselves: `twoway VERB --help`", "__main__": "starts `cli`"}
"""Rooms without a page, and why."""


def modules_of(room: str) -> list[str]:
    """Full names of the public modules of a room: the package itself first, then those with an ``__all__``."""
    path = ROOT / room.replace(".", "/")
    if path.with_suffix(".py").is_file():
        return [f"twoway.{room}"]
    inside = sorted(p for p in path.rglob("*.py") if p.name != "__init__.py" and _is_public(p))
    found = [f"twoway.{'.'.join(p.relative_to(ROOT).with_suffix('').parts)}" for p in inside]
    return [f"twoway.{room}", *found] if found else []


def _is_public(path: Path) -> bool:
    if any(part.startswith("_") for part in path.relative_to(ROOT).parts):
        return False
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(s, ast.Assign) and getattr(s.targets[0], "id", "") == "__all__" for s in tree.body)


def page_text(name: str) -> str:
    """Markdown of one page: what mkdocstrings turns into documentation."""
    title, rooms = PAGES[name]
    lines = [f"# {title}", ""]
    for room in rooms:
        for module in modules_of(room):
            lines += [f"::: {module}", *_options(module), ""]
    return "\n".join(lines)


def _options(module: str) -> list[str]:
    """Of a package only the sentence about it is shown: what it offers is documented where it is defined."""
    package = (ROOT / module.removeprefix("twoway.").replace(".", "/")).is_dir()
    return ["    options:", "      members: []"] if package else []


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages; called by mkdocs."""
    from mkdocs.structure.files import File

    for name in PAGES:
        files.append(File.generated(config, f"api/{name}.md", content=page_text(name)))
    return files
