"""Crops of photos and the way back: exact where nothing is resampled, untouched outside."""

import numpy as np
import pytest
from PIL import Image

from twoway.errors import ConfigError, DataError
from twoway.photos.framing import align
from twoway.photos.pasting import paste_back, soft_mask
from twoway.photos.points import make_points
from twoway.photos.similarity import apply
from twoway.photos.templates import PointTemplate
from twoway.pictures import prepare_image

# eyes at a quarter and three quarters of the crop
TEMPLATE = PointTemplate("test", make_points([(0.25, 0.25), (0.75, 0.25), (0.5, 0.75)], apart=0.1))
SHAPE = (3, 16, 16)


def noise(width, height, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def smooth(width, height):
    y, x = np.mgrid[0:height, 0:width] + 0.5
    rgb = np.stack([127 + 90 * np.sin(x / 15), 127 + 90 * np.cos(y / 17), 127 + 60 * np.sin((x + y) / 19)], -1)
    return Image.fromarray(np.rint(rgb).astype(np.uint8))


def numbers(picture):
    return np.asarray(picture, np.int64)


def test_points_where_the_template_has_them_are_a_crop():
    photo = noise(40, 30)
    frame = align(photo, SHAPE, points=[(4 + 6, 4 + 5), (12 + 6, 4 + 5), (8 + 6, 12 + 5)], template=TEMPLATE)
    assert np.array_equal(frame.crop, photo.crop((6, 5, 22, 21)))
    assert frame.way == "points"
    assert np.allclose(frame.outline, [(6, 5), (22, 5), (22, 21), (6, 21)])
    grey = align(photo, (1, 16, 16), points=frame.points, template=TEMPLATE)
    assert np.array_equal(grey.crop, photo.convert("L").crop((6, 5, 22, 21)))


def test_the_centre_is_cropped_as_training_data_are():
    for size, shape in (((50, 34), SHAPE), ((33, 71), SHAPE), ((40, 40), (1, 16, 16)), ((64, 50), (3, 16, 24))):
        photo = noise(*size)
        frame = align(photo, shape, how="center")
        wanted = prepare_image(photo, shape).numpy()
        crop = np.asarray(frame.crop, np.float32) / 127.5 - 1
        assert np.allclose(crop if shape[0] == 1 else crop.transpose(2, 0, 1), wanted[0] if shape[0] == 1 else wanted)
        (left, top), _, (right, bottom), _ = frame.outline
        assert left >= 0
        assert right <= photo.width
        assert abs((left + right) - photo.width) <= 1.01
        assert abs((top + bottom) - photo.height) <= 1.01
        assert np.allclose(apply(frame.transform, [(right, bottom)]), [(shape[2], shape[1])])


def test_photos_are_turned_as_their_exif_data_say(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # to be turned by a quarter, clockwise
    noise(40, 30).save(tmp_path / "phone.png", exif=exif)
    with Image.open(tmp_path / "phone.png") as photo:
        frame = align(photo, SHAPE)
        assert photo.mode == "RGB"
    upright = noise(40, 30).transpose(Image.Transpose.ROTATE_270)
    assert frame.photo.size == (30, 40)
    assert np.array_equal(frame.photo, upright)
    assert np.array_equal(frame.crop, align(upright, SHAPE).crop)
    assert align(upright, SHAPE).photo is upright


def test_without_alignment_the_proportions_must_fit():
    assert align(noise(32, 32), SHAPE, how="none").way == "none"
    with pytest.raises(DataError, match="same proportions"):
        align(noise(40, 32), SHAPE, how="none")


def test_what_is_missing_or_outside_is_said():
    with pytest.raises(ConfigError, match="celeba, ffhq"):
        align(noise(40, 40), SHAPE, points=[(1, 1), (30, 1)])
    with pytest.raises(DataError, match="outside the picture"):
        align(noise(40, 40), SHAPE, points=[(1, 1), (50, 1)], template=TEMPLATE)
    with pytest.raises(ConfigError, match="'center'"):
        align(noise(40, 40), SHAPE, how="centre")


@pytest.mark.parametrize("mode", ["difference", "replace"])
def test_a_crop_pasted_untouched_changes_nothing(mode):
    photo = noise(40, 30)
    frame = align(photo, SHAPE, points=[(10, 9), (18, 9), (14, 17)], template=TEMPLATE)
    assert np.array_equal(paste_back(frame, frame.crop, mode=mode), photo)


def test_an_untouched_crop_changes_nothing_beyond_resampling():
    photo = smooth(200, 160)
    frame = align(photo, (3, 64, 64), points=[(70, 60), (120, 72), (88, 112)], template=TEMPLATE)
    assert np.array_equal(paste_back(frame, frame.crop), photo)
    assert np.abs(numbers(paste_back(frame, frame.crop, mode="replace")) - numbers(photo)).max() <= 3


@pytest.mark.parametrize("mode", ["difference", "replace"])
@pytest.mark.parametrize("shape", ["ellipse", "square"])
def test_nothing_changes_outside_the_mask(mode, shape):
    photo = noise(120, 90)
    frame = align(photo, SHAPE, points=[(50, 30), (75, 37), (58, 60)], template=TEMPLATE)
    edited = Image.new("RGB", (16, 16), (255, 0, 255))
    pasted = paste_back(frame, edited, mode=mode, shape=shape)
    mask = soft_mask(frame, (0, 0, 120, 90), shape=shape)
    changed = (numbers(pasted) != numbers(photo)).any(-1)
    assert not changed[mask == 0].any()
    assert changed[mask == 1].mean() > 0.9
    # the mask lies inside the crop, and is full in its middle
    outside = np.abs(apply(frame.transform, [(x + 0.5, y + 0.5) for y in range(90) for x in range(120)]) - 8).max(1) > 8
    assert not mask.ravel()[outside].any()
    x, y = np.mean(frame.outline, axis=0)
    assert mask[int(y), int(x)] == 1
    if mode == "replace":
        assert numbers(pasted)[mask == 1].tolist() == [[255, 0, 255]] * int((mask == 1).sum())


def test_the_difference_is_added_to_the_photo():
    """A reconstruction that is wrong everywhere by the same amount as the edit of it changes nothing."""
    photo = noise(64, 48)
    frame = align(photo, SHAPE)
    reconstruction = Image.new("RGB", (16, 16), (90, 90, 90))
    assert np.array_equal(paste_back(frame, reconstruction, reconstruction=reconstruction), photo)
    edited = Image.new("RGB", (16, 16), (100, 90, 80))
    pasted = numbers(paste_back(frame, edited, reconstruction=reconstruction))[24, 32]
    assert pasted.tolist() == np.clip(numbers(photo)[24, 32] + (10, 0, -10), 0, 255).tolist()


def test_a_side_at_the_edge_of_the_photo_has_no_transition():
    photo = noise(60, 40)
    mask = soft_mask(align(photo, SHAPE), (0, 0, 60, 40))
    assert mask[0, 30] == mask[39, 30] == mask[20, 30] == 1  # top and bottom are those of the photo
    t = (0.5 / 20) / 0.3  # the middle of the first pixel, in parts of the feather
    assert mask[20, 10] == mask[20, 49] == pytest.approx(3 * t**2 - 2 * t**3, rel=1e-4)
    assert mask[20, 9] == mask[20, 50] == 0
    assert (soft_mask(align(noise(40, 40), SHAPE), (0, 0, 40, 40)) == 1).all()


def test_a_crop_may_reach_out_of_the_photo():
    photo = noise(40, 40)
    frame = align(photo, SHAPE, points=[(1, 1), (21, 1), (11, 21)], template=TEMPLATE)
    pasted = paste_back(frame, Image.new("RGB", (16, 16), "white"), mode="replace")
    assert pasted.size == (40, 40)
    assert pasted.getpixel((0, 0)) == (255, 255, 255)
    assert pasted.getpixel((39, 39)) == photo.getpixel((39, 39))


def test_the_profile_of_the_photo_stays():
    photo = noise(20, 20)
    photo.info["icc_profile"] = b"profile"
    frame = align(photo, SHAPE)
    assert paste_back(frame, frame.crop).info["icc_profile"] == b"profile"


@pytest.mark.parametrize(
    ("options", "words"),
    [({"mode": "repalce"}, "'replace'"), ({"shape": "circle"}, "shape"), ({"feather": 0}, "feather")],
)
def test_wrong_words_are_refused(options, words):
    frame = align(noise(20, 20), SHAPE)
    with pytest.raises(ConfigError, match=words):
        paste_back(frame, frame.crop, **options)
    with pytest.raises(ConfigError, match="size"):
        paste_back(frame, Image.new("RGB", (8, 8)))


def test_bands_of_rows_make_the_same_picture(monkeypatch):
    photo = noise(120, 90)
    frame = align(photo, SHAPE, points=[(50, 30), (75, 37), (58, 60)], template=TEMPLATE)
    edited = noise(16, 16, seed=5)
    whole = numbers(paste_back(frame, edited))
    monkeypatch.setattr("twoway.photos.pasting.BAND", 1)
    assert np.abs(numbers(paste_back(frame, edited)) - whole).max() <= 1
