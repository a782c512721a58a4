"""Pictures that move: GIF, animated WebP and animated PNG, with the durations one asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image, features

from twoway.errors import CheckpointError, ConfigError

__all__ = ["ENDINGS", "Playback", "is_animation", "played", "save_animation"]

ENDINGS = {".gif": "GIF", ".webp": "WEBP", ".apng": "PNG"}
"""Endings of animations; .png is a still picture, so an animated PNG is asked for as .apng."""
WIDE = 256
TICK_MS = {"GIF": 10, "WEBP": 1, "PNG": 1}  # what a duration is a multiple of
MOST_FPS = {"GIF": 50, "WEBP": 100, "PNG": 100}  # browsers play faster GIFs at ten frames a second
LARGEST = {"GIF": 65_535, "WEBP": 16_383, "PNG": 65_535}


@dataclass(frozen=True)
class Playback:
    """How an animation is played.

    Args:
        fps: Frames per second.
        loop: Whether it starts again at its end, for ever.
        there_and_back: Whether the frames are played backwards after the last one.
        scale: Integer factor of enlargement without smoothing; None makes small frames about 256 pixels wide.

    Raises:
        ConfigError: A rate that is not above 0, or an enlargement below 1.
    """

    fps: float = 8.0
    loop: bool = True
    there_and_back: bool = False
    scale: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.fps <= 100:
            raise ConfigError(f"The frame rate is {self.fps}, but must be above 0 and at most 100 frames per second.")
        if self.scale is not None and self.scale < 1:
            raise ConfigError(f"The scale is {self.scale}, but must be a whole number, at least 1.")


def is_animation(path: Path) -> bool:
    """Whether a file of that name is an animation, going by its ending."""
    return path.suffix.lower() in ENDINGS


def played(frames: Sequence[Image.Image], playback: Playback) -> list[Image.Image]:
    """Frames as they are shown, enlarged and in order; on the way back neither end is shown twice.

    Args:
        frames: Pictures of one size and mode, at least one.
        playback: How.
    """
    assert len(frames) > 0, "an animation needs at least one frame"
    assert len({(frame.size, frame.mode) for frame in frames}) == 1, "frames are of one size and mode"
    scale = playback.scale or max(1, WIDE // frames[0].width)
    size = (scale * frames[0].width, scale * frames[0].height)
    large = [frame.resize(size, Image.Resampling.NEAREST) for frame in frames]
    # a loop starts with the first frame again, a single run ends with it
    return large + (large[-2:0:-1] if playback.loop else large[-2::-1]) if playback.there_and_back else large


def durations_ms(count: int, fps: float, tick: int) -> list[int]:
    """Durations of frames in milliseconds, multiples of a tick, whose sums are nowhere off by more than half a tick.

    Example:
        >>> durations_ms(4, 15, 10)
        [70, 60, 70, 70]
    """
    ends = [round(1000 * n / fps / tick) * tick for n in range(count + 1)]
    return [b - a for a, b in pairwise(ends)]


def save_animation(frames: Sequence[Image.Image], path: Path, playback: Playback | None = None) -> int:
    """Write an animation under a temporary name and rename it.

    WebP and PNG keep every pixel; GIF keeps 256 colours a frame. Frames that follow an identical one may be stored as
    a longer duration of that one, so a file can hold fewer frames than were given and lasts as long all the same.

    Args:
        frames: Pictures of one size and mode, grey or RGB.
        path: Ends in .gif, .webp or .apng; an older file is replaced.
        playback: How it is played.

    Returns:
        Frames shown in one run, those on the way back included.

    Raises:
        CheckpointError: Another ending, or a file that cannot be written.
        ConfigError: More frames per second than the format plays, or frames larger than it holds.
    """
    playback = playback or Playback()
    if not is_animation(path):
        raise CheckpointError(f"An animation is written as {', '.join(ENDINGS)}, not as '{path.suffix}' ({path}).")
    kind = ENDINGS[path.suffix.lower()]
    if kind == "WEBP" and not features.check("webp"):
        raise ConfigError(f"This build of Pillow cannot write WebP ({path}). Choose .gif or .apng.")
    if playback.fps > MOST_FPS[kind]:
        raise ConfigError(
            f"{playback.fps:g} frames per second are more than a {path.suffix} plays, {MOST_FPS[kind]}. Lower the "
            "frame rate, or choose .webp."
        )
    shown = played(frames, playback)
    if max(shown[0].size) > LARGEST[kind]:
        raise ConfigError(
            f"Frames of {shown[0].width} x {shown[0].height} pixels are larger than a {path.suffix} holds, "
            f"{LARGEST[kind]}. Lower the scale."
        )
    options: dict[str, Any] = {"duration": durations_ms(len(shown), playback.fps, TICK_MS[kind])}
    if kind == "GIF":
        options |= {"loop": 0} if playback.loop else {}  # a GIF without the word plays once
    else:
        options |= {"loop": 0 if playback.loop else 1}
    if kind == "WEBP":
        options |= {"lossless": True, "quality": 60, "method": 2}
        shown = [frame.convert("RGB") for frame in shown]
    temporary = path.with_name(f".writing-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shown[0].save(temporary, kind, save_all=True, append_images=shown[1:], **options)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise CheckpointError(f"The animation cannot be written to {path}: {error}. Choose another --out.") from error
    return len(shown)
