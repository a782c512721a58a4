import pytest
import torch
from small import GROWING_METHODS, READ_CODES, SHAPE, STYLE_METHODS, small_model, small_recipe

from twoway.errors import ConfigError, ModelError
from twoway.methods import METHODS
from twoway.model import build_model
from twoway.networks import Gaussian


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"pggan", *READ_CODES}))
def test_shapes_both_ways(method, generator):
    model = small_model(method)
    x = torch.rand(3, *SHAPE, generator=generator) * 2 - 1
    w = model.encode(x)
    layers = 4 if method in STYLE_METHODS else 1  # two per resolution from 4x4
    assert w.shape == (3, *model.w_shape) == (3, layers, 6)
    assert model.decode(w).shape == x.shape
    assert torch.equal(model.reconstruct(x), model.decode(w))
    short, long = model.encode_features(x)
    assert torch.equal(short, w.flatten(1))
    assert torch.equal(short, model.represent(x))
    # of style encoders: mean and deviation of 8 + 8 and 8 + 4 maps; or 16 maps of 4x4; of others that grow 8
    widths = {
        **dict.fromkeys(GROWING_METHODS, 8),
        "style-alae": 2 * (8 + 8 + 4 + 8),
        **dict.fromkeys(("lia", "stylegan", "vaegan-z"), 16 * 16),
    }
    assert long.shape == (3, widths.get(method, 16))
    if model.recipe.prior is not None:
        assert model.sample(2, generator=generator).shape == (2, *SHAPE)
        assert model.map(model.draw_prior(2, generator=generator)).shape == (2, layers, 6)
        z = model.draw_prior(2, generator=generator)
        if model.invertible:
            torch.testing.assert_close(model.unmap(model.map(z)), z, rtol=1e-4, atol=1e-5)


def test_an_encoder_of_codes_leaves_the_noise_open(generator):
    """What is not inferred is refused, with the alternatives; what is inferred works both ways."""
    x = torch.rand(3, *SHAPE, generator=generator) * 2 - 1
    sizes = {"classes": 4, "continuous": 2, "nets": "mlp"}
    model = small_model("infovaegan", **sizes)
    posterior = model.encode_code(x)
    assert [tuple(part.shape) for part in posterior] == [(3, 4), (3, 2), (3, 2), (3, 0)]
    assert torch.equal(model.represent(x), model.encode_features(x)[0])
    assert torch.equal(model.represent(x)[:, :4], posterior.logits.softmax(1))
    assert model.inferred(model.map(model.draw_prior(2))).shape == (2, 6)
    assert model.reconstructs
    assert model.reconstruct(x).shape == x.shape  # by the second decoder
    for call in (model.encode, small_model("infogan").encode, small_model("infogan").reconstruct):
        with pytest.raises(ModelError, match=r"encode_code\(x\).*--space noise.*infer_noise"):
            call(x)
    whole = small_model("infovaegan", infer_noise=True, decoder=False, **sizes)
    w = whole.encode(x)
    assert w.shape == (3, *whole.w_shape) == (3, 1, 12)
    assert torch.equal(whole.reconstruct(x), whole.decode(w))
    assert torch.equal(w[:, 0, 6:10].sum(1), torch.ones(3))  # a class, one-hot
    with pytest.raises(ModelError, match="no discrete and continuous codes"):
        small_model("vae").encode_code(x)


def test_same_seed_same_weights_other_seed_other_weights():
    assert small_model(seed=1).fingerprint() == small_model(seed=1).fingerprint()
    assert small_model(seed=1).fingerprint() != small_model(seed=2).fingerprint()


def test_the_fingerprint_sees_what_no_weight_shows():
    recipe = small_recipe()
    models = [
        build_model(r, generator=torch.Generator().manual_seed(0))
        for r in (recipe, recipe.changed({"nets.generator.slope": 0.5}), recipe.changed({"batch": 4}))
    ]
    prints = [m.fingerprint() for m in models]
    assert prints[0] != prints[1]  # other function, same weights
    assert prints[0] == prints[2]  # how it was trained makes no other model


def test_sampling_is_reproducible(model):
    a, b = (model.sample(3, generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("call", "shape", "wanted"),
    [("encode", (2, 1, 9, 8), "(B, 1, 8, 8)"), ("decode", (2, 6), "(B, 1, 6)"), ("map", (2, 7), "(B, 6)"),
     ("reconstruct", (1, 8, 8), "(B, 1, 8, 8)"), ("unmap", (2, 1, 5), "(B, 1, 6)")],
)  # fmt: skip
def test_wrong_shapes_are_named(model, call, shape, wanted):
    with pytest.raises(ModelError) as error:
        getattr(model, call)(torch.zeros(shape))
    assert str(shape) in str(error.value)
    assert wanted in str(error.value)


def test_an_autoencoder_cannot_sample():
    with pytest.raises(ModelError, match="no prior"):
        small_model("ae").sample(1)


def test_unmap_needs_an_invertible_mapping(model):
    with pytest.raises(ModelError, match="cannot be inverted"):
        model.unmap(torch.zeros(1, 1, 6))
    w = torch.randn(2, 1, 6)
    assert torch.equal(small_model("bigan").unmap(w), w[:, 0])
    assert [m.invertible for m in (model, small_model("bigan"), small_model("ae"))] == [False, True, False]
    with pytest.raises(ModelError):
        small_model("ae").unmap(w)


def test_distributions_come_from_stochastic_encoders_only(model, generator):
    x = torch.rand(2, *SHAPE, generator=generator)
    with pytest.raises(ModelError, match="one code per image"):
        model.encode_distribution(x)
    vae = small_model("vae")
    posterior = vae.encode_distribution(x)
    assert isinstance(posterior, Gaussian)
    assert torch.equal(posterior.mean, vae.encode(x))


def test_truncation_pulls_towards_the_mean_code(model):
    model.w_avg.fill_(2.0)
    w = torch.zeros(1, 1, 6)
    assert torch.equal(model.truncate(w, 1.0), w)
    torch.testing.assert_close(model.truncate(w, 0.25), torch.full_like(w, 1.5))
    torch.testing.assert_close(model.truncate(w, 0.0), torch.full_like(w, 2.0))


@pytest.mark.parametrize(
    "overrides",
    [
        {"nets.encoder.w_dim": 7},
        {"nets.generator.image_shape": [1, 4, 4]},
        {"nets.encoder.image_shape": [1, 4, 4]},
        {"prior": ["normal(9)"]},
        {"nets.generator.w_dim": 9},
    ],
)
def test_nets_that_do_not_fit_are_refused_before_anything_is_trained(overrides):
    with pytest.raises(ConfigError):
        build_model(small_recipe().changed(overrides))


def test_a_missing_net_is_named():
    recipe = small_recipe("lr")
    nets = {k: v for k, v in recipe.nets.items() if k != "encoder"}
    model = small_model("lr")
    del model.nets["encoder"]
    assert "encoder" not in nets
    with pytest.raises(ModelError, match="has no encoder; it has"):
        model.encode(torch.zeros(1, *SHAPE))
