"""LIA's tables and figures on toy pictures: trained once, searched, edited, measured and drawn."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from asking import made_in
from PIL import Image
from sklearn.svm import LinearSVC
from small import small_model
from torch import nn

from twoway.errors import ConfigError, DataError, UserError
from twoway.extractors import ClassifierTraining, train_classifier
from twoway.published import LIA_TABLE2
from twoway.reproduce.lia_edits import direction_of
from twoway.reproduce.lia_fig1 import path_pictures
from twoway.reproduce.lia_fig12 import Probe, relative_spread
from twoway.reproduce.lia_runs import classifier_file
from twoway.reproduce.lia_searches import DETAILS, STARTS, _detail
from twoway.reproduce.strips import picture_rows
from twoway.training.config import DataConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of one colour, red or blue, of which it is known."""
    path = tmp_path_factory.mktemp("lia")
    lines = ["file,Red,Dark"]
    random = np.random.default_rng(0)
    for number in range(48):
        red, dark = number % 2, number // 2 % 2
        colour = np.array([220, 40, 40] if red else [40, 40, 220]) // (1 + dark)
        pixels = (colour + random.integers(0, 30, (16, 16, 3))).astype(np.uint8)
        (path / "data").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path / "data" / f"{number:02d}.png")
        lines.append(f"{number:02d}.png,{red},{dark}")
    (path / "data" / "attributes.csv").write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def classifier(folder):
    """A file of a classifier of the colours."""
    data = DataConfig.make(str(folder / "data"), size=16).open()
    made = train_classifier(data, attributes=["all"], settings=ClassifierTraining(epochs=2, batch=8, width=4))
    made.save(folder / "colours.safetensors")
    return str(folder / "colours.safetensors")


@pytest.fixture(scope="module")
def made(folder):
    """Makes an artefact, quietly, with one training for all."""

    def make(name, rows=(), **own):
        page = made_in(folder, "data", name, rows, **own)
        assert all((folder / name / picture).stat().st_size > 0 for picture in page["pictures"])
        return page

    return make


def measured(page):
    (table,) = page["tables"]
    return {row["name"]: row["measured"] for row in table["rows"]}


def test_table2_measures_both_spaces(made, classifier):
    page = made("lia-table2", ("lia",), classifier=classifier)
    rows = {row["name"]: row for row in page["tables"][0]["rows"]}
    for space in ("z", "w"):
        values = rows[f"lia, {space}"]["measured"]
        assert values["full"]["mean"] > 0
        assert values["end"]["mean"] > 0
        assert values["separability"]["mean"] >= 1
        facts = rows[f"lia, {space}"]["facts"]["trials"][0]
        assert facts["planes"]["sorts"] == "attributes"
        assert facts["settings"]["full"]["n_pairs"] == 32
        published = tuple(rows[f"paper, {space}"]["published"].values())
        assert published == (*LIA_TABLE2[space], "LPIPS of VGG16")
        assert rows[f"lia, {space}"]["measured"]["distance"] == "feature-distance[pyramid]"
    assert page["findings"] == []  # an order of two numbers means nothing at the budget smoke


def test_fig1_measures_and_draws_paths(made):
    page = made("lia-fig1", ("lia",))
    assert page["pictures"] == ["pictures-lia.png", "plane-lia.png"]
    assert all(cell["mean"] >= 1 for cell in measured(page)["lia"].values())


def test_paths_have_the_same_ends():
    model = small_model("lia").eval()
    z = model.draw_prior(2, generator=torch.Generator().manual_seed(1))
    paths = {kind: path_pictures(model, z, kind, 5) for kind in ("z", "circle", "w", "pixels")}
    for path in paths.values():
        assert torch.allclose(path[[0, -1]], paths["w"][[0, -1]], atol=1e-5)
    assert torch.allclose(paths["pixels"][2], paths["w"][[0, -1]].mean(0), atol=1e-6)
    middle = model.decode(model.map(z).mean(0, keepdim=True))[0]
    assert torch.allclose(paths["w"][2], middle, atol=1e-5)


def test_the_figures_of_searches(made, folder):
    eight, nine, eleven, ten = (made(f"lia-fig{number}") for number in (8, 9, 11, 10))
    for row in measured(eight).values():
        assert row["mse"] <= row["begin"] + 1e-6
    names = set(STARTS.values())
    assert set(measured(nine)) == set(measured(eleven)) == set(measured(ten)) == names
    # one search per start and space, shared by the figures
    kept = [file.name for file in folder.glob("runs/*/searches/*.safetensors")]
    assert sorted(name.rsplit("-", 1)[0] for name in kept) == sorted(
        f"{space}-from-{start}" for space in ("w", "w-layered", "z") for start in STARTS
    )
    assert ten["pictures"] == ["from-random.png", "from-mean.png", "from-encoder.png", "losses.png"]
    with pytest.raises(ConfigError, match="--lr"):
        made("lia-fig8", lr=0.0)


def test_fig3_fig5_and_fig7_draw(made):
    assert set(measured(made("lia-fig3", ("lia", "optimisation-w")))) == {"LIA", "MSE in w"}
    assert made("lia-fig5")["differs"][0] == "At this size there are no fine styles."
    assert made("lia-fig7")["pictures"] == ["interpolation.png"]
    assert made("lia-fig6")["pictures"] == ["reconstructions-data16.png"]


