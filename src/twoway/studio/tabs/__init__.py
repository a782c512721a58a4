"""The tabs of the page: one file each, with a builder and the ability that decides whether a model has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twoway.studio.abilities import Abilities
from twoway.studio.tabs import codes, compare, download, edit, interpolate, mix, project, reconstruct, sample
from twoway.studio.tabs.desk import Desk

__all__ = ["TABS", "Tab"]


@dataclass(frozen=True)
class Tab:
    """A tab of the page.

    Args:
        title: On it.
        build: Puts its components on the page and wires them.
        shows: Whether a model has it.
    """

    title: str
    build: Callable[[Desk], None]
    shows: Callable[[Abilities], bool]


TABS = (
    Tab("Reconstruct", reconstruct.build, lambda able: True),
    Tab("Edit", edit.build, lambda able: able.encodes or able.can("sample")),
    Tab("Mix", mix.build, lambda able: able.can("mix") and (able.encodes or able.can("sample"))),
    Tab("Interpolate", interpolate.build, lambda able: able.can("interpolate")),
    Tab("Sample", sample.build, lambda able: able.can("sample")),
    Tab("Project", project.build, lambda able: able.can("project") and bool(able.projects_in)),
    Tab("Codes", codes.build, lambda able: able.can("traverse") or able.can("classes")),
    Tab("Compare", compare.build, lambda able: able.can("compare")),
    Tab("Download", download.build, lambda able: True),
)
"""In the order they are shown."""
