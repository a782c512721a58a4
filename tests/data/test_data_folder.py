import os
import pickle
import time

import numpy as np
import pytest
import torch
from PIL import Image

from twoway.data import ImageData, open_data
from twoway.data.files import FileImages
from twoway.errors import ConfigError, DataError


def test_pictures_in_sorted_order_from_all_levels(tmp_path, png, noise):
    (tmp_path / "b" / "deep").mkdir(parents=True)
    for name, seed in {"z.png": 0, "a.PNG": 1, "b/deep/c.png": 2}.items():
        (tmp_path / name).write_bytes(png(seed))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_bytes(png(9))
    data = open_data(tmp_path)
    assert isinstance(data, ImageData)
    assert len(data) == 3
    got = data.read([0, 1, 2]).numpy()
    for row, seed in enumerate([1, 2, 0]):
        assert np.array_equal(got[row], np.asarray(noise(seed)).transpose(2, 0, 1))


def test_what_a_folder_says_of_itself(make_folder):
    folder = make_folder(3, size=(24, 16), mode="L")
    data = open_data(folder)
    assert (data.name, data.source, data.shape) == ("pictures16", str(folder), (1, 16, 16))
    assert data.labels is None
    assert data.skipped == {}
    told = data.describe()
    assert told["count"] == 3
    assert told["fingerprint"] == data.fingerprint()
    assert "largest power of two not above 16" in told["rules"]["chosen"]
    assert told["rules"]["fit"] == "crop"


@pytest.mark.parametrize("cache_mib", [0, 512])
def test_reading_is_deterministic_and_in_any_order(make_folder, cache_mib):
    data = open_data(make_folder(12), cache_mib=cache_mib)
    one_by_one = torch.cat([data.read([row]) for row in range(12)])
    order = torch.tensor([5, 0, 5, 11, 3])
    assert torch.equal(data.read(order), one_by_one[order])
    assert torch.equal(data.read(np.arange(12)), one_by_one)
    assert one_by_one.dtype == torch.uint8
    assert data.in_memory == (cache_mib > 0)


def test_what_is_read_may_be_changed(make_folder):
    data = open_data(make_folder(2))
    before = data.read([0]).clone()
    data.read([0]).zero_()
    assert torch.equal(data.read([0]), before)


def test_no_such_number(make_folder):
    data = open_data(make_folder(3))
    for wrong in ([3], [-1]):
        with pytest.raises(IndexError):
            data.read(wrong)


def test_cached_pictures_are_not_read_again(make_folder):
    folder = make_folder(4)
    data = open_data(folder)
    before = data.read(range(4))
    for file in folder.iterdir():
        file.unlink()
    assert torch.equal(data.read(range(4)), before)


def test_cache_limit(make_folder):
    folder = make_folder(6, size=(256, 256))  # 6 * 192 KiB is over 1 MiB
    data = open_data(folder, cache_mib=1)
    data.read(range(6))
    assert not data.in_memory
    small = open_data(folder, cache_mib=1, size=64)
    small.read(range(6))
    assert small.in_memory


def test_many_pictures_through_the_thread_pool(make_folder, monkeypatch):
    folder = make_folder(64)
    expected = torch.cat([open_data(folder).read([row]) for row in range(64)])
    monkeypatch.setattr("twoway.data.files.WORKERS", 5)
    assert torch.equal(open_data(folder, cache_mib=0).read(range(64)), expected)


def test_opening_reads_few_headers_and_decodes_nothing(tmp_path, png, monkeypatch):
    content = png(0)
    for number in range(1000):
        (tmp_path / f"{number}.png").write_bytes(content)
    seen = []
    real = FileImages._inspect.__globals__["inspect"]
    monkeypatch.setattr("twoway.data.files.inspect", lambda *args: seen.append(args[1]) or real(*args))
    monkeypatch.setattr("twoway.data.files.decode", lambda *args: pytest.fail("decoded while opening"))
    started = time.perf_counter()
    data = open_data(tmp_path)
    assert time.perf_counter() - started < 2
    assert len(data) == 1000
    assert len(seen) == 256
    assert seen[0] == 0
    assert max(seen) > 990  # evenly spaced, not the first 256


def test_mixed_sizes_and_modes(tmp_path, noise):
    for number, (size, mode) in enumerate([((40, 60), "RGB"), ((64, 64), "L"), ((100, 33), "RGBA")]):
        noise(number, size, mode).save(tmp_path / f"{number}.png")
    data = open_data(tmp_path)
    assert data.shape == (3, 32, 32)  # shorter sides 40, 64, 33: median 40
    assert data.read([0, 1, 2]).shape == (3, 3, 32, 32)
    assert open_data(tmp_path, size=20, channels=1, fit="pad").read([2]).shape == (1, 1, 20, 20)


def test_fingerprint_follows_content(make_folder, png):
    folder = make_folder(3)
    first = open_data(folder).fingerprint()
    assert first == open_data(folder).fingerprint()
    assert len(first) == 16
    assert first != open_data(folder, size=8).fingerprint()
    (folder / "004.png").write_bytes(png(5))
    assert first != open_data(folder).fingerprint()


def test_pickling_leaves_threads_and_cache_behind(make_folder):
    data = open_data(make_folder(40))
    pictures = data.read(range(40))
    content = pickle.dumps(data)
    assert len(content) < pictures.numel()
    copy = pickle.loads(content)
    assert not copy.in_memory
    assert torch.equal(copy.read(range(40)), pictures)


# Broken pictures


