"""Which layers a word means, mixing codes, grids of styles."""

import pytest
import torch
from small import small_model

from twoway.errors import ConfigError, ModelError
from twoway.latents.style_mixing import layer_groups, layers_of, mix_codes, span, style_grid


@pytest.fixture(scope="module")
def styled():
    """8x8 pixels, so two levels and four layers."""
    return small_model("style-alae")


def codes(count, layers=4, dim=6, seed=0):
    return torch.randn(count, layers, dim, generator=torch.Generator().manual_seed(seed))


def test_groups_go_by_resolution():
    """Two rows each of 4, 8, 16, 32, 64 and 128 pixels, as in StyleGAN's figure 3."""
    model = small_model("stylegan", (1, 128, 128))
    assert layer_groups(model) == {"coarse": (0, 1, 2, 3), "middle": (4, 5, 6, 7), "fine": (8, 9, 10, 11)}
    assert layers_of(model, "fine") == (8, 9, 10, 11)
    assert layers_of(model, " Middle ") == (4, 5, 6, 7)
    assert layers_of(model, "6, 0-3,2") == (0, 1, 2, 3, 6)


def test_the_skip_generator_has_the_same_groups():
    model = small_model("lia", (1, 16, 16), flavour="modern")
    assert layer_groups(model) == {"coarse": (0, 1, 2, 3), "middle": (4, 5)}


def test_a_model_that_still_grew_has_its_working_layers():
    model = small_model("style-alae", (1, 32, 32))
    model.nets["generator"].grow_to(1)
    assert layer_groups(model) == {"coarse": (0, 1, 2, 3)}
    with pytest.raises(ConfigError, match=r"no layer 4. This model stopped growing at 8x8 of 32 pixels"):
        layers_of(model, "4")


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("fine", "64x64 pixels and more. This model makes pictures of 8x8 pixels and has the layers coarse 0-3"),
        ("middle", "16x16 pixels and more"),
        ("corase", "did you mean 'coarse'"),
        ("4", "no layer 4"),
        ("0-9", "no layer 9"),
        ("3-1", "backwards. Write it as 1-3"),
        ("", "must be coarse"),
        ("1,,2", "numbers such as 0-3,6"),
        ("-1", "numbers such as 0-3,6"),
    ],
)
def test_layers_that_are_none(styled, which, said):
    with pytest.raises(ConfigError) as error:
        layers_of(styled, which)
    assert said in str(error.value)
    assert f"'{which}'" in str(error.value)


def test_one_code_for_the_whole_picture_has_no_styles():
    with pytest.raises(ModelError, match="one code for the whole picture"):
        layers_of(small_model("alae"), "coarse")


@pytest.mark.parametrize(("layers", "text"), [((0,), "0"), ((3, 1, 2), "1-3"), ((0, 1, 4, 7, 8), "0-1,4,7-8")])
def test_spans(layers, text):
    assert span(layers) == text


def test_mixed_codes_have_the_rows_named_of_the_style():
    content, style = torch.zeros(2, 4, 3), torch.ones(2, 4, 3)
    style[1] = 2.0
    mixed = mix_codes(content, style, (1, 2))
    assert mixed[:, :, 0].tolist() == [[0, 1, 1, 0], [0, 2, 2, 0]]
    assert mix_codes(content, style[:1], (3,))[:, :, 0].tolist() == [[0, 0, 0, 1]] * 2
    assert torch.equal(mix_codes(content, style, ()), content)
    assert torch.equal(mix_codes(content, style, range(4)), style)


def test_codes_that_do_not_fit():
    for other in (torch.zeros(2, 5, 3), torch.zeros(3, 4, 3), torch.zeros(4, 3)):
        with pytest.raises(ModelError, match="cannot be mixed"):
            mix_codes(torch.zeros(2, 4, 3), other, (0,))
    with pytest.raises(ConfigError, match="no layer -1"):
        mix_codes(torch.zeros(2, 4, 3), torch.zeros(2, 4, 3), (-1,))


@torch.inference_mode()
def test_a_grid_has_a_source_in_each_row_and_a_destination_in_each_column(styled):
    sources, destinations = codes(2), codes(3, seed=1)
    grid = style_grid(styled, sources, destinations, (0, 1), batch=4)
    assert grid.shape == (2, 3, 1, 8, 8)
    by_hand = torch.stack([sources[1, 0], sources[1, 1], destinations[2, 2], destinations[2, 3]])
    torch.testing.assert_close(grid[1, 2], styled.decode(by_hand[None])[0])
    everything = style_grid(styled, sources, destinations, range(4))
    torch.testing.assert_close(everything[:, 0], styled.decode(sources))
    torch.testing.assert_close(style_grid(styled, sources, destinations, ())[1], styled.decode(destinations))


@torch.inference_mode()
def test_coarse_layers_reach_the_picture_and_so_do_fine_ones(styled):
    sources, destinations = codes(1), codes(1, seed=1)
    plain = styled.decode(destinations)
    for layers in ((0, 1), (2, 3)):
        assert not torch.allclose(style_grid(styled, sources, destinations, layers)[0], plain)
