"""The taxonomy of recipes: published rows, what recipes change, and methods made up of terms alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small import small_recipe

from twoway.methods import METHODS
from twoway.networks import Gaussian
from twoway.published import ALAE_TABLE1
from twoway.recipe import Phase, Recipe, Step
from twoway.reproduce.alae_table1 import differences, method_taxonomy, published_row
from twoway.reproduce.command import Asked, reproduce
from twoway.taxonomy import Taxonomy, taxonomy
from twoway.terms import ROLES, TERMS, term
from twoway.terms.latent import kl_to_normal


def made_up(*steps: Step, like: str = "vae", **changes) -> Recipe:
    """A recipe with the nets of a method and other steps; only read, never trained."""
    return replace(small_recipe(like), method="nameless", phases=(Phase("train", steps),), **changes)


@pytest.fixture
def kl_made():
    """A divergence of the codes of made images, as AGE and IntroVAE have it."""

    @term(role="latent_divergence")
    def kl_of_made(posterior_fake: Gaussian):
        return kl_to_normal(posterior_fake)

    yield "kl_of_made"
    del TERMS["kl_of_made"]


@pytest.mark.parametrize("name", TERMS)
def test_every_term_says_what_it_is_for(name):
    assert TERMS[name].role in ROLES, f"give @term(role=...) of {name} one of {', '.join(ROLES)}"


@pytest.mark.parametrize("name", METHODS)
def test_every_method_agrees_with_its_published_row(name):
    found, theirs = method_taxonomy(name), published_row(name)
    assert theirs is None or differences(found, theirs) == []


def test_rows_the_paper_does_not_have():
    rows = {name: method_taxonomy(name).cells for name in ("ae", "lr", "jlr", "lia")}
    assert rows == {
        "ae": ("similarity", "none", "data"),
        "lr": ("adversarial", "imposed / none", "latent"),
        "jlr": ("adversarial", "imposed / none", "latent"),
        "lia": ("adversarial", "learned / none", "data"),
    }


def test_the_name_of_a_recipe_plays_no_part():
    for name in METHODS:
        recipe = small_recipe(name, image_shape=(1, 16, 16))
        assert taxonomy(replace(recipe, method="nameless")) == taxonomy(recipe)


def test_options_change_the_kind():
    assert taxonomy(small_recipe("alae", flavour="modern")).reciprocity == "latent + data"
    alone = small_recipe("stylegan", image_shape=(1, 16, 16), encoder=False)
    assert taxonomy(alone).cells == ("adversarial", "learned / none", "none")


def test_a_term_without_weight_does_not_count():
    recipe = small_recipe("vae").changed({"phases.train.steps.infer.terms.kl_to_normal": 0.0})
    assert taxonomy(recipe).latent_distribution == "imposed / none"


def test_a_term_counts_for_the_nets_it_moves_only():
    steps = (Step("both", ("encoder", "generator"), {"pixel_l2": {"value": 1.0, "nets": {"generator": 0.0}}}),)
    assert taxonomy(made_up(*steps)) == Taxonomy("none", "imposed / none", "data")


def test_aae_by_its_terms():
    steps = (
        Step("reconstruct", ("encoder", "generator"), {"pixel_l2": 1.0}),
        Step("discriminate", ("critic",), {"logistic_critic": 1.0}),
        Step("confuse", ("encoder",), {"fool_critic": 1.0}),
    )
    assert taxonomy(made_up(*steps, like="bigan", critic_sees="latent")).cells == ALAE_TABLE1["aae"]


def test_veegan_by_its_terms():
    steps = (
        Step("discriminate", ("critic",), {"logistic_critic": 1.0}),
        Step("match", ("generator", "encoder"), {"fool_critic": 1.0, "latent_regression": 1.0}),
    )
    assert taxonomy(made_up(*steps, like="bigan")).cells == ALAE_TABLE1["veegan"]


def test_age_and_introvae_by_their_terms(kl_made):
    def game(**reciprocity):
        return (
            Step("encode", ("encoder",), {"kl_to_normal": 1.0, kl_made: -1.0}),
            Step("generate", ("generator",), {kl_made: 1.0, **reciprocity}),
        )

    assert taxonomy(made_up(*game(latent_regression=1.0))).cells == ALAE_TABLE1["age"]
    assert taxonomy(made_up(*game(pixel_l2=1.0))).cells == ALAE_TABLE1["introvae"]
    encode = replace(game()[0], terms={**game()[0].terms, "pixel_l1": 1.0})
    beside = taxonomy(made_up(encode, game(latent_regression=1.0)[1]))
    assert beside.reciprocity == "latent (encoder: data)"
    assert differences(beside, ALAE_TABLE1["age"]) == []
    # without the generator in it, the divergence of made images is no game
    assert taxonomy(made_up(game()[0])).cells == ("none", "imposed / divergence", "none")


def test_similarity_in_the_critics_features_is_a_learned_metric():
    @term(role="learned_similarity")
    def critic_features(x_rec, x):
        return (x_rec - x).sum()

    try:
        steps = (
            Step("encode", ("encoder",), {"kl_to_normal": 1.0, "critic_features": 1.0}),
            Step("generate", ("generator",), {"critic_features": 1.0, "fool_critic": 1.0}),
        )
        found = taxonomy(made_up(*steps, like="bigan", critic_sees="image"))
    finally:
        del TERMS["critic_features"]
    assert found.data_distribution == "similarity (learned metric)"
    assert differences(found, ALAE_TABLE1["vae-gan"]) == []


def test_the_table_names_differences(monkeypatch, tmp_path):
    asked = Asked("smoke", out=tmp_path)
    text = reproduce("alae-table1", asked).text
    assert (tmp_path / "table.md").read_text() == text
    for name in METHODS:
        assert f"| {name} | " in text
    assert "| alae | adversarial | learned / divergence | latent | *the same* |" in text
    assert "0 of those differ" in text
    monkeypatch.setitem(ALAE_TABLE1, "alae", ("similarity", "learned / divergence", "latent"))
    again = reproduce("alae-table1", asked).text
    line = next(line for line in again.splitlines() if line.startswith("| alae |"))
    assert "**adversarial**" in line
    assert "differs: similarity, learned / divergence, latent" in line
