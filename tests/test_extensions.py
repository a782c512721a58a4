import pytest

from twoway.errors import ConfigError
from twoway.extensions import use_file
from twoway.methods import METHODS, PRESETS, make_recipe

OWN = '''
from dataclasses import replace
from twoway.methods import make_recipe, method

@method("halfway", paper="none", summary="An autoencoder under another name")
def halfway(image_shape, *, latent: int = 3):
    """An autoencoder."""
    return replace(make_recipe("ae", image_shape, {"latent": latent, "hidden": 8}), method="halfway")
'''


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    yield path
    METHODS.pop("halfway", None)
    PRESETS.pop("halfway", None)


def test_what_a_file_registers_is_known(own):
    module = use_file(own)
    assert METHODS["halfway"].build is module.halfway
    recipe = make_recipe("halfway", (1, 8, 8), {"latent": 5})
    assert (recipe.method, recipe.nets["encoder"].args["w_dim"]) == ("halfway", 5)
    assert use_file(str(own)) is module  # not run a second time


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(ConfigError, match="no Python file"):
        use_file(tmp_path / "missing.py")
    (tmp_path / "broken.py").write_text("1 / 0")
    for _ in range(2):  # a failed file leaves nothing behind
        with pytest.raises(ConfigError, match=r"broken.py cannot be used: ZeroDivisionError: division by zero"):
            use_file(tmp_path / "broken.py")
