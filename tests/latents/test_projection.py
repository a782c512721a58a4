import pytest
import torch
from small import SHAPE, small_model
from torch import nn

from twoway.errors import ConfigError, DataError, ModelError
from twoway.features import FeatureSpec, build_features, feature_distance
from twoway.latents import project
from twoway.latents.in_domain import can_score, score_prior_codes
from twoway.methods import make_recipe
from twoway.metrics import evaluate
from twoway.model import build_model


class Layered(nn.Module):
    """A generator of two layers of codes: the first makes the upper half of a picture, the second the lower."""

    def __init__(self):
        super().__init__()
        draw = torch.Generator().manual_seed(7)
        self.register_buffer("weight", torch.randn(2, 6, 32, generator=draw) / 8)

    def forward(self, w):
        return torch.tanh(torch.einsum("bld,ldp->blp", w, self.weight)).reshape(-1, 1, 8, 8)


class Turning(nn.Module):
    """An invertible mapping for two layers: F(z) = 2z on every layer."""

    def forward(self, z):
        return (2 * z).unsqueeze(1).expand(-1, 2, -1)

    def inverse(self, w):
        return w[:, 0] / 2


class Answer(nn.Module):
    """An encoder that always answers the same code."""

    def __init__(self, w):
        super().__init__()
        self.register_buffer("w", w)

    def forward(self, x):
        return self.w.expand(len(x), -1, -1)


@pytest.fixture
def layered(model):
    model.nets["generator"], model.nets["mapping"] = Layered(), Turning()
    model.w_avg = torch.zeros(2, 6)
    return model


def pictures(model, count=5, seed=3):
    z = model.draw_prior(count, generator=torch.Generator().manual_seed(seed))
    w = model.map(z)
    return w, model.decode(w).detach()


@pytest.mark.parametrize("space", ["w", "w+", "z"])
def test_the_code_of_a_made_picture_is_found_again(space, layered):
    w, x = pictures(layered)
    found = project(layered, x, space=space, steps=300)
    assert found.losses.shape == (301, 5)
    assert (found.losses[-1] < 1e-4 * found.losses[0]).all()
    torch.testing.assert_close(found.w, w, atol=0.1, rtol=0)
    torch.testing.assert_close(found.x_rec, layered.decode(found.w))
    assert (found.z is not None) == (space == "z")
    if space == "z":
        torch.testing.assert_close(layered.map(found.z), found.w)
    if space == "w":
        torch.testing.assert_close(found.w[:, 0], found.w[:, 1])


def test_codes_per_layer_reach_pictures_that_one_code_cannot(layered):
    w = torch.randn(4, 2, 6, generator=torch.Generator().manual_seed(1))
    x = layered.decode(w)
    one, each = (project(layered, x, space=space, steps=200).losses[-1] for space in ("w", "w+"))
    assert (each < 0.05 * one).all()


@pytest.mark.parametrize(("space", "part"), [("w", 0.1), ("z", 0.5)])  # through the mapping it often gets stuck
def test_mlp_models_come_nearer(space, part, model):
    _, x = pictures(model)
    found = project(model, x, space=space, steps=200)
    error = (model.decode(found.w) - x).square().flatten(1).mean(1)
    assert (error < found.losses[0]).all()
    assert error.mean() < part * found.losses[0].mean()
    torch.testing.assert_close(found.losses.min(0).values, error, rtol=1e-3, atol=1e-6)


