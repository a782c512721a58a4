"""The report page of made-up runs."""

import json
from html.parser import HTMLParser

import pytest
import torch
import yaml

from twoway.grids import image_grid, save_png_atomic
from twoway.report import write_report
from twoway.report_curves import changes

HOSTILE = '<script>alert("x")</script>&amp;$\\frac\x1b[2J'


class Page(HTMLParser):
    """What a browser would make of it."""

    VOID = ("img", "meta", "br", "use", "path")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words, self.ids = [], [], [], []
        self.feed(text)
        assert self.open == [], "every element is closed"
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def make_run(folder, *, source="mnist", name="alae"):
    run = folder / "00007-alae-mnist"
    (run / "model").mkdir(parents=True)
    config = {
        "preset": "alae-mnist",
        "recipe": {"method": name, "image_shape": [1, 8, 8], "batch": 50},
        "data": {"source": source},
        "training": {"kimg": 20.0},
    }
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    (run / "command.txt").write_text("twoway train alae-mnist --kimg 20\n")
    (run / "machine.txt").write_text("twoway 0.1.0\ntorch 2.13.0\n")
    lines = [
        {
            "iteration": 20 * i,
            "kimg": float(i),
            "phase": "train",
            "seconds": 60.0 * i,
            "images_per_s": 16.7,
            f"loss/discriminate/{name}": 1.0 / i,
            "loss/discriminate/r1": 0.001 / i,
            "loss/reciprocate/latent": 0.5,
            "metric/mse": 0.1 / i,
            "nonfinite": 3,
            "skipped_files": 1,
            "peak_memory_mib": 300.0,
        }
        for i in range(1, 11)
    ]
    (run / "stats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"iteration": 2')
    rows = [
        {
            "features": "raw pixels",
            "setting": "DW",
            "width": None,
            "1nn": 96.91,
            "svm": 91.76,
            "svm_standardised": 92.5,
        },
        {"features": name, "setting": "DW", "width": "short", "1nn": 93.21, "svm": 94.32, "svm_standardised": None},
    ]
    metrics = {
        "mse": {"value": {"signed": 0.0412, "unit": 0.0103}, "settings": {"n_images": 360}},
        "psnr": {"value": 19.87, "settings": {}},
        "representation": {"rows": rows},
    }
    (run / "metrics.json").write_text(json.dumps(metrics))
    for kimg in range(0, 30, 2):
        for number, kind in enumerate(("generated", "reconstructed")):
            grid = image_grid(torch.full((4, 1, 8, 8), 8 * kimg + number, dtype=torch.uint8), 2)
            save_png_atomic(grid, run / "samples" / f"{kimg * 1000:010d}-{kind}.png")
    save_png_atomic(image_grid(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), 2), run / "samples" / "interpolation.png")
    return run


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of the made-up run as it stands."""
    return write_report(make_run(tmp_path_factory.mktemp("report")))


@pytest.fixture(scope="module")
def text(report):
    return report.read_text()


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_everything_is_there(report, page):
    assert report.name == "report.html"
    for words in (
        "alae (preset alae-mnist) trained on mnist, 8 by 8 pixels in grey, "
        "for 10 thousand images (200 iterations of 50) in 10 min 00 s",
        "Originals and their reconstructions",
        "Walk through the latent space",
        "How the pictures changed",
        "raw pixels – 96.91 91.76 92.50",
        "short 93.21 94.32 –",
        "published: ALAE short 94.59 94.23 –",
        "mse.signed 0.0412 n_images 360",
        "psnr 19.87",
        "not finite: 3",
        "skipped: 1",
        "not finished: 10 of 20 thousand images",
        "twoway.load('00007-alae-mnist/model')",
        "twoway train alae-mnist --kimg 20",
        "torch 2.13.0",
        "image_shape",
    ):
        assert words in page.text, words
    assert page.text.index("Originals") < page.text.index("Samples") < page.text.index("Curves")
    assert len(page.all("svg")) == 5, "two steps, one metric, speed, memory"


def test_newest_pictures_are_shown_and_the_timeline_is_bounded(page):
    assert page.text.count("After 28 thousand images") == 2
    assert len(page.all("img")) == 3 + 2 * 12


def test_nothing_is_requested(text, page):
    assert all(a["src"].startswith("data:image/png;base64,") for a in page.all("img"))
    assert not {"script", "link", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            if name in ("src", "href", "xlink:href", "data", "srcset", "action") and tag != "a":
                assert value.startswith(("data:", "#")), (tag, name, value)
    assert "@import" not in text
    assert "url(http" not in text
    assert [a["href"] for a in page.all("a")] == ["https://arxiv.org/abs/2004.04467"]
    assert "default-src 'none'" in page.all("meta")[1]["content"]


def test_references_within_the_page_meet_one_target(page):
    assert len(page.ids) == len(set(page.ids))
    used = [value[1:] for _, a in page.tags for name, value in a.items() if name.endswith("href") and value[0] == "#"]
    assert used
    assert set(used) <= set(page.ids)


def test_curves_take_the_pages_colours_and_differ_in_dashes(text):
    svg = text[text.index("<svg") : text.index("</svg>")]
    assert "currentColor" in svg
    assert "var(--c1)" in svg
    assert "var(--c2)" in svg
    assert "stroke-dasharray" in svg
    assert "#0a000" not in text
    assert "mathdefault" not in text


def test_small_pictures_keep_square_pixels_and_have_words(page):
    assert all(a["class"] == "small" and a["alt"] for a in page.all("img"))


def test_published_figures_are_for_mnist_only(tmp_path):
    text = write_report(make_run(tmp_path, source="digits")).read_text()
    assert "93.21" in text
    assert "published" not in text


def test_hostile_names_stay_text(tmp_path):
    run = make_run(tmp_path, source=f"/data/{HOSTILE}", name=HOSTILE)
    (run / "command.txt").write_text(f"twoway train {HOSTILE}")
    name = 'x"><img src=x onerror=alert(1)>.png'
    (run / "samples" / "interpolation.png").rename(run / "samples" / name)
    page = Page(write_report(run).read_text())
    assert not page.all("script")
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert '<script>alert("x")</script>' in page.text


@pytest.mark.parametrize("damage", [None, b"", b"{", b"\xff\xfe\x00", b"[1, 2]", b"null"])
def test_almost_nothing_there(tmp_path, damage):
    if damage is not None:
        for name in ("config.yaml", "metrics.json", "stats.jsonl", "command.txt"):
            (tmp_path / name).write_bytes(damage)
        (tmp_path / "samples").mkdir()
        (tmp_path / "samples" / "0000000001-generated.png").write_bytes(damage)
    page = Page(write_report(tmp_path).read_text())
    assert "There are no statistics" in page.text
    assert not page.all("img")


def test_a_second_report_replaces_the_first(report, text):
    assert write_report(report.parent).read_text() == text
    assert not list(report.parent.glob(".writing*"))


def test_numbers_that_are_none_are_left_out(tmp_path):
    (tmp_path / "stats.jsonl").write_text(
        '{"kimg": NaN, "seconds": null, "loss/a/b": Infinity, "images_per_s": "fast"}\n' * 3
    )
    (tmp_path / "metrics.json").write_text('{"mse": null, "representation": {"rows": [1, {"1nn": "x"}]}}')
    assert "Curves" not in Page(write_report(tmp_path).read_text()).text


def test_long_runs_make_small_drawings(tmp_path):
    with (tmp_path / "stats.jsonl").open("w") as file:
        for i in range(5000):
            file.write(json.dumps({"kimg": i, "loss/a/b": i % 7, "iteration": i}) + "\n")
    assert write_report(tmp_path).stat().st_size < 100_000


def test_phases_and_resolutions_are_named_and_marked(tmp_path):
    """Two resolutions of the first phase, then a phase at the full 8 pixels; a grid after 2, 4, ... thousand images."""
    run = make_run(tmp_path)
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()[:10]]
    for line in lines:
        kimg = line["kimg"]
        line.update({"phase": "gan", "resolution": 4} if kimg <= 3 else {"phase": "gan", "resolution": 8})
        line["augment/p"] = 0.01 * kimg
        if kimg > 6:
            line["phase"] = "encoder"
            del line["resolution"]
    (run / "stats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert changes(lines) == [(3.0, "8 px"), (6.0, "encoder")]
    page = Page(write_report(run).read_text())
    for words in (
        "2 thousand images (phase gan, 4x4 pixels)",
        "6 thousand images (phase gan, 8x8 pixels)",
        "8 thousand images (phase encoder, 8x8 pixels)",
        "Resolution, pixels",
        "Augmentation: chance p",
        "8 px",
    ):
        assert words in page.text, words
    assert "12 thousand images (" not in page.text, "what came after the last statistics is not known"


def test_a_run_of_one_phase_has_no_marks(page):
    assert "phase train" not in page.text
    assert "Resolution, pixels" not in page.text
