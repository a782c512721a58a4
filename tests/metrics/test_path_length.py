import math

import numpy as np
import pytest
import torch
from linear_toys import SquaredError, linear_model
from scipy import integrate
from small import small_model

from twoway.errors import ConfigError, ModelError
from twoway.metrics import evaluate
from twoway.metrics.bootstrap import mean_interval
from twoway.metrics.jacobian import evaluate_jacobian
from twoway.metrics.latent_paths import draw_ends, normalises_input, point_between, row_stream, slerp_at
from twoway.metrics.lpips import image_distance
from twoway.metrics.path_length import (
    crop_and_pool,
    evaluate_path_length,
    interval_within,
    mean_within,
    path_length_values,
)


def pairs_of(model, n, seed):
    drawn = [model.draw_prior(2, generator=row_stream(seed, i)) for i in range(n)]
    return torch.stack(drawn).double().unbind(1)


def test_straight_paths_of_a_linear_model_have_the_length_of_their_chords():
    model, m, a = linear_model()
    found = evaluate_path_length(model, SquaredError(), space="w", n_pairs=300, discarded=0, seed=3)
    first, last = pairs_of(model, 300, 3)
    chords = ((last - first) @ m @ a).square().sum(1)
    assert found.value == pytest.approx(chords.mean().item(), rel=1e-4)
    assert (found.kept, found.path, found.input_normalised) == (300, "straight", False)
    # E |(z' - z) M A|^2 = 2 |M A|^2 for independent normal z and z'
    error = chords.std().item() / math.sqrt(300)
    assert abs(found.value - 2 * (m @ a).square().sum().item()) < 4 * error
    end = evaluate_path_length(model, SquaredError(), space="w", sampling="end", n_pairs=300, discarded=0, seed=3)
    assert end.value == pytest.approx(found.value, rel=1e-4)


def turn(dim):
    """Pixels as long as the codes, (dim, 64)."""
    return torch.linalg.qr(torch.randn(64, dim, generator=torch.Generator().manual_seed(1)))[0].T.contiguous()


def mean_square_angle(dim):
    """E angle^2 of two directions, whose density goes with sin^(dim - 2)."""
    density = [integrate.quad(lambda u, k=k: u**k * math.sin(u) ** (dim - 2), 0, math.pi)[0] for k in (0, 2)]
    return density[1] / density[0]


@pytest.mark.parametrize("sampling", ["full", "end"])
def test_great_circles_keep_the_radius_of_the_prior(sampling):
    """|p'(t)|^2 = (|b| - |a|)^2 + (((1 - t) |a| + t |b|) angle)^2; the pictures are the codes, turned."""
    dim, n = 6, 4000
    model, *_ = linear_model(dim, mapping=False)
    model.nets["generator"].matrix = turn(dim)
    settings = {"space": "z", "sampling": sampling, "n_pairs": n, "seed": 0, "batch": 500}
    values = path_length_values(model, SquaredError(), **settings)
    mean_radius = math.sqrt(2) * math.gamma((dim + 1) / 2) / math.gamma(dim / 2)
    across = 1 / 3 if sampling == "full" else 0  # E 2 t (1 - t)
    mean_square_radius = dim * (1 - across) + mean_radius**2 * across
    expected = 2 * (dim - mean_radius**2) + mean_square_radius * mean_square_angle(dim)
    assert abs(values.mean() - expected) < 4 * values.std() / math.sqrt(n)
    assert expected > 10 * mean_square_angle(dim) / 6  # vectors of unit length would give the angle alone
    found = evaluate_path_length(model, SquaredError(), discarded=0, **settings)
    assert found.value == pytest.approx(values.mean(), rel=1e-9)
    assert (found.path, found.input_normalised) == ("great circle, lengths interpolated", None)


