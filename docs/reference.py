"""Pages of the API reference, one per group of rooms, made from the modules that are there.

mkdocs calls `on_files`, mkdocstrings `Doctests`; tests/docs/test_site.py sees to it that every room has a page.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from griffe import Extension

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parent.parent / "src" / "twoway"
RECIPES = "recipe settings priors quantities composition conditioning code_reading taxonomy fit"
PAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "models": ("Models and pictures", ("model", "pipeline", "storage", "pictures", "saving", "animations", "grids")),
    "recipes": ("Recipes", tuple(RECIPES.split())),
    "methods": ("Methods", ("methods", "extensions")),
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
    "export": (
        "Export, import and sharing",
        ("export", "sharing", "hub", "model_card", "model_card_tables", "importers"),
    ),
    "foundations": ("Foundations", ("errors", "config", "telling", "places", "folders")),
}
"""File name of a page to its title and the rooms on it."""
LEFT_OUT = {"cli": "the verbs explain themselves: `twoway VERB --help`", "__main__": "starts `cli`"}
"""Rooms without a page, and why."""


def modules_of(room: str) -> list[str]:
    """Full names of the modules of a room that offer something, the package itself first; none of no room."""
    path = ROOT / room
    if path.with_suffix(".py").is_file():
        return [f"twoway.{room}"]
    if not path.is_dir():
        return []
    inside = sorted(p for p in path.rglob("*.py") if p.name != "__init__.py" and offered(p))
    return [f"twoway.{room}", *(f"twoway.{'.'.join(p.relative_to(ROOT).with_suffix('').parts)}" for p in inside)]


def offered(path: Path) -> list[str]:
    """Names in a module's ``__all__`` that are defined in it, in the order of their definitions."""
    public: set[str] = set()
    defined: list[str] = []
    for line in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(line, (ast.FunctionDef, ast.ClassDef)):
            defined.append(line.name)
        elif isinstance(line, (ast.Assign, ast.AnnAssign)):
            target = line.targets[0] if isinstance(line, ast.Assign) else line.target
            if isinstance(target, ast.Name) and target.id == "__all__" and isinstance(line.value, ast.List):
                public = {name.value for name in line.value.elts if isinstance(name, ast.Constant)}
            elif isinstance(target, ast.Name):
                defined.append(target.id)
    return [name for name in dict.fromkeys(defined) if name in public]


def page_text(name: str) -> str:
    """Markdown of one page, which mkdocstrings fills: what a module defines is documented there and nowhere else."""
    title, rooms = PAGES[name]
    lines = [f"# {title}", ""]
    for room in rooms:
        for module in modules_of(room):
            path = ROOT / module.removeprefix("twoway.").replace(".", "/")
            members = [] if path.is_dir() else offered(path.with_suffix(".py"))
            lines += [f"::: {module}", "    options:", f"      members: [{', '.join(members)}]", ""]
    return "\n".join(lines)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages; called by mkdocs."""
    from mkdocs.structure.files import File

    for name in PAGES:
        files.append(File.generated(config, f"api/{name}.md", content=page_text(name)))
    return files


class Doctests(Extension):
    """Shows ``Example:`` as doctests, which the parser knows under the name ``Examples:`` only."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Rename the section; called by griffe for everything it has read."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
