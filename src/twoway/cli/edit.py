"""`twoway edit`: from a photo to an edited photo with one command."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from twoway.cli.direction_places import PLACES, find_directions
from twoway.cli.faces import DETECTOR, FACE, LANDMARKS, TEMPLATE, FaceFinder, template_for
from twoway.cli.options import DEVICE, MODEL, tell_skipped
from twoway.errors import CheckpointError, ConfigError, DataError

if TYPE_CHECKING:
    from twoway.latents.directions import Direction
    from twoway.latents.familiarity import Familiarity
    from twoway.photos import EditedPhoto
    from twoway.pipeline import Pipeline

__all__ = ["edit"]

Align = Literal["auto", "center", "none"]
Mode = Literal["relative", "absolute", "alae"]
Unit = Literal["deviation", "length"]
Paste = Literal["difference", "replace", "none"]
Mask = Literal["square", "ellipse"]

ENDINGS = (".png", "-crop.png", "-side-by-side.png", ".json")


def edit(
    model: str = MODEL,
    photos: list[Path] = typer.Argument(help="A photo, several, or a folder of them.", show_default=False),
    direction: list[str] = typer.Option(
        [], "--direction", "-d", help="What to change and how far, as Smiling=2 or Hat=1@coarse; several times."
    ),
    directions: Path | None = typer.Option(None, "--directions", help=f"File of directions; {PLACES}"),
    out: Path = typer.Option(Path("edited.png"), "--out", "-o", help="A .png, or a folder for several photos."),
    align: Align = typer.Option(
        "auto", "--align", help="auto: by eyes and mouth where they are known, otherwise the centre; center; or none."
    ),
    points: str | None = typer.Option(
        None, "--points", help="Left eye, right eye, mouth (or its corners) in pixels, as '120,200 180,200 150,270'."
    ),
    landmarks: Path | None = LANDMARKS,
    detector: Path | None = DETECTOR,
    face: int | None = FACE,
    template: str | None = TEMPLATE,
    refine: int = typer.Option(0, "--refine", min=0, help="Steps of optimisation of the code; slower and closer."),
    refine_lr: float | None = typer.Option(None, "--refine-lr", help="Their learning rate; chosen by the start."),
    encoder_weight: float = typer.Option(
        0.0, "--encoder-weight", min=0, help="Keeps refined codes where the encoder knows them."
    ),
    mode: Mode = typer.Option("relative", "--mode", help="Rule of the edit: LIA's, InterFaceGAN's or ALAE's."),
    unit: Unit = typer.Option("deviation", "--unit", help="What amounts count: deviations of codes, or length in w."),
    layers: str | None = typer.Option(None, "--layers", help="coarse, middle, fine, or 0-3,6; where -d names none."),
    paste: Paste = typer.Option(
        "difference", "--paste", help="Add what changed to the photo, replace the crop, or leave the photo alone."
    ),
    mask: Mask = typer.Option("square", "--mask", help="Shape of the soft mask."),
    label: int | None = typer.Option(None, "--class", min=0, help="Class of the photo, for a conditional model."),
    known: Path | None = typer.Option(
        None, "--known", help="Codes of training pictures (twoway encode) that the photo is compared with."
    ),
    max_megapixels: float = typer.Option(64.0, "--max-megapixels", min=0.001, help="Largest photo that is opened."),
    device: str = DEVICE,
) -> None:
    """Edit a photo: align, encode, refine, move along directions, and paste back softly.

    Beside OUT.png are written OUT-crop.png, the edited crop, OUT-side-by-side.png, and OUT.json with all settings.
    Example: twoway edit latest me.jpg -d Smiling=2 --points '120,200 180,200 150,270' --template celeba --refine 100
    """
    from twoway.cli.bars import working
    from twoway.latents.style_mixing import layers_of
    from twoway.photos import Refinement, edit_photo, open_photo
    from twoway.pipeline import Pipeline
    from twoway.saving import spare_files
    from twoway.telling import part_of
    from twoway.training.entry import model_of_run

    if align != "auto" and (points or landmarks or detector):
        raise ConfigError(f"--align {align} takes no points of the face. Leave it out, or leave the points out.")
    where = FaceFinder(points, landmarks, detector, face)
    sources = _sources(photos)
    targets = _targets(sources, out, several=len(photos) > 1 or photos[0].is_dir())
    read = (*sources, landmarks, detector, template, directions, known)
    spare_files(read, (path for target in targets for path in _written(target)))
    if points is not None and len(sources) > 1:
        raise ConfigError("--points are those of one photo. Give --landmarks with a row for each of several.")
    pipe = Pipeline(model_of_run(model, device=device))
    place = find_directions(model, pipe.model, directions, must=bool(direction))
    moves = _moves(direction, place, pipe)
    rows = None if layers is None else layers_of(pipe.model, layers)
    if rows is not None and any("@" in text for text in direction):  # what one direction says goes before --layers
        own = ["@" in text for text in direction]
        moves = [(d if said else replace(d, layers=rows), t) for said, (d, t) in zip(own, moves, strict=True)]
        rows = None
    rule = template_for(model, template)
    familiar = _familiar(pipe, known)
    skipped: dict[str, str] = {}
    for source, target in zip(sources, targets, strict=True):
        try:
            photo = open_photo(source, max_megapixels=max_megapixels)
            found, says = where.points(source, photo)
            with working() as progress:
                done = edit_photo(
                    pipe,
                    photo,
                    moves,
                    how=align,
                    points=found,
                    template=rule,
                    refinement=Refinement(refine, refine_lr, encoder_weight),
                    mode=mode,
                    unit=unit,
                    layers=rows,
                    paste=paste,
                    mask=mask,
                    label=label,
                    known=familiar,
                    progress=part_of(progress, source.name) if len(sources) > 1 else progress,
                )
        except DataError as error:  # of this photo alone
            if len(sources) == 1:
                raise
            skipped[str(source)] = str(error)
            continue
        settings: dict[str, Any] = {"source": str(source), "model": model, "fingerprint": pipe.model.fingerprint()}
        settings |= {"directions_file": str(place) if moves else None}
        _write(done, target, settings)
        _tell(done, source, target, says)
    tell_skipped(skipped)
    if len(skipped) == len(sources):
        raise DataError("None of the photos could be edited; the reasons stand above.")


def _sources(photos: Sequence[Path]) -> list[Path]:
    """Files of all photos, those of folders in the order of their names."""
    from twoway.data.decode import EXTENSIONS

    found: list[Path] = []
    for path in photos:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in EXTENSIONS and p.is_file())
            if not inside:
                raise DataError(f"The folder {path} holds no pictures ({', '.join(EXTENSIONS)}).")
            found += inside
        else:
            found.append(path)
    return found


def _targets(sources: Sequence[Path], out: Path, *, several: bool) -> list[Path]:
    """The main picture of each photo; no two photos may share a file of those that are written beside it."""
    from twoway.saving import file_names

    if not several and not out.is_dir():
        if out.suffix.lower() != ".png":
            raise CheckpointError(f"--out is {out}, but the edited photo is written as .png. Give a name ending so.")
        targets = [out]
    elif out.suffix.lower() == ".png" and not out.is_dir():
        raise CheckpointError(f"--out is {out}, but there are several photos. Give the name of a folder.")
    else:
        targets = [out / name for name in file_names([source.name for source in sources])]
        written = [path.name.lower() for target in targets for path in _written(target)]
        if len(set(written)) < len(written):  # the crop of a.jpg is called as the edited a-crop.jpg
            targets = [out / f"{number:06d}-{target.name}" for number, target in enumerate(targets)]
    return targets


def _written(target: Path) -> list[Path]:
    """All that is written for one photo."""
    return [target.with_name(target.stem + ending) for ending in ENDINGS]


def _moves(texts: Sequence[str], place: Path, pipe: Pipeline) -> list[tuple[Direction, float]]:
    """Read ``Smiling=2`` and ``Smiling=2@coarse``, with the directions of a file."""
    from twoway.latents.directions import load_directions
    from twoway.latents.editing import read_moves

    known: Mapping[str, Direction] = load_directions(place, pipe.model) if texts or place.is_file() else {}
    if not texts:
        there = f"{place} holds {', '.join(known)}" if known else f"there is no {place}: see twoway directions --help"
        raise ConfigError(f"Say what to change, such as --direction Smiling=2; {there}.")
    try:
        return read_moves(texts, known, pipe.model)
    except ConfigError as error:
        raise ConfigError(f"{error} (--direction; the directions are those of {place}.)") from error


def _familiar(pipe: Pipeline, known: Path | None) -> Familiarity | None:
    """What is usual for the model's pictures, found once for all photos."""
    from twoway.latents.codes import load_codes
    from twoway.latents.familiarity import familiarity

    if known is None and not pipe.model.infers_noise:
        return None
    return familiarity(pipe.model, None if known is None else load_codes(known, pipe.model))


