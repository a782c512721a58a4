from PIL import Image
from shell import fine, refused


def test_list_names_every_built_in_set():
    names = [line.split()[0] for line in fine("data", "list").splitlines()]
    assert {"digits", "mnist", "sprites", "sprites-small", "avatars"} <= set(names)


def test_check_and_info_of_a_drawn_set():
    assert "Verdict:   trains" in fine("data", "check", "sprites-small")
    assert "orientation: 10" in fine("data", "info", "sprites-small")


def test_show_writes_a_grid(tmp_path):
    out = tmp_path / "made" / "grid.png"
    fine("data", "show", "sprites-small", "--count", "6", "--columns", "3", "--size", "32", "--out", out)
    with Image.open(out) as image:
        assert image.mode == "L"
        assert abs(image.width / image.height - 1.5) < 0.05
    refused("data", "show", "sprites-small", "--out", tmp_path / "grid.jpg", names=("grid.jpg", ".png"))
    refused("data", "show", "sprite", "--out", out, names=("'sprite'", "did you mean 'sprites'"))
