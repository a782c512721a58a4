"""Grids, pixel by pixel."""

import numpy as np
import pytest
import torch
from PIL import Image

from twoway.grids import GAP, cross_grid, image_grid, pair_grid, save_png_atomic


def pictures(*values, size=(1, 1), channels=1):
    return torch.stack([torch.full((channels, *size), v, dtype=torch.uint8) for v in values])


def test_grid_pixels():
    grid = image_grid(pictures(1, 2, 3), columns=2, scale=1, padding=1)
    g = GAP
    assert grid.mode == "L"
    assert np.array(grid).tolist() == [[g, g, g, g, g], [g, 1, g, 2, g], [g, g, g, g, g], [g, 3, g, g, g], [g] * 5]


def test_enlarging_repeats_pixels():
    images = torch.tensor([[[[1, 2], [3, 4]]]], dtype=torch.uint8)
    grid = image_grid(images, columns=1, scale=2, padding=0)
    assert np.array(grid).tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


def test_colour():
    images = torch.arange(3, dtype=torch.uint8).reshape(1, 3, 1, 1)
    grid = image_grid(images, columns=1, scale=1, padding=0)
    assert grid.mode == "RGB"
    assert grid.getpixel((0, 0)) == (0, 1, 2)


def test_pairs_stand_above_each_other_in_blocks():
    grid = pair_grid(pictures(1, 2, 3), pictures(11, 12, 13), columns=2, scale=1, padding=1)
    rows = np.array(grid).tolist()
    g = GAP
    assert [row for row in rows if row != [g] * 5] == [
        [g, 1, g, 2, g],
        [g, 11, g, 12, g],
        [g, 3, g, g, g],
        [g, 13, g, g, g],
    ]
    assert [n for n, row in enumerate(rows) if row != [g] * 5] == [1, 3, 8, 10], "blocks lie four times as far apart"


@pytest.mark.parametrize(("size", "columns"), [(8, 12), (28, 12), (28, 10), (32, 8), (64, 12)])
def test_small_pictures_make_a_grid_of_a_good_width(size, columns):
    images = torch.zeros(columns, 1, size, size, dtype=torch.uint8)
    assert 500 <= image_grid(images, columns).width <= 900


def test_large_pictures_keep_their_size():
    assert image_grid(torch.zeros(2, 3, 256, 256, dtype=torch.uint8), 12, padding=0).size == (512, 256)


def test_few_pictures_are_as_large_as_many():
    one = image_grid(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), 12, padding=0)
    full = image_grid(torch.zeros(12, 1, 8, 8, dtype=torch.uint8), 12, padding=0)
    assert one.width * 12 == full.width


def test_saving_makes_folders_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "samples" / "a.png"
    save_png_atomic(Image.new("L", (2, 2), 7), path)
    save_png_atomic(Image.new("L", (2, 2), 9), path)
    with Image.open(path) as image:
        assert image.getpixel((0, 0)) == 9
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]


def test_a_failed_save_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.png"
    save_png_atomic(Image.new("L", (2, 2), 7), path)
    with pytest.raises(OSError, match="cannot write mode"):
        save_png_atomic(Image.new("F", (2, 2)), path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    with Image.open(path) as image:
        assert image.getpixel((0, 0)) == 7


def test_a_cross_has_its_margins_on_the_left_and_above():
    left = torch.full((2, 1, 1, 1), 10, dtype=torch.uint8) + torch.arange(2, dtype=torch.uint8).view(2, 1, 1, 1)
    top = torch.full((3, 1, 1, 1), 20, dtype=torch.uint8) + torch.arange(3, dtype=torch.uint8).view(3, 1, 1, 1)
    crossed = torch.arange(100, 106, dtype=torch.uint8).view(2, 3, 1, 1, 1)
    grid = np.asarray(cross_grid(left, top, crossed, scale=1, padding=0))
    assert grid.tolist() == [[128, 20, 21, 22], [10, 100, 101, 102], [11, 103, 104, 105]]
