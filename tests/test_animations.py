"""Animations, read back frame by frame."""

import numpy as np
import pytest
from PIL import Image

from twoway.animations import Playback, durations_ms, played, save_animation
from twoway.errors import CheckpointError, ConfigError

KINDS = [".gif", ".webp", ".apng"]


def greys(values, mode="L", size=(4, 3)):
    return [Image.new(mode, size, value if mode == "L" else (value, 0, 255 - value)) for value in values]


def read_back(path):
    """Frames as RGB arrays, and their durations."""
    frames, durations = [], []
    with Image.open(path) as file:
        for number in range(getattr(file, "n_frames", 1)):
            file.seek(number)
            file.load()
            durations.append(round(file.info["duration"]))
            frames.append(np.asarray(file.convert("RGB")).astype(int))
    return frames, durations


@pytest.mark.parametrize("ending", KINDS)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_frames_and_durations_come_back(ending, mode, tmp_path):
    frames = greys([0, 100, 200], mode)
    path = tmp_path / "deep" / f"walk{ending}"
    assert save_animation(frames, path, Playback(fps=5, scale=2)) == 3
    again, durations = read_back(path)
    assert durations == [200, 200, 200]
    for one, frame in zip(again, frames, strict=True):
        assert one.shape == (6, 8, 3)
        # a GIF of few colours is exact too
        np.testing.assert_array_equal(one, np.asarray(frame.convert("RGB").resize((8, 6), Image.Resampling.NEAREST)))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", [".webp", ".apng"])
def test_webp_and_png_keep_every_colour(ending, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    save_animation([Image.fromarray(one) for one in noise], tmp_path / f"n{ending}", Playback(scale=1))
    again, _ = read_back(tmp_path / f"n{ending}")
    np.testing.assert_array_equal(np.stack(again), noise)


@pytest.mark.parametrize("ending", KINDS)
def test_identical_frames_may_be_merged_but_take_as_long(ending, tmp_path):
    path = tmp_path / f"walk{ending}"
    assert save_animation(greys([0, 0, 0, 90, 90, 0]), path, Playback(fps=10)) == 6
    again, durations = read_back(path)
    assert sum(durations) == 600
    shown = [int(frame[0, 0, 0]) for frame, lasts in zip(again, durations, strict=True) for _ in range(lasts // 100)]
    assert shown == [0, 0, 0, 90, 90, 0]


@pytest.mark.parametrize("ending", KINDS)
def test_frames_that_never_change_are_a_file_all_the_same(ending, tmp_path):
    save_animation(greys([7, 7, 7]), tmp_path / f"still{ending}")
    with Image.open(tmp_path / f"still{ending}") as file:
        assert np.asarray(file.convert("RGB")).max() == 7


@pytest.mark.parametrize("ending", KINDS)
def test_for_ever_or_once(ending, tmp_path):
    for loop, times in ((True, 0), (False, 1)):
        path = tmp_path / f"{loop}{ending}"
        save_animation(greys([0, 90]), path, Playback(loop=loop))
        with Image.open(path) as file:
            assert file.info.get("loop", 1) == times


def test_there_and_back():
    frames = greys([1, 2, 3])
    order = [image.getpixel((0, 0)) for image in played(frames, Playback(there_and_back=True, scale=1))]
    assert order == [1, 2, 3, 2]
    once = played(frames, Playback(there_and_back=True, loop=False, scale=1))
    assert [image.getpixel((0, 0)) for image in once] == [1, 2, 3, 2, 1]
    assert len(played(frames[:1], Playback(there_and_back=True))) == 1
    assert played(frames, Playback())[0].size == (256, 192)


@pytest.mark.parametrize(("fps", "tick"), [(8, 10), (24, 10), (30, 1), (29.97, 10), (0.5, 10)])
def test_durations_add_up(fps, tick):
    durations = durations_ms(48, fps, tick)
    assert abs(sum(durations) - 48_000 / fps) <= tick / 2
    assert all(one % tick == 0 and abs(one - 1000 / fps) < tick for one in durations)


def test_what_cannot_be_written(tmp_path):
    frames = greys([0, 90])
    with pytest.raises(CheckpointError, match=r"\.gif, \.webp, \.apng, not as '\.mp4'"):
        save_animation(frames, tmp_path / "walk.mp4")
    with pytest.raises(ConfigError, match=r"more than a \.gif plays, 50"):
        save_animation(frames, tmp_path / "walk.gif", Playback(fps=60))
    with pytest.raises(ConfigError, match=r"larger than a \.webp holds"):
        save_animation(greys([0, 9], size=(300, 8)), tmp_path / "walk.webp", Playback(scale=60))
    for wrong in ({"fps": 0}, {"fps": float("nan")}, {"fps": 1000}, {"scale": 0}):
        with pytest.raises(ConfigError, match="must be"):
            Playback(**wrong)
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_animation(frames, tmp_path / "file" / "walk.gif")
    (tmp_path / "taken.gif").mkdir()
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_animation(frames, tmp_path / "taken.gif")
    assert not list(tmp_path.glob(".writing*"))
