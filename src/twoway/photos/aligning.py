"""A folder of photos aligned for training: crops of one size, and a file that says how they were cut."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image

from twoway.data.alignment import ALIGNMENT_FILE
from twoway.data.attributes import TABLES
from twoway.data.layout import arrange
from twoway.data.opening import existing, file_source
from twoway.data.sources import FileSource
from twoway.errors import CheckpointError, ConfigError, DataError
from twoway.grids import save_png_atomic
from twoway.photos.framing import align
from twoway.photos.landmarks import Landmarks
from twoway.photos.opening import open_photo
from twoway.photos.points import FacePoints
from twoway.photos.templates import Template
from twoway.telling import Telling, counted, silent

__all__ = ["AlignedFolder", "align_folder"]

SIZES = (8, 4096)


@dataclass(frozen=True)
class AlignedFolder:
    """What became of the photos of a folder.

    Args:
        count: How many were aligned.
        skipped: Why others were left out, by name.
        tables: Tables of attributes and labels that went along.
        left: Tables that did not, because their kind is not copied.
    """

    count: int
    skipped: dict[str, str]
    tables: tuple[str, ...]
    left: tuple[str, ...]


def align_folder(
    source: str | Path,
    out: Path,
    *,
    size: int,
    template: Template,
    find: Landmarks | Callable[[str, Image.Image], FacePoints | None],
    channels: int = 3,
    progress: Telling = silent,
) -> AlignedFolder:
    """Align every photo of a folder or ZIP and write PNG files of the same names to another folder.

    Written are also ``alignment.json``, with which the template becomes known of models that are trained on the
    folder, and CSV tables of attributes and labels with the new names. Photos that cannot be opened, have no points
    or points that do not fit are left out and named.

    Args:
        source: Folder, ZIP or one picture.
        out: A folder that is not there yet, or empty, and not inside the source.
        size: Side of the crops, in pixels.
        template: Where eyes and mouth shall lie in them.
        find: Points of all faces, where a file name alone counts only if one photo has it; or what gives those of a
            name as in the source and the opened photo, and raises `DataError` where it has none.
        channels: 3, or 1 for grey crops.
        progress: Told how many photos are done.

    Raises:
        ConfigError: A size out of range.
        CheckpointError: A place that is taken or cannot be written.
        DataError: No photos, or none that can be aligned, or a table that is none.
    """
    if not SIZES[0] <= size <= SIZES[1]:
        raise ConfigError(f"--size is {size}, but must be from {SIZES[0]} to {SIZES[1]} pixels.")
    place = existing(source)
    files = file_source(place)
    if not files.names:
        raise DataError(f"There are no pictures in {files.where}. Name a folder, or a ZIP, of photos.")
    _check_out(out, place)
    named = _new_names(files.names)
    called = Counter(PurePosixPath(name).name for name in files.names)
    tables, left = _read_tables(files)
    shape, skipped, outlines = (channels, size, size), dict(files.rejected), {}
    try:
        for number, name in counted(enumerate(files.names), "aligning", progress, len(files.names)):
            try:
                with files.open(number) as stream:
                    photo = open_photo(stream.read(), name=f"'{name}'")
                alone = called[PurePosixPath(name).name] == 1
                points = find.of(name, by_name=alone) if isinstance(find, Landmarks) else find(name, photo)
                if points is None:
                    raise DataError("nobody said where its eyes are")
                frame = align(photo, shape, points=points, template=template)
            except DataError as error:
                skipped[name] = str(error)
                continue
            save_png_atomic(frame.crop, out / named[name])
            outlines[named[name]] = [[round(value, 3) for value in corner] for corner in frame.outline]
        if not outlines:
            first = next(iter(skipped.items()))
            raise DataError(
                f"None of the {len(skipped)} photos in {files.where} could be aligned; the first: {first[1]}"
            )
        facts = {"template": template.plain(), "size": size, "source": files.where, "outlines": outlines}
        (out / ALIGNMENT_FILE).write_text(json.dumps(facts, ensure_ascii=False) + "\n", encoding="utf-8")
        _write_tables(tables, out, {old: new for old, new in named.items() if new in outlines})
    except OSError as error:
        raise CheckpointError(f"Crops cannot be written to {out}: {error}. Choose another --out.") from error
    return AlignedFolder(len(outlines), skipped, tuple(tables), left)


def _check_out(out: Path, place: Path) -> None:
    target = out.expanduser().resolve()
    folder = place if place.is_dir() else place.parent
    if target == folder or (place.is_dir() and folder in target.parents):
        raise CheckpointError(f"--out is {out}, inside the photos themselves. Choose a folder beside them.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise CheckpointError(f"--out is {out}, which is there already and not empty. Choose a new folder.")


def _new_names(names: list[str]) -> dict[str, str]:
    """The same paths with the ending .png; numbered where two would be the same."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        path = PurePosixPath(name)
        new = path.with_suffix(".png").as_posix()
        count = 1
        while new.lower() in taken:
            count += 1
            new = path.with_name(f"{path.stem}-{count}.png").as_posix()
        taken.add(new.lower())
        found[name] = new
    return found


def _read_tables(files: FileSource) -> tuple[dict[str, list[list[str]]], tuple[str, ...]]:
    """Rows of the tables of CSV by name, and names of tables of other kinds.

    Raises:
        DataError: A file that is no table.
    """
    found: dict[str, list[list[str]]] = {}
    left = []
    wrapper = arrange(files.names).wrapper
    for table in dict.fromkeys(folder + table for table in (*TABLES, "dataset.json") for folder in ("", wrapper)):
        text = files.text(table)
        if text is None:
            continue
        if not table.endswith(".csv"):
            left.append(table)
            continue
        try:
            found[table] = [row for row in csv.reader(io.StringIO(text)) if row]
        except csv.Error as error:
            raise DataError(
                f"{table} in {files.where} is no table of values with commas between them ({error}). Mend it, or "
                "remove it to go on without what it says."
            ) from error
    return found, tuple(left)


def _write_tables(tables: dict[str, list[list[str]]], out: Path, named: dict[str, str]) -> None:
    """Write the rows of what was aligned, under the new names."""
    short = {PurePosixPath(old).name: PurePosixPath(new).name for old, new in named.items()}
    # a file name without its folder means one file only where no folder has another of that name
    unique = len(short) == len(named)
    for table, rows in tables.items():
        kept = rows[:1]
        for row in rows[1:]:
            new = named.get(row[0].strip()) or (short.get(row[0].strip()) if unique else None)
            if new is not None:
                kept.append([new, *row[1:]])
        with (out / table).open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(kept)