def _write(done: EditedPhoto, target: Path, settings: Mapping[str, Any]) -> None:
    from twoway.saving import save_pictures
    from twoway.training.runs import write_text

    pictures = [done.pasted, done.edited, done.side_by_side]
    save_pictures(pictures, target.parent, [path.name for path in _written(target)[:3]])
    path = _written(target)[-1]
    try:
        write_text(path, json.dumps({**settings, **done.facts}, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise CheckpointError(f"The settings cannot be written to {path}: {error}. Choose another --out.") from error


def _tell(done: EditedPhoto, source: Path, target: Path, found: str) -> None:
    """A few lines on what was done."""
    facts = done.facts
    moved = ", ".join(f"{d['name']} {d['amount']:+g}" for d in facts["edit"]["directions"])
    way = {
        "points": f"aligned {found}, template {done.frame.template}",
        "center": "the centre of the photo (no points of a face)",
        "none": "the whole photo, as it is",
    }[done.frame.way]
    code = facts["code"]
    refined = f", refined in {code['steps']} steps" if code["steps"] else ""
    for note in facts["photo"]["notes"]:
        typer.echo(f"{source.name}: {note}", err=True)
    typer.echo(f"{source}: {moved} -> {target}")
    typer.echo(f"  crop: {way}")
    typer.echo(f"  code: from the {code['start']}{refined}; mean squared error {code['mean_squared_error']:.4f}")
    if done.warning:
        typer.echo(f"  {done.warning}", err=True)
