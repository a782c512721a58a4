"""Training of classifiers: they learn, the same way by seed, and say how often they are right on held-out pictures."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image
from toys import toy_images

from twoway.data import open_data
from twoway.data.arrays import ArrayImages
from twoway.errors import ConfigError, DataError, ModelError
from twoway.extractors import ClassifierTraining, choose_targets, train_classifier
from twoway.extractors.targets import held_out_rows
from twoway.extractors.train_classifier import _rate
from twoway.features import FeatureSpec, build_features
from twoway.networks import LeNet, ResidualClassifier

QUICK = ClassifierTraining(epochs=4, batch=32, width=4)


def squares(count, seed=0):
    """Colour pictures, 12x12: a bright square left or right (class), and green or red (attribute)."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 60, (count, 12, 12, 3), dtype=np.uint8)
    right, green = (generator.integers(0, 2, count) for _ in range(2))
    for image, is_right, is_green in zip(images, right, green, strict=True):
        row, column = generator.integers(1, 7), 1 + 6 * is_right
        image[row : row + 4, column : column + 4, int(is_green)] = 255
    return images, right, green


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The squares as an .npz, as folders of classes, and as a folder with a table of attributes."""
    root = tmp_path_factory.mktemp("squares")
    images, right, green = squares(360)
    np.savez(root / "squares.npz", images=images, labels=right)
    with (root / "table.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "Right", "Green", "Always", "Level"])
        for number, image in enumerate(images):
            name = f"{number:03d}.png"
            for folder in ("classes/" + ("right" if right[number] else "left"), "named"):
                (root / folder).mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(root / folder / name)
            table.writerow([name, right[number], green[number], 1, number % 3])
    (root / "table.csv").rename(root / "named" / "attributes.csv")
    return root


def test_classes_are_learnt_from_an_array_and_from_folders(place, tmp_path):
    for source in ("squares.npz", "classes"):
        data = open_data(place / source)
        steps = []
        trained = train_classifier(data, settings=QUICK, progress=lambda *at, seen=steps: seen.append(at))
        record = trained.record
        assert record.name == f"{data.name}-cnn"
        assert record.outputs == ("0", "1")
        assert record.net.kind == "residual_classifier"
        assert record.accuracy["mean"] > 0.95 > record.accuracy["commonest"]
        assert record.accuracy["count"] == 60
        assert record.accuracy["on"] == "one in six, held out"
        assert record.training["count"] == 300
        assert record.training["fingerprint"] == data.fingerprint()
        assert steps == [("training a classifier", n, 36) for n in range(1, 37)]
        trained.save(tmp_path / "c.safetensors")
        features = build_features(FeatureSpec.parse(str(tmp_path / "c.safetensors")))
        held = held_out_rows(360, 0)[1]
        x = data.read(held.numpy()).float() / 127.5 - 1
        right = features.logits(x).argmax(1) == torch.from_numpy(data.labels)[held]
        assert right.double().mean().item() == pytest.approx(record.accuracy["mean"])


def test_attributes_are_learnt_and_those_that_cannot_be_are_named(place):
    data = open_data(place / "named")
    record = train_classifier(data, attributes=["all"], settings=QUICK).record
    assert record.of == "attributes"
    assert record.outputs == ("Right", "Green")
    assert record.accuracy["mean"] > 0.95
    assert record.accuracy["each"]["Green"]["accuracy"] > 0.95
    share = data.column("Green")[held_out_rows(360, 0)[1].numpy()].mean()
    assert record.accuracy["each"]["Green"]["commonest"] == pytest.approx(max(share, 1 - share))
    assert record.training["left_out"] == ["Always (is 1 for all pictures)", "Level (has the values [0, 1, 2])"]
    assert train_classifier(data, attributes=["Green"], settings=QUICK).record.outputs == ("Green",)


def test_a_seed_gives_the_same_net(place):
    data = open_data(place / "squares.npz")
    short = ClassifierTraining(epochs=1, batch=64, width=2, mirror=True)
    one, same = (train_classifier(data, settings=short).net.state_dict() for _ in range(2))
    other = train_classifier(data, settings=ClassifierTraining(epochs=1, batch=64, width=2, seed=1)).net.state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_what_is_told_of_test_pictures_keeps_its_number(place, tmp_path):
    images, right, _ = squares(60, seed=1)
    np.savez(tmp_path / "test.npz", images=images, labels=np.where(right, 7, 3))
    np.savez(tmp_path / "train.npz", images=images, labels=np.where(right, 7, np.arange(60) % 4))
    train, test = open_data(tmp_path / "train.npz"), open_data(tmp_path / "test.npz")
    learnt = choose_targets(train)
    assert learnt.names == ("0", "1", "2", "3", "7")
    assert choose_targets(test, like=learnt).values.tolist() == [4 if r else 3 for r in right]
    record = train_classifier(train, test, settings=ClassifierTraining(epochs=1, batch=32, width=2)).record
    assert record.accuracy["count"] == 60
    assert record.accuracy["each"]["0"] is None  # none among the test pictures
    with pytest.raises(DataError, match="of class 2, of which there are no training pictures"):
        choose_targets(train, like=choose_targets(open_data(place / "squares.npz")))
    with pytest.raises(DataError, match=r"\(3, 8, 8\).*\(3, 12, 12\)"):
        train_classifier(train, open_data(tmp_path / "test.npz", size=8))


def test_what_cannot_be_learnt_is_named(place, tmp_path):
    images = squares(20)[0]
    np.savez(tmp_path / "plain.npz", images=images)
    np.savez(tmp_path / "one.npz", images=images, labels=np.ones(20, int))
    np.savez(tmp_path / "rare.npz", images=images, labels=np.arange(20) // 19)
    np.savez(tmp_path / "tiny.npz", images=images[:, :6, :6], labels=np.arange(20) % 2)
    named = open_data(place / "named")
    for data, attributes, words in (
        (open_data(tmp_path / "plain.npz"), None, "have none. Put them into one folder"),
        (named, None, r"have none. They have attributes \(Right, Green"),
        (open_data(tmp_path / "one.npz"), None, "at least two classes"),
        (open_data(tmp_path / "rare.npz"), None, "at least 3 pictures of every class"),
        (open_data(tmp_path / "one.npz"), ["all"], "attributes.csv"),
        (named, ["Always"], "'Always'.*is 1 for all"),
        (named, ["Level"], "'Level'.*has the values"),
    ):
        with pytest.raises(DataError, match=words) as caught:
            train_classifier(data, attributes=attributes, settings=QUICK)
        assert "\n" not in str(caught.value)
    for data, settings, words, attributes, name in (
        (named, QUICK, "did you mean 'Green'", ["Greeen"], None),
        (named, QUICK, "another extractor's", ["all"], "squeezenet"),
        (open_data(tmp_path / "tiny.npz"), QUICK, "at least 8 pixels", None, None),
        (open_data(place / "classes"), ClassifierTraining(net="lenet"), "not a network", None, None),
    ):
        with pytest.raises(ConfigError, match=words):
            train_classifier(data, attributes=attributes, settings=settings, name=name)
    with pytest.raises(ConfigError, match="epochs is 0"):
        ClassifierTraining(epochs=0)


def test_a_file_that_cannot_be_written_leaves_nothing(place, tmp_path):
    trained = train_classifier(open_data(place / "squares.npz"), settings=ClassifierTraining(epochs=1, width=2))
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot be written"):
        trained.save(tmp_path / "file" / "c.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_learning_rate_rises_and_falls_to_zero():
    rates = [_rate(step, 100) for step in range(101)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5] == 1.0
    assert rates[52] == pytest.approx(0.5 * (1 + np.cos(np.pi * 47 / 95)))
    assert np.all(np.diff(rates[5:]) < 0)
    assert rates[100] == pytest.approx(0)


@pytest.mark.parametrize(
    ("shape", "sides"),
    [((1, 8, 8), [4]), ((1, 28, 28), [14, 7, 3]), ((3, 32, 32), [16, 8, 4]), ((3, 64, 48), [32, 16, 8, 4])],
)
def test_maps_are_halved_until_they_are_small(shape, sides):
    for kind in (LeNet, ResidualClassifier):
        net = kind(shape, 5, 4, 16)
        net.reset(torch.Generator().manual_seed(0))
        x = torch.zeros(2, *shape)
        maps = net.maps(x)
        assert [tensor.shape[2] for tensor in maps] == sides
        assert len(net.layers) == len(maps)
        assert net.vector(x).shape == (2, 16)
        assert net(x).shape == (2, 5)


def test_bars_are_told_apart_in_grey(tmp_path):
    images = toy_images(200)
    labels = (images.reshape(200, -1).argmax(1) % images.shape[2] >= images.shape[2] // 2).astype(int)
    size = 16
    images = np.stack([np.asarray(Image.fromarray(image).resize((size, size))) for image in images])
    np.savez(tmp_path / "bars.npz", images=images, labels=labels)
    record = train_classifier(open_data(tmp_path / "bars.npz"), settings=ClassifierTraining(epochs=1, width=2)).record
    assert record.net.kind == "lenet_classifier"
    assert record.image_shape == (1, 16, 16)


def digits(mnist, counts):
    pixels, labels, test_pixels, test_labels = mnist
    for x, y, split in ((pixels, labels, "train"), (test_pixels, test_labels, "test")):
        count = counts[split]
        images = (x[:count] * 255).round().astype(np.uint8).reshape(-1, 28, 28)
        yield ArrayImages(images, y[:count], name="mnist", source="mnist", split=split)


def test_mnist_is_learnt_quickly(mnist):
    """Three thousand pictures, seen twice, are enough for four digits in five."""
    settings = ClassifierTraining(epochs=2, batch=64, width=8)
    record = train_classifier(*digits(mnist, {"train": 3000, "test": 1000}), settings=settings).record
    assert record.accuracy["mean"] > 0.8
    assert record.accuracy["on"] == "test"


@pytest.mark.slow
def test_mnist_is_learnt_to_99_per_cent(mnist):
    """With the settings of the command: 99.2 % after two minutes of one core."""
    record = train_classifier(*digits(mnist, {"train": None, "test": None})).record
    assert record.accuracy["mean"] >= 0.99
