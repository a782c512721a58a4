"""Pictures edited by the pipeline: the same as codes edited by hand, of the model's own directions only."""

import dataclasses

import pytest
import torch
from small import small_model

from twoway import Pipeline
from twoway.errors import ConfigError, ModelError
from twoway.latents.directions import Direction
from twoway.latents.editing import edit_codes


@pytest.fixture
def pipe():
    return Pipeline(small_model("style-alae", (1, 16, 16)))


def directions(pipe):
    vectors = torch.eye(6)[:2, None]
    made = [
        Direction(name, vector, pipe.model.fingerprint(), "given", deviation=2.0)
        for name, vector in zip(("Smiling", "Male"), vectors, strict=True)
    ]
    return {one.name: one for one in made}


def test_pictures_are_those_of_edited_codes(pipe):
    known = directions(pipe)
    w = pipe.codes_of([1, 2])
    found = pipe.edit(w, {"Smiling": 2.0, "Male@0-1": -1.0}, known, output_type="pt")
    expected = w.clone()
    expected[:, :, 0] += 4.0
    expected[:, :2, 1] -= 2.0
    assert torch.allclose(found, pipe.decode(expected, output_type="pt"), atol=1e-5)
    same = pipe.edit([1, 2], ["Smiling=2", "Male=-1@0-1"], known, output_type="pt")
    assert torch.equal(found, same)
    few = pipe.edit(w, {"Smiling": 2.0, "Male@0-1": -1.0}, known, layers="middle", output_type="pt")
    expected = w.clone()
    expected[:, 4:, 0] += 4.0
    expected[:, :2, 1] -= 2.0
    assert torch.allclose(few, pipe.decode(expected, output_type="pt"), atol=1e-5)
    as_alae = pipe.edit(w, {"Smiling": 2.0}, known, mode="alae", output_type="pt")
    by_hand = edit_codes(w, [(known["Smiling"], 2.0)], mode="alae", w_avg=pipe.model.w_avg)
    assert torch.equal(as_alae, pipe.decode(by_hand, output_type="pt"))
    pictures = pipe.generate(seeds=[1])
    assert pipe.edit(pictures[0], {"Smiling": 1.0}, known)[0].size == (16, 16)
    assert torch.equal(pipe.edit(w, {}, known, output_type="pt"), pipe.decode(w, output_type="pt"))


def test_another_models_directions_are_refused_whenever_weights_change(pipe):
    known = directions(pipe)
    pipe.edit(3, {"Smiling": 1.0}, known)
    with torch.no_grad():
        next(pipe.model.parameters()).add_(1.0)
    with pytest.raises(ModelError, match="directions mean nothing to another model"):
        pipe.edit(3, {"Smiling": 1.0}, known)
    mended = {"Smiling": dataclasses.replace(known["Smiling"], fingerprint=pipe.model.fingerprint())}
    assert pipe.edit(3, {"Smiling": 1.0}, mended)[0].size == (16, 16)


def test_what_cannot_be_edited(pipe):
    with pytest.raises(ConfigError, match="no direction 'Smile'"):
        pipe.edit(3, {"Smile": 1.0}, directions(pipe))
    with pytest.raises(ConfigError, match="no layer 7"):
        pipe.edit(3, {"Male": 1.0}, directions(pipe), layers="7")
    plain = Pipeline(small_model("stylegan", encoder=False))
    with pytest.raises(ModelError, match="no encoder"):
        plain.edit(pipe.generate(seeds=[1])[0], {"Smiling": 1.0}, directions(plain))