def test_paths_between_uniform_codes_are_straight():
    """E |b - a|^2 is twice the variance 1/3 of each number."""
    model, *_ = linear_model(6, mapping=False, prior="uniform")
    model.nets["generator"].matrix = turn(6)
    values = path_length_values(model, SquaredError(), space="z", sampling="full", n_pairs=2000, batch=500)
    assert abs(values.mean() - 6 * 2 / 3) < 4 * values.std() / math.sqrt(2000)


def slow_path_length(model, distance, space, sampling, n, seed):
    """Pair by pair in float64, great circles by Shoemake's formula."""
    model = model.double()
    values = []
    for i in range(n):
        stream = row_stream(seed, i)
        a, b = model.draw_prior(2, generator=stream).double().numpy()
        t = torch.rand((), generator=stream, dtype=torch.float64).item() if sampling == "full" else 0.0
        pictures = []
        for place in (t, t + 1e-4):
            if space == "z":
                la, lb = np.linalg.norm(a), np.linalg.norm(b)
                angle = np.arccos(a @ b / la / lb)
                turned = (np.sin((1 - place) * angle) * a / la + np.sin(place * angle) * b / lb) / np.sin(angle)
                w = model.map(torch.tensor(turned * ((1 - place) * la + place * lb))[None])
            else:
                wa, wb = model.map(torch.tensor(np.stack([a, b])))
                w = ((1 - place) * wa + place * wb)[None]
            pictures.append(model.decode(w))
        values.append(distance(*pictures).item() / 1e-8)
    values = sorted(values)
    low, high = math.floor(0.01 * (n - 1)), math.ceil(0.99 * (n - 1))
    return sum(values[low : high + 1]) / (high + 1 - low)


@pytest.mark.parametrize("space", ["z", "w"])
@pytest.mark.parametrize("sampling", ["full", "end"])
@torch.no_grad()
def test_agrees_with_a_slow_implementation(space, sampling):
    model, distance = small_model("alae"), image_distance("pyramid")
    settings = {"space": space, "sampling": sampling, "n_pairs": 130, "seed": 1}
    found = evaluate_path_length(model, distance, **settings)
    expected = slow_path_length(small_model("alae"), distance, space, sampling, 130, 1)
    # the pixels and features of float32 differ by little more than their rounding; those of float64 by far more
    assert found.value == pytest.approx(expected, rel=1e-3)
    assert evaluate_path_length(model.double(), distance, **settings).value == pytest.approx(expected, rel=1e-6)
    assert found.kept < 130
    assert found.input_normalised is True


def test_the_extremes_are_discarded_by_the_published_rule():
    values = np.random.default_rng(0).permutation(np.arange(250.0))  # percentiles at 2.49 and 246.51
    assert mean_within(values) == (np.arange(2, 248).mean(), 246)
    assert mean_within(np.arange(101.0)) == (50.0, 99)  # percentiles at 1 and 99, which stay
    assert mean_within(np.array([1.0, 2.0, 9.0]), discarded=0) == (4.0, 3)


def test_the_interval_is_that_of_drawing_pairs_anew():
    """With the extremes discarded anew for every draw."""
    rng = np.random.default_rng(0)
    values = np.exp(rng.normal(size=1500))
    again = [mean_within(rng.choice(values, 1500), 5)[0] for _ in range(1000)]
    low, high = interval_within(values, 5)
    assert low < mean_within(values, 5)[0] < high
    assert high - low == pytest.approx(np.subtract(*np.percentile(again, [97.5, 2.5])), rel=0.12)
    assert interval_within(values, 0) == mean_interval(torch.from_numpy(values))


