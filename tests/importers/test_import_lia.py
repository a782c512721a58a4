"""Files of the official LIA code, written here, against what its graphs compute by definition."""

from __future__ import annotations

import contextlib
import pickle
from pathlib import Path

import numpy as np
import official_lia as tf
import pytest
import torch
from official_lia import DIM, HIDDEN, Official

import twoway
from twoway.errors import ForeignFileError
from twoway.importers.lia import import_lia


def stored(array):
    """What single precision makes of an array, as the file holds it."""
    return {key: value.astype(np.float32).astype(np.float64) for key, value in array.items()}


def images(side, count=4, colours=3):
    return np.random.default_rng(9).uniform(-1, 1, (count, colours, side, side))


def check(model, official, fused_from=128, lod=0.0):
    """All four nets and both ways through the model."""
    side = 4 * 2 ** (official.levels - 1)
    z = np.random.default_rng(8).normal(size=(4, DIM))
    mapping, synthesis = stored(official.mapping), stored(official.synthesis)
    w = tf.map_code(mapping, z)
    x = images(side, colours=model.image_shape[0])
    with torch.no_grad():

        def same(found, expected, bound=2e-4):
            np.testing.assert_allclose(found.double().numpy(), expected, rtol=bound, atol=bound)

        found = model.map(torch.from_numpy(z).float())
        assert found.shape == (4, 2 * official.levels, DIM)
        for layer in range(found.shape[1]):
            same(found[:, layer], w)
        same(model.unmap(found), tf.unmap_code(mapping, w))
        made = tf.synthesise(synthesis, w, official.levels, fused_from, lod)
        same(model.decode(found), made, 1e-3)
        assert 0.05 < np.abs(made).mean() < 0.9  # tanh neither idle nor saturated
        if lod == 0:
            scores = tf.criticise(stored(official.critic), x, official.levels, fused_from)
            same(model.nets["critic"](torch.from_numpy(x).float()), scores, 1e-3)
        if "encoder" in model.nets:
            code = tf.encode(stored(official.encoder), x, official.levels - 1)
            same(model.encode(torch.from_numpy(x).float())[:, 0], code, 1e-3)
            again = tf.synthesise(synthesis, code, official.levels, fused_from, lod)
            same(model.reconstruct(torch.from_numpy(x).float()), again, 3e-3)
        same(model.w_avg, np.broadcast_to(official.own["dlatent_avg"], model.w_shape), 1e-6)


@pytest.mark.parametrize("how", [{}, {"old_numpy": True}, {"protocol": 2}])
def test_a_small_model_does_what_the_official_one_does(tmp_path, how):
    official = Official()
    model = import_lia(official.write(tmp_path / "lia.pkl", **how))
    assert model.recipe.method == "lia"
    assert not model.training
    check(model, official)


def test_kernels_that_enlarge_are_turned_from_128_pixels_up(tmp_path):
    official = Official(maps=(4, 4, 3, 3, 2, 2), e_maps=(2, 4, 8, 8, 8, 8))
    check(import_lia(official.write(tmp_path / "lia.pkl")), official)


@pytest.mark.parametrize(("fused", "fused_from"), [(True, 8), (False, 1000)])
def test_a_file_that_says_which_layers_are_fused_is_believed(tmp_path, fused, fused_from):
    official = Official()
    official.settings["fused_scale"] = fused
    check(import_lia(official.write(tmp_path / "lia.pkl")), official, fused_from)


def test_a_file_of_the_first_stage_gives_a_model_without_an_encoder(tmp_path):
    official = Official()
    model = import_lia(official.write(tmp_path / "lia.pkl", encoder=False))
    assert set(model.nets) == {"mapping", "generator", "critic"}
    assert [phase.name for phase in model.recipe.phases] == ["gan"]
    check(model, official)


def test_a_model_that_was_still_growing_stays_where_it_was(tmp_path):
    official = Official()
    official.own["lod"] = official.critic["lod"] = np.asarray(0.25)
    model = import_lia(official.write(tmp_path / "lia.pkl"))
    assert model.nets["critic"].blend == 0.75
    check(model, official, lod=0.25)
    official.own["lod"] = np.asarray(1.0)
    model = import_lia(official.write(tmp_path / "lia.pkl"))
    assert (model.nets["generator"].level, model.nets["generator"].blend) == (1, 1.0)


def test_batch_norm_may_stand_beside_its_layer(tmp_path):
    beside, inside = Official(inside=False), Official()
    models = [import_lia(official.write(tmp_path / "lia.pkl")) for official in (beside, inside)]
    x = torch.from_numpy(images(16)).float()
    assert torch.equal(models[0].encode(x), models[1].encode(x))


def test_grey_images_and_the_group_of_the_spread(tmp_path):
    official = Official(colours=1)
    official.settings["mbstd_group_size"] = 2
    model = import_lia(official.write(tmp_path / "lia.pkl"))
    assert model.image_shape == (1, 16, 16)
    x = images(16, colours=1)
    with torch.no_grad():
        found = model.nets["critic"](torch.from_numpy(x).float()).numpy()
    np.testing.assert_allclose(found, tf.criticise(stored(official.critic), x, 3, group=2), rtol=1e-3, atol=1e-3)


def test_an_imported_model_is_a_model_folder_like_any_other(tmp_path):
    model = import_lia(Official().write(tmp_path / "lia.pkl"))
    model.save(tmp_path / "model")
    loaded = twoway.load(tmp_path / "model")
    x = torch.from_numpy(images(16)).float()
    assert loaded.fingerprint() == model.fingerprint()
    assert torch.equal(loaded.reconstruct(x), model.reconstruct(x))
    assert loaded.recipe == model.recipe


