"""Photos are opened by content, with limits before decoding, upright and in RGB."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from twoway.errors import DataError
from twoway.photos.opening import notes_of, open_photo


def saved(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def halves(width=8, height=4):
    """Red on the left, blue on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 2] = 255
    return Image.fromarray(pixels)


def huge_png(width, height):
    """A PNG that announces a size and has no pixels behind it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 9) + b"IDAT"


def refused(data, *words, **options):
    with pytest.raises(DataError) as caught:
        open_photo(data, **options)
    message = str(caught.value)
    assert all(word in message for word in words), message


def test_a_photo_is_turned_as_its_camera_was_held():
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate clockwise to show
    photo = open_photo(saved(halves(), exif=exif))
    assert photo.size == (4, 8)
    assert photo.getpixel((0, 0)) == (255, 0, 0)
    assert photo.getpixel((0, 7)) == (0, 0, 255)
    assert notes_of(photo) == ()
    assert "exif" not in photo.info


def test_colours_become_rgb():
    assert open_photo(saved(halves().convert("CMYK"), "JPEG")).mode == "RGB"
    deep = Image.fromarray(np.full((4, 4), 65535, np.uint16))
    assert open_photo(saved(deep)).getpixel((1, 1)) == (255, 255, 255)
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    photo = open_photo(saved(clear))
    assert photo.getpixel((1, 1)) == (255, 255, 255)
    assert "white" in notes_of(photo)[0]


def test_an_animation_gives_its_first_frame_and_says_so():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime")]
    photo = open_photo(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert photo.getpixel((0, 0)) == (255, 0, 0)
    assert "first frame" in notes_of(photo)[0]


def test_a_profile_stays_with_the_pixels_it_describes():
    assert open_photo(saved(halves(), icc_profile=b"profile")).info["icc_profile"] == b"profile"
    cmyk = saved(halves().convert("CMYK"), "JPEG", icc_profile=b"profile")
    assert "icc_profile" not in open_photo(cmyk).info


def test_what_is_no_picture_is_named():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("photo.jpg", b"nothing")
    refused(archive.getvalue(), "ZIP", "JPEG")
    refused(b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "SVG")
    refused(b'<?xml version="1.0"?>\n<!-- x -->\n<svg></svg>', "SVG")
    refused(b"\0\0\0\x18ftypheic" + bytes(40), "HEIC")
    refused(b"\0\0\0\x18ftypisom" + bytes(40), "video")
    refused(b"%PDF-1.7", "PDF")
    refused(b"hello, this is text", "not a picture of a known format")
    refused(b"", "empty")


def test_limits_hold_before_anything_is_decoded():
    refused(huge_png(20_000, 10_000), "megapixels", "64")  # beyond Pillow's own limit too
    refused(huge_png(8_000, 6_000), "8000x6000", "48.0 megapixels", "40", max_megapixels=40)
    refused(bytes(3 * 2**20), "3.0 MiB", "at most 2 MiB", max_mib=2)
    refused(saved(Image.new("L", (1, 5))), "1x5")


def test_damaged_files_are_refused():
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    whole = saved(Image.fromarray(noise), "JPEG")
    refused(whole[: len(whole) // 2], "cut off")
    refused(whole[:30], "JPEG or PNG")


def test_paths(tmp_path):
    path = tmp_path / "photo.jpg"  # a PNG inside: the content counts
    path.write_bytes(saved(halves()))
    assert open_photo(path).size == (8, 4)
    refused(tmp_path / "none.jpg", "no file", "none.jpg")
    refused(tmp_path, "folder")
    refused("bad\0name.jpg", "cannot be opened")
