"""Points of faces: read from text and tables, checked, and turned into crops by templates."""

import json

import numpy as np
import pytest

from twoway.errors import ConfigError, DataError
from twoway.photos.landmarks import parse_points, read_landmarks
from twoway.photos.points import check_points, make_points
from twoway.photos.similarity import apply, scale_of
from twoway.photos.templates import TEMPLATES, PointTemplate, QuadTemplate, read_template, template_from_plain

FACE = [(100.0, 100.0), (140.0, 100.0), (104.0, 142.0), (136.0, 142.0)]


def refused(call, *words, error=DataError):
    with pytest.raises(error) as caught:
        call()
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_points_are_read_from_text():
    assert parse_points(" 1,2  31.5,4\n20,30").listed == ((1, 2), (31.5, 4), (20, 30))
    five = parse_points("100,100 140,100 120,120 104,142 136,142")
    assert five.corners == ((104, 142), (136, 142))
    assert five.mouth == (120, 142)
    assert parse_points("0,0 10,0").mouth is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("x,y",)),
        ("1,2,3 4,5", ("x,y",)),
        ("1,2 a,b", ("pairs of numbers",)),
        ("1,2", ("1 in number", "2 to 5")),
        ("1,2 30,2 inf,4", ("finite",)),
        ("10,10 10.5,10 10,40", ("one place",)),
        ("40,10 10,10 25,40", ("exchanged",)),
        ("40,10 10,10", ("exchanged",)),
        ("10,10 40,10 25,11", ("line through the eyes",)),
        ("10,10 40,10 35,40 15,40", ("corners", "exchanged")),
    ],
)
def test_impossible_points_are_refused(text, words):
    refused(lambda: parse_points(text), *words)


def test_a_face_may_stand_on_its_head():
    assert make_points([(40, 40), (10, 40), (25, 10)]).mouth == (25, 10)


def test_points_lie_in_the_picture():
    points = make_points(FACE)
    assert check_points(points, (150, 150)) is points
    refused(lambda: check_points(points, (120, 150)), "the right eye", "140,100", "120 pixels wide")


def test_tables(tmp_path):
    plain = tmp_path / "points.csv"
    plain.write_text("File,left_eye_x,left_eye_y,right_eye_x,right_eye_y,mouth_x,mouth_y\na.jpg,1,2,31,2,16,30\n")
    assert read_landmarks(plain).of("some/folder/a.jpg").listed == ((1, 2), (31, 2), (16, 30))
    celeba = tmp_path / "list.txt"
    names = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
    celeba.write_text(f"1\n{names}\n000001.jpg  69 109  106 113   77 142   73 152  108 154\n")
    assert read_landmarks(celeba).of("000001.jpg").listed == ((69, 109), (106, 113), (73, 152), (108, 154))
    kaggle = tmp_path / "list.csv"
    kaggle.write_text(f"image_id,{names.replace(' ', ',')}\n000001.jpg,69,109,106,113,77,142,73,152,108,154\n")
    assert read_landmarks(kaggle).of("000001.jpg") == read_landmarks(celeba).of("000001.jpg")
    parts = {"left_eye": [1, 2], "right_eye": [31, 2], "nose": [1, 1], "mouth": [16, 30]}
    both = tmp_path / "points.json"
    both.write_text(json.dumps({"a.jpg": parts, "b.jpg": [[1, 2], [31, 2], [16, 30]]}))
    found = read_landmarks(both)
    assert found.of("a.jpg") == found.of("b.jpg") == read_landmarks(plain).of("a.jpg")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,left_x\na.jpg,1\n", ("heading", "left_eye_x")),
        ("file,lefteye_x,lefteye_y,righteye_x,righteye_y\na.jpg,1,2,31\n", ("line 2", "too few")),
        ("file,lefteye_x,lefteye_y,righteye_x,righteye_y\na.jpg,1,2,31,b\n", ("line 2", "no number")),
        ("file,lefteye_x,lefteye_y,righteye_x,righteye_y\n", ("no rows",)),
        ("", ("heading",)),
        ("{broken", ("JSON",)),
        ('{"a":' * 100_000, ("JSON",)),
        ("[1]", ("table of pictures",)),
        ('{"a.jpg": 3}', ("a.jpg", "expected")),
        ("\0\1", ("heading",)),
    ],
)
def test_broken_tables_are_refused(tmp_path, text, words):
    path = tmp_path / "points.csv"
    path.write_text(text)
    refused(lambda: read_landmarks(path), *words)