def test_crops_are_the_published_ones():
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    x = torch.stack([rows, columns])[None]
    faces = crop_and_pool(x, "faces")[0]
    assert faces[0, [0, -1], 0].tolist() == [48, 111]  # 3c to 7c with c = 16
    assert faces[1, 0, [0, -1]].tolist() == [32, 95]
    wide = crop_and_pool(x, "alae-celeba")[0]
    assert wide.shape == (2, 78, 78)
    assert wide[0, [0, -1], 0].tolist() == [41, 118]
    assert wide[1, 0, [0, -1]].tolist() == [25, 102]
    assert crop_and_pool(x) is x
    large = torch.arange(1024.0).expand(1, 1, 1024, 1024)
    assert crop_and_pool(large)[0, 0, 0, :3].tolist() == [1.5, 5.5, 9.5]
    assert crop_and_pool(large, "faces").shape[-1] == 256
    for crop, shape in (("faces", (8, 16)), ("faces", (4, 4)), ("nose", (8, 8))):
        with pytest.raises(ConfigError, match="crop"):
            crop_and_pool(torch.zeros(1, 1, *shape), crop)


def test_a_crop_leaves_the_rest_out():
    model, m, a = linear_model()
    found = evaluate_path_length(model, SquaredError(), n_pairs=50, discarded=0, crop="faces")
    first, last = pairs_of(model, 50, 0)
    chords = ((last - first) @ m @ a).unflatten(1, (8, 8))[:, 3:7, 2:6]
    assert found.value == pytest.approx(chords.square().sum((1, 2)).mean().item(), rel=1e-4)
    assert found.compared == (4, 4)


def test_neither_batch_nor_number_of_pairs_changes_a_pair():
    model = small_model("stylegan", (1, 16, 16))
    for module in model.nets["generator"].modules():
        if hasattr(module, "strength"):
            module.strength.data.fill_(0.5)  # it starts at zero, where noise does nothing
    model = model.double()  # in float32 the rounding of short steps shows, which differs by batch
    for space in ("z", "w"):
        settings = {"space": space, "sampling": "full"}
        whole = path_length_values(model, SquaredError(), n_pairs=12, batch=12, **settings)
        parts = path_length_values(model, SquaredError(), n_pairs=7, batch=3, **settings)
        np.testing.assert_allclose(whole[:7], parts, rtol=1e-6)
        other = path_length_values(model, SquaredError(), n_pairs=7, noise="fixed", **settings)
        assert np.abs(other / parts - 1).max() > 0.01


def test_both_ends_of_a_pair_have_the_same_noise():
    """Another map at the second end would be a difference of order 1, divided by 1e-8."""
    model = small_model("stylegan", (1, 16, 16))
    plain = evaluate_path_length(model, SquaredError(), n_pairs=8, noise="off")
    for module in model.nets["generator"].modules():
        if hasattr(module, "strength"):
            module.strength.data.fill_(0.1)
    noisy = evaluate_path_length(model, SquaredError(), n_pairs=8)
    assert noisy.value < 100 * plain.value
    assert (noisy.noise, plain.noise) == ("random", "off")
    assert evaluate_path_length(small_model(), SquaredError(), n_pairs=2).noise == "none"


def test_classes_stay_on_a_path():
    model = small_model("vae", classes=4)
    ends = draw_ends(model, range(20), space="z", seed=0)
    half = point_between(model, ends, torch.full((20,), 0.5, dtype=torch.float64), space="z")
    assert torch.equal(half[:, -4:], ends.a[:, -4:].float())
    assert torch.equal(ends.a[:, -4:], ends.b[:, -4:])
    assert (half[:, :-4] - ends.a[:, :-4].float()).abs().max() > 0.1
    mixed = small_model("infogan", continuous=2)
    ends = draw_ends(mixed, range(20), space="z", seed=0)
    layout = mixed.recipe.prior.layout()
    part = slice(layout.noise, layout.noise + layout.discrete)
    far = point_between(mixed, ends, torch.ones(20, dtype=torch.float64), space="z")
    assert torch.equal(far[:, part], ends.a[:, part].float())
    torch.testing.assert_close(far[:, : layout.noise], ends.b[:, : layout.noise].float())


