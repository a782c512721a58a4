"""Every method and flavour learns the digits in seconds, by the measures that suit its recipe and one rule for all."""

from __future__ import annotations

import pytest

from twoway.reproduce.learning import ROWS, Learning, learn

SECONDS = 30.0


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_it_learns_the_digits(row, tmp_path):
    found = learn(Learning(seconds=SECONDS), row, tmp_path, say=lambda text: None)
    assert not found.failure
    assert found.learned, f"{found.short_of}: {found.before} became {found.after}"
