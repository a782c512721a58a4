import pytest
from small import SHAPE, small_recipe

from twoway.errors import ConfigError
from twoway.methods import METHODS, PRESETS, find_preset, make_recipe
from twoway.recipe import Recipe, Step, Weight, compare_recipes


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_survives_its_text(name):
    recipe = make_recipe(name, (1, 32, 32))
    again = Recipe.from_text(recipe.to_text())
    assert again == recipe
    assert again.to_text() == recipe.to_text()


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_gives_a_recipe_of_its_name(name):
    assert small_recipe(name).method == name


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("batch: 128", "bach: 128", "did you mean 'batch'"),
        ("lr: 0.002", "rl: 0.002", "recipe.optim has an unknown key 'rl'"),
        ("- mapping\n", "- maping\n", "did you mean 'mapping'"),
        ("fool_critic: 1.0", "fool_critik: 1.0", "did you mean 'fool_critic'"),
        ("kind: mlp_encoder", "kind: mlp_encodr", "did you mean 'mlp_encoder'"),
        ("batch: 128", "batch: many", "recipe.batch is 'many'"),
        ("critic_sees: encoded", "critic_sees: codes", "must be one of"),
    ],
)
def test_a_misspelt_key_or_name_is_refused_with_the_nearest(old, new, said):
    text = small_recipe().to_text()
    assert old in text
    with pytest.raises(ConfigError) as error:
        Recipe.from_text(text.replace(old, new, 1))
    assert said in str(error.value)


def test_text_that_is_not_yaml_is_refused():
    with pytest.raises(ConfigError, match="not valid YAML"):
        Recipe.from_text("a: [")


def test_overrides():
    recipe = small_recipe()
    changed = recipe.changed({"optim.lr": 0.01, "batch": 4, "phases.train.steps.discriminate.terms.r1": 3.0})
    assert changed.optim.lr == 0.01
    assert changed.batch == 4
    assert changed.phases[0].steps[0].terms["r1"] == Weight(3.0)
    assert recipe.batch == 128


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"batch": -1}, "must be at least 1"),
        ({"batch": 0}, "must be at least 1"),
        ({"optim.lr": 0}, "must be positive"),
        ({"optim.lrr": 1}, "did you mean 'lr'"),
        ({"image_shape": [2, 8, 8]}, "channels (1 or 3)"),
        ({"phases": []}, "at least one phase"),
        ({"optim.nets": {"critc": {"lr": 1.0}}}, "did you mean 'critic'"),
        ({"phases.train.share": 0}, "positive share"),
    ],
)
def test_values_that_cannot_work_are_refused(overrides, said):
    with pytest.raises(ConfigError) as error:
        small_recipe().changed(overrides)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"train": (), "terms": {"r1": 1.0}}, "at least one net"),
        ({"train": ("critic",), "terms": {}}, "at least one term"),
        ({"train": ("critic",), "terms": {"r1": 1.0}, "every": 0}, "at least once"),
        ({"train": ("critic",), "terms": {"gaussian_nll": {"options": {"sigm": 1}}}}, "has no option 'sigm'"),
        ({"train": ("critic",), "terms": {"r1": {"nets": {"encoder": 0.5}}}}, "which it does not train"),
        ({"train": ("critic",), "terms": {"r1": {"every": 0}}}, "at least 1"),
    ],
)
def test_steps_check_themselves(arguments, said):
    with pytest.raises(ConfigError) as error:
        Step("s", **arguments)
    assert said in str(error.value)


def test_a_weight_is_a_bare_number_where_nothing_else_is_set():
    assert Weight(2.0).plain() == 2.0
    full = Weight(2.0, every=4, nets={"encoder": 0.5}, options={"sigma": 1.0})
    assert Weight.from_plain(full.plain()) == full


def test_compare_shows_the_lines_that_differ():
    old = small_recipe()
    difference = compare_recipes(old, old.changed({"batch": 4}))
    assert "-batch: 128" in difference
    assert "+batch: 4" in difference
    assert compare_recipes(old, old) == ""


def test_presets_are_found_under_either_spelling_and_options_are_checked():
    assert find_preset("alae_mnist").name == "alae-mnist"
    with pytest.raises(ConfigError, match="did you mean 'alae-mnist'"):
        find_preset("alae-mnst")
    with pytest.raises(ConfigError, match="did you mean 'latent'"):
        make_recipe("alae", SHAPE, {"laten": 3})


@pytest.mark.parametrize(
    ("method", "options", "match"),
    [
        ("age", {"updates": 0}, "updates is 0"),
        ("pioneer", {"updates": -1}, "updates is -1"),
        ("infogan", {"classes": 1}, "classes is 1"),
        ("infovaegan", {"views": True, "classes": 0}, "at least 2"),
    ],
)
def test_options_that_would_leave_a_net_or_a_code_without_use(method, options, match):
    with pytest.raises(ConfigError, match=match):
        make_recipe(method, (1, 32, 32), options)


def test_only_phases_that_leave_the_generator_alone_take_a_given_one():
    """InfoVAEGAN with views has a second phase, but that trains the generator."""
    given = make_recipe("infogan", (1, 28, 28))
    with pytest.raises(ConfigError, match="cannot start from a given generator"):
        make_recipe("infovaegan", (1, 28, 28), {"views": True}).for_generator(given)
