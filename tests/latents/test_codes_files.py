"""Files of codes: what they hold, as .npz and as .parquet."""

import importlib.util
import zlib
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from small import small_model

from twoway.data import open_data, to_float
from twoway.errors import CheckpointError, ConfigError, DataError, ModelError
from twoway.latents.codes import encode_data, load_codes, save_codes

ENDINGS = ["npz", "parquet"]


def same(a, b):
    for field in fields(a):
        one, other = getattr(a, field.name), getattr(b, field.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
        else:
            assert one == other


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("method", ["alae", "bigan", "style-alae", "infovaegan"])
def test_codes_come_back_as_they_were(method, ending, tmp_path):
    model = small_model(method)
    codes = encode_data(model, open_data("digits"), limit=7, errors=True, features=method == "alae")
    save_codes(tmp_path / f"c.{ending}", codes)
    same(load_codes(tmp_path / f"c.{ending}", model), codes)
    assert (codes.source, codes.split) == ("digits", "train")
    assert not list(tmp_path.glob(".writing*"))
    with pytest.raises(ModelError, match="made by the model"):
        load_codes(tmp_path / f"c.{ending}", small_model(method, seed=1))


def test_errors_and_features_are_those_of_the_model(model):
    data = open_data("digits")
    codes = encode_data(model, data, limit=5, batch=2, errors=True, features=True)
    x = to_float(data.read(range(5)))
    with torch.no_grad():
        np.testing.assert_allclose(codes.errors, (model.reconstruct(x) - x).square().flatten(1).mean(1), rtol=1e-5)
        np.testing.assert_allclose(codes.features, model.encode_features(x)[1], rtol=1e-4, atol=1e-6)
    plain = encode_data(model, data, limit=5)
    assert plain.errors is plain.features is None


def test_a_parquet_is_a_table_that_others_read(tmp_path, model):
    pq = pytest.importorskip("pyarrow.parquet")
    codes = encode_data(model, open_data("digits"), limit=4)
    save_codes(tmp_path / "c.parquet", codes)
    table = pq.read_table(tmp_path / "c.parquet")
    assert table.column_names == ["name", "label", "w"]
    assert table["name"].to_pylist() == list(codes.names)
    np.testing.assert_array_equal(np.array(table["w"].to_pylist(), np.float32), codes.w[:, 0])


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_no_file_of_codes_is_refused(ending, tmp_path, model):
    pq, pa = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    path = tmp_path / f"c.{ending}"
    with pytest.raises(ModelError, match="not a file of codes"):
        load_codes(path)
    for content in (b"", b"PAR1", b"no file of codes at all"):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="not a file of codes"):
            load_codes(path)
    pq.write_table(pa.table({"name": ["a"]}), path)
    with pytest.raises(ModelError, match="not a file of codes"):
        load_codes(path)
    codes = encode_data(model, open_data("digits"), limit=3)
    if ending == "npz":  # cut short
        save_codes(path, replace(codes, names=codes.names[:2]))
        with pytest.raises(ModelError, match="for 2 names"):
            load_codes(path)


def test_a_damaged_compressed_file_is_refused(tmp_path):
    path = tmp_path / "c.npz"
    np.savez_compressed(path, names=np.array([f"{i}.png" for i in range(200)]), fingerprint=np.array("0" * 16))
    whole = path.read_bytes()
    start = whole.index(b"names.npy") + len("names.npy") + 20  # past the extra field
    path.write_bytes(whole[:start] + b"\xff" * 8 + whole[start + 8 :])
    with pytest.raises(zlib.error), np.load(path) as stored:
        stored["names"]
    with pytest.raises(ModelError, match="not a file of codes"):
        load_codes(path)


def test_other_endings_and_a_missing_pyarrow_are_said(tmp_path, model, monkeypatch):
    codes = encode_data(model, open_data("digits"), limit=3)
    with pytest.raises(CheckpointError, match=r"\.npz or \.parquet, not as '\.pkl'"):
        save_codes(tmp_path / "c.pkl", codes)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"twoway\[parquet\]"):
        save_codes(tmp_path / "c.parquet", codes)
    with pytest.raises(ConfigError, match=r"twoway\[parquet\]"):
        load_codes(tmp_path / "c.parquet")
    assert not list(tmp_path.iterdir())


def test_nothing_readable_is_an_error(model, tmp_path):
    data = open_data("digits")
    data.skipped = {data.name_of(i): "is broken" for i in range(3)}
    with pytest.raises(DataError, match="None of the 3 pictures"):
        encode_data(model, data, limit=3)