def test_one_broken_picture_is_skipped_named_and_replaced_by_the_next(make_folder):
    folder = make_folder(5)
    (folder / "002.png").write_text("this is not a picture")
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2]):
        data = open_data(folder)
        got = data.read(order)
        assert torch.equal(got[order.index(2)], data.read([3])[0])
        assert list(data.skipped) == ["002.png"]
        assert "not a picture" in data.skipped["002.png"]


def test_after_the_last_comes_the_first(make_folder):
    folder = make_folder(5, broken=1)
    data = open_data(folder, cache_mib=0)
    assert torch.equal(data.read([5]), data.read([0]))


def test_pictures_that_break_only_when_decoded(make_folder, noise):
    folder = make_folder(40, size=(64, 64))
    for name in ("007.png", "008.png"):  # 2 of 40: exactly 5 %, still worked round
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])
    data = open_data(folder)
    assert data.skipped == {}
    got = data.read(range(40))
    assert sorted(data.skipped) == ["007.png", "008.png"]
    assert torch.equal(got[7], got[9])
    assert torch.equal(got[8], got[9])


def test_more_than_five_percent_stops_with_the_list(make_folder):
    folder = make_folder(40, size=(64, 64))
    for number in range(3, 33, 10):
        path = folder / f"{number:03d}.png"
        path.write_bytes(path.read_bytes()[:3000])
    data = open_data(folder)
    data.read([3, 13])
    with pytest.raises(DataError) as error:
        data.read([23])
    for part in ("3 of 40", "003.png", "013.png", "023.png", f"twoway data check {folder}"):
        assert part in str(error.value)
    with pytest.raises(DataError):  # and it stays so, whatever is asked for next
        data.read([0])


def test_a_long_list_is_counted_after_twenty(make_folder):
    folder = make_folder(30, broken=28)
    with pytest.raises(DataError, match=r"broken019\.png .*and 8 more") as error:
        open_data(folder).read([0])
    assert "broken020" not in str(error.value)


def test_a_picture_that_vanishes(make_folder):
    folder = make_folder(4)
    data = open_data(folder)
    (folder / "001.png").unlink()
    assert torch.equal(data.read([1]), data.read([2]))
    assert "No such file" in data.skipped["001.png"]


def test_everything_broken(make_folder):
    folder = make_folder(0, broken=3)
    with pytest.raises(DataError, match=r"None of the 3 pictures.*broken000\.png \(is not a picture"):
        open_data(folder)


def test_unusual_sizes_are_skipped(make_folder):
    folder = make_folder(3)
    Image.new("L", (1, 1)).save(folder / "dot.png")
    assert open_data(folder).skipped == {"dot.png": "is 1x1, but each side must have at least 2 pixels"}
    (folder / "dot.png").unlink()
    Image.new("L", (30000, 1)).save(folder / "line.png")
    assert "30000x1" in open_data(folder).skipped["line.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in folders exist on Unix only")
def test_pipes_and_dead_links_are_not_opened(make_folder):
    folder = make_folder(40)
    os.mkfifo(folder / "pipe.png")
    (folder / "dead.png").symlink_to(folder / "nowhere.png")
    data = open_data(folder)
    assert len(data) == 40
    assert sorted(data.skipped) == ["dead.png", "pipe.png"]
    assert data.read([0]).shape == (1, 3, 16, 16)


# What cannot be opened


def test_empty_folder(tmp_path):
    (tmp_path / "readme.txt").write_text("nothing here")
    with pytest.raises(DataError, match=r"no pictures in .*1 other files") as error:
        open_data(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_one_picture_is_enough_to_encode_but_not_to_train(make_folder):
    folder = make_folder(1)
    assert open_data(folder).read([0]).shape == (1, 3, 16, 16)
    assert len(open_data(folder / "000.png")) == 1
    with pytest.raises(DataError, match=r"holds 1 picture .*at least 2"):
        open_data(folder, minimum=2)


def test_missing_paths(tmp_path):
    with pytest.raises(DataError, match=r"gone/away.*exists as far as") as error:
        open_data(tmp_path / "gone" / "away")
    assert str(error.value).count(str(tmp_path)) == 2
    with pytest.raises(DataError, match="did you mean 'digits'"):
        open_data("digts")
    with pytest.raises(DataError, match="did you mean 'mnist'"):
        open_data("mnits")
    with pytest.raises(DataError, match="No data were named"):
        open_data("")
    with pytest.raises(DataError, match="cannot be a path"):
        open_data("x" * 5000)


def test_files_of_other_kinds(tmp_path):
    path = tmp_path / "pictures.tar"
    path.write_bytes(b"x" * 100)
    with pytest.raises(DataError, match=r"pictures\.tar is not something"):
        open_data(path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": "tain"}, "did you mean 'train'"),
        ({"fit": "corp"}, "did you mean 'crop'"),
        ({"channels": 4}, "1 .grey. or 3"),
        ({"size": 1}, "from 2 to 4096"),
    ],
)
def test_options_that_do_not_exist(make_folder, options, words):
    with pytest.raises(ConfigError, match=words):
        open_data(make_folder(2), **options)


def test_the_label_of_a_broken_picture_is_that_of_what_stands_in_for_it(tmp_path, png):
    """The last picture of the first class is broken, and the first of the next is read in its place."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for number in range(20):
            (tmp_path / folder / f"{number:02d}.png").write_bytes(png(number))
    whole = (tmp_path / "a" / "19.png").read_bytes()
    (tmp_path / "a" / "19.png").write_bytes(whole[: len(whole) // 2])
    data = open_data(tmp_path)
    assert data.labels.tolist() == [0] * 20 + [1] * 20
    assert torch.equal(data.read([19]), data.read([20]))
    assert data.labels_of([18, 19, 20]).tolist() == [0, 1, 1]
