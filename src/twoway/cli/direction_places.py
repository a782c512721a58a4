"""Where files of directions lie where nobody says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from twoway.errors import ModelError

if TYPE_CHECKING:
    from twoway.model import TwoWayModel

__all__ = ["NAME", "PLACES", "find_directions", "fitting_directions", "where_found"]

NAME = "directions.safetensors"
PLACES = f"{NAME} in the run, model or present folder by default."
"""For the help of options."""


def find_directions(name: str, model: TwoWayModel, given: Path | None = None, *, must: bool = False) -> Path:
    """The file of directions to use: the one named, or the first of the usual places with directions of this model.

    Args:
        name: What the user calls the model: a run, a model folder, either with tuned weights, or a name on the hub.
        model: That model.
        given: File that the user named, which need not be there.
        must: Whether there has to be one of the usual places.

    Returns:
        A path; where no file is of this model one that is of another, or else one that is not there.

    Raises:
        ModelError: There is none and must be.
    """
    if given is not None:
        return given
    places = _places(name)
    there = [place for place in places if place.is_file()]
    if must and not there:
        raise ModelError(
            f"Directions are looked for in {', '.join(map(str, places))}, but there is no such file. Name one with "
            "--directions, or make one: twoway directions fit, pca or factorise."
        )
    return fitting_directions(name, model) or (there or places)[0]


def fitting_directions(name: str, model: TwoWayModel) -> Path | None:
    """The first of the usual places with directions of this model, None without one."""
    from twoway.latents.directions import load_directions

    for place in _places(name):
        if place.is_file():
            try:
                load_directions(place, model)
            except ModelError:  # another model's, in a folder where several were worked with
                continue
            return place
    return None


def where_found(target: Path) -> str:
    """How verbs find a file of directions that was written."""
    if target.resolve() == Path(NAME).resolve():
        return f"in this folder, {target.resolve().parent}, edit, traverse and studio find it by themselves"
    return f"edit, traverse and studio take it as --directions {target}"


def _places(name: str) -> list[Path]:
    """Run folder, model folder, present folder."""
    from twoway.training.runs import model_folder, run_or_path, split_delta

    base, _ = split_delta(name)
    return list(dict.fromkeys([run_or_path(base) / NAME, Path(model_folder(base)) / NAME, Path(NAME)]))
