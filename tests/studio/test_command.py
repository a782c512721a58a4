"""`twoway studio` up to where it would serve."""

import os
import signal
import subprocess
import sys
import urllib.request

import pytest
import torch
from small import small_model
from typer.testing import CliRunner

from twoway.cli.faces import template_for
from twoway.cli.main import app
from twoway.errors import ConfigError
from twoway.latents.directions import Direction, save_directions
from twoway.photos.templates import TEMPLATES

OWN = {"kind": "points", "name": "own", "points": [[0.3, 0.4], [0.7, 0.4], [0.5, 0.8]]}


@pytest.fixture
def folders(tmp_path):
    """Two model folders: one says how its pictures were cut, the other does not."""
    told = {"data": {"name": "people", "rules": {"template": OWN}}}
    small_model("lia", seed=0).save(tmp_path / "told", card=told)
    small_model("lia", seed=1).save(tmp_path / "plain")
    return [str(tmp_path / "told"), str(tmp_path / "plain")]


@pytest.fixture
def served(monkeypatch):
    """What would be served, in place of serving it."""
    server = pytest.importorskip("twoway.studio.server")
    found = []

    def serve(studio, **_):
        found.append(studio)
        raise ConfigError("enough")

    monkeypatch.setattr(server, "require_gradio", lambda: None)
    monkeypatch.setattr(server, "serve", serve)
    return found


def test_templates_come_from_the_model_folders(folders, served):
    """As in `twoway edit`; where they say nothing it is a guess, and an option goes before."""
    done = CliRunner().invoke(app, ["studio", *folders, "--port", "0"])
    assert str(done.exception) == "enough"
    (studio,) = served
    told, plain = (studio.shared(name) for name in ("told", "plain"))
    assert (told.template.plain(), told.guessed) == (OWN, False)
    assert (plain.template, plain.guessed) == (TEMPLATES["celeba"], True)
    assert not studio.folder.exists()  # closed, though it was never served
    CliRunner().invoke(app, ["studio", *folders, "--port", "0", "--template", "ffhq"])
    given = [served[1].shared(name) for name in ("told", "plain")]
    assert [(one.template, one.guessed) for one in given] == [(TEMPLATES["ffhq"], False)] * 2


def test_a_wrong_template_is_told_before_models_are_loaded(folders, served):
    done = CliRunner().invoke(app, ["studio", *folders, "--port", "0", "--template", "fhq"])
    assert "did you mean 'ffhq'" in str(done.exception)
    assert not served


def test_tuned_weights_do_not_hide_the_folder(folders, tmp_path):
    (tmp_path / "tuned.safetensors").touch()
    assert template_for(f"{folders[0]}+{tmp_path / 'tuned.safetensors'}", None).plain() == OWN


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP on this system")
@pytest.mark.parametrize("end", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_however_it_is_ended_nothing_is_left(folders, tmp_path, end):
    """As by `kill`, by closing the terminal, by Ctrl+C."""
    pytest.importorskip("gradio")
    place = tmp_path / "temporary"
    place.mkdir()
    command = [sys.executable, "-m", "twoway", "studio", folders[0], "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(place)}) as run:
        url = next(word for word in run.stdout.readline().split() if word.startswith("http"))
        assert urllib.request.urlopen(url, timeout=60).status == 200
        assert list(place.glob("twoway-studio-*"))
        run.send_signal(getattr(signal, end))
        assert run.wait(60) == 0
    assert not list(place.glob("twoway-studio-*"))


def test_directions_lie_where_other_verbs_find_them(folders, served, tmp_path, monkeypatch):
    """In the model folder or the present one, of whichever model they are; a file that is named goes before."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def direction(name, seed):
        model = small_model("lia", seed=seed)
        return Direction(name, torch.ones(1, model.w_shape[1]), model.fingerprint(), "given")

    save_directions(tmp_path / "told" / "directions.safetensors", [direction("there", 0)])
    save_directions("directions.safetensors", [direction("here", 1)])
    save_directions(tmp_path / "named.safetensors", [direction("named", 0)])
    CliRunner().invoke(app, ["studio", *folders, "--port", "0"])
    CliRunner().invoke(app, ["studio", *folders, "--port", "0", "--directions", str(tmp_path / "named.safetensors")])
    found = [{name: set(studio.shared(name).directions) for name in ("told", "plain")} for studio in served]
    assert found == [{"told": {"there"}, "plain": {"here"}}, {"told": {"named"}, "plain": {"here"}}]