def test_a_picture_without_a_row_is_named(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("file,lefteye_x,lefteye_y,righteye_x,righteye_y\na.jpg,1,2,31,2\n")
    refused(lambda: read_landmarks(path).of("other.jpg"), "other.jpg", "a.jpg", "--points")
    refused(lambda: read_landmarks(tmp_path / "none.csv"), "none.csv", "cannot be read")


def test_mean_landmarks_of_aligned_celeba_are_the_centre_crop():
    mean = [(70, 111.5), (108.5, 111.5), (73.5, 152.5), (105.5, 152.5)]
    transform = TEMPLATES["celeba"].transform(make_points(mean), (64, 64))
    assert np.allclose(transform, [[0.5, 0, -12.5], [0, 0.5, -22.5]])


def test_ffhq_by_hand():
    """Upright, eyes 40 apart, mouth 50 below them: the side is 2 max(2 * 40, 1.8 * 50) = 180 around 5 below."""
    transform = TEMPLATES["ffhq"].transform(make_points([(80, 100), (120, 100), (100, 150)]), (90, 90))
    assert np.allclose(apply(transform, [(10, 15), (190, 15), (190, 195)]), [(0, 0), (90, 0), (90, 90)])
    # the corners of the published rule, for a face that is turned
    left, right, mouth = np.array([50.0, 60.0]), np.array([90.0, 75.0]), np.array([60.0, 110.0])

    def rot90(v):
        return np.array([-v[1], v[0]])

    across, down = right - left, mouth - (left + right) / 2
    x = across - rot90(down)
    x = x / np.linalg.norm(x) * max(2.0 * np.linalg.norm(across), 1.8 * np.linalg.norm(down))
    y, c = rot90(x), (left + right) / 2 + 0.1 * down
    transform = TEMPLATES["ffhq"].transform(make_points([left, right, mouth]), (32, 32))
    assert np.allclose(
        apply(transform, [c - x - y, c - x + y, c + x + y, c + x - y]), [(0, 0), (0, 32), (32, 32), (32, 0)]
    )


def test_templates_use_what_both_know():
    face, eyes = make_points(FACE), make_points(FACE[:2])
    template = TEMPLATES["celeba"]
    assert np.allclose(apply(template.transform(eyes, (128, 128)), FACE[:2]), [(45, 66.5), (83.5, 66.5)])
    three = make_points([*FACE[:2], face.mouth])
    assert scale_of(template.transform(three, (128, 128))) == pytest.approx(
        scale_of(template.transform(face, (128, 128))), rel=0.1
    )
    refused(lambda: TEMPLATES["ffhq"].transform(eyes, (8, 8)), "needs the mouth")


def test_templates_of_ones_own(tmp_path):
    path = tmp_path / "cats.json"
    path.write_text(json.dumps({"points": [[0.3, 0.4], [0.7, 0.4], [0.5, 0.8]]}))
    template = read_template(path)
    assert isinstance(template, PointTemplate)
    assert template.name == "cats"
    assert template_from_plain(template.plain()) == template
    assert template_from_plain({"kind": "quad", "across": 1.5}) == QuadTemplate("own", across=1.5)
    assert template_from_plain("ffhq") is TEMPLATES["ffhq"]
    for name in TEMPLATES:
        assert template_from_plain(TEMPLATES[name].plain()) == TEMPLATES[name]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", ("cannot be read",)),
        ('{"a":' * 100_000, ("cannot be read",)),
        ("{}", ("0 in number",)),
        ('{"kind": "circle"}', ("describes no crop",)),
        ("[1, 2]", ("describes no crop",)),
        ('{"points": [[30, 40], [70, 40], [50, 80]]}', ("parts of the crop",)),
        ('{"kind": "quad", "across": 0}', ("describes no crop",)),
        ('{"kind": "quad", "across": "wide"}', ("describes no crop",)),
    ],
)
def test_broken_templates_are_refused(tmp_path, text, words):
    path = tmp_path / "own.json"
    path.write_text(text)
    refused(lambda: read_template(path), *words, error=ConfigError)


def test_an_unknown_template_names_the_nearest():
    refused(lambda: read_template("celebs"), "did you mean 'celeba'", error=ConfigError)
    refused(lambda: read_template("none.json"), "cannot be read", error=ConfigError)