def test_starts(layered):
    x = pictures(layered, 3)[1]
    layered.w_avg = torch.arange(12.0).reshape(2, 6)
    w_answer = torch.randn(1, 2, 6, generator=torch.Generator().manual_seed(0))
    layered.nets["encoder"] = Answer(w_answer)
    z = layered.draw_prior(3, generator=torch.Generator().manual_seed(5))

    def first(space, start):
        return project(layered, x, space=space, start=start, steps=0, generator=torch.Generator().manual_seed(5))

    assert torch.equal(first("w+", "mean").w, layered.w_avg.expand(3, -1, -1))
    assert torch.equal(first("w", "mean").w, layered.w_avg.mean(0).expand(3, 2, -1))
    assert torch.equal(first("z", "mean").z, torch.zeros(3, 6))
    assert torch.equal(first("w+", "encoder").w, w_answer.expand(3, -1, -1))
    assert torch.equal(first("z", "encoder").z, w_answer[:, 0].expand(3, -1) / 2)
    assert torch.equal(first("w+", "random").w, layered.map(z))
    assert torch.equal(first("z", "random").z, z)
    error = (layered.decode(layered.map(z)) - x).square().mean((1, 2, 3))
    torch.testing.assert_close(first("z", "random").losses, error[None])


def test_a_better_start_is_better_at_every_budget(layered):
    w, x = pictures(layered, 8)
    near = w + 0.1 * torch.randn(w.shape, generator=torch.Generator().manual_seed(0))
    layered.nets["encoder"] = nn.Identity()
    layered.encode = lambda images: near
    for steps in (0, 5, 20):
        losses = [
            project(layered, x, start=start, steps=steps, generator=torch.Generator().manual_seed(9)).losses
            for start in ("encoder", "mean", "random")
        ]
        reached = [loss.min(0).values.mean() for loss in losses]
        assert reached[0] < reached[1] < reached[2]


def test_same_seed_same_codes_and_batches_do_not_matter(model):
    _, x = pictures(model)
    options = {"space": "z", "start": "random", "steps": 20}
    a, b, c, other = (
        project(model, x, generator=torch.Generator().manual_seed(seed), batch=batch, **options)
        for seed, batch in ((1, 5), (1, 5), (1, 2), (2, 5))
    )
    assert torch.equal(a.w, b.w)
    assert torch.equal(a.losses, b.losses)
    torch.testing.assert_close(a.w, c.w, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(a.w, other.w, atol=1e-2)
    alone = project(model, x[:1], space="w", steps=20)
    torch.testing.assert_close(alone.w, project(model, x, space="w", steps=20).w[:1], rtol=1e-3, atol=1e-4)


def test_terms_of_the_loss_by_hand(layered):
    x = pictures(layered, 3)[1]
    w_answer = torch.ones(1, 2, 6)
    layered.nets["encoder"] = Answer(w_answer)
    spec = FeatureSpec("pyramid")
    found = project(
        layered, x, start="random", steps=0, features=spec, feature_weight=0.5, encoder_weight=2.0,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    w = layered.map(layered.draw_prior(3, generator=torch.Generator().manual_seed(0)))
    made, net = layered.decode(w), build_features(spec)
    expected = (made - x).square().mean((1, 2, 3)) + 2 * (1 - w).square().mean((1, 2))
    expected = expected + 0.5 * feature_distance(net(made), net(x))
    torch.testing.assert_close(found.losses[0], expected)
    # the encoder's term draws codes to what the encoder says
    far, near = (project(layered, x, steps=100, encoder_weight=weight).w for weight in (0.0, 100.0))
    assert (near - w_answer).abs().max() < 0.2 < (far - w_answer).abs().max()
    by_features = project(layered, x, steps=100, features=net, feature_weight=1.0)
    assert (by_features.losses[-1] < 0.1 * by_features.losses[0]).all()


def test_the_best_code_is_kept_and_the_model_is_left_alone(model):
    _, x = pictures(model)
    model.train()
    before = model.fingerprint()
    wild = project(model, x, space="w", steps=10, lr=50.0)
    assert wild.losses[-1].mean() > wild.losses[0].mean()
    error = (model.decode(wild.w) - x).square().flatten(1).mean(1)
    torch.testing.assert_close(error, wild.losses.min(0).values)
    assert model.training
    assert model.fingerprint() == before
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    with torch.inference_mode():
        inside = project(model, x, space="w", steps=10)
    assert inside.losses[-1].mean() < inside.losses[0].mean()


def test_progress_is_told_over_all_batches(model):
    told = []
    project(model, torch.zeros(5, *SHAPE), steps=3, batch=2, progress=lambda *facts: told.append(facts))
    assert told == [("steps", n, 9) for n in range(1, 10)]


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"space": "x"}, ConfigError, "no space 'x'"),
        ({"start": "meen"}, ConfigError, "did you mean 'mean'"),
        ({"steps": -1}, ConfigError, "steps is -1"),
        ({"lr": 0.0}, ConfigError, "lr is 0.0"),
        ({"lr": float("nan")}, ConfigError, "lr is nan"),
        ({"feature_weight": -1.0}, ConfigError, "feature_weight is -1.0"),
        ({"feature_weight": 1.0}, ConfigError, "no features"),
        ({"space": "z", "start": "encoder"}, ModelError, "cannot be inverted"),
    ],
)
def test_mistakes(options, error, says, model):
    with pytest.raises(error, match=says):
        project(model, torch.zeros(1, *SHAPE), **options)


