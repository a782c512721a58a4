"""Files of codes of methods that read codes off pictures, traversals of every code, noise by optimisation."""

import numpy as np
import pytest
import torch
from small import SHAPE, small_model
from toys import toy_file

from twoway.data import open_data, to_float
from twoway.errors import ConfigError, ModelError
from twoway.latents.codes import encode_data, load_codes, save_codes
from twoway.latents.projection import project
from twoway.latents.traversal import class_samples, traversals

SIZES = {"classes": 4, "continuous": 2, "nets": "mlp"}


@pytest.fixture(scope="module")
def reader():
    return small_model("infovaegan", **SIZES)


@pytest.fixture
def bars(tmp_path):
    return open_data(toy_file(tmp_path, 24))


def test_a_file_holds_what_was_read_and_no_more(reader, bars, tmp_path):
    codes = encode_data(reader, bars, batch=7)
    assert codes.w is None
    expected = reader.represent(to_float(bars.read(range(24)))).detach().numpy()
    np.testing.assert_allclose(np.hstack([codes.chances, codes.continuous]), expected, atol=1e-6)
    assert codes.chances.shape == (24, 4)
    save_codes(tmp_path / "codes.npz", codes)
    again = load_codes(tmp_path / "codes.npz", reader)
    assert again.w is None
    assert again.names == codes.names
    assert np.array_equal(again.continuous, codes.continuous)


def test_an_encoder_of_the_noise_gives_whole_codes_too(bars):
    whole = small_model("infovaegan", infer_noise=True, **SIZES)
    codes = encode_data(whole, bars)
    assert codes.w.shape == (24, *whole.w_shape)
    assert codes.chances.shape == (24, 4)


def test_only_one_thing_moves_in_a_traversal(reader):
    found = traversals(reader, rows=3, columns=5, generator=torch.Generator().manual_seed(0))
    assert [t.name for t in found] == ["class", "code 0", "code 1"]
    assert [tuple(t.images.shape[:2]) for t in found] == [(3, 4), (3, 5), (3, 5)]
    z = reader.draw_prior(3, generator=torch.Generator().manual_seed(0))
    z[:, 6 + 4 + 1] = found[2].values[3]  # noise, classes, the second continuous code
    with torch.no_grad():
        torch.testing.assert_close(found[2].images[:, 3], reader.decode(reader.map(z)))
        z = reader.draw_prior(3, generator=torch.Generator().manual_seed(0))
        z[:, 6:10] = torch.eye(4)[2]
        torch.testing.assert_close(found[0].images[:, 2], reader.decode(reader.map(z)))
        torch.testing.assert_close(
            class_samples(reader, 3, generator=torch.Generator().manual_seed(0))[:, 2], found[0].images[:, 2]
        )


def test_any_method_with_a_prior_can_be_traversed_and_others_say_why_not():
    assert [t.name for t in traversals(small_model("vae"), rows=1, columns=2, limit=2)] == [
        "dimension 0",
        "dimension 1",
    ]
    mixture = small_model("vamp-prior", pseudo_inputs=5)  # which part of the mixture is drawn is no trait
    assert [t.name for t in traversals(mixture, rows=1, columns=2)] == [f"dimension {i}" for i in range(5, 11)]
    with pytest.raises(ModelError, match="no prior"):
        traversals(small_model("ae"))
    with pytest.raises(ModelError, match="no discrete code"):
        class_samples(small_model("vae"), 2)
    with pytest.raises(ConfigError, match="2 columns"):
        traversals(small_model("vae"), columns=1)


def test_noise_is_found_for_codes_that_stay(reader):
    x = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    found = project(reader, x, space="noise", steps=20)
    assert (found.losses.min(0).values < found.losses[0]).all()
    posterior = reader.encode_code(x)
    assert torch.equal(found.w[:, 0, 6:10].argmax(1), posterior.logits.argmax(1))
    torch.testing.assert_close(found.w[:, 0, 10:], posterior.mean.detach())
    again = project(reader, x, space="noise", start="random", steps=0, generator=torch.Generator().manual_seed(3))
    drawn = reader.draw_prior(3, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(again.w[:, 0, :6], drawn[:, :6])


@pytest.mark.parametrize(
    ("method", "options", "match"),
    [
        ("vae", {"space": "noise"}, "no noise beside interpretable codes"),
        ("infovaegan", {"space": "noise", "start": "encoder"}, "does not infer the noise"),
        ("infovaegan", {"space": "z"}, "classes cannot be found by small steps"),
        ("vae", {"space": "w", "classes": 3}, "told the class"),
    ],
)
def test_searches_that_cannot_be(method, options, match):
    options = dict(options)
    made = {"classes": options.pop("classes")} if "classes" in options else {}
    with pytest.raises(ModelError, match=match):
        project(small_model(method, **made), torch.zeros(1, *SHAPE), steps=1, **options)


def test_made_pictures_of_a_class(reader):
    """The class asked for is the discrete code; everything else is what the seed draws."""
    draws = [reader.draw_prior(3, labels=labels, generator=torch.Generator().manual_seed(0)) for labels in (None, 2)]
    assert torch.equal(draws[1][:, 6:10], torch.eye(4)[[2, 2, 2]])
    assert torch.equal(draws[0][:, :6], draws[1][:, :6])
    assert torch.equal(draws[0][:, 10:], draws[1][:, 10:])
    made = reader.sample(3, labels=[0, 1, 2], generator=torch.Generator().manual_seed(0))
    columns = class_samples(reader, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(made[1], columns[1, 1])
    with pytest.raises(ModelError, match="0 to 3"):
        reader.sample(1, labels=4)
