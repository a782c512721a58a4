"""Figures to files: PNG and SVG, whole or not at all, the same bytes for the same drawing."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from twoway.errors import CheckpointError
from twoway.plots.style import house_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["save_plot", "targets"]

DPI = 220
OTHERS = {".pdf", ".eps", ".ps", ".jpg", ".jpeg", ".gif", ".webp", ".tif", ".tiff", ".bmp", ".npz", ".json", ".html"}


def targets(path: Path) -> tuple[Path, Path]:
    """The two files that a drawing is written to: the name with .png and with .svg.

    Raises:
        CheckpointError: The name ends as another kind of file does, or is a folder.

    Example:
        >>> [file.name for file in targets(Path("losses-0.5.svg"))], [file.name for file in targets(Path("v1.2"))]
        (['losses-0.5.png', 'losses-0.5.svg'], ['v1.2.png', 'v1.2.svg'])
    """
    if path.suffix.lower() in OTHERS or path.is_dir() or not path.name:
        raise CheckpointError(
            f"The drawing cannot be written to {path}: it is written as .png and as .svg, under one name. Give a name "
            "such as curves.png."
        )
    stem = path.stem if path.suffix.lower() in (".png", ".svg") else path.name
    return path.with_name(f"{stem}.png"), path.with_name(f"{stem}.svg")


def save_plot(figure: Figure, path: Path) -> tuple[Path, Path]:
    """Write a figure as PNG and as SVG, each under a temporary name that is then renamed.

    Neither holds a date or a chance name, so the same drawing gives the same files.

    Args:
        figure: As the functions of this package make them.
        path: A name with .png, .svg or no ending; its folder is made where there is none.

    Returns:
        The PNG and the SVG.

    Raises:
        CheckpointError: Another ending, or a place that cannot be written.
    """
    files = targets(path)
    for file in files:
        temporary = file.with_name(f".writing-{file.name}")
        kind = file.suffix[1:]
        metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with house_style():
                figure.savefig(temporary, format=kind, dpi=DPI, metadata=metadata)
            temporary.replace(file)
        except OSError as error:
            raise CheckpointError(
                f"The drawing cannot be written to {file}: {error}. Choose another place with --out."
            ) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    return files
