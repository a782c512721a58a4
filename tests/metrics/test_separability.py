import math

import numpy as np
import pytest
import torch
from linear_toys import linear_model
from small import SHAPE, small_model

from twoway.errors import ConfigError, DataError, ModelError
from twoway.metrics import evaluate
from twoway.metrics.classifiers import sorts_of
from twoway.metrics.separability import (
    attribute_logits,
    conditional_entropy,
    draw_labelled_codes,
    evaluate_separability,
    separability,
)


class Brightest:
    """Tells which quarter of the pixels is brightest, as four classes."""

    title = "brightest"

    def __init__(self, classes=4):
        self.classes, self.calls = classes, 0

    def pooled(self, x):
        return x.flatten(1)

    def logits(self, x):
        self.calls += 1
        return x.flatten(1).unflatten(1, (self.classes, -1)).mean(2)

    def describe(self):
        return {"name": self.title}


class Corner:
    """Describes pictures, and knows no classes."""

    title = "corner"

    def pooled(self, x):
        return x.flatten(1)[:, :5]

    def describe(self):
        return {"name": self.title}


class Signs(Brightest):
    """Attributes: the signs of the first pixels."""

    exclusive = False

    def logits(self, x):
        self.calls += 1
        return x.flatten(1)[:, : self.classes]


def test_conditional_entropy_is_that_of_a_hand_calculation():
    # 6 of 10 on the left, of which 4 are of the first class; 4 on the right, of which 1 is
    h = lambda p: -(p * math.log2(p) + (1 - p) * math.log2(1 - p))  # noqa: E731
    assert conditional_entropy(np.array([[4, 1], [2, 3]])) == pytest.approx(0.6 * h(4 / 6) + 0.4 * h(1 / 4), rel=1e-12)
    # and H(class) less the mutual information
    joint = np.array([[4, 1], [2, 3]]) / 10
    outer = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    information = (joint * np.log2(joint / outer)).sum()
    assert conditional_entropy(joint) == pytest.approx(h(0.5) - information, rel=1e-12)
    assert conditional_entropy(np.array([[5, 0], [3, 0]])) == pytest.approx(h(3 / 8), rel=1e-12)


def test_what_planes_tell_is_worth_one_and_what_is_independent_two_to_the_entropies():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(4000, 3))
    told = codes @ rng.normal(size=(3, 2)) * 3
    found = separability(codes, told)
    assert found.value == pytest.approx(1, abs=0.05)
    chance = separability(codes, rng.normal(size=(4000, 3)))
    assert chance.value == pytest.approx(2**3, rel=0.01)
    assert chance.value == pytest.approx(2 ** sum(chance.entropies), rel=1e-12)
    assert (chance.attributes, chance.kept, chance.n_codes, chance.converged) == (3, 2000, 4000, 3)
    rare = separability(codes, rng.normal(size=(4000, 1)) - 0.3)
    p = rare.shares[0]
    assert rare.entropies[0] == pytest.approx(-(p * math.log2(p) + (1 - p) * math.log2(1 - p)), abs=0.01)


def test_half_of_the_codes_are_kept_those_of_certain_answers():
    """The uncertain half lies on the wrong sides; were it kept, no plane could tell."""
    side = np.tile([-1.0, 1.0], 200)
    certain = np.repeat([True, False], 200)
    codes = (side * np.where(certain, 1, -1))[:, None]
    logits = (side * np.where(certain, 3.0, 0.5))[:, None]
    assert separability(codes, logits).value == 1
    assert separability(codes, logits, solver="paper").value == 1
    assert separability(codes, np.sign(logits) * (3.5 - np.abs(logits))).value == 1  # the others, as consistent
    mixed = separability(np.concatenate([codes, codes]), np.concatenate([logits, logits])[np.argsort(side.repeat(2))])
    assert mixed.value > 1.5


def test_an_attribute_that_all_or_none_have_leaves_nothing_open():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(50, 2))
    logits = np.stack([np.full(50, 2.0), np.full(50, -1.0), codes[:, 0] * 100], axis=1)
    found = separability(codes, logits)
    assert found.entropies[:2] == (0, 0)
    assert found.shares[:2] == (1, 0)
    assert found.value == pytest.approx(1, abs=0.2)


def test_classes_are_each_against_the_rest():
    logits = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    chances = logits.softmax(1)
    torch.testing.assert_close(attribute_logits(logits, "classes"), (chances / (1 - chances)).log())
    torch.testing.assert_close(attribute_logits(logits[:, :2], "classes"), logits[:, :1] - logits[:, 1:2])
    assert attribute_logits(logits, "attributes") is logits
    with pytest.raises(ModelError, match="single class"):
        attribute_logits(logits[:, :1], "classes")


