from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest

from twoway.config import apply_overrides, from_plain, to_plain
from twoway.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    lr: float = 0.1
    betas: tuple[float, float] = (0.0, 0.99)


@dataclass(frozen=True)
class Outer:
    name: str
    kind: Literal["a", "b"] = "a"
    inner: Inner = Inner()
    sizes: tuple[int, ...] = ()
    limit: int | None = None
    flag: bool = False
    table: Mapping[str, Inner] = field(default_factory=dict)


def test_round_trip_of_nested_dataclasses():
    value = Outer("x", "b", Inner(0.5, (0.5, 0.9)), (1, 2, 3), 7, True, {"k": Inner(2.0)})
    plain = to_plain(value)
    assert plain["inner"] == {"lr": 0.5, "betas": [0.5, 0.9]}
    assert from_plain(Outer, plain) == value


def test_missing_optional_keys_take_their_defaults():
    assert from_plain(Outer, {"name": "x"}) == Outer("x")


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ({"name": "x", "iner": {}}, "did you mean 'inner'"),
        ({}, "lacks the key 'name'"),
        ({"name": 3}, "config.name is 3 (int), but must be text"),
        ({"name": "x", "kind": "c"}, "must be one of 'a', 'b'"),
        ({"name": "x", "inner": {"lr": "fast"}}, "config.inner.lr"),
        ({"name": "x", "inner": {"betas": [1.0]}}, "has 1 entries, but must have 2"),
        ({"name": "x", "sizes": 3}, "must be a list"),
        ({"name": "x", "sizes": [1, "b"]}, "config.sizes[1]"),
        ({"name": "x", "limit": "many"}, "config.limit"),
        ({"name": "x", "flag": 1}, "config.flag"),
        ({"name": "x", "limit": True}, "config.limit"),
        ({"name": "x", "table": {"k": {"l": 1}}}, "config.table.k has an unknown key 'l'"),
        ({"name": "x", "table": 3}, "must be a table"),
        ("text", "must be a table of settings"),
    ],
)
def test_mistakes_are_named_with_their_path(plain, said):
    with pytest.raises(ConfigError) as error:
        from_plain(Outer, plain)
    assert said in str(error.value)


def test_numbers_that_yaml_reads_as_text_are_numbers():
    assert from_plain(Inner, {"lr": "1e-3"}).lr == 1e-3
    assert from_plain(Inner, {"lr": 1}).lr == 1.0


def test_overrides_reach_list_entries_by_name_and_number_and_leave_the_original_alone():
    plain = {"phases": [{"name": "warm", "kimg": 1}, {"name": "main", "kimg": 2}]}
    changed = apply_overrides(plain, {"phases.main.kimg": 5, "phases.0.kimg": 4})
    assert [p["kimg"] for p in changed["phases"]] == [4, 5]
    assert [p["kimg"] for p in plain["phases"]] == [1, 2]


@pytest.mark.parametrize(
    ("path", "said"),
    [("optim.lrr", "did you mean 'lr'"), ("phases.mian.kimg", "did you mean 'main'"), ("optim.lr.x", "plain value")],
)
def test_overrides_of_nothing_are_refused(path, said):
    with pytest.raises(ConfigError, match=said):
        apply_overrides({"optim": {"lr": 1.0}, "phases": [{"name": "main", "kimg": 2}]}, {path: 1})
