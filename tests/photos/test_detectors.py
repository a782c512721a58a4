"""Detectors of OpenCV, tried with stand-ins of its objects: no detector's file can be part of the project."""

import sys
import types

import numpy as np
import pytest
from PIL import Image

from twoway.errors import ConfigError, DataError
from twoway.photos.detectors import choose_face, load_detector

# x, y, w, h, right eye, left eye, nose, right and left corner of the mouth (of the person), score
SMALL = [10, 10, 20, 20, 14, 16, 24, 16, 19, 20, 15, 25, 23, 25, 0.9]
LARGE = [100, 50, 80, 90, 120, 80, 160, 84, 140, 100, 125, 120, 155, 123, 0.8]


class StandIn:
    """What the package uses of cv2.FaceDetectorYN and cv2.CascadeClassifier."""

    def __init__(self, rows):
        self.rows = rows

    def setInputSize(self, size):
        self.size = size

    def detect(self, pixels):
        assert pixels.dtype == np.uint8
        assert pixels.shape[1::-1] == self.size
        assert pixels[0, 0].tolist() == [0, 0, 200]  # blue, green, red
        return 1, None if self.rows is None else np.array(self.rows, np.float32)

    def empty(self):
        return self.rows is None

    def detectMultiScale(self, grey, factor, neighbours):
        return np.array(self.rows)


@pytest.fixture
def opencv(monkeypatch, tmp_path):
    """Put a module in place of cv2; returns what makes a detector for given rows."""

    def make(rows, suffix=".onnx", **extra):
        made = StandIn(rows)
        module = types.ModuleType("cv2")
        module.__version__ = "0"
        module.FaceDetectorYN = types.SimpleNamespace(create=lambda path, config, size, score: made)
        module.CascadeClassifier = lambda path: made
        module.equalizeHist = module.cvtColor = lambda pixels, *rest: pixels
        module.COLOR_BGR2GRAY = 0
        for name, value in extra.items():
            if value is None:
                delattr(module, name)
            else:
                setattr(module, name, value)
        monkeypatch.setitem(sys.modules, "cv2", module)
        path = tmp_path / f"detector{suffix}"
        path.write_bytes(b"x")
        return load_detector(path)

    return make


def photo(width=200, height=150):
    return Image.new("RGB", (width, height), (200, 0, 0))


def test_the_largest_face_comes_first(opencv):
    detector = opencv([SMALL, LARGE])
    face, count = choose_face(photo(), detector)
    assert count == 2
    assert face.listed == ((120, 80), (160, 84), (125, 120), (155, 123))
    assert face.mouth == (140, 121.5)
    assert choose_face(photo(), detector, number=2)[0].left_eye == (14, 16)
    with pytest.raises(DataError, match="found 2"):
        choose_face(photo(), detector, number=3)


def test_points_are_those_of_the_whole_photo(opencv):
    face, _ = choose_face(photo(4096, 2048), opencv([LARGE]))
    assert face.left_eye == (480, 320)


def test_no_face_says_what_to_do(opencv):
    for rows in (None, []):
        with pytest.raises(DataError, match="--points"):
            choose_face(photo(), opencv(rows))


def test_a_cascade_gives_boxes(opencv):
    detector = opencv([[100, 50, 100, 100]], ".xml")
    face, _ = choose_face(photo(), detector)
    assert face.listed == ((131, 89), (169, 89), (150, 127))
    assert face.corners is None


def test_what_is_not_there_is_said(opencv, monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match="no longer reads Haar"):
        opencv([LARGE], ".xml", CascadeClassifier=None)
    with pytest.raises(ConfigError, match="no Haar cascade"):
        opencv(None, ".xml")
    with pytest.raises(ConfigError, match="FaceDetectorYN"):
        opencv([LARGE], FaceDetectorYN=None)
    with pytest.raises(ConfigError, match="neither"):
        opencv([LARGE], ".pth")
    with pytest.raises(ConfigError, match="no detector file"):
        load_detector(tmp_path / "none.onnx")
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ConfigError, match="pip install"):
        load_detector(tmp_path / "detector.onnx")


def test_what_opencv_trips_over_is_one_sentence(opencv):
    def broken(*arguments):
        raise RuntimeError("(-2:Unspecified error)\n  in function 'x'")

    with pytest.raises(ConfigError, match="unaltered copy"):
        opencv([LARGE], FaceDetectorYN=types.SimpleNamespace(create=broken))
    detector = opencv([LARGE])
    detector.find.__closure__[0].cell_contents.detect = broken
    with pytest.raises(DataError, match="failed on this photo"):
        choose_face(photo(), detector)


def test_a_damaged_file_in_the_real_opencv(tmp_path):
    pytest.importorskip("cv2")
    path = tmp_path / "yunet.onnx"
    path.write_bytes(b"this is no network")
    with pytest.raises(ConfigError, match="cannot use the detector"):
        load_detector(path)