def changed(official, where, name, value):
    variables = getattr(official, where)
    if value is None:
        del variables[name]
    else:
        variables[name] = value
    return official


@pytest.mark.parametrize(
    ("where", "name", "value", "said"),
    [
        ("synthesis", "8x8/Conv1/bias", None, "synthesis network lacks the variable '8x8/Conv1/bias'"),
        ("synthesis", "8x8/Conv1/extra", np.zeros(3), "has a variable '8x8/Conv1/extra'"),
        (
            "synthesis",
            "noise3",
            np.zeros((1, 1, 4, 4)),
            r"'noise3' of its synthesis network is of shape \[1, 1, 4, 4\]",
        ),
        ("critic", "4x4/Dense0/weight", np.full((80, 5), np.nan), "not finite"),
        ("critic", "4x4/Conv/weight", np.zeros((3, 3, 5)), r"of shape \[3, 3, 5\]"),
        ("encoder", "encoder/encoder_fc/fc/BatchNorm/gamma", np.ones(DIM), "'encoder/encoder_fc/fc/BatchNorm/gamma'"),
        ("mapping", "1/f_inv/dense2/weight", np.zeros((HIDDEN, DIM)), r"of shape \[6, 8\]"),
        ("own", "dlatent_avg", np.zeros(DIM + 2), "dlatent_avg"),
        ("settings", "flow_coupling", 1, "built with flow_coupling = 1"),
        ("settings", "nonlinearity", "relu", "built with nonlinearity = 'relu'"),
        ("settings", "mbstd_group_size", "4", "built with mbstd_group_size = '4'"),
    ],
)
def test_networks_that_are_not_lias_are_refused(tmp_path, where, name, value, said):
    path = changed(Official(), where, name, value).write(tmp_path / "odd.pkl")
    with pytest.raises(ForeignFileError, match=said):
        import_lia(path)


def test_files_of_other_programs_are_refused(tmp_path):
    path = tmp_path / "other.pkl"
    official = Official()
    path.write_bytes(tf.pickled(official.states()[1:4]))
    with pytest.raises(ForeignFileError, match="holds 3 networks"):
        import_lia(path)
    official.mapping = {"Dense0/weight": np.zeros((DIM, DIM))}
    with pytest.raises(ForeignFileError, match="no invertible mapping"):
        import_lia(official.write(path))
    path.write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
    with pytest.raises(ForeignFileError, match="not of TensorFlow networks"):
        import_lia(path)
    path.write_bytes(tf.pickled([{**state, "variables": 3} for state in official.states()]))
    with pytest.raises(ForeignFileError, match="do not use"):
        import_lia(path)
    for wrong in (tmp_path / "missing.pkl", tmp_path):
        with pytest.raises(ForeignFileError, match="Give the path"):
            import_lia(wrong)


class Evil:
    """Writes a file when a careless reader makes it anew."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_what_would_have_to_be_run_is_refused_and_not_run(tmp_path):
    trace = tmp_path / "trace"
    path = tmp_path / "evil.pkl"
    states = Official().states()
    states[2]["static_kwargs"]["extra"] = Evil(trace)
    path.write_bytes(tf.pickled(states))
    with pytest.raises(ForeignFileError, match="Nothing in it was run"):
        import_lia(path)
    assert not trace.exists()
    path.write_bytes(b"cos\nsystem\n(S'touch " + str(trace).encode() + b"'\ntR.")
    with pytest.raises(ForeignFileError, match=r"os\.system"):
        import_lia(path)
    assert not trace.exists()


def test_a_file_that_is_cut_off_is_refused_wherever_it_ends(tmp_path):
    data = tf.pickled(Official().states())
    path = tmp_path / "cut.pkl"
    for end in np.linspace(0, len(data) - 1, 12).astype(int):
        path.write_bytes(data[:end])
        with pytest.raises(ForeignFileError):
            import_lia(path)


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_are_refused_or_read_but_never_crash(tmp_path, seed):
    data = bytearray(tf.pickled(Official().states()))
    rng = np.random.default_rng(seed)
    path = tmp_path / "damaged.pkl"
    for _ in range(15):
        broken = bytearray(data)
        for place in rng.integers(0, 3000, 3):
            broken[place] = rng.integers(0, 256)
        path.write_bytes(broken)
        with contextlib.suppress(ForeignFileError):
            import_lia(path)


def test_an_array_that_claims_another_size_is_refused(tmp_path):
    data = tf.pickled(Official().states())
    # the shape of dlatent_avg, (8,), becomes (9,)
    place = data.index(b"dlatent_avg")
    shape = data.index(b"K\x08\x85", place)
    path = tmp_path / "lying.pkl"
    path.write_bytes(data[: shape + 1] + b"\x09" + data[shape + 2 :])
    with pytest.raises(ForeignFileError, match="another size than its contents"):
        import_lia(path)


def test_networks_within_themselves_are_refused(tmp_path):
    states = Official().states()
    inner = states[2]
    for _ in range(20):
        inner = tf.network("deep", {}, {"mapping": inner})
    states[2] = inner
    path = tmp_path / "deep.pkl"
    path.write_bytes(tf.pickled(states))
    with pytest.raises(ForeignFileError, match="without end"):
        import_lia(path)
