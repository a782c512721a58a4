"""Style mixing, truncation by layer and noise for people who have pictures."""

import numpy as np
import pytest
import torch
from small import SHAPE, small_model

from twoway import Pipeline
from twoway.errors import ConfigError, DataError, ModelError

PHOTO = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)


@pytest.fixture(scope="module")
def pipe():
    """Codes of four layers: two of 4x4, two of 8x8 pixels; noise that shows."""
    model = small_model("style-alae")
    with torch.no_grad():
        for name, parameter in model.nets["generator"].named_parameters():
            if name.endswith("strength"):
                parameter.fill_(0.5)
        model.w_avg.normal_(generator=torch.Generator().manual_seed(1))
    return Pipeline(model)


def test_mixing_takes_the_layers_named_from_the_style(pipe):
    made = pipe.mix(1, 2, "0-1", output_type="pt")
    content, style = pipe.code_of_seed(1), pipe.code_of_seed(2)
    by_hand = torch.cat([style[:, :2], content[:, 2:]], 1)
    torch.testing.assert_close(made, pipe.decode(by_hand, output_type="pt"))
    torch.testing.assert_close(pipe.mix(1, 2, "coarse", output_type="pt"), pipe.generate(seed=2, output_type="pt"))
    half = pipe.mix(1, 2, "0-3", truncation=0.5, output_type="pt")
    torch.testing.assert_close(half, pipe.generate(seed=2, truncation=0.5, output_type="pt"))


def test_pictures_seeds_and_codes_mix(pipe, tmp_path):
    from PIL import Image

    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    wanted = pipe.mix(PHOTO, 3, "2-3", output_type="pt")
    for content in (
        tmp_path / "photo.png",
        str(tmp_path / "photo.png"),
        [PHOTO],
        PHOTO[None, ..., None],
        pipe.encode(PHOTO),
    ):
        torch.testing.assert_close(pipe.mix(content, 3, "2-3", output_type="pt"), wanted)
    assert [p.size for p in pipe.mix([PHOTO, 1, 2], 3, "2-3")] == [(8, 8)] * 3
    assert pipe.mix(3, range(4), "0", output_type="np").shape == (4, 8, 8, 1)


def test_what_cannot_be_mixed(pipe):
    with pytest.raises(ConfigError, match="2 contents and 3 styles"):
        pipe.mix([1, 2], [3, 4, 5])
    with pytest.raises(ConfigError, match="'fine'"):
        pipe.mix(1, 2, "fine")
    with pytest.raises(ConfigError, match="noise is 'loud'"):
        pipe.mix(1, 2, noise="loud")
    with pytest.raises(DataError, match="No pictures"):
        pipe.mix([], 1)
    with pytest.raises(ModelError, match="codes are"):
        pipe.mix(torch.zeros(1, 6), 1)
    with pytest.raises(ModelError, match="one code for the whole picture"):
        Pipeline(small_model("alae")).mix(1, 2)


def test_the_cutoff_spares_later_layers(pipe):
    w, mean = pipe.code_of_seed(4), pipe.model.w_avg
    pulled = pipe.code_of_seed(4, truncation=0.25, truncation_cutoff=2)
    torch.testing.assert_close(pulled[0, :2], mean[:2] + 0.25 * (w[0, :2] - mean[:2]))
    assert torch.equal(pulled[:, 2:], w[:, 2:])
    made = pipe.generate(seeds=[4], truncation=0.25, truncation_cutoff=2, output_type="pt")
    torch.testing.assert_close(made, pipe.decode(pulled, output_type="pt"))
    with pytest.raises(ConfigError, match="truncation_cutoff is -1"):
        pipe.generate(1, truncation=0.5, truncation_cutoff=-1)


@torch.inference_mode()
def test_kinds_of_noise(pipe):
    kinds = {noise: pipe.generate(seeds=[5], noise=noise, output_type="pt") for noise in ("fixed", "off", "random")}
    assert not torch.equal(kinds["fixed"], kinds["off"])
    assert not torch.equal(kinds["fixed"], kinds["random"])
    torch.testing.assert_close(kinds["off"], pipe.model.decode(pipe.code_of_seed(5), noise="off"))
    in_company = pipe.generate(seeds=[6, 5], noise="random", output_type="pt")
    torch.testing.assert_close(in_company[1:], kinds["random"])
    first, again = (
        pipe.generate(2, noise="random", generator=torch.Generator().manual_seed(0), output_type="pt") for _ in "ab"
    )
    assert torch.equal(first, again)
    assert first.shape == (2, *SHAPE)