def test_fig4_edits_what_is_known(made, classifier):
    rows = measured(made("lia-fig4", classifier=classifier))
    assert set(rows) == {"Red", "Dark"}
    assert all(0 <= row["wanted"] <= 100 for row in rows.values())
    with pytest.raises(ConfigError, match="Blue"):
        made("lia-fig4", attributes=("Blue",), classifier=classifier)


@pytest.mark.parametrize(
    "own", [{"attributes": ("Redd",)}, {"classifier": "nothing.safetensors"}, {"strength": float("nan")}]
)
def test_what_fig4_cannot_do_is_found_out_before_the_training(made, monkeypatch, own):
    def never(*arguments, **options):
        raise AssertionError("trained")

    monkeypatch.setattr("twoway.reproduce.study.trained_run", never)
    with pytest.raises(UserError, match=r"Redd|nothing\.safetensors|--strength"):
        made("lia-fig4", **own)


def test_the_name_of_a_classifier_holds_what_it_depends_on(tmp_path):
    def named(attributes=("Red",), content="a", **changes):
        train = SimpleNamespace(name="set", shape=(3, 8, 8), attribute_names=attributes, fingerprint=lambda: content)
        study = SimpleNamespace(pictures=lambda: (train, train), runs=tmp_path)
        return classifier_file(study, ClassifierTraining(**changes)).name

    names = {named(), named(("Blue",)), named(content="b"), named(seed=1), named(mirror=True), named(lr=1e-3)}
    assert len(names) == 6
    assert named() == named()


def test_details_have_the_sizes_that_they_say():
    pictures = torch.zeros(1, 3, 20, 40, dtype=torch.uint8)
    assert {part: tuple(_detail(pictures, part).shape[-2:]) for part in DETAILS} == {
        "eyes": (10, 28),
        "mouth": (10, 20),
    }


def test_a_direction_is_the_normal_of_the_plane():
    random = np.random.default_rng(0)
    has = np.arange(400) % 2 == 0
    codes = random.normal(size=(400, 3))
    codes[:, 1] = np.where(has, 2.0, -1.0) + 0.1 * codes[:, 1]
    model = small_model("lia")
    found = direction_of(model, "Red", torch.from_numpy(codes), has)
    assert found.normal[0, 1] > 0.99
    assert found.normal.norm().item() == pytest.approx(1, abs=1e-5)
    assert found.facts["distance"] == pytest.approx(3, abs=0.1)
    assert found.facts["balanced_accuracy"] == 1
    # the machine of the figure: codes brought to one deviation, as scikit-learn fits it
    spread = codes.std(0) + 1e-9
    machine = LinearSVC(dual=False, class_weight="balanced", C=0.01).fit(codes / spread, has)
    normal = machine.coef_[0] / spread
    assert found.vector[0].numpy() == pytest.approx(normal / np.linalg.norm(normal), abs=1e-6)
    side = found.position(torch.from_numpy(codes)[:, None]) > 0
    assert (side.numpy() == machine.predict(codes / spread)).all()
    with pytest.raises(DataError, match="with and without"):
        direction_of(model, "Red", torch.from_numpy(codes), np.ones(400, bool))


def test_fig12_sees_every_gradient(made):
    page = made("lia-fig12", ("lia",))
    assert page["pictures"] == ["gradients.png", "losses.png"]
    (row,) = measured(page).values()
    assert row["spread"] > 0
    assert -1 <= row["turn"] <= 1


def test_a_probe_reads_norms_and_turns():
    net = nn.Linear(2, 1)
    trainer = SimpleNamespace(
        model=SimpleNamespace(nets={"encoder": net}),
        optimisers=SimpleNamespace(adams={"encoder": torch.optim.Adam(net.parameters(), lr=0.0)}),
        config=SimpleNamespace(training=SimpleNamespace(kimg=1.0)),
    )
    probe = Probe(trainer, "encoder")
    for gradient in ([3.0, 4.0], [4.0, -3.0], [8.0, -6.0]):
        net.weight.grad = torch.tensor([gradient])
        trainer.optimisers.adams["encoder"].step()
    assert probe.layers == ("weight",)
    assert [n for (n,) in probe.norms] == pytest.approx([5, 5, 10])
    assert [t for (t,) in probe.turns] == pytest.approx([0, 1], abs=1e-6)
    probe.update(0.1, 1.0, {"loss/encode/pixel_l2": 0.5, "loss/encode/perceptual": 2.0})
    assert probe.losses == [0.5]


def test_slow_growth_is_no_volatility():
    slow = np.linspace(1, 2, 400)[:, None]
    restless = np.tile([1.0, 3.0], 200)[:, None]
    assert relative_spread(slow, 20)[0] < 0.02
    assert relative_spread(restless, 20)[0] == pytest.approx(0.5)


def test_rows_of_pictures_leave_empty_places_empty():
    row = torch.full((2, 3, 4, 4), 7.0)
    row[0] = torch.nan
    figure = picture_rows({"a": row, "b": torch.zeros(1, 3, 4, 4, dtype=torch.uint8)}, heads=["one"], title="t")
    assert [len(axes.images) for axes in figure.axes] == [0, 1, 1, 0]
    assert figure.axes[1].images[0].get_array().max() == 7