def test_a_linear_model_is_separable_in_z_and_w():
    """Signs of pixels that are linear in the code; a mapping that is linear too."""
    model, m, a = linear_model(latent=6)
    both = {s: evaluate_separability(model, Signs(3), space=s, sorts="attributes", n_codes=2000) for s in ("z", "w")}
    assert both["z"]["value"] < 1.2
    assert both["w"]["value"] < 1.2
    assert both["w"]["sorts"] == "attributes"
    drawn = draw_labelled_codes(model, Signs(3), sorts="attributes", n_codes=200)
    z = torch.from_numpy(drawn.z).double()
    np.testing.assert_allclose(drawn.w, z @ m, atol=1e-4)
    np.testing.assert_allclose(drawn.logits, (z @ m @ a)[:, :3], atol=1e-4)


def test_a_mapping_that_folds_space_is_worse_in_z_than_in_w():
    model, _, _ = linear_model(latent=6)

    class Folding(torch.nn.Module):
        def forward(self, z):
            return (z.square() - 0.45).unsqueeze(1)  # 0.45: the median, so that both signs come as often

    model.nets["mapping"] = Folding()
    model.nets["generator"].matrix = torch.eye(6, 64)
    found = {s: evaluate_separability(model, Signs(2), space=s, sorts="attributes", n_codes=3000) for s in ("z", "w")}
    assert found["w"]["value"] < 1.1
    assert found["z"]["value"] > 2.0


def test_neither_batch_nor_number_changes_the_first_codes():
    model = small_model("stylegan", (1, 8, 8))
    for module in model.nets["generator"].modules():
        if hasattr(module, "strength"):
            module.strength.data.fill_(0.5)
    whole = draw_labelled_codes(model, Brightest(), n_codes=200, batch=256)
    parts = draw_labelled_codes(model, Brightest(), n_codes=130, batch=64)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a[:130], b, atol=1e-4)


def test_a_class_that_the_model_is_told_is_not_in_the_codes():
    model = small_model("vae", classes=4)
    drawn = draw_labelled_codes(model, Brightest(), n_codes=70)
    assert drawn.z.shape == (70, 6)
    assert drawn.w is None


def test_both_spaces_are_measured_on_the_same_pictures():
    classifier = Brightest()
    found = evaluate(
        small_model(), names=["separability-z", "separability-w"], features=classifier, n_samples=150, batch=64
    )
    assert list(found) == ["separability-z[brightest]", "separability-w[brightest]"]
    assert classifier.calls == 3
    alone = evaluate_separability(small_model(), Brightest(), space="w", n_codes=150)
    assert found["separability-w[brightest]"]["value"] == pytest.approx(alone["value"], rel=1e-6)
    assert alone["classifier"] == {"name": "brightest"}
    assert (alone["attributes"], alone["sorts"], alone["noise"]) == (4, "classes", "none")


def test_a_classifier_of_attributes_says_so_itself():
    found = evaluate(small_model(), names=["separability-w"], features=Signs(3), n_samples=70, batch=64)
    assert found["separability-w[brightest]"]["sorts"] == "attributes"
    assert found["separability-w[brightest]"]["attributes"] == 3
    assert sorts_of(Brightest()) == "classes"


def test_what_cannot_be_separated_says_so():
    with pytest.raises(ModelError, match="no mapping"):
        evaluate_separability(small_model("vae"), Brightest())
    with pytest.raises(ModelError, match="no prior"):
        evaluate_separability(small_model("ae"), Brightest(), space="z")

    class Many(Brightest):
        def logits(self, x):
            return torch.zeros(len(x), 1000)

    with pytest.raises(ModelError, match="1000 classes"):
        evaluate_separability(small_model(), Many(), n_codes=10)
    with pytest.raises(ConfigError):
        evaluate_separability(small_model(), Brightest(), n_codes=3)
    with pytest.raises(ModelError, match="knows no classes"):
        evaluate(small_model(image_shape=SHAPE), names=["separability-w[pyramid]"], n_samples=10)
    with pytest.raises(ModelError, match=r"'separability-w' needs a classifier, but 'corner' only describes"):
        evaluate(small_model(), names=["separability-w"], features=Corner(), n_samples=10)
    for codes, logits in (((4, 2), (5, 1)), ((4, 2), (4,)), ((2, 2), (2, 1))):
        with pytest.raises(DataError, match="at least 4"):
            separability(np.zeros(codes), np.zeros(logits))
    with pytest.raises(DataError, match="not finite"):
        separability(np.full((8, 2), np.nan), np.zeros((8, 1)))
    with pytest.raises(ConfigError, match="solver"):
        separability(np.zeros((8, 2)), np.zeros((8, 1)), solver="newton")
