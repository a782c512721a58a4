"""A method's encoder phase for a generator that another run has trained; one batch size for all of a run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from small import small_recipe
from toys import same, toy_images

import twoway
from twoway.cli.main import app
from twoway.errors import ConfigError
from twoway.quantities import Chance, Quantities
from twoway.training.config import DataConfig, make_config
from twoway.training.entry import model_of_run, start_run

SMALL = {"latent": 6, "start": 4, "maximum": 8, "flavour": "modern"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    np.savez(folder / "bars.npz", images=toy_images(64))
    return folder


def options(**more):
    return {**SMALL, **more}


def config_of(place, method, **more):
    data = DataConfig.make(str(place / "bars.npz"))
    return make_config(method, data=data, kimg=0.032, batch=8, device="cpu", **more)


@pytest.fixture(scope="module")
def gan(place):
    """The run folder of a StyleGAN without an encoder."""
    config, pictures = config_of(place, "stylegan", options=options(encoder=False))
    return start_run(config, pictures, outdir=place / "runs", description="gan", final_metrics=()).run


@pytest.mark.parametrize("method", ["lia", "stylegan", "vaegan-z"])
def test_only_the_encoder_phase_runs_and_the_generator_keeps_its_bits(method, gan, place, tmp_path):
    given = model_of_run(str(gan))
    config, pictures = config_of(place, method, options=options(), generator=given.recipe)
    assert [phase.name for phase in config.recipe.phases] == ["encoder"]
    assert config.recipe.nets["generator"] == given.recipe.nets["generator"]
    assert config.recipe.nets["mapping"] == given.recipe.nets["mapping"]
    run = start_run(config, pictures, outdir=tmp_path, generator=given, final_metrics=()).run
    model = twoway.load(run / "model")
    checkpoint = load_file(sorted((run / "checkpoints").iterdir())[-1] / "live.safetensors")
    for slot in ("mapping", "generator"):
        before = given.nets[slot].state_dict()
        assert same(model.nets[slot].state_dict(), before)
        prefix = f"nets.{slot}."
        assert same({k.removeprefix(prefix): v for k, v in checkpoint.items() if k.startswith(prefix)}, before)
    assert not same(model.nets["critic"].state_dict(), given.nets["critic"].state_dict())  # fine-tuned
    assert torch.equal(model.w_avg, given.w_avg)
    x = torch.zeros(2, 1, 8, 8)
    assert model.reconstruct(x).shape == x.shape
    seeds = [torch.Generator().manual_seed(0) for _ in range(2)]
    assert torch.equal(model.sample(2, generator=seeds[0]), given.sample(2, generator=seeds[1]))


def test_the_encoder_is_as_wide_as_the_given_codes(gan):
    made = model_of_run(str(gan)).recipe.changed({"batch": 4})
    wider = small_recipe("stylegan", latent=10, encoder=False)
    for recipe, width in ((made, 6), (wider, 10)):
        for method in ("lia", "vaegan-z"):
            fitted = small_recipe(method, latent=4).for_generator(recipe)
            assert fitted.nets["encoder"].args["w_dim"] == width
            assert fitted.prior == recipe.prior


def test_the_command_line_takes_a_run(gan, place, tmp_path):
    from typer.testing import CliRunner

    arguments = ["train", "lia", "--data", str(place / "bars.npz"), "--generator", str(gan), "--outdir", str(tmp_path)]
    arguments += ["--batch", "8", "--kimg", "0.032", "--device", "cpu", "--desc", "it"]
    arguments += [f"--option={k}={v}" for k, v in SMALL.items()]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    model, given = twoway.load(tmp_path / "00000-it" / "model"), model_of_run(str(gan))
    assert same(model.nets["generator"].state_dict(), given.nets["generator"].state_dict())


@pytest.mark.parametrize(
    ("method", "made", "said"),
    [
        ("alae", small_recipe("stylegan"), "'alae' trains its nets together and cannot start from a given generator"),
        ("style-alae", small_recipe("stylegan"), "second phase can, such as lia"),
        (
            "lia",
            small_recipe("stylegan", (1, 16, 16)),
            r"shape \[1, 16, 16\]; it takes .* shape \[1, 8, 8\]. Set --size",
        ),
        ("lia", small_recipe("stylegan", (3, 8, 8)), r"images of shape \[3, 8, 8\]"),
        ("lia", small_recipe("ae"), "it takes one with a prior"),
    ],
)
def test_a_generator_that_cannot_be_taken_is_refused_in_words(method, made, said):
    with pytest.raises(ConfigError, match=said):
        small_recipe(method).for_generator(made)


def test_a_method_with_a_single_phase_by_choice_says_so():
    with pytest.raises(ConfigError, match="trains its nets together"):
        small_recipe("stylegan", encoder=False).for_generator(small_recipe("stylegan"))


def test_prior_codes_need_a_mapping_with_an_inverse():
    """The in-domain term of LIA, for the generator of a StyleGAN."""
    q = Quantities({"mapping": torch.nn.Identity()}, view="image", x=torch.zeros(1), chance=Chance(None, None))
    q.known["w_real"] = torch.zeros(2, 1, 6)
    with pytest.raises(ConfigError, match="cannot be inverted"):
        q.prior_code("posterior", "w_real")


@pytest.mark.parametrize("method", ["style-alae", "lia"])
def test_batch_is_that_of_every_phase_and_resolution(method, place):
    data = DataConfig.make(str(place / "bars.npz"))
    sizes = {"latent": 6, "start": 4, "maximum": 8}
    config, _ = make_config(method, data=data, options=sizes, kimg=1.0, batch=12, device="cpu")
    assert {segment.batch for segment in config.timeline.segments} == {12}
    assert config.iterations == pytest.approx(1000 / 12, abs=len(config.timeline.segments))
    again = yaml.safe_load(config.to_text())["recipe"]
    assert again["batch"] == 12
    own, _ = make_config(method, data=data, options=sizes, kimg=1.0, device="cpu", overrides={"batch": 5})
    # a batch of the recipe alone leaves those of the method's levels and phases
    assert {segment.batch for segment in own.timeline.segments} != {5}
