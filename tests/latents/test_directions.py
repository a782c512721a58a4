"""Directions: positions, files, what is left of one beside others."""

import dataclasses
import math

import pytest
import torch
from safetensors.torch import save_file
from small import small_model

from twoway.errors import ConfigError, ModelError
from twoway.latents.conditional_directions import orthogonal_to
from twoway.latents.directions import (
    Direction,
    check_direction,
    choose_directions,
    load_directions,
    measured_on,
    save_directions,
)
from twoway.latents.editing import edit_codes


def direction(name="Smiling", vector=((3.0, 4.0),), fingerprint="0" * 16, kind="given", **rest):
    return Direction(name, torch.tensor(vector), fingerprint, kind, **rest)


def drawn(name, rows=1, dim=5, seed=0, **rest):
    vector = torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed))
    return Direction(name, vector, "0" * 16, "given", **rest)


def codes(count, layers, dim, seed=9):
    return torch.randn(count, layers, dim, generator=torch.Generator().manual_seed(seed))


def test_positions_by_hand():
    """Of (3, 4), the unit normal is (0.6, 0.8): one shift for all rows has the mean, a vector per row the sum."""
    w = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    assert direction(intercept=-0.5).position(w).tolist() == pytest.approx([(0.6 + 0.8) / 2 - 0.5])
    assert direction(intercept=-0.5, layers=(1,)).position(w).tolist() == pytest.approx([0.3])
    assert direction(layers=(1,)).position(w, [0]).tolist() == pytest.approx([0.6])
    assert direction(vector=((3.0, 0.0), (0.0, 4.0)), intercept=1.0).position(w).tolist() == pytest.approx([2.4])


def test_a_file_keeps_everything_in_order(tmp_path):
    facts = {"accuracy": 0.91, "counts": {"with": 3, "without": 4}, "orthogonal_to": ["Male"]}
    given = [
        direction("wearing hat", kind="labels", intercept=-1.25, deviation=2.5, layers=(0, 3), facts=facts),
        direction("Ärger", vector=((0.0, 1.0), (2.0, 0.0)), kind="factorised"),
    ]
    path = save_directions(tmp_path / "deep" / "some.safetensors", given)
    again = load_directions(path)
    assert list(again) == ["wearing hat", "Ärger"]
    for one in given:
        other = again[one.name]
        assert torch.equal(one.vector, other.vector)
        assert dataclasses.replace(one, vector=other.vector).__dict__ == other.__dict__
    assert [found.name for found in path.parent.iterdir()] == ["some.safetensors"]
    save_directions(path, {"other": direction("other")})
    assert list(load_directions(path)) == ["other"]


def test_another_models_directions_are_refused(tmp_path):
    model = small_model("alae")
    theirs = direction(vector=((1.0,) * 6,))
    path = save_directions(tmp_path / "a.safetensors", [theirs])
    with pytest.raises(ModelError, match=f"found for the model {'0' * 16}, but this model is {model.fingerprint()}"):
        load_directions(path, model)
    with pytest.raises(ModelError, match="another model"):
        check_direction(theirs, model)
    ours = dataclasses.replace(theirs, fingerprint=model.fingerprint())
    check_direction(ours, model)
    save_directions(path, [ours])
    assert list(load_directions(path, model)) == ["Smiling"]
    save_directions(path, [dataclasses.replace(ours, vector=torch.ones(1, 7))])
    with pytest.raises(ModelError, match="7 wide"):
        load_directions(path, model)


def test_what_is_no_file_of_directions_is_refused(tmp_path):
    with pytest.raises(ModelError, match="There is no file"):
        load_directions(tmp_path / "none.safetensors")
    text = tmp_path / "text.safetensors"
    text.write_text("hello")
    with pytest.raises(ModelError, match="cannot be read as a file of directions"):
        load_directions(text)
    other = tmp_path / "other.safetensors"
    save_file({"x": torch.ones(2)}, other)
    with pytest.raises(ModelError, match="holds no directions"):
        load_directions(other)
    with pytest.raises(ModelError, match=r"ends with \.safetensors"):
        save_directions(tmp_path / "a.npz", [direction()])
    with pytest.raises(ModelError, match="at least one direction"):
        save_directions(tmp_path / "a.safetensors", [direction(), direction()])
    with pytest.raises(ModelError, match="2 models"):
        save_directions(tmp_path / "a.safetensors", [direction(), direction("b", fingerprint="1" * 16)])
    save_file({"x": torch.ones(2)}, other, metadata={"twoway_directions": '{"a":' * 100_000})
    with pytest.raises(ModelError, match="damaged"):
        load_directions(other)
    cut = save_directions(tmp_path / "cut.safetensors", [direction()])
    cut.write_bytes(cut.read_bytes()[:-3])
    with pytest.raises(ModelError, match="damaged"):
        load_directions(cut)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "a=b"}, "Choose another name"),
        ({"name": " a"}, "Choose another name"),
        ({"name": ""}, "Choose another name"),
        ({"vector": ((0.0, 0.0),)}, "not all zero"),
        ({"vector": ((math.nan, 0.0),)}, "finite"),
        ({"vector": (1.0, 0.0)}, r"\(1, dim\)"),
        ({"kind": "label"}, "did you mean 'labels'"),
        ({"deviation": 0.0}, "above 0"),
        ({"intercept": math.inf}, "finite"),
        ({"layers": ()}, "at least one"),
    ],
)
def test_directions_that_cannot_be(change, message):
    with pytest.raises(ConfigError, match=message):
        direction(**change)


