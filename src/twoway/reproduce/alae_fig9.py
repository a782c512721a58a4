"""Figure 9 of ALAE: style mixing with real pictures as sources and destinations.

References:
    Pidhorskyi et al., arXiv 2004.04467, section 7.2, Figure 9; style_mixing/stylemix.py of the code.
    Karras et al., arXiv 1812.04948, Figure 3, which it repeats with real pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor

from twoway.data import to_float, to_uint8
from twoway.grids import cross_grid
from twoway.latents.style_mixing import layer_groups, span, style_grid
from twoway.model import TwoWayModel
from twoway.reproduce.alae_style import budgets, style_notes
from twoway.reproduce.pictures import at_once, held_out
from twoway.reproduce.registry import artefact
from twoway.reproduce.result import Result
from twoway.reproduce.study import Study

__all__ = ["SOURCES", "alae_fig9", "groups_of", "mixed"]

SOURCES = 5
DESTINATIONS = {"coarse": 3, "middle": 2, "fine": 1}
"""Destinations, one row each, that take the coarse, middle and fine styles of the sources."""


def groups_of(model: TwoWayModel) -> dict[str, tuple[int, ...]]:
    """Rows of a latent code by group: the published ones, or where pictures are too small for them the last two sizes.

    Published are coarse 4x4 and 8x8, middle 16x16 and 32x32, fine from 64x64 on. At 32 pixels the coarse styles are
    those up to 8x8, the middle ones 16x16, the fine ones 32x32; at 16 pixels 4x4, 8x8 and 16x16.
    """
    groups = layer_groups(model)
    if "fine" in groups:
        return groups
    rows = sorted(row for group in groups.values() for row in group)
    return {"coarse": tuple(rows[:-4]), "middle": tuple(rows[-4:-2]), "fine": tuple(rows[-2:])}


@torch.inference_mode()
def mixed(model: TwoWayModel, sources: Tensor, destinations: Tensor, groups: dict[str, tuple[int, ...]]) -> Tensor:
    """Every destination with styles of every source: the first three with coarse ones, two with middle, one with fine.

    Args:
        model: Encodes and decodes.
        sources: Pictures, uint8, shape (S, C, H, W).
        destinations: Pictures, as many as `DESTINATIONS` says.
        groups: Layers by the keys of `DESTINATIONS`.

    Returns:
        uint8, shape (destinations, S, C, H, W).
    """
    codes = [
        torch.cat([model.encode(to_float(part).to(model.device)) for part in pictures.split(at_once(model))])
        for pictures in (sources, destinations)
    ]
    rows, done = [], 0
    for group, count in DESTINATIONS.items():
        chosen = codes[1][done : done + count]
        made = style_grid(model, codes[0], chosen, groups[group], batch=at_once(model))
        rows.append(to_uint8(made.transpose(0, 1)).cpu())
        done += count
    return torch.cat(rows)


@artefact(
    "alae-fig9",
    paper="ALAE (arXiv 2004.04467), figure 9",
    summary="Style mixing with real pictures: coarse, middle and fine styles of sources in destinations.",
    budgets=budgets("ffhq", {}, {}, {}),
    without=("trials", "features"),
)
def alae_fig9(study: Study) -> Result:
    """Mix the codes of held-out pictures."""
    model = study.trained("style-alae").model
    count = sum(DESTINATIONS.values())
    pictures = held_out(study, SOURCES + count, purpose="sources and destinations")
    sources, destinations = pictures[:SOURCES], pictures[SOURCES:]
    groups = groups_of(model)
    study.save_picture("style-mixing", cross_grid(destinations, sources, mixed(model, sources, destinations, groups)))
    train, _ = study.pictures()
    said = ", ".join(
        f"{count} with {name} styles (layers {span(groups[name])})" for name, count in DESTINATIONS.items()
    )
    return Result(
        about=f"Held-out pictures of {train.name}, {train.shape[1]} pixels: sources above, destinations on the left, "
        f"both as they are. From top to bottom the destinations take styles of the sources: {said}.",
        notes=[
            "The paper's pictures are of celebrities who are not in the training set; here they are held-out pictures "
            "of the same set, drawn and not chosen.",
            "Published groups of styles are those of 4 to 8, 16 to 32 and 64 or more pixels; smaller pictures have "
            "their last two sizes as middle and fine ones.",
            *style_notes(study),
        ],
    )
