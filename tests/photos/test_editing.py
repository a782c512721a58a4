"""From a photo to an edited photo in one call."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from small import small_model

from twoway.errors import ConfigError, DataError, ModelError
from twoway.latents.directions import Direction
from twoway.latents.editing import edit_codes
from twoway.latents.familiarity import Familiarity
from twoway.photos import Refinement, code_of_crop, edit_photo
from twoway.pictures import prepare_image
from twoway.pipeline import Pipeline

SHAPE = (3, 8, 8)


@pytest.fixture(scope="module")
def model():
    return small_model("lia", SHAPE)


def direction(model, seed=0, **changes):
    vector = torch.randn(1, model.w_shape[1], generator=torch.Generator().manual_seed(seed))
    return Direction("more", vector, changes.pop("fingerprint", model.fingerprint()), "given", **changes)


def photo(width=40, height=30):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_the_steps_are_those_of_the_parts(model):
    one = direction(model)
    done = edit_photo(Pipeline(model), photo(), [(one, 2.0)], known=Familiarity())
    x = prepare_image(photo(), SHAPE)[None]
    with torch.inference_mode():
        w = model.encode(x)
        wanted = edit_codes(w, [(one, 2.0)])
    assert torch.equal(done.w, w)
    assert torch.equal(done.w_edited, wanted)
    pipe = Pipeline(model)
    assert np.abs(np.asarray(done.edited, int) - np.asarray(pipe.decode(wanted)[0], int)).max() <= 1
    assert done.pasted.size == (40, 30)
    assert done.warning is None
    facts = json.loads(json.dumps(done.facts))
    assert facts["alignment"]["way"] == "center"
    assert facts["edit"]["directions"] == [{"name": "more", "amount": 2.0, "kind": "given", "layers": None}]
    assert done.side_by_side.width == 1024


def test_no_way_to_go_changes_nothing(model):
    done = edit_photo(Pipeline(model), photo(), [(direction(model), 0.0)], known=Familiarity())
    assert np.array_equal(done.pasted, photo())


def test_points_and_files(model, tmp_path):
    stream = io.BytesIO()
    photo().save(stream, "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(stream.getvalue())
    options = {"points": [(12, 10), (22, 10), (17, 20)], "template": "celeba", "known": Familiarity()}
    results = [edit_photo(Pipeline(model), given, [], **options) for given in (photo(), path, stream.getvalue())]
    assert len({result.pasted.tobytes() for result in results}) == 1
    assert results[0].facts["alignment"]["template"] == "celeba"
    assert results[0].frame.points.listed == ((12, 10), (22, 10), (17, 20))


def test_refinement_comes_nearer(model):
    crop = photo(8, 8)
    first, told = code_of_crop(model, crop, Refinement())
    better, refined = code_of_crop(model, crop, Refinement(20, lr=0.1))
    x = prepare_image(crop, SHAPE)[None]
    with torch.inference_mode():
        errors = [(model.decode(w) - x).square().mean().item() for w in (first, better)]
    assert errors[1] < errors[0]
    assert told == {"start": "encoder", "steps": 0}
    assert refined["loss"] == pytest.approx(errors, rel=1e-4)
    assert (refined["space"], refined["start"]) == ("w+", "encoder")
    assert (better[0, 0] - better[0, 1]).abs().max() > 0  # a code for each layer


def test_one_code_where_there_are_no_layers():
    model = small_model("alae", SHAPE)
    _, told = code_of_crop(model, photo(8, 8), Refinement(2))
    assert told["space"] == "w"


def test_without_an_encoder_the_way_is_named():
    model = small_model("pggan", SHAPE)
    with pytest.raises(ModelError, match=r"--refine 300"):
        edit_photo(Pipeline(model), photo(), [])
    done = edit_photo(Pipeline(model), photo(), [], refinement=3)
    assert done.facts["code"]["start"] == "mean"
    assert done.warning is None


def test_noise_that_is_not_inferred_is_searched():
    model = small_model("infovaegan", SHAPE)
    with pytest.raises(ModelError, match="not the noise"):
        edit_photo(Pipeline(model), photo(), [])
    assert edit_photo(Pipeline(model), photo(), [], refinement=2).facts["code"]["space"] == "noise"


def test_an_unusual_photo_is_said(model):
    done = edit_photo(Pipeline(model), photo(), [], known=Familiarity(error=1e-9))
    assert "unlike" in done.warning
    assert done.facts["warning"] == done.warning


def test_the_same_photo_in_grey():
    model = small_model("alae", (1, 8, 8))
    done = edit_photo(Pipeline(model), photo(), [(direction(model), 3.0)], known=Familiarity())
    assert done.edited.mode == "L"
    change = np.asarray(done.pasted, int) - np.asarray(photo(), int)
    middle = change[15, 20]
    unclipped = (np.asarray(done.pasted)[15, 20] > 0) & (np.asarray(done.pasted)[15, 20] < 255)
    assert len(set(middle[unclipped])) <= 1  # as much in all colours


def test_what_cannot_be_is_refused(model):
    pipe = Pipeline(model)
    with pytest.raises(ModelError, match="mean nothing to another model"):
        edit_photo(pipe, photo(), [(direction(model, fingerprint="0" * 16), 1.0)])
    with pytest.raises(DataError, match="outside"):
        edit_photo(pipe, photo(), [], points=[(1, 1), (99, 1)], template="celeba")
    with pytest.raises(ConfigError, match="steps"):
        edit_photo(pipe, photo(), [], refinement=-1)
    with pytest.raises(ConfigError, match="mode"):
        edit_photo(pipe, photo(), [(direction(model), 1.0)], mode="absolut")
