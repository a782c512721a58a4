"""Nearest neighbours among encoded pictures."""

import numpy as np
import pytest
import torch
from small import small_model

from twoway.data import open_data, to_float
from twoway.errors import ConfigError, DataError, ModelError
from twoway.latents.codes import encode_data
from twoway.latents.search import default_space, neighbours, picture_vectors, vectors


def test_neighbours_by_hand():
    known = np.array([[0.0, 1.0], [3.0, 4.0], [6.0, 8.0], [-1.0, 0.0]])
    found = neighbours(known, np.array([[3.0, 4.0], [0.0, 0.0]]), 3)
    assert found.rows[0].tolist() == [1, 0, 2]
    np.testing.assert_allclose(found.distances[0], [0.0, np.sqrt(18), 5.0][:1] + sorted([np.sqrt(18), 5.0]))
    assert set(found.rows[1, :2]) == {0, 3}
    cosine = neighbours(known, np.array([[30.0, 40.0]]), 9, distance="cosine")
    assert set(cosine.rows[0, :2]) == {1, 2}
    assert cosine.rows.shape == (1, 4)
    np.testing.assert_allclose(cosine.distances[0], [0, 0, 0.2, 1.6], atol=1e-12)


def test_large_codes_that_lie_close_are_told_apart():
    known = 1e4 + np.array([[0.0], [0.25], [0.5]], np.float32)
    assert neighbours(known, known, 1).rows[:, 0].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(neighbours(known, known, 2).distances[:, 1], [0.25] * 3)


@pytest.mark.parametrize(
    ("method", "space"), [("alae", "w"), ("alae", "features"), ("bigan", "z"), ("infogan", "codes")]
)
def test_pictures_find_themselves(method, space):
    model, data = small_model(method), open_data("digits")
    codes = encode_data(model, data, limit=12, features=space == "features")
    known = vectors(codes, space)
    asked = picture_vectors(model, to_float(data.read([3, 7])), space)
    found = neighbours(known, asked, 1)
    assert found.rows[:, 0].tolist() == [3, 7]
    np.testing.assert_allclose(found.distances, 0, atol=1e-4)


def test_mistakes():
    model = small_model("infogan")
    codes = encode_data(model, open_data("digits"), limit=3)
    assert default_space(codes) == "codes"
    with pytest.raises(ConfigError, match="holds no 'w' of the pictures; search in codes"):
        vectors(codes, "w")
    with pytest.raises(ConfigError, match="--features"):
        vectors(codes, "features")
    with pytest.raises(ConfigError, match="must be one of w, z"):
        vectors(codes, "x")
    known = np.zeros((3, 2))
    with pytest.raises(ConfigError, match="at least 1"):
        neighbours(known, known, 0)
    with pytest.raises(ConfigError, match="'euclidean' or 'cosine'"):
        neighbours(known, known, distance="l1")
    with pytest.raises(DataError, match="no pictures"):
        neighbours(known[:0], known)
    with pytest.raises(ModelError, match="width 2"):
        neighbours(np.zeros((3, 3)), known)
    with pytest.raises(DataError, match="not finite"):
        neighbours(known, np.full((1, 2), torch.nan))
