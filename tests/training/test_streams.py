"""Named streams of chance: rows of processes, what is shared by all, saving."""

import pytest
import torch

from twoway.priors import Normal, Prior
from twoway.training.distributed import World
from twoway.training.streams import Streams

CPU = torch.device("cpu")


def streams(rank=0, size=1, seed=0):
    return Streams(seed, World(rank, size), CPU)


DRAWS = {
    "prior": lambda s, rows: s.draw_prior(Prior((Normal(3),)), rows * s.world.size),
    "noise": lambda s, rows: s.draw_normal((rows, 1, 4, 4)),
    "uniform": lambda s, rows: s.draw_uniform((rows, 2)),
    "mirror": lambda s, rows: s.draw_uniform((rows,), "mirror"),
}


@pytest.mark.parametrize("name", DRAWS)
def test_processes_share_out_the_rows_of_one(name):
    s = streams()
    whole = [DRAWS[name](s, 6) for _ in range(2)]
    parts = []
    for rank in range(3):
        s = streams(rank, 3)
        parts.append([DRAWS[name](s, 2) for _ in range(2)])
    for i in range(2):
        assert torch.equal(torch.cat([part[i] for part in parts]), whole[i])
    assert not torch.equal(whole[0], whole[1])


@pytest.mark.parametrize("name", DRAWS)
def test_a_draw_moves_its_own_stream_only(name):
    s = streams()
    before = s.state()
    DRAWS[name](s, 4)
    after = s.state()
    assert {k for k in before if not torch.equal(before[k], after[k])} == {name}


def test_the_crossover_is_the_same_in_all_processes():
    drawn = [[s.draw_crossover(8, 0.7) for _ in range(50)] for s in (streams(r, 3) for r in range(3))]
    assert drawn[0] == drawn[1] == drawn[2]
    assert drawn[0] != [s.draw_crossover(8, 0.7) for s in [streams(seed=1)] for _ in range(50)]


def test_crossovers_come_with_their_chance_and_at_every_layer_alike():
    s = streams()
    drawn = [s.draw_crossover(4, 0.75) for _ in range(4000)]
    counts = {layer: drawn.count(layer) for layer in (None, 1, 2, 3, 4)}
    assert sum(counts.values()) == 4000
    # 1000 +- 27 of not mixing, 750 +- 25 of each layer: four standard deviations
    assert abs(counts.pop(None) - 1000) < 110
    assert all(abs(count - 750) < 100 for count in counts.values())


def test_a_crossover_that_cannot_be_draws_nothing():
    s = streams()
    before = s.state()
    assert s.draw_crossover(8, 0.0) is None
    assert torch.equal(s.state()["mixing"], before["mixing"])
    assert streams().draw_crossover(1, 1.0) == 1


def test_uniform_numbers_are_uniform():
    drawn = streams().draw_uniform((20_000,))
    assert 0 <= drawn.min() < 0.001
    assert 0.999 < drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 0.01
    assert abs(drawn.var() - 1 / 12) < 0.002


def test_a_saved_state_goes_on_where_it_was():
    s = streams()
    for draw in DRAWS.values():
        draw(s, 3)
    s.draw_crossover(8, 0.5)
    state = s.state()
    expected = [draw(s, 4) for draw in DRAWS.values()], [s.draw_crossover(8, 0.5) for _ in range(20)]
    other = streams(seed=9)
    other.load(state)
    got = [draw(other, 4) for draw in DRAWS.values()], [other.draw_crossover(8, 0.5) for _ in range(20)]
    assert all(torch.equal(a, b) for a, b in zip(expected[0], got[0], strict=True))
    assert expected[1] == got[1]


def test_a_checkpoint_without_the_newer_streams_leaves_them_fresh():
    s, fresh = streams(), streams()
    s.draw_normal((4,))
    s.load({k: v for k, v in streams(seed=5).state().items() if k in ("prior", "noise")})
    state = s.state()
    assert torch.equal(state["noise"], streams(seed=5).state()["noise"])
    assert torch.equal(state["mixing"], fresh.state()["mixing"])


def test_a_run_of_another_kind_of_device_starts_its_noise_anew():
    """A GPU's generator has another kind of state, which a CPU's cannot take."""
    s = streams()
    first = DRAWS["noise"](s, 2)
    prior = DRAWS["prior"](s, 2)
    state = {**s.state(), "noise": torch.zeros(16, dtype=torch.uint8)}
    again = streams()
    again.load(state)
    assert torch.equal(DRAWS["noise"](again, 2), first)
    assert not torch.equal(DRAWS["prior"](again, 2), prior)  # the other streams go on