def test_names_are_looked_up():
    known = {name: direction(name) for name in ("Smiling", "Male")}
    assert [one.name for one in choose_directions(known, ["Male", "Smiling"])] == ["Male", "Smiling"]
    with pytest.raises(ConfigError, match="no direction 'Smilng'; did you mean 'Smiling'"):
        choose_directions(known, ["Smilng"])


def test_orthogonal_by_hand():
    """Of (3, 4) beside (0, 2), the first axis is left: 0.6 of the unit normal, so the intercept grows by 1 / 0.6."""
    found = orthogonal_to(direction(intercept=0.3), [direction("up", ((0.0, 2.0),), intercept=0.5)])
    assert found.vector.tolist() == [pytest.approx([1.0, 0.0])]
    assert found.intercept == pytest.approx((0.3 - 0.8 * 0.5) / 0.6)
    assert found.facts["orthogonal_to"] == ["up"]
    assert found.facts["left"] == pytest.approx(0.6)
    assert orthogonal_to(found, []) is found


@pytest.mark.parametrize("rows", [(1, 1, 1), (4, 4, 4), (1, 4, 4), (4, 1, 1)])
def test_orthogonal_to_any_number_and_positions_combine(rows):
    """Gram-Schmidt in another way: the residual of a least-squares fit; where conditions are 0, positions scale."""
    n, *others = (drawn(f"d{i}", count, seed=i, intercept=0.1 * i) for i, count in enumerate(rows))
    found = orthogonal_to(n, [*others, dataclasses.replace(others[0], name="again")])
    tall = [one.vector.expand(max(rows), -1).flatten() for one in (n, *others)]
    a = torch.stack(tall[1:], 1)
    rest = tall[0] - a @ torch.linalg.lstsq(a, tall[0][:, None]).solution[:, 0]
    assert torch.allclose(found.vector.flatten(), rest / rest.norm(), atol=1e-5)
    for other in tall[1:]:
        assert abs(float(found.vector.flatten() @ other)) < 1e-5
    w = codes(50, 4, 5)
    known = torch.stack([one.position(w) for one in (n, *others)], 1)
    fit = torch.linalg.lstsq(known, found.position(w)[:, None])  # no constant is needed: intercepts combine alike
    assert torch.allclose(known @ fit.solution, found.position(w)[:, None], atol=1e-4)


@pytest.mark.parametrize("shape", [1, 4])
def test_orthogonal_on_the_rows_it_acts_on(shape):
    """What is found moves no condition, and its position is a combination of theirs on these rows."""
    n = drawn("n", shape, seed=0, intercept=0.2, layers=(0, 1, 2))
    tall = drawn("tall", 4, seed=1, intercept=0.1)
    some = drawn("some", 1, seed=2, intercept=-0.3, layers=(1, 2, 3))
    away = drawn("away", 1, seed=3, layers=(3,))
    found = orthogonal_to(n, [tall, some, away])
    assert found.layers == (0, 1, 2)
    assert not found.vector[3].any()
    w = codes(50, 4, 5)
    moved = edit_codes(w, [(found, 1.0)], unit="length")
    assert not torch.equal(moved, w)
    assert torch.equal(moved[:, 3], w[:, 3])
    for condition in (tall, some, away):
        assert torch.allclose(condition.position(moved), condition.position(w), atol=1e-5)
    known = torch.stack([n.position(w), tall.position(w, (0, 1, 2)), some.position(w, (1, 2))], 1)
    fit = torch.linalg.lstsq(known, found.position(w)[:, None])  # no constant is needed
    assert torch.allclose(known @ fit.solution, found.position(w)[:, None], atol=1e-4)
    assert found.vector.norm() == pytest.approx(1)


def test_what_acts_on_other_rows_is_no_condition():
    n, away = drawn("n", 4, seed=0, layers=(0, 1)), drawn("away", 4, seed=1, layers=(2, 3))
    found = orthogonal_to(n, [away])
    assert torch.allclose(found.vector[:2], n.vector[:2] / n.vector[:2].norm())
    assert not found.vector[2:].any()
    assert found.facts["left"] == pytest.approx(1)


def test_nothing_left():
    with pytest.raises(ConfigError, match="Nothing of the direction 'Smiling' is left"):
        orthogonal_to(direction(), [direction("a", ((1.0, 0.0),)), direction("b", ((1.0, 1.0),))])
    with pytest.raises(ModelError, match="2 models"):
        orthogonal_to(direction(), [direction("a", fingerprint="1" * 16)])


def test_deviation_measured():
    w = torch.tensor([[[0.0, 0.0]], [[6.0, 8.0]]])
    assert measured_on(direction(), w).deviation == pytest.approx(5.0)
    with pytest.raises(ConfigError, match="do not differ"):
        measured_on(direction(), w[:1].expand(3, -1, -1))
