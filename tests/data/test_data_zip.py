import multiprocessing
import os
import pickle
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from twoway.data import open_data
from twoway.errors import DataError


def many(png, count=40):
    return {f"{number:03d}.png": png(number) for number in range(count)}


def test_a_zip_reads_as_its_folder(make_folder, make_zip, png):
    folder = open_data(make_folder(12))
    archive = open_data(make_zip(many(png, 12)))
    assert torch.equal(archive.read(range(12)), folder.read(range(12)))
    assert archive.fingerprint() == folder.fingerprint()
    assert archive.name == "pictures16"


def test_labels_inside(make_zip, png):
    path = make_zip({"ant/1.png": png(0), "bee/1.png": png(1), "__MACOSX/ant/._1.png": b"rubbish"})
    assert open_data(path).labels.tolist() == [0, 1]


def test_threads_share_an_open_zip(make_zip, png):
    data = open_data(make_zip(many(png)), cache_mib=0)
    expected = data.read(range(40))
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(data.read, [range(40)] * 8):
            assert torch.equal(got, expected)


def _send(data, row, queue):
    pictures = data.read([row]).numpy()
    queue.put((pictures, data._files._pid == os.getpid()))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_opens_its_own(make_zip, png):
    data = open_data(make_zip(many(png)), cache_mib=0)
    expected = data.read([0, 1]).numpy()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_send, args=(data, 1, queue))
    child.start()
    pictures, own_handle = queue.get(timeout=10)
    assert np.array_equal(pictures[0], expected[1])
    assert own_handle
    child.join(10)
    assert child.exitcode == 0
    assert np.array_equal(data.read([0]).numpy()[0], expected[0])


def test_pickling_drops_the_handle(make_zip, png):
    data = open_data(make_zip(many(png)))
    copy = pickle.loads(pickle.dumps(data))
    assert torch.equal(copy.read([3]), data.read([3]))


def test_cut_off(make_zip, png):
    path = make_zip(many(png))
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DataError, match=r"pictures\.zip cannot be opened.*cut off"):
        open_data(path)


def test_not_a_zip(tmp_path):
    path = tmp_path / "a.zip"
    path.write_text("hello")
    with pytest.raises(DataError, match=r"a\.zip cannot be opened"):
        open_data(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.zip cannot be opened"):
        open_data(path)


def test_empty_zip(make_zip):
    with pytest.raises(DataError, match=r"no pictures in .*1 other"):
        open_data(make_zip({"readme.txt": b"hello"}))


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "C:\\evil.png", "..\\evil.png", "\\\\host\\evil.png"]
)
def test_names_that_lead_outside(make_zip, png, tmp_path, name):
    data = open_data(make_zip({**many(png), name: png(99)}))
    assert len(data) == 40
    assert list(data.skipped) == [name]
    assert "name" in data.skipped[name]
    data.read(range(40))
    assert list(tmp_path.parent.rglob("*evil.png")) == []


def test_zip_bomb_by_ratio(make_zip, png):
    data = open_data(make_zip({**many(png), "bomb.bmp": b"BM" + bytes(20 * 2**20)}))
    assert "200 times" in data.skipped["bomb.bmp"]
    assert len(data) == 40


def test_zip_bomb_by_size(make_zip, png):
    path = make_zip({**many(png), "zzz.png": png(99)})
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")  # the last record of the directory
    assert b"zzz.png" in content[entry:]
    content[entry + 24 : entry + 28] = struct.pack("<I", 3 * 2**30)  # its unpacked size
    path.write_bytes(content)
    assert "3,221,225,472 bytes" in open_data(path).skipped["zzz.png"]


def test_an_entry_that_holds_more_than_it_claims(make_zip, png):
    path = make_zip({**many(png), "zzz.png": png(99)})
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", 10)
    path.write_bytes(content)
    data = open_data(path)
    assert torch.equal(data.read([40]), data.read([0]))
    assert "zzz.png" in data.skipped


def test_encrypted_entries(make_zip, png):
    path = make_zip({**many(png), "zzz.png": png(99)})
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 8] |= 1
    path.write_bytes(content)
    assert open_data(path).skipped == {"zzz.png": "is encrypted"}


def test_flipped_bits_are_found_by_the_checksum(tmp_path, png):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in many(png).items():
            archive.writestr(name, content)
        place = archive.getinfo("005.png").header_offset
    content = bytearray(path.read_bytes())
    content[place + 30 + len("005.png") + 100] ^= 0xFF
    path.write_bytes(content)
    data = open_data(path)
    assert torch.equal(data.read([5]), data.read([6]))
    assert "damaged inside the ZIP" in data.skipped["005.png"]


def test_refused_entries_count_as_broken(make_zip, png):
    bad = {f"../{number}.png": png(number) for number in range(4)}
    data = open_data(make_zip({**many(png), **bad}))
    with pytest.raises(DataError, match=r"4 of 44 pictures"):
        data.read([0])


@pytest.mark.parametrize("damage", ["name", "table"])
def test_damaged_directories(make_zip, png, damage):
    path = make_zip({**many(png), "dataset.json": b'{"labels": null}'})
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    if damage == "name":
        content[entry + 46] = 0  # a name that is empty, as zipfile reads it
        path.write_bytes(content)
        assert len(open_data(path)) == 40
    else:
        content[entry + 8] |= 1
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"dataset\.json in .* cannot be unpacked .*encrypted"):
            open_data(path)
