"""`twoway directions`: find directions in latent space, look at them, see what edits along them change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from twoway.cli.direction_check import check
from twoway.cli.direction_inputs import (
    from_codes,
    from_pictures,
    learnable,
    open_codes,
    open_pictures,
    open_table,
    wanted_names,
    with_both,
)
from twoway.cli.direction_places import NAME, where_found
from twoway.cli.options import DEVICE, MODEL, Noise, tell_skipped
from twoway.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from twoway.latents.directions import Direction
    from twoway.model import TwoWayModel

__all__ = ["app"]

app = typer.Typer(help="Find directions in latent space, along which pictures can be edited.", no_args_is_help=True)

app.command("check")(check)

FittedBy = Literal["logistic", "svm", "means", "effects"]
DIRECTIONS = typer.Argument(help="File of directions, .safetensors.", show_default=False)
OUT = typer.Option(Path(NAME), "--out", "-o", help="File of directions; those it has of other names are kept.")
LAYERS = typer.Option(None, "--layers", help="coarse, middle, fine or 0-3,6: look at and act on these layers only.")
CODES = typer.Option(None, "--codes", help="File of codes of twoway encode or directions scores, in place of --data.")
COUNT = typer.Option(10, "--count", min=1, help="How many directions.")


@app.command("fit")
def fit(
    model: str = MODEL,
    name: list[str] = typer.Option(..., "--name", help="Attribute to find the direction of; several times, or 'all'."),
    data: str | None = typer.Option(None, "--data", help="Pictures of which it is known: folder, ZIP, built-in set."),
    attributes: Path | None = typer.Option(
        None, "--attributes", help="CSV of 0 and 1; what the data know by default (attributes.csv in the folder)."
    ),
    codes: Path | None = CODES,
    scores: Path | None = typer.Option(
        None, "--scores", help="CSV of real numbers, whose highest and lowest are told apart (InterFaceGAN)."
    ),
    out: Path = OUT,
    classifier: FittedBy | None = typer.Option(
        None,
        "--classifier",
        help="logistic (default for attributes), svm (as ALAE; default for scores), means, or effects: how codes "
        "change with one attribute while all others known are held still (compare with directions check).",
    ),
    beside: list[str] | None = typer.Option(
        None, "--beside", help="What effects hold still; several times; all that is known of the pictures by default."
    ),
    c: float | None = typer.Option(
        None, "--c", help="Weight of errors against short coefficients; 1 for svm, little for logistic."
    ),
    balanced: bool | None = typer.Option(
        None, "--balanced/--no-balanced", help="Let a rare kind weigh as much as the other; yes, but for svm."
    ),
    share: float = typer.Option(0.02, "--share", help="Of the scores, taken at either end; above 1 a number of them."),
    conditional_on: list[str] | None = typer.Option(
        None, "--conditional-on", help="What is not to change: the direction is made orthogonal to its; several times."
    ),
    layers: str | None = LAYERS,
    max_images: int = typer.Option(20_000, "--max-images", min=4, help="Use at most so many pictures."),
    seed: int = typer.Option(0, "--seed", min=0, help="Of what is held out by chance."),
    device: str = DEVICE,
) -> None:
    """Find the directions that attributes grow along, from pictures or codes of which it is known who has them.

    Example: twoway directions fit latest --data faces/ --name Smiling --name Male -o faces.safetensors
    """
    from twoway.cli.bars import working
    from twoway.latents.direction_fitting import fit_directions
    from twoway.latents.direction_machines import Fitting

    if attributes is not None and scores is not None:
        raise ConfigError("--attributes and --scores exclude each other: learn from 0 and 1, or from real numbers.")
    if (data is None) == (codes is None):
        raise ConfigError("Give either --data, pictures to encode, or --codes, a file of codes.")
    kind = classifier or ("logistic" if scores is None else "svm")
    fitting = Fitting(kind, c, kind != "svm" if balanced is None else balanced, seed)
    jointly = kind == "effects"
    loaded, given = _open(model, out, device)
    rows = _rows(loaded, layers)
    table = open_table(attributes or scores, data)
    conditions = list(conditional_on or ())
    with working() as progress:
        if codes is not None:
            names, examples = from_codes(
                loaded, codes, name, conditions, given, table, beside=beside or [], whole=jointly and not beside
            )
            held_out = None
        else:
            assert data is not None
            train, test = open_pictures(loaded, data)
            there = table.names if table else learnable(train)
            names = wanted_names(name, there)
            needed = [*names, *(one for one in conditions if one not in names and one not in given)]
            more = [] if not jointly else beside or there
            examples, held_out = from_pictures(
                loaded, train, None if scores else test, needed, table, rows, max_images, progress, more=more
            )
        if name == ["all"]:
            names = with_both(names, examples) if scores is None else names
        found = fit_directions(
            loaded, names, examples, held_out=held_out, scored=scores is not None, share=share, fitting=fitting,
            layers=rows, conditional_on=conditions, given=given, beside=beside or None, progress=progress,
        )  # fmt: skip
    _save(out, given, found)


@app.command("scores")
def scores(
    model: str = MODEL,
    classifier: Path = typer.Option(..., "--classifier", help="File of twoway metrics train-extractor."),
    samples: int = typer.Option(10_000, "--samples", "-n", min=1, help="How many; ALAE takes 60,000."),
    noise: Noise = typer.Option("random", "--noise", help="Noise in a style generator: random, fixed or off."),
    seed: int = typer.Option(0, "--seed", min=0, help="Of codes and noise."),
    out: Path = typer.Option(Path("scores.csv"), "--out", "-o", help="The .csv to write; codes go to .npz beside it."),
    device: str = DEVICE,
) -> None:
    """Make pictures and let a classifier score them: codes and scores that directions fit learns from.

    Afterwards: twoway directions fit MODEL --codes scores.npz --scores scores.csv --name Smiling
    """
    from twoway.cli.bars import working
    from twoway.features import FeatureSpec, build_features
    from twoway.latents.codes import save_codes
    from twoway.latents.direction_examples import score_samples
    from twoway.latents.score_tables import write_score_table
    from twoway.training.entry import model_of_run

    if out.suffix.lower() != ".csv":
        raise ConfigError(f"--out is {out}, but the scores go to a .csv file; the codes to .npz of the same name.")
    scorer: Any = build_features(FeatureSpec("classifier", str(classifier)))
    loaded = model_of_run(model, device=device)
    with working() as progress:
        codes, table = score_samples(
            loaded, scorer.to(loaded.device), samples, noise=noise, seed=seed, progress=progress
        )
    write_score_table(out, table)
    save_codes(out.with_suffix(".npz"), codes)
    typer.echo(f"{samples} samples scored by {scorer.title}: {out}, codes {out.with_suffix('.npz')}")
    typer.echo(f"scores of {', '.join(table.names)}")


@app.command("pca")
def pca(
    model: str = MODEL,
    count: int = COUNT,
    data: str | None = typer.Option(None, "--data", help="Pictures to encode; samples of the prior by default."),
    codes: Path | None = CODES,
    samples: int = typer.Option(10_000, "--samples", min=2, help="Codes drawn where neither is given."),
    layers: str | None = LAYERS,
    max_images: int = typer.Option(20_000, "--max-images", min=2, help="Use at most so many pictures."),
    seed: int = typer.Option(0, "--seed", min=0, help="Of the samples."),
    out: Path = OUT,
    device: str = DEVICE,
) -> None:
    """Take the directions that codes vary along most (GANSpace); nothing need be known of pictures."""
    from twoway.cli.bars import working
    from twoway.latents.direction_examples import code_examples, picture_examples
    from twoway.latents.unlabelled_directions import principal_directions, sampled_codes

    if data is not None and codes is not None:
        raise ConfigError("Give either --data or --codes, not both.")
    loaded, given = _open(model, out, device)
    rows = _rows(loaded, layers)
    with working() as progress:
        if codes is not None:
            w, about = code_examples(open_codes(loaded, codes), ()).w, {"data": str(codes)}
        elif data is not None:
            train, _ = open_pictures(loaded, data)
            w = picture_examples(loaded, train, (), layers=rows, limit=max_images, progress=progress).w
            about = {"data": train.name}
            tell_skipped(train.skipped)
        else:
            w, about = sampled_codes(loaded, samples, seed=seed), {"data": f"samples of seed {seed}"}
    found = principal_directions(loaded, w, count, layers=rows, facts=about)
    _save(out, given, {one.name: one for one in found})


@app.command("factorise")
def factorise(
    model: str = MODEL,
    count: int = COUNT,
    layers: str | None = LAYERS,
    normalise: bool = typer.Option(
        False,
        "--normalise/--no-normalise",
        help="Bring each style's weights to unit length, as the official code does.",
    ),
    out: Path = OUT,
    device: str = DEVICE,
) -> None:
    """Take the directions that styles change most along (SeFa), from the weights alone."""
    from twoway.latents.unlabelled_directions import factorised_directions

    loaded, given = _open(model, out, device)
    found = factorised_directions(loaded, count, layers=_rows(loaded, layers), normalise=normalise)
    _save(out, given, {one.name: one for one in found})


@app.command("orthogonalise")
def orthogonalise(
    directions: Path = DIRECTIONS,
    name: str = typer.Option(..., "--name", help="Direction to change."),
    to: list[str] = typer.Option(..., "--to", help="Directions that it is made orthogonal to; several times."),
    called: str | None = typer.Option(None, "--as", help="Name of the result; the old one by default, replaced."),
    out: Path | None = typer.Option(
        None, "--out", "-o", help="File to write, whose others are kept; the same one by default."
    ),
) -> None:
    """Make a direction orthogonal to others, so that what they stand for stays."""
    from dataclasses import replace

    from twoway.latents.conditional_directions import orthogonal_to
    from twoway.latents.directions import (
        choose_directions,
        kept_directions,
        load_directions,
        save_directions,
    )

    known = load_directions(directions)
    (direction,), conditions = choose_directions(known, [name]), choose_directions(known, to)
    if any(one.name == name for one in conditions):
        raise ConfigError(f"'{name}' is to be made orthogonal to itself, which leaves nothing. Name others with --to.")
    found = replace(orthogonal_to(direction, conditions), name=called or name)
    target = out or directions
    save_directions(target, {**known, **kept_directions(target), found.name: found})
    typer.echo(
        f"{found.name} in {target}: {100 * found.facts['left']:.1f} % of the unit vector of {name} was left, made of "
        "unit length again"
    )


@app.command("show")
def show(directions: Path = DIRECTIONS) -> None:
    """List the directions of a file: how each was found, how well, and which other one is most alike."""
    from twoway.latents.directions import load_directions

    found = load_directions(directions)
    typer.echo(f"{len(found)} directions of the model {next(iter(found.values())).fingerprint}")
    _print(found)
    for line in _alike(found):
        typer.echo(line)


def _open(model: str, out: Path, device: str) -> tuple[TwoWayModel, dict[str, Direction]]:
    """The model, and the directions that the file to write has already; refuses another model's file at once."""
    from twoway.latents.directions import check_directions_path, kept_directions
    from twoway.training.entry import model_of_run

    target = check_directions_path(out)
    loaded = model_of_run(model, device=device)
    given = kept_directions(target, loaded)
    fingerprint = loaded.fingerprint()
    for one in given.values():
        if one.fingerprint != fingerprint:
            raise ModelError(
                f"{target} holds directions of the model {one.fingerprint}, which this one, {fingerprint}, was tuned "
                "from. Both can edit with them, but a file holds directions of one model: write those found for the "
                "tuned model to another file, with --out."
            )
    return loaded, given


