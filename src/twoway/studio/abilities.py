"""What a model can do for a visitor, and in plain words why not what it cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from twoway.errors import ModelError
from twoway.latents.in_domain import can_score
from twoway.latents.style_mixing import layer_groups
from twoway.latents.traversal import traversal_names
from twoway.model import TwoWayModel
from twoway.priors import Categorical

__all__ = ["ACTIONS", "Abilities", "abilities_of"]

ACTIONS = ("reconstruct", "edit", "mix", "interpolate", "sample", "project", "traverse", "classes", "compare")
"""What there is to do, by the name that `Abilities.reasons` uses."""


@dataclass(frozen=True)
class Abilities:
    """What a model can do.

    Args:
        method: That trained it, such as ``lia``.
        image_shape: Channels, height and width of its pictures.
        reasons: Why not, by action: one sentence a visitor understands for each of `ACTIONS` that the model can not.
        encodes: Whether a picture has a whole code, which can be edited, mixed and joined by paths at once.
        groups: Numbers of layers by word, ``coarse`` first; empty where all the picture has one code.
        layers: Rows of a code that work; ``0`` to ``layers - 1`` can be named.
        spaces: Where ways between two pictures can go: ``w``, and ``z`` where the mapping can be inverted.
        projects_in: Spaces of a projection, the most useful first.
        starts: Starts of a projection, the most useful first.
        classes: Number of classes; 0 for none.
        told: Whether the class of an uploaded picture has to be told.
        traversals: Names of the codes that `traverse` can move.
        directions: Names of the directions loaded for it.
        scores: Whether pictures unlike the training set are warned of.
    """

    method: str
    image_shape: tuple[int, int, int]
    reasons: Mapping[str, str]
    encodes: bool
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))
    layers: int = 1
    spaces: tuple[str, ...] = ("w",)
    projects_in: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    classes: int = 0
    told: bool = False
    traversals: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()
    scores: bool = False

    def can(self, action: str) -> bool:
        """Whether the model can do one of `ACTIONS`."""
        assert action in ACTIONS, f"there is no action {action}"
        return action not in self.reasons

    def require(self, action: str) -> None:
        """Go on only with what the model can do.

        Raises:
            ModelError: It cannot; says why.
        """
        if not self.can(action):
            raise ModelError(self.reasons[action])


def abilities_of(model: TwoWayModel, directions: Sequence[str] = (), *, others: int = 0) -> Abilities:
    """What a model can do.

    Args:
        model: The model.
        directions: Names of its directions.
        others: Models beside it that it can be compared with.

    Example:
        >>> from twoway.methods import make_recipe
        >>> from twoway.model import build_model
        >>> found = abilities_of(build_model(make_recipe("alae-digits", (1, 8, 8))))
        >>> found.can("sample"), found.can("mix")
        (True, False)
    """
    recipe, reasons = model.recipe, {}
    this = f"This {recipe.method} model"
    try:
        groups = layer_groups(model)
    except ModelError:
        groups = {}
        reasons["mix"] = f"{this} has one code for the whole picture and none for single layers: nothing to mix."
    if not model.reconstructs:
        reasons["reconstruct"] = f"{this} has no encoder that finds the code of a picture: it makes pictures, one way."
        reasons["compare"] = f"{this} reconstructs no pictures, so there is nothing to compare."
    elif not others:
        reasons["compare"] = "There is only one model here. Start the studio with two to compare them."
    if recipe.prior is None:
        reasons["sample"] = f"{this} was trained without a prior to draw from: it makes no new pictures of its own."
    if not directions:
        reasons["edit"] = "There are no directions for this model yet: `twoway directions` finds some."
    if recipe.labels:
        reasons["project"] = f"{this} is told the class of each picture, which a search by small steps would blur."
    if not (model.infers_noise or recipe.prior is not None or "project" not in reasons):
        reasons["interpolate"] = f"{this} has no codes of pictures to join by a path."
    names = traversal_names(model)
    if not names:
        reasons["traverse"] = f"{this} has no codes that could be moved one by one."
    classes = recipe.labels
    if recipe.encodes == "code" and recipe.prior is not None:
        classes = recipe.prior.layout().discrete
    if not classes:
        reasons["classes"] = f"{this} knows no classes."
    return Abilities(
        method=recipe.method,
        image_shape=model.image_shape,
        reasons=MappingProxyType(reasons),
        encodes=model.infers_noise,
        groups=MappingProxyType(groups),
        layers=sum(map(len, groups.values())) or 1,
        spaces=("w", "z") if model.invertible and not _has_classes(model) else ("w",),
        projects_in=() if recipe.labels else _projection_spaces(model),
        starts=() if recipe.labels else _projection_starts(model),
        classes=classes,
        told=bool(recipe.labels),
        traversals=names,
        directions=tuple(directions),
        scores=can_score(model),
    )


def _has_classes(model: TwoWayModel) -> bool:
    prior = model.recipe.prior
    return prior is not None and any(isinstance(block, Categorical) for block in prior.blocks)


def _projection_spaces(model: TwoWayModel) -> tuple[str, ...]:
    if model.recipe.encodes == "code" and "encoder" in model.nets:
        return ("noise",)
    spaces = ("w+", "w") if model.w_shape[0] > 1 else ("w",)
    return (*spaces, "z") if model.recipe.prior is not None and not _has_classes(model) else spaces


def _projection_starts(model: TwoWayModel) -> tuple[str, ...]:
    starts = ("encoder", "mean") if model.infers_noise else ("mean",)
    return (*starts, "random") if model.recipe.prior is not None else starts
