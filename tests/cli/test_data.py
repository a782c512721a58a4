from PIL import Image
from shell import fine, refused, twoway


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


def test_labels_by_name(tmp_path):
    made = ("--option", "hidden=16", "--option", "latent=4", "--kimg", "0.2", "--dry-run")
    assert "label: scale" in fine("train", "ae", "--data", "sprites-small", "--size", "16", "--label", "scale", *made)
    refused(
        "train", "ae", "--data", "sprites-small", "--label", "scales", *made, names=("'scales'", "did you mean 'scale'")
    )
    refused("train", "ae", "--label", "scale", *made, names=("--label", "--data"))
    refused("train", "ae", "--data", "digits", "--label", "Hat", *made, names=("'Hat'", "digits", "attributes.csv"))


def test_a_table_that_does_not_fit_stops_training_with_its_line(tmp_path):
    for number in range(4):
        Image.new("L", (8, 8), number * 60).save(tmp_path / f"{number}.png")
    (tmp_path / "attributes.csv").write_text("file,Hat\n0.png,1\n1.png,0\n2.png,maybe\n3.png,1\n")
    refused(
        "train", "ae", "--data", tmp_path, "--dry-run", names=("attributes.csv", "line 4", "'maybe'", "'Hat'", "2.png")
    )
    assert "does not train: attributes.csv" in fine("data", "check", tmp_path)


def test_export_tells_what_it_leaves_out(tmp_path):
    (tmp_path / "mine").mkdir()
    for number in range(3):
        Image.new("L", (8, 8), number * 60).save(tmp_path / "mine" / f"{number}.png")
    (tmp_path / "mine" / "broken.png").write_bytes(b"no picture")
    result = twoway("data", "export", tmp_path / "mine", tmp_path / "out")
    assert result.code == 0
    assert "3 train pictures" in result.out
    assert "broken.png" in result.err
