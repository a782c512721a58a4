"""Classes that start as clusters of pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from small import small_model
from toys import copied, toy_images

from twoway.data import to_float
from twoway.errors import ConfigError, DataError
from twoway.recipe import Phase, Step
from twoway.training.clusters import class_head, spectral_clusters, start_classes
from twoway.training.stages import check_phases, enter_phase
from twoway.training.streams import seeded

KINDS = torch.arange(200) % 4


def toys(count: int) -> torch.Tensor:
    return to_float(torch.from_numpy(toy_images(200))[:, None])[:count]


def one_to_one(found: torch.Tensor, kinds: torch.Tensor) -> bool:
    return (
        len(set(zip(found.tolist(), kinds.tolist(), strict=True)))
        == len(set(kinds.tolist()))
        == len(set(found.tolist()))
    )


@pytest.mark.parametrize("count", [120, 1200])
def test_clusters_follow_a_chain_where_centres_would_not(count):
    """Two arcs of directions with a gap between them: each longer than the gap is wide."""
    angle = (
        torch.cat([torch.linspace(0, 140, count // 2), torch.linspace(160, 340, count - count // 2)]) * math.pi / 180
    )
    length = torch.rand(count, 1, generator=torch.Generator().manual_seed(0)) + 0.5
    found = spectral_clusters(length * torch.stack([angle.cos(), angle.sin()], 1), 2, neighbours=4)
    assert one_to_one(found, (torch.arange(count) >= count // 2).long())


def test_a_head_by_hand():
    """One feature, two clusters: a slope and an offset."""
    features = torch.tensor([[1.0], [1.0], [3.0], [3.0]])
    weight, bias = class_head(features, torch.tensor([0, 0, 1, 1]), 2, scale=8.0, ridge=0.25)
    spread = math.sqrt(4 / 3) + 1e-3
    z = 1 / spread  # distance of each picture from the mean
    slope = 8 * (4 * z * 0.5) / (4 * z * z + 0.25 * 4) / spread
    torch.testing.assert_close(weight, torch.tensor([[-slope], [slope]]))
    torch.testing.assert_close(bias, torch.tensor([2 * slope, -2 * slope]))


def test_the_classes_of_pictures_become_those_of_clusters():
    """The four kinds of bars, found in features that were never trained; nothing but the class head changes."""
    live, averaged = (small_model("infovaegan", classes=4, nets="mlp", seed=s).train() for s in (0, 0))
    before = copied(live.state_dict())
    asked = []

    def pictures(count):
        asked.append(count)
        return toys(200)

    phase = Phase("train", (Step("infer", ("encoder",), {"view_information": 1.0}),), classes=("encoder",))
    enter_phase(phase, live, averaged, seeded(0, "anchor"), pictures)
    assert asked == [6000]
    assert live.training
    assert all(net.training for net in live.nets.values())
    after = live.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {"nets.encoder.heads.linear.weight", "nets.encoder.heads.linear.bias"}
    rows = np.arange(len(after["nets.encoder.heads.linear.bias"])) < 4
    same = (after["nets.encoder.heads.linear.bias"] == before["nets.encoder.heads.linear.bias"]).numpy()
    np.testing.assert_array_equal(same, ~rows)
    for model in (live, averaged):
        assert one_to_one(model.eval().encode_code(toys(200)).logits.argmax(1), KINDS)


def test_what_cannot_be_clustered():
    coded = small_model("infovaegan", classes=4, nets="mlp")
    with pytest.raises(DataError, match=r"4 classes are to start.*only 4 pictures"):
        start_classes(coded, coded, lambda count: toys(4))
    phase = Phase("late", (Step("step", ("encoder",), {"latent_reciprocity": 1.0}),), classes=("encoder",))
    with pytest.raises(ConfigError, match=r"'late' sets the class heads of encoder.*infovaegan"):
        check_phases((phase,), small_model("alae"))