def test_models_that_lack_something(model):
    x = torch.zeros(1, *SHAPE)
    for options in ({"space": "z"}, {"start": "random"}):
        with pytest.raises(ModelError, match="has no prior"):
            project(small_model("ae"), x, **options)
    with pytest.raises(ModelError, match="takes"):
        project(model, torch.zeros(1, 1, 9, 9), start="encoder")
    with pytest.raises(DataError, match="no pictures"):
        project(model, x[:0])
    del model.nets["encoder"]
    for options in ({"start": "encoder"}, {"encoder_weight": 1.0}):
        with pytest.raises(ModelError, match="has no encoder"):
            project(model, x, **options)
    classes = small_model("bigan")
    object.__setattr__(classes.recipe, "prior", type(classes.recipe.prior).from_plain("normal(2) categorical(4)"))
    with pytest.raises(ModelError, match="classes cannot be found"):
        project(classes, x, space="z")


def test_a_style_generator_with_a_coupling_mapping():
    recipe = make_recipe("lia", (3, 16, 16), {"latent": 16, "start": 8, "maximum": 16, "flavour": "modern"})
    model = build_model(recipe, generator=torch.Generator().manual_seed(0)).eval()
    assert evaluate(model, names=["flow-roundtrip"], max_test=200)["flow-roundtrip"]["value"] < 5e-4
    z, x = model.draw_prior(2, generator=torch.Generator().manual_seed(1)), torch.zeros(2, 3, 16, 16)
    norm2 = score_prior_codes(model.unmap(model.map(z)).detach().numpy()).z_norm2_per_dim
    torch.testing.assert_close(torch.from_numpy(norm2).float(), z.square().mean(1), rtol=1e-3, atol=1e-4)
    assert can_score(model)
    for space, start in (("w", "mean"), ("w+", "encoder"), ("z", "encoder")):
        found = project(model, x, space=space, start=start, steps=10)
        assert found.w.shape == (2, 6, 16)
        assert torch.equal(model.decode(found.w), found.x_rec)
        if start == "encoder":
            error = (model.reconstruct(x) - x).square().mean((1, 2, 3))
            torch.testing.assert_close(found.losses[0], error, rtol=1e-2, atol=1e-4)
        assert (found.losses.min(0).values < 0.9 * found.losses[0]).all()


def test_searches_start_from_given_codes_in_every_space(layered):
    x = torch.rand(3, *SHAPE) * 2 - 1
    one = layered.map(torch.randn(3, layered.recipe.prior.dim))
    first = {space: project(layered, x, space=space, start=one, steps=0) for space in ("w", "w+", "z")}
    for found in first.values():
        assert torch.allclose(found.w, one, atol=1e-6)
        assert torch.allclose(found.x_rec, layered.decode(one), atol=1e-6)
    with pytest.raises(ModelError, match=r"shape \(2, .*must be latent codes of shape \(3, "):
        project(layered, x, start=one[:2], steps=0)