def test_great_circles_start_and_end_at_their_ends():
    a, b = torch.randn(2, 30, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(slerp_at(a, b, torch.zeros(30).double()), a)
    torch.testing.assert_close(slerp_at(a, b, torch.ones(30).double()), b)
    torch.testing.assert_close(slerp_at(a, 2 * a, torch.full((30,), 0.5).double()), 1.5 * a)


def test_whether_a_mapping_normalises_is_read_off_it():
    assert normalises_input(small_model("alae")) is True
    assert normalises_input(small_model("lia", (1, 8, 8))) is False
    assert normalises_input(small_model("bigan")) is None


def test_what_cannot_be_measured_says_so():
    with pytest.raises(ModelError, match="no mapping"):
        evaluate_path_length(small_model("bigan"), SquaredError(), space="w")
    with pytest.raises(ModelError, match="no prior"):
        evaluate_path_length(small_model("ae"), SquaredError(), space="z")
    for wrong in ({"n_pairs": 0}, {"epsilon": 0.0}, {"discarded": 50.0}, {"sampling": "half"}, {"space": "y"}):
        with pytest.raises(ConfigError):
            evaluate_path_length(small_model(), SquaredError(), **{"n_pairs": 2, **wrong})
    broken, *_ = linear_model()
    broken.nets["generator"].matrix = torch.full((6, 64), math.nan)
    with pytest.raises(ModelError, match="not finite"):
        evaluate_path_length(broken, SquaredError(), n_pairs=4)


def test_the_name_says_which_heads_the_distance_has(monkeypatch):
    monkeypatch.delenv("TWOWAY_WEIGHTS", raising=False)
    found = evaluate(small_model(), names=["ppl-w-end[pyramid]"], n_samples=3)["ppl-w-end[pyramid]"]
    assert found["name"] == "ppl-w-end[pyramid]"
    assert found["distance"]["title"] == "feature-distance[pyramid]"
    assert found["sampling"] == "end"
    monkeypatch.setattr("twoway.metrics.session.image_distance", lambda extractor, net: Headed())
    (found,) = evaluate(small_model(), names=["ppl-z[pyramid]"], n_samples=3).values()
    assert found["name"] == "ppl-z[pyramid+heads]"


class Headed(SquaredError):
    title = "lpips-like[pyramid+heads]"

    def to(self, device):
        return self


def test_the_jacobian_of_a_linear_model():
    """The mean length of v A for random unit v, which for A with equal singular values s is s."""
    model, m, _ = linear_model()
    model.nets["generator"].matrix = 2.5 * turn(6)
    found = evaluate_jacobian(model, space="w", n_codes=400)
    assert found.value == pytest.approx(2.5, rel=1e-4)
    assert found.per_spread == pytest.approx(2.5 * found.spread, rel=1e-4)
    assert found.spread == pytest.approx(m.square().sum().sqrt().item(), rel=0.1)
    again = evaluate_jacobian(model, space="w", n_codes=400, batch=7)
    assert again.value == pytest.approx(found.value, rel=1e-5)
    through = evaluate_jacobian(model, space="z", n_codes=2000)
    # E |v M|^2 = |M|^2 / dim
    assert through.value <= 2.5 * math.sqrt(m.square().sum().item() / 6)
    assert through.value == pytest.approx(2.5 * mean_length(m), rel=0.05)


def mean_length(m):
    v = torch.randn(20000, len(m), generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return (v / v.norm(dim=1, keepdim=True) @ m).norm(dim=1).mean().item()


def test_the_jacobian_leaves_classes_alone():
    model = small_model("vae", classes=4)
    found = evaluate_jacobian(model, space="z", n_codes=400)
    assert found.spread == pytest.approx(math.sqrt(6), rel=0.1)  # six normal numbers
    with pytest.raises(ModelError, match="no mapping"):
        evaluate_jacobian(model, space="w")
    with pytest.raises(ConfigError):
        evaluate_jacobian(model, space="z", epsilon=-1.0)
