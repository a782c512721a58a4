import io

import numpy as np
import pytest
from PIL import Image

from twoway.data.decode import Header, Unusable, choose_shape, decode, fit_picture, read_header


def stored(image, format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    buffer.seek(0)
    return buffer


def as_array(image):
    return np.asarray(image)


def test_plain_colour_is_exact(noise):
    got = decode(stored(noise(0)), (3, 16, 16), "crop")
    assert np.array_equal(got, as_array(noise(0)).transpose(2, 0, 1))


def test_sixteen_bit_grey_is_divided_by_257():
    values = np.array([[0, 257, 128, 129], [65535, 65278, 25700, 1]], np.uint16).repeat(2, 0)
    file = stored(Image.fromarray(values))
    assert read_header(file).grey
    file.seek(0)
    assert decode(file, (1, 4, 4), "crop")[0, ::2].tolist() == [[0, 1, 0, 1], [255, 254, 100, 0]]


def test_cmyk_jpeg_becomes_rgb():
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    got = decode(stored(red, "JPEG", quality=95), (3, 16, 16), "crop")
    assert got[0].min() > 240
    assert got[1:].max() < 15


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_goes_on_white(mode):
    values = {"RGBA": [(10, 20, 30, 255), (10, 20, 30, 0), (0, 0, 0, 128)], "LA": [(10, 255), (10, 0), (0, 128)]}[mode]
    image = Image.new(mode, (3, 3))
    for column, value in enumerate(values):
        for row in range(3):
            image.putpixel((column, row), value)
    got = decode(stored(image), (3, 3, 3), "crop")
    assert got[:, 0, 0].tolist() == ([10, 20, 30] if mode == "RGBA" else [10, 10, 10])
    assert got[:, 0, 1].tolist() == [255, 255, 255]
    assert all(abs(int(v) - 127) <= 1 for v in got[:, 0, 2])


def test_palette_with_transparency_goes_on_white():
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 10, 20, 5, 5, 5])
    for row in range(4):
        image.putpixel((0, row), 0)
    file = stored(image, transparency=0)
    assert not read_header(file).grey
    file.seek(0)
    got = decode(file, (3, 4, 4), "crop")
    assert got[:, 0, 0].tolist() == [255, 255, 255]
    assert got[:, 0, 3].tolist() == [200, 10, 20]


def test_one_bit_is_black_and_white():
    image = Image.new("1", (4, 4), 0)
    image.putpixel((2, 1), 1)
    file = stored(image)
    assert read_header(file).grey
    file.seek(0)
    got = decode(file, (1, 4, 4), "crop")
    assert got.sum() == 255
    assert got[0, 1, 2] == 255


