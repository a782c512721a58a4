"""How a preset, a data set and what a user asks for become the settings of a run."""

import numpy as np
import pytest
from toys import toy_images

from twoway.errors import ConfigError
from twoway.methods import PRESETS, preset
from twoway.training.config import DataConfig, make_config

TINY = {"flavour": "modern", "latent": 8, "start": 4, "maximum": 8}


@pytest.fixture
def pictures(tmp_path):
    np.savez(tmp_path / "bars.npz", images=toy_images(64))
    return DataConfig(str(tmp_path / "bars.npz"))


def test_a_budget_set_by_key_is_shared_out_like_one_given_by_flag(pictures):
    by_key, _ = make_config("lia", data=pictures, options=TINY, overrides={"training.kimg": 2.0})
    by_flag, _ = make_config("lia", data=pictures, options=TINY, kimg=2.0)
    assert by_key.timeline.segments == by_flag.timeline.segments
    assert by_key.timeline.at(by_key.iterations - 1).segment.phase.name == "encoder"


@pytest.mark.parametrize("overrides", [{}, {"augment.kind": "auto"}])
def test_automatic_augmentation_is_decided_by_the_number_of_pictures(pictures, overrides):
    config, _ = make_config("lia", data=pictures, options=TINY, overrides=overrides)
    assert config.recipe.augment.kind == "ada"


def test_augmentation_can_be_turned_off(pictures):
    config, _ = make_config("lia", data=pictures, options=TINY, overrides={"augment.kind": "none"})
    assert config.recipe.augment.kind == "none"


def test_a_preset_brings_pictures_to_its_size_unless_the_user_names_one(pictures):
    preset("lia-test", "lia", size=16, fit="pad", options=TINY, summary="for a test")
    try:
        config, data = make_config("lia-test", data=pictures)
        assert (config.data.size, config.data.fit, data.shape) == (16, "pad", (1, 16, 16))
        config, data = make_config("lia-test", data=DataConfig(pictures.source, size=8))
        assert data.shape == (1, 8, 8)
    finally:
        del PRESETS["lia-test"]


def test_what_only_a_later_phase_would_notice_is_said_at_once(pictures):
    with pytest.raises(ConfigError, match=r"phases.encoder.optim.lr is -1.0"):
        make_config("lia", data=pictures, options=TINY, overrides={"phases.encoder.optim.lr": -1.0})


def test_style_alae_needs_a_batch_and_a_rate(pictures):
    with pytest.raises(ConfigError, match="batches and rates"):
        make_config("style-alae", data=pictures, options={"batches": []})