def _rows(model: TwoWayModel, layers: str | None) -> tuple[int, ...] | None:
    from twoway.latents.style_mixing import layers_of

    return None if layers is None else layers_of(model, layers)


def _save(out: Path, given: Mapping[str, Direction], found: Mapping[str, Direction]) -> None:
    from twoway.latents.directions import save_directions

    target = save_directions(out, {**given, **found})
    _print(found)
    others = len(set(given) - set(found))
    beside = f", beside {others} others" if others else ""
    typer.echo(f"{len(found)} directions written to {target}{beside}; {where_found(target)}")


def _print(directions: Mapping[str, Direction]) -> None:
    """A line for each: how well codes are told apart, in per cent, and the deviation."""
    heads = ("name", "found by", "with", "of", "held out", "balanced", "majority", "middle", "deviation", "layers")
    lines = [heads, *(_line(one) for one in directions.values())]
    kept = [i for i in range(len(heads)) if any(line[i] != "-" for line in lines[1:])]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    for line in lines:
        typer.echo("  ".join(f"{line[i]:<{widths[i]}}" if i < 2 else f"{line[i]:>{widths[i]}}" for i in kept).rstrip())


def _line(one: Direction) -> tuple[str, ...]:
    from twoway.latents.style_mixing import span

    train, held, middle = (one.facts.get(key) or {} for key in ("train", "held_out", "middle"))
    by = {"pca": "pca", "factorised": "styles", "given": "given"}.get(one.kind, str(one.facts.get("classifier", "-")))
    if one.facts.get("orthogonal_to"):
        by += f" without {', '.join(one.facts['orthogonal_to'])}"
    return (
        one.name,
        f"{by} ({one.kind})" if one.kind == "scores" else by,
        f"{train['with']:,}" if train else "-",
        f"{train['count']:,}" if train else "-",
        *(_percent(part.get(key)) for part, key in (
            (held, "accuracy"), (held, "balanced_accuracy"), (held, "majority"), (middle, "accuracy"))),
        f"{one.deviation:.4g}",
        "-" if one.layers is None else span(one.layers),
    )  # fmt: skip


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _alike(directions: Mapping[str, Direction]) -> list[str]:
    """For each direction the other one that is most parallel to it, among those of one shape."""
    lines = []
    for one in directions.values():
        others = [
            (float((one.normal * other.normal).sum()), other.name)
            for other in directions.values()
            if other is not one and other.vector.shape == one.vector.shape
        ]
        if others:
            cosine, name = max(others, key=lambda pair: abs(pair[0]))
            lines.append(f"{one.name}: most alike is {name}, cosine {cosine:+.2f}")
    return lines
