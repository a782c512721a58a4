"""Rows of pictures with a name beside each row and heads above the columns, as figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from twoway.plots.style import WIDTH, house_style, new_figure
from twoway.training.progress import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["picture_rows"]

NAMES = 1.4
"""Inches beside the rows for their names."""
TALLEST = 1.0


def picture_rows(
    rows: Mapping[str, Tensor], *, heads: Sequence[str] = (), title: str = "", width: float = WIDTH
) -> Figure:
    """Lay pictures out in named rows, without smoothing.

    Args:
        rows: Name to pictures, uint8, (N, C, H, W) with C 1 or 3, all of one size; rows may be of different lengths.
            An empty place is a picture of NaN in a float row of values from 0 to 255.
        heads: What stands above the columns.
        title: Above all.
        width: Inches.

    Example:
        >>> figure = picture_rows({"real": torch.zeros(3, 1, 8, 8, dtype=torch.uint8)}, heads=["a", "b", "c"])
        >>> len(figure.axes)
        3
    """
    columns = max(len(pictures) for pictures in rows.values())
    _, _, tall, wide = next(iter(rows.values())).shape
    side = min((width - NAMES) / columns, TALLEST)
    height = len(rows) * (side * tall / wide + 0.03) + (0.25 if heads else 0.0) + (0.25 if title else 0.0)
    with house_style():
        figure = new_figure(NAMES + columns * side, height)
        figure.set_layout_engine("constrained", w_pad=0.01, h_pad=0.01, wspace=0.0, hspace=0.0)
        grid = figure.subplots(len(rows), columns, squeeze=False)
        for line, (name, pictures) in zip(grid, rows.items(), strict=True):
            for column, axes in enumerate(line):
                axes.set_axis_off()
                if column < len(pictures) and not pictures[column].float().isnan().any():
                    image = pictures[column].permute(1, 2, 0).to(torch.uint8).cpu().numpy()
                    axes.imshow(image[..., 0] if image.shape[2] == 1 else image, cmap="gray", vmin=0, vmax=255)
            line[0].text(-0.08, 0.5, printable(name), transform=line[0].transAxes, ha="right", va="center", fontsize=7)
        for axes, head in zip(grid[0], heads, strict=False):
            axes.set_title(printable(head), fontsize=7, loc="center")
        if title:
            figure.suptitle(printable(title), fontsize=9)
    return figure
