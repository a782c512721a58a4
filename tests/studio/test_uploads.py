"""What people upload by mistake or on purpose: a sentence each, and the studio goes on."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image
from visitors import drawn, packed, photo, pipeline, pixels

from twoway.errors import ConfigError, DataError
from twoway.studio import Limits, Studio, check_upload
from twoway.studio.limits import check_count, check_seed


def huge(width=20_000, height=10_000):
    """A PNG that claims 200 megapixels in its header and is a few bytes long."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def zipped():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("photo.jpg", photo())
    return stream.getvalue()


BAD = {
    "huge": (huge(), "megapixels"),
    "zip": (zipped(), "ZIP"),
    "svg": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "SVG"),
    "truncated": (packed(drawn(size=(64, 64)), "JPEG")[:900], ""),
    "text": (b"this is no picture\n" * 20, "known format"),
    "empty": (b"", "empty"),
    "long": (photo() + b"\0" * 2**20, "MiB"),
}


@pytest.fixture(scope="module")
def studio():
    with Studio({"m": pipeline("alae")}, limits=Limits(upload_mib=1)) as studio:
        yield studio


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_picture_is_refused_and_the_session_goes_on(studio, tmp_path, name):
    content, said = BAD[name]
    path = tmp_path / "secret-folder-name.jpg"
    path.write_bytes(content)
    with studio.open_session() as session:
        before = session.open(photo())
        for upload in (content, path, str(path)):
            with pytest.raises(DataError) as error:
                session.open(upload)
            assert said in str(error.value)
            assert "secret" not in str(error.value), "where files lie on the server is nobody's business"
            with pytest.raises(DataError):
                session.interpolate(upload, 3)
        assert np.array_equal(pixels(session.view.crop), pixels(before.crop))


def test_a_file_that_is_gone(studio):
    with studio.open_session() as session:
        session.open(photo())
        for gone in ("/no/such/../file.png", "a\0b"):
            with pytest.raises(DataError):
                session.open(gone)
            with pytest.raises(DataError, match="not there"):
                session.interpolate(gone)


def test_the_first_frame_of_an_animation_and_the_visitor_is_told(studio):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("black", "white")]
    moving = packed(frames[0], "GIF", save_all=True, append_images=frames[1:])
    with studio.open_session() as session:
        view = session.open(moving)
        assert "first frame" in view.warning
        assert (pixels(view.crop) == 0).all()
        assert session.open(photo()).warning is None


def test_photos_are_upright_and_rgb():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    upright = check_upload(packed(drawn(size=(30, 20)), exif=exif), Limits())
    assert upright.size == (20, 30)
    assert check_upload(packed(drawn().convert("L")), Limits()).mode == "RGB"


def test_names_of_uploads_are_never_paths(tmp_path):
    """A picture is opened where it lies; whatever it is called, files are written in the session's folder alone."""
    folder = tmp_path / "studio"
    with Studio({"m": pipeline("alae")}, folder=folder) as studio, studio.open_session() as session:
        nasty = tmp_path / "..%2f..%2fetc" / "x"
        nasty.mkdir(parents=True)
        (nasty / "..jpg").write_bytes(photo())
        session.open(nasty / ".." / "x" / "..jpg")
        files = session.download()
        assert all(session.folder in file.resolve().parents for file in files)
        assert {file.name for file in files} == {"picture.png", "crop.png", "code.npz"}
        before = {path for path in tmp_path.rglob("*") if folder not in path.parents}
    assert {path for path in tmp_path.rglob("*") if folder not in path.parents} == before


@pytest.mark.parametrize("value", [0, 11, 2.5, float("nan"), -1])
def test_counts_are_whole_and_within_bounds(value):
    assert check_count("n", 10, 10) == 10
    with pytest.raises(ConfigError, match="n is"):
        check_count("n", value, 10)


def test_seeds_and_limits():
    assert check_seed(0) == 0
    for wrong in (-1, 2**31, 0.5):
        with pytest.raises(ConfigError, match="seed"):
            check_seed(wrong)
    with pytest.raises(ConfigError, match="sessions is 0"):
        Limits(sessions=0)
