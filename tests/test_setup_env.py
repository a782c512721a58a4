"""The set-up script on fake environments: no network, nothing installed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "setup_env.py"
HERE = sys.version_info[:2]


@pytest.fixture
def env():
    spec = importlib.util.spec_from_file_location("setup_env", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["setup_env"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["setup_env"]


@pytest.fixture
def root(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[project.optional-dependencies]\ndev = ["x"]\nstudio = ["y"]\n\n[tool]\nz = 1\n'
    )
    (tmp_path / "constraints.txt").write_text("torch==2.13.0\n")
    (tmp_path / "src/twoway").mkdir(parents=True)
    (tmp_path / "src/twoway/__init__.py").touch()
    return tmp_path


@pytest.fixture
def fake(env, root, monkeypatch):
    """A world in which environments are made and filled by writing files; returns what was done to them."""
    done = []

    def make_venv(venv):
        done.append("make")
        program = env.program(venv, "python")
        program.parent.mkdir(parents=True)
        program.write_text(json.dumps({"python": HERE}))
        (venv / "pyvenv.cfg").touch()

    def look(venv):
        try:
            seen = json.loads(env.program(venv, "python").read_text())
        except (OSError, ValueError):
            return env.Look()
        origin = seen.get("origin", str(root / "src/twoway/__init__.py"))
        packages = tuple(seen.get("packages", {"torch": "2.13.0"}).items())
        return env.Look(tuple(seen["python"]), packages, tuple(seen.get("damaged", ())), origin)

    def install(where, venv, extras):
        done.append(f"install {','.join(sorted(extras))}".strip())
        (venv / env.STAMP).unlink(missing_ok=True)
        env.program(venv, "python").write_text(json.dumps({"python": HERE}))
        env.program(venv, "twoway").touch()
        packages = dict(look(venv).packages)
        stamp = {"root": str(where), "hash": env.fingerprint(where), "extras": sorted(extras), "packages": packages}
        (venv / env.STAMP).write_text(json.dumps(stamp))

    monkeypatch.setattr(env, "make_venv", make_venv)
    monkeypatch.setattr(env, "look", look)
    monkeypatch.setattr(env, "install", install)
    return done


def change(env, root, **facts):
    python = env.program(root / ".venv", "python")
    python.write_text(json.dumps({**json.loads(python.read_text()), **facts}))


def test_a_second_run_does_nothing(env, root, fake):
    env.prepare(root, set())
    assert fake == ["make", "install"]
    env.prepare(root, set())
    assert fake == ["make", "install"]


def test_extras_accumulate(env, root, fake):
    env.prepare(root, set())
    env.prepare(root, {"dev"})
    env.prepare(root, set())
    env.prepare(root, {"studio"})
    assert fake == ["make", "install", "install dev", "install dev,studio"]


def test_an_extra_that_no_longer_exists_is_dropped(env, root, fake):
    env.prepare(root, {"dev", "studio"})
    (root / "pyproject.toml").write_text('[project.optional-dependencies]\ndev = ["x"]\n')
    env.prepare(root, set())
    assert fake[-1] == "install dev"


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_project_is_installed_again(env, root, fake, name):
    env.prepare(root, {"dev"})
    (root / name).write_text((root / name).read_text() + "# more\n")
    env.prepare(root, set())
    assert fake == ["make", "install dev", "install dev"]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"packages": {}}, ["install"]),
        ({"packages": {"torch": "2.15.0"}}, ["install"]),
        ({"origin": None}, ["install"]),
        ({"origin": "/elsewhere/src/twoway/__init__.py"}, ["install"]),
        ({"damaged": ["numpy"]}, ["make", "install"]),
        ({"python": (3, 9)}, ["make", "install"]),
    ],
)
def test_what_is_wrong_inside_is_mended(env, root, fake, facts, expected):
    env.prepare(root, set())
    change(env, root, **facts)
    env.prepare(root, set())
    assert fake == ["make", "install", *expected]


def test_half_made(env, root, fake):
    (root / ".venv/bin").mkdir(parents=True)
    env.prepare(root, set())
    assert fake == ["make", "install"]


def test_interrupted_install_is_completed(env, root, fake):
    env.prepare(root, {"dev"})
    (root / ".venv" / env.STAMP).unlink()
    env.prepare(root, set())
    assert fake == ["make", "install dev", "install"]


def test_a_damaged_stamp_counts_as_none(env, root, fake):
    env.prepare(root, set())
    (root / ".venv" / env.STAMP).write_text('{"hash": ')
    env.prepare(root, set())
    assert fake[2:] == ["install"]


def test_missing_program(env, root, fake):
    env.prepare(root, set())
    env.program(root / ".venv", "twoway").unlink()
    env.prepare(root, set())
    assert fake[2:] == ["install"]


def test_moved_checkout(env, root, fake):
    env.prepare(root, {"dev"})
    stamp = json.loads((root / ".venv" / env.STAMP).read_text())
    (root / ".venv" / env.STAMP).write_text(json.dumps({**stamp, "root": "/old/place"}))
    env.prepare(root, set())
    assert fake[2:] == ["make", "install dev"]


def test_a_file_in_the_way_is_kept(env, root, fake):
    (root / ".venv").write_text("mine")
    (root / ".venv-old-1").write_text("older")
    env.prepare(root, set())
    assert (root / ".venv-old-2").read_text() == "mine"
    assert (root / ".venv-old-1").read_text() == "older"


def test_a_foreign_folder_in_the_way_is_kept(env, root, fake):
    (root / ".venv").mkdir()
    (root / ".venv/thesis.txt").write_text("mine")
    env.prepare(root, set())
    assert (root / ".venv-old-1/thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_in_the_way_is_removed_but_not_what_it_points_to(env, root, fake, tmp_path_factory, exists):
    other = tmp_path_factory.mktemp("other") / "venv"
    if exists:
        other.mkdir()
        (other / "pyvenv.cfg").touch()
    (root / ".venv").symlink_to(other)
    env.prepare(root, set())
    assert not (root / ".venv").is_symlink()
    assert other.exists() == exists


def test_completing_that_breaks_starts_anew_once(env, root, fake, monkeypatch):
    env.prepare(root, set())
    install, calls = env.install, []

    def breaks_once(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise env.BrokenError("no pip")
        install(*arguments)

    monkeypatch.setattr(env, "install", breaks_once)
    env.prepare(root, {"dev"})
    assert fake == ["make", "install", "make", "install dev"]


def test_a_pip_that_fails_does_not_cost_the_environment(env, root, fake, monkeypatch):
    env.prepare(root, set())

    def fails(*arguments):
        raise env.SetupError("no network")

    monkeypatch.setattr(env, "install", fails)
    with pytest.raises(env.SetupError, match="no network"):
        env.prepare(root, {"dev"})
    assert fake == ["make", "install"]


def test_a_read_only_folder_is_explained(env, root, fake, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(env, "make_venv", refuse)
    with pytest.raises(env.SetupError, match=r"cannot write here.*folder that is yours"):
        env.prepare(root, set())


def test_a_finished_environment_works_in_a_read_only_folder(env, root, fake, monkeypatch):
    env.prepare(root, set())
    monkeypatch.setattr(env, "alone", None)  # the lock would be the first thing to write
    env.prepare(root, set())


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_missing_modules_are_named(env, root, monkeypatch, missing):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else name)
    with pytest.raises(env.SetupError, match=rf"{missing}.*apt install python\d\.\d+-venv"):
        env.make_venv(root / ".venv")


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("WARNING: Retrying ... NewConnectionError('...')\nERROR: No matching distribution found for torch", "network"),
        ("ERROR: No matching distribution found for torch==2.13.0", "64-bit Python"),
        ("ERROR: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: something else", "its own"),
    ],
)
def test_advice(env, output, words):
    assert words in env.advice(output)
    assert "\n" not in env.advice(output)


def test_a_failing_pip_shows_its_last_lines(env, root, monkeypatch):
    python = env.program(root / ".venv", "python")
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    with pytest.raises(env.SetupError, match=r"(?s)    .*no-such-command.*\n.*pip failed"):
        env.run_pip(root / ".venv", ["no-such-command"], lambda line: None)


def test_looking_at_a_real_environment(env, tmp_path):
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    seen = env.look(venv)
    assert seen.python == HERE
    assert seen.packages == ()
    site = next(venv.glob("**/site-packages"))
    (site / "thing").mkdir()
    (site / "thing/__init__.py").touch()
    info = site / "thing-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    assert env.look(venv).damaged == ("thing",), "without RECORD the installation was interrupted"
    (info / "RECORD").write_text("thing/__init__.py,,\nthing-1.0.dist-info/METADATA,,\n")
    assert env.look(venv).damaged == ()
    assert env.look(venv).packages == (("thing", "1.0"),)
    (site / "thing/__init__.py").unlink()
    assert env.look(venv).damaged == ("thing",)
    (venv / "pyvenv.cfg").unlink()
    assert env.look(venv).python is None, "without pyvenv.cfg its Python works on another Python's packages"
    assert env.look(tmp_path / "none").python is None


def test_child_environment(env, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("TWOWAY_DATA", "/data")
    environ = env.clean_environ(tmp_path)
    assert "PYTHONPATH" not in environ
    assert environ["TWOWAY_DATA"] == "/data"
    assert environ["PATH"].split(os.pathsep)[0] == str(env.folder_of_programs(tmp_path))


def test_commands(env, tmp_path):
    assert env.commands("demo", tmp_path, ["--kimg", "10"])[0][1:] == ["demo", "--kimg", "10"]
    line = env.commands("test", tmp_path, ["-x"])[0]
    assert line[1:3] == ["-m", "pytest"]
    assert line[-1] == "-x"
    assert env.commands("slow", tmp_path, [])[0][1:] == ["-m", "pytest", "-m", "slow"]
    assert len(env.commands("lint", tmp_path, [])) == 2
    assert env.commands("env", tmp_path, []) == []


def test_programs_of_windows(env, monkeypatch):
    monkeypatch.setattr(env, "WINDOWS", True)
    assert str(env.program(Path("v"), "python")).endswith("python.exe")
    assert env.folder_of_programs(Path("v")).name == "Scripts"


def test_exit_code_of_the_target_passes_through(env, tmp_path, monkeypatch):
    monkeypatch.setattr(env, "WINDOWS", True)  # the way without exec
    monkeypatch.chdir(tmp_path)
    lines = [[sys.executable, "-c", "pass"], [sys.executable, "-c", "raise SystemExit(7)"], ["never reached"]]
    assert env.run_all(lines, tmp_path, tmp_path) == 7


def test_main(env, root, fake, monkeypatch, capsys):
    monkeypatch.chdir(root)  # "clean" leaves the working directory at the root
    monkeypatch.setattr(env, "ROOT", root)
    assert env.main([]) == 2
    assert env.main(["--help"]) == 0
    assert env.main(["env", "studoi"]) == 2
    assert "known: dev, studio" in capsys.readouterr().err
    assert env.main(["env", "studio"]) == 0
    assert fake == ["make", "install studio"]
    assert env.main(["clean"]) == 0
    assert not (root / ".venv").exists()


def test_an_old_python_is_refused_in_one_sentence(monkeypatch, env):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    monkeypatch.setattr(sys, "version", "3.9.1 (main)")
    spec = importlib.util.spec_from_file_location("old", SCRIPT)
    with pytest.raises(SystemExit, match=r"^twoway needs Python 3\.10 or newer, and this is 3\.9\.1;"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_constraints_pin_torch_and_never_torchvision():
    lines = (SCRIPT.parent / "constraints.txt").read_text().splitlines()
    pins = [line.split(";")[0].strip() for line in lines if not line.startswith("#")]
    assert "torch==2.13.0" in pins
    assert all("==" in pin and "+" not in pin for pin in pins)
    assert not any("torchvision" in pin for pin in pins), "it would replace torch"
