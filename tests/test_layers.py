"""The rooms of the package: who may import whom, what the core never imports, how long a module may be."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import twoway

ROOT = Path(twoway.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

# Rooms from the ground up; a room may import rooms that stand before it, and `errors` and `config` stand first.
# `training.entry` starts whole runs and therefore stands above the report, which reads what training wrote;
# `reproduce.learning` measures speed as a comparison does.
LAYERS = [
    "errors",
    "telling",
    "extensions",
    "places",
    "folders",
    "config",
    "published",
    "networks",
    "features",
    "augment",
    "priors",
    "terms",
    "code_reading",
    "conditioning",
    "composition",
    "quantities",
    "settings",
    "recipe",
    "taxonomy",
    "methods",
    "fit",
    "model",
    "model_card_tables",
    "model_card",
    "storage",
    "importers",
    "data",
    "extractors",
    "grids",
    "animations",
    "pictures",
    "latents",
    "metrics",
    "hub",
    "sharing",
    "pipeline",
    "photos",
    "export",
    "training",
    "plots",
    "saving",
    "report_curves",
    "report_page",
    "report",
    "training.entry",
    "evaluation",
    "reproduce",
    "compare",
    "reproduce.learning",
    "studio",
    "cli",
    "__main__",
]
# a thin method that calls the room above it when it is used, not when it is imported
LATE = {("model", "storage")}
# taken where the user has them; imported when the extractor or the distance is built
OPTIONAL = {
    ("features.vgg", "torchvision"),
    ("features.inception", "torch_fidelity"),
    ("metrics.lpips", "lpips"),
    ("studio.server", "gradio"),
    ("studio.app", "gradio"),
    ("studio.panel", "gradio"),
    ("studio.inputs", "gradio"),
    *((f"studio.tabs.{path.stem}", "gradio") for path in sorted((ROOT / "studio" / "tabs").glob("*.py"))),
}
FOREIGN = {"torchvision", "timm", "lpips", "torch_fidelity", "torchmetrics", "gradio", "tensorflow"}


def room_of(dotted: str) -> str:
    """``training.loop`` to ``training``."""
    return dotted if dotted in LAYERS else dotted.split(".")[0]


def imports_of(path: Path, *, late: bool = True) -> set[str]:
    """Full names of the modules a file imports, wherever in the file, or only those it imports when it is imported."""
    names: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if late else tree.body:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", [p for p in MODULES if p.parent != ROOT or p.name != "__init__.py"], ids=name_of)
def test_imports_point_one_way(path):
    mine = room_of(name_of(path))
    for name in imports_of(path):
        package = name.split(".")[0]
        if package in FOREIGN:
            late = (name_of(path), package) in OPTIONAL and name not in imports_of(path, late=False)
            assert late, f"{name_of(path)} imports {name}, which the core does without"
        if name.startswith("twoway."):
            theirs = room_of(name.removeprefix("twoway."))
            if theirs != mine and (mine, theirs) not in LATE:
                assert LAYERS.index(theirs) < LAYERS.index(mine), f"{name_of(path)} must not import from {theirs}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_has_one_topic(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 400, f"{name_of(path)} is too long to have one topic"
    assert ast.get_docstring(ast.parse(source)), f"{name_of(path)} does not say what it is"


def test_nothing_outside_methods_knows_a_method_by_name():
    """Trainer, metrics and commands see recipes; the demo and the published table choose one, as a user would."""
    from twoway.methods import METHODS

    for path in MODULES:
        if room_of(name_of(path)) in {"training", "metrics", "model", "quantities", "terms", "latents", "pipeline"}:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Compare):
                    constants = {c.value for c in ast.walk(node) if isinstance(c, ast.Constant)}
                    assert not constants & set(METHODS), f"{name_of(path)} compares with a method's name"
