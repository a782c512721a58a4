"""What a training says of itself."""

import io
import sys

import pytest

from twoway.training.progress import Progress, describe_tick, peak_memory_mib

RECORD = {
    "kimg": 1.0,
    "phase": "train",
    "images_per_s": 512.4,
    "loss/discriminate/real": 0.71234,
    "loss/generate/fake": 1.5,
    "metric/mse": 0.031,
    "peak_memory_mib": 300.6,
    "nonfinite": 2,
}


def train(progress):
    with progress:
        for i in range(1, 101):
            progress.update(i / 50, 500.0, {"loss/discriminate/real": 1 / i})
            if i % 50 == 0:
                progress.tick({**RECORD, "kimg": i / 50})
        progress.note("done with it")


def test_plain_lines_hold_everything_and_no_control_characters():
    file = io.StringIO()
    train(Progress(2.0, file=file))
    lines = file.getvalue().splitlines()
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    for words in ("kimg 1.00 of 2 (50 %)", "train", "512 images/s", "real 0.712, fake 1.5, mse 0.031", "301 MiB"):
        assert words in lines[0]
    assert "2 iterations not finite" in lines[0]
    assert lines[0].endswith("left")
    assert lines[2] == "done with it"


def test_live_display_shows_bar_losses_and_lines():
    file = io.StringIO()
    train(Progress(2.0, plain=False, file=file))
    shown = file.getvalue()
    assert "\x1b[" in shown
    for words in ("2/2 kimg", "500 images/s", "real 0.01", "MiB", "done with it", "kimg 1.00 of 2"):
        assert words in shown


def test_updates_are_throttled():
    file = io.StringIO()
    with Progress(2.0, plain=False, file=file) as progress:
        before = len(file.getvalue())
        progress.update(0.1, 1.0, {})
        one = len(file.getvalue()) - before
        for _ in range(200):
            progress.update(0.1, 1.0, {})
        assert len(file.getvalue()) - before <= 5 * one


@pytest.mark.parametrize("plain", [True, False])
def test_other_ranks_are_silent(monkeypatch, plain):
    monkeypatch.setenv("RANK", "1")
    file = io.StringIO()
    train(Progress(2.0, plain=plain, file=file))
    assert file.getvalue() == ""


@pytest.mark.parametrize("plain", [True, False])
def test_the_log_gets_every_line(plain):
    log = io.StringIO()
    train(Progress(2.0, plain=plain, file=io.StringIO(), log=log))
    assert len(log.getvalue().splitlines()) == 3


@pytest.mark.parametrize("plain", [True, False])
def test_a_file_name_cannot_steer_the_terminal(plain):
    file = io.StringIO()
    with Progress(1.0, plain=plain, file=file) as progress:
        progress.note("skipped \x1b[2Jx\x07\udcff.png [red]: broken")
    assert "skipped ?[2Jx??.png [red]: broken" in file.getvalue()


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("after", [0, 3])
def test_a_reader_that_leaves_does_not_stop_training(plain, after):
    class Closing(io.StringIO):
        left = after

        def write(self, text):
            if self.left == 0:
                raise BrokenPipeError
            self.left -= 1
            return super().write(text)

    log = io.StringIO()
    train(Progress(2.0, plain=plain, file=Closing(), log=log))
    assert len(log.getvalue().splitlines()) == 3


def test_an_ascii_terminal_is_enough():
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with Progress(1.0, file=file) as progress:
        progress.note("skipped köter.png")
    file.seek(0)
    assert file.read() == "skipped k?ter.png\n"


def test_equal_names_are_told_apart():
    line = describe_tick({"kimg": 1.0, "loss/a/x": 1.0, "loss/b/x": float("nan")}, 2.0)
    assert line.endswith("a/x 1, b/x not finite")


def test_peak_memory_is_that_of_a_python_with_torch():
    import torch

    big = torch.ones(50 * 2**18)  # 50 MiB
    assert big.sum() > 0
    if sys.platform != "win32":
        assert 50 < peak_memory_mib() < 1e6