# The stored picture is made so that the orientation of the tag shows `upright`.
UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("tag", sorted(UNDO))
def test_exif_orientation_is_applied(tag, format):
    upright = Image.fromarray(np.kron(np.arange(0, 240, 15, np.uint8).reshape(4, 4), np.ones((8, 8), np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = tag
    file = stored(upright.transpose(UNDO[tag]), format, exif=exif)
    got = decode(file, (1, 32, 32), "crop")[0].astype(int)
    assert np.abs(got - as_array(upright)).max() <= 2
    assert np.abs(as_array(upright.transpose(UNDO[tag])).astype(int) - as_array(upright)).max() > 40


def test_damaged_exif_does_not_matter(noise):
    file = stored(noise(0), exif=b"Exif\x00\x00not exif at all")
    assert np.array_equal(decode(file, (3, 16, 16), "crop"), as_array(noise(0)).transpose(2, 0, 1))


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    got = decode(io.BytesIO(path.read_bytes()), (3, 8, 8), "crop")
    assert got[:, 0, 0].tolist() == [255, 0, 0]


def test_extension_does_not_decide_the_format(noise):
    got = decode(stored(noise(3), "BMP"), (3, 16, 16), "crop")
    assert np.array_equal(got, as_array(noise(3)).transpose(2, 0, 1))


def refuse(content, shape=(3, 16, 16)):
    with pytest.raises(Unusable) as error:
        decode(io.BytesIO(content), shape, "crop")
    return str(error.value)


def test_text_and_empty_files_are_unusable():
    assert refuse(b"hello") == "is not a picture of a known format (PNG, JPEG, WEBP, BMP, TIFF, GIF, PPM)"
    assert refuse(b"") == "is empty"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_cut_off_files_are_unusable(noise, format):
    content = stored(noise(0, (64, 64)), format).getvalue()
    decode(io.BytesIO(content), (3, 64, 64), "crop")
    reason = refuse(content[: len(content) // 2], (3, 64, 64))
    assert "0x" not in reason
    assert "\n" not in reason


def test_cut_off_jpeg_says_so(noise):
    content = stored(noise(0, (64, 64)), "JPEG").getvalue()
    assert refuse(content[:-200]).startswith("is cut off")


@pytest.mark.parametrize(
    ("size", "words"),
    [((1, 1), "at least 2"), ((30000, 1), "at least 2"), ((60, 2), "20 times"), ((9000, 8000), "64,000,000")],
)
def test_sizes_that_are_refused(size, words):
    content = stored(Image.new("1", size)).getvalue()
    assert words in refuse(content)
    with pytest.raises(Unusable, match=words):
        read_header(io.BytesIO(content))


def test_size_limits_are_not_too_strict():
    assert decode(stored(Image.new("L", (40, 2), 7)), (1, 8, 8), "crop").max() == 7


def test_floating_point_pixels_are_unusable():
    assert "floating-point" in refuse(stored(Image.new("F", (8, 8)), "TIFF").getvalue())


def test_other_formats_of_pillow_are_not_opened(noise):
    assert "known format" in refuse(stored(noise(0), "EPS").getvalue())


def test_crop_takes_the_centre():
    pixels = np.arange(6 * 10, dtype=np.uint8).reshape(6, 10)
    assert np.array_equal(fit_picture(Image.fromarray(pixels), (1, 6, 6), "crop")[0], pixels[:, 2:8])
    assert np.array_equal(fit_picture(Image.fromarray(pixels.T.copy()), (1, 6, 6), "crop")[0], pixels.T[2:8])


def test_reduction_by_a_whole_factor_is_the_mean():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    means = pixels.reshape(4, 2, 4, 2).mean((1, 3))
    got = fit_picture(Image.fromarray(pixels), (1, 4, 4), "crop")[0]
    assert np.abs(got - means).max() <= 0.5


def test_other_sizes_are_lanczos(noise):
    expected = noise(0, (10, 10), "L").resize((7, 7), Image.Resampling.LANCZOS)
    assert np.array_equal(fit_picture(noise(0, (10, 10), "L"), (1, 7, 7), "stretch")[0], as_array(expected))


def test_pad_never_enlarges_and_fills_with_black(noise):
    small = fit_picture(noise(0, (4, 6), "L"), (1, 8, 8), "pad")[0]
    assert np.array_equal(small[1:7, 2:6], as_array(noise(0, (4, 6), "L")))
    assert small.sum() == small[1:7, 2:6].sum(dtype=int)
    large = fit_picture(Image.new("RGB", (32, 16), "white"), (3, 8, 8), "pad")
    assert large[:, 2:6].min() == 255
    assert large[:, :2].max() == large[:, 6:].max() == 0


def test_stretch_shows_everything():
    image = Image.new("L", (20, 10), 0)
    image.paste(255, (0, 0, 10, 10))
    assert fit_picture(image, (1, 10, 10), "stretch")[0, 0].tolist() == [255] * 5 + [0] * 5


def test_channels_as_asked(noise):
    grey = fit_picture(noise(0), (1, 16, 16), "crop")
    assert np.array_equal(grey[0], as_array(noise(0).convert("L")))
    colour = fit_picture(noise(0, mode="L"), (3, 16, 16), "crop")
    assert np.array_equal(colour, as_array(noise(0, mode="L"))[None].repeat(3, 0))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(48, 48)] * 3, 48),
        ([(1024, 1024)], 1024),
        ([(96, 72)] * 3, 64),
        ([(5, 6)], 8),
        ([(1000, 900), (800, 2000)], 256),
        ([(64, 64), (63, 63), (200, 200)], 64),
    ],
)
def test_size_rule(sizes, expected):
    assert choose_shape([Header(*size, "RGB") for size in sizes])[0] == (3, expected, expected)


def test_channel_rule():
    grey = [Header(8, 8, mode) for mode in ("L", "1", "I;16", "LA")]
    assert choose_shape(grey)[0] == (1, 8, 8)
    assert choose_shape([*grey, Header(8, 8, "P")])[0] == (3, 8, 8)
    assert choose_shape(grey, size=12, channels=3) == ((3, 12, 12), "size 12 as asked; 3 channels as asked")
