"""Make `.venv`, install the project into it, and run a target there; needs nothing but Python's standard library.

`make demo` and `make test` call this file; where there is no make, call it directly::

    python3 setup_env.py demo            # install what running needs, then `twoway demo`
    python3 setup_env.py demo --kimg 10  # what follows the target is passed on
    python3 setup_env.py test -k recipe  # add what testing needs, then pytest
    python3 setup_env.py env studio      # only install, with extras of pyproject.toml
    python3 setup_env.py docs             # build the documentation into site/
    python3 setup_env.py lint | slow | clean

A second call finds a stamp in `.venv` and installs nothing. Whatever state an earlier, interrupted or foreign
attempt left behind is mended or built anew. TORCH_INDEX adds a package index, for PyTorch's CPU wheels on Linux.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 (above everything else: what follows may not even import there)
    sys.exit(
        f"twoway needs Python 3.10 or newer, and this is {sys.version.split()[0]}; try `make PYTHON=python3.12 ...`."
    )

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent
WINDOWS = os.name == "nt"
STAMP = "twoway-stamp.json"
TARGETS = {"demo": (), "env": (), "test": ("dev",), "slow": ("dev",), "lint": ("dev",), "docs": ("docs",), "clean": ()}
ENTRIES = {"bin", "Scripts", "lib", "lib64", "Lib", "include", "Include", "share", "pyvenv.cfg", ".gitignore", STAMP}
LOOK = r"""
import importlib.metadata as m, importlib.util as u, json, pathlib, re, sys
found, damaged = {}, []
for dist in m.distributions():
    name = dist.metadata["Name"]
    if name is None:
        continue
    found[name] = dist.version
    record = dist.read_text("RECORD")  # pip writes it last: without it the package is half there
    entries = re.findall(r"^([^/,\n]+/__init__\.pyi?|[^/,\n]+\.py),", record or "", re.M)
    if record is None or not all(pathlib.Path(dist.locate_file(e)).is_file() for e in entries):
        damaged.append(name)
spec = u.find_spec("twoway")
origin = spec and spec.origin
print(json.dumps(dict(prefix=sys.prefix, python=sys.version_info[:2], packages=found, damaged=damaged, origin=origin)))
"""
IMPORT_ALL = "import torch, numpy, PIL, safetensors, huggingface_hub, typer, rich, yaml, sklearn, matplotlib, twoway"


class SetupError(Exception):
    """Something only the user can mend; printed as one paragraph."""


class BrokenError(SetupError):
    """Something about the environment itself: making it anew may help."""


@dataclass(frozen=True)
class Look:
    """What a virtual environment holds; python is None where its interpreter does not run or runs outside of it."""

    python: tuple[int, int] | None = None
    packages: tuple[tuple[str, str], ...] = ()
    damaged: tuple[str, ...] = ()
    origin: str | None = None


def say(text: str) -> None:
    """Print one line at once, so that it stands above what the child processes print."""
    print(f"[setup] {text}", flush=True)


def folder_of_programs(venv: Path) -> Path:
    """Where a virtual environment keeps its programs."""
    return venv / ("Scripts" if WINDOWS else "bin")


def program(venv: Path, name: str) -> Path:
    """Path of a program of a virtual environment."""
    return folder_of_programs(venv) / (f"{name}.exe" if WINDOWS else name)


def base_python() -> str:
    """The interpreter outside any virtual environment, which survives when `.venv` is made anew."""
    return getattr(sys, "_base_executable", None) or sys.executable


def clean_environ(venv: Path) -> dict[str, str]:
    """The environment for child processes: `.venv` first, and nothing that would slip other packages in."""
    environ = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__")}
    environ["VIRTUAL_ENV"] = str(venv)
    environ["PATH"] = os.pathsep.join([str(folder_of_programs(venv)), environ.get("PATH", os.defpath)])
    return environ


def known_extras(root: Path) -> set[str]:
    """Names under [project.optional-dependencies]; by pattern, as Python 3.10 has no TOML reader."""
    pyproject = (root / "pyproject.toml").read_text(encoding="utf-8")
    section = re.search(r"^\[project\.optional-dependencies\]\n(.*?)(?=^\[|\Z)", pyproject, re.M | re.S)
    return set(re.findall(r"^([A-Za-z0-9_-]+)\s*=", section.group(1), re.M)) if section else set()


def fingerprint(root: Path) -> str:
    """Hash of the files that decide what is installed."""
    total = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        total.update((root / name).read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return total.hexdigest()


def read_stamp(venv: Path) -> dict:
    """The stamp of the last finished installation, or an empty one."""
    try:
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def look(venv: Path) -> Look:
    """Ask the environment's own interpreter what is installed; no package is imported, so it takes a moment only."""
    try:
        done = subprocess.run(  # -I: neither PYTHONPATH nor the current folder counts
            [str(program(venv, "python")), "-I", "-c", LOOK], capture_output=True, text=True, timeout=120, check=True
        )
        seen = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return Look()
    if os.path.realpath(seen["prefix"]) != os.path.realpath(venv):  # without pyvenv.cfg pip would fill another Python
        return Look()
    packages = tuple(sorted(seen["packages"].items()))
    return Look(tuple(seen["python"]), packages, tuple(seen["damaged"]), seen["origin"])


def why_rebuild(root: Path, venv: Path, stamp: dict, seen: Look) -> str | None:
    """The reason for making `.venv` anew, or None where it can be used or completed."""
    if not os.path.lexists(venv):
        return "there is none yet"
    if seen.python is None:
        return "its Python does not run"
    if seen.python != sys.version_info[:2]:
        return "it was made with Python {}.{}, and this is {}.{}".format(*seen.python, *sys.version_info[:2])
    if stamp and stamp.get("root") != str(root):
        return f"it was made for {stamp.get('root')}, and virtual environments cannot be moved"
    if seen.damaged:
        return f"an interrupted installation left {', '.join(seen.damaged[:3])} damaged"
    return None


def why_install(root: Path, venv: Path, extras: set[str], stamp: dict, seen: Look) -> str | None:
    """The reason for running pip, or None where everything asked for is there."""
    if not stamp:
        return "nothing was installed completely before"
    if stamp.get("hash") != fingerprint(root):
        return "pyproject.toml or constraints.txt has changed"
    if not extras <= set(stamp.get("extras", ())):
        return f"the extra {', '.join(sorted(extras - set(stamp.get('extras', ()))))} is not installed yet"
    packages = dict(seen.packages)
    for name, version in stamp.get("packages", {}).items():
        if packages.get(name) != version:
            return f"{name} {version} is gone" if name not in packages else f"{name} is no longer {version}"
    if seen.origin is None or Path(seen.origin).resolve() != (root / "src/twoway/__init__.py").resolve():
        return "twoway is installed from elsewhere"
    return None if program(venv, "twoway").exists() else "the program twoway is missing"


def set_aside(venv: Path) -> None:
    """Remove what stands in the way of a new `.venv`; what is not a virtual environment is renamed, not deleted."""
    if venv.is_symlink():
        venv.unlink()
    elif venv.is_dir() and ((venv / "pyvenv.cfg").exists() or {p.name for p in venv.iterdir()} <= ENTRIES):
        shutil.rmtree(venv)
    elif os.path.lexists(venv):
        others = (venv.with_name(f"{venv.name}-old-{n}") for n in range(1, 1000))
        other = next(path for path in others if not os.path.lexists(path))
        venv.rename(other)
        say(f"{venv.name} was not a virtual environment; it is now called {other.name}")


def make_venv(venv: Path) -> None:
    """Create an empty virtual environment with pip.

    Raises:
        SetupError: This Python cannot do that; the message says what to install.
    """
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    version = "{}.{}".format(*sys.version_info[:2])
    if missing:
        raise SetupError(
            f"This Python ({sys.executable}) comes without the module {' and '.join(missing)}, which makes virtual "
            f"environments. On Debian and Ubuntu run `sudo apt install python{version}-venv`, elsewhere install "
            "Python from python.org; then run the same command again."
        )
    done = subprocess.run([base_python(), "-m", "venv", str(venv)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(
            f"{(done.stdout + done.stderr).strip()}\n`{base_python()} -m venv {venv}` failed; the lines above are its "
            f"own. On Debian and Ubuntu `sudo apt install python{version}-venv` often helps."
        )


def run_pip(venv: Path, arguments: list[str], status: Callable[[str], None]) -> None:
    """Run pip in the environment, showing what it is at.

    Raises:
        SetupError: It failed; the message holds its last lines and one sentence.
    """
    environ = {**clean_environ(venv), "PIP_USER": "0", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"):
        environ.pop(name, None)
    command = [str(program(venv, "python")), "-m", "pip", *arguments]
    tail: deque[str] = deque(maxlen=400)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environ
    ) as child:
        for line in child.stdout or ():
            tail.append(line.rstrip())
            status(line.strip())
    if child.returncode:
        raise SetupError("\n".join([*[f"    {line}" for line in list(tail)[-12:]], advice("\n".join(tail))]))


def advice(output: str) -> str:
    """One sentence on what to do about a failed pip."""
    if re.search(r"No space left|Errno 28|disk quota", output, re.I):
        return "The disk is full: the installation needs about 2 GB, some of it in pip's cache."
    if re.search(
        r"NewConnection|(Connect|Read)Timeout|name resolution|Connection(Reset|Refused)|SSLError|ProxyErr", output
    ):
        return (
            "pip could not reach its package index: check the network (behind a proxy set HTTPS_PROXY) and run the "
            "same command again; what has been downloaded is kept."
        )
    if "No matching distribution found for torch" in output:
        return (
            "There is no such torch for this Python and machine: use a 64-bit Python from 3.10 to 3.13, as "
            "`make PYTHON=python3.12 ...`."
        )
    return "pip failed; the lines above are its own. `make clean` and the same command again start from nothing."


@contextlib.contextmanager
def status_line() -> Iterator[Callable[[str], None]]:
    """One line of the terminal that shows what pip is at; silent where the output is not a terminal."""
    if not sys.stdout.isatty():
        yield lambda text: None
        return
    width = shutil.get_terminal_size().columns - 1
    try:
        yield lambda text: print(f"\r{text[:width]:<{width}}", end="", flush=True)
    finally:
        print("\r" + " " * width, end="\r", flush=True)


def pip_version(python: str) -> tuple[int, ...] | None:
    """Version of an interpreter's pip, None where it has none that runs."""
    done = subprocess.run([python, "-I", "-m", "pip", "--version"], capture_output=True, text=True, check=False)
    return None if done.returncode else tuple(map(int, re.findall(r"\d+", done.stdout)[:2]))


def install(root: Path, venv: Path, extras: set[str]) -> None:
    """Install the project in editable mode with the tested versions, check that it imports, and write the stamp."""
    (venv / STAMP).unlink(missing_ok=True)  # from here on the environment counts as unfinished
    python = str(program(venv, "python"))
    asked = f"{root}[{','.join(sorted(extras))}]" if extras else str(root)
    more = ["--extra-index-url", os.environ["TORCH_INDEX"]] if os.environ.get("TORCH_INDEX") else []
    with status_line() as status:
        if pip_version(python) is None:  # as `uv venv` leaves it
            subprocess.run([python, "-I", "-m", "ensurepip", "--upgrade"], capture_output=True, check=False)
        version = pip_version(python)
        if version is None:
            raise BrokenError("The virtual environment has no pip that runs, and ensurepip did not help.")
        if version < (21, 3):  # older ones know no editable installation from pyproject.toml
            run_pip(venv, ["install", "--upgrade", "pip>=21.3"], status)
        run_pip(venv, ["install", "-c", str(root / "constraints.txt"), *more, "-e", asked], status)
    done = subprocess.run(
        [python, "-c", IMPORT_ALL], capture_output=True, text=True, env=clean_environ(venv), check=False, cwd=root
    )
    seen = look(venv)
    if done.returncode or seen.damaged:
        what = ", ".join(seen.damaged) or "see the lines above"
        raise BrokenError(f"{done.stderr.strip()}\nWhat pip installed does not import: {what}.")
    stamp = {"root": str(root), "hash": fingerprint(root), "extras": sorted(extras), "packages": dict(seen.packages)}
    half = venv / f"{STAMP}.part"
    half.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    half.replace(venv / STAMP)


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Let one process at a time change `.venv`, as under `make -j demo test`; no-op where the system has no flock."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (root / ".venv.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another set-up is at work here; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ready(root: Path, extras: set[str]) -> bool:
    """Whether `.venv` holds everything asked for; writes nothing."""
    venv = root / ".venv"
    stamp, seen = read_stamp(venv), look(venv)
    return not (why_rebuild(root, venv, stamp, seen) or why_install(root, venv, extras, stamp, seen))


def prepare(root: Path, extras: set[str]) -> None:
    """Bring `.venv` into a state in which the project runs, from whatever state it is in.

    Raises:
        SetupError: Only the user can mend it; says how.
    """
    if ready(root, extras):
        return
    venv, begun = root / ".venv", time.monotonic()
    try:
        with alone(root):
            stamp, seen = read_stamp(venv), look(venv)
            extras = extras | (set(stamp.get("extras", ())) & known_extras(root))  # never take an extra away again
            reason, missing = why_rebuild(root, venv, stamp, seen), why_install(root, venv, extras, stamp, seen)
            if reason is None and missing is None:  # another process was faster
                return
            if reason is None:
                say(f"completing .venv: {missing}")
                try:
                    install(root, venv, extras)
                except BrokenError:
                    reason = "it could not be completed"
            if reason is not None:
                say(f"making .venv with Python {sys.version.split()[0]}: {reason}")
                set_aside(venv)
                make_venv(venv)
                size = "2.3 GB" if "dev" in extras else "1.4 GB"
                say(f"installing about {size} (a minute or two where the download and the disk are fast)")
                install(root, venv, extras)
    except OSError as error:
        raise SetupError(
            f"The set-up cannot write here: {error}. Use a copy of the project in a folder that is yours, with 2 GB "
            "free; on Windows leave an activated .venv first (`deactivate`)."
        ) from error
    say(f"ready after {time.monotonic() - begun:.0f} s")


def clean(root: Path) -> None:
    """Remove `.venv` and the caches; runs and results stay."""
    if os.path.lexists(root / ".venv"):
        set_aside(root / ".venv")
    caches = [root / name for name in (".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", "dist")]
    for path in [*caches, *(p for part in ("src", "tests") for p in (root / part).rglob("__pycache__"))]:
        shutil.rmtree(path, ignore_errors=True)
    (root / ".venv.lock").unlink(missing_ok=True)


def commands(target: str, venv: Path, arguments: list[str]) -> list[list[str]]:
    """The command lines of a target, in order."""
    python = str(program(venv, "python"))
    return {
        "demo": [[str(program(venv, "twoway")), "demo", *arguments]],
        "test": [[python, "-m", "pytest", "-n", "auto", "--maxprocesses", "4", "--dist", "loadfile", *arguments]],
        "slow": [[python, "-m", "pytest", "-m", "slow", *arguments]],
        "docs": [[python, "-m", "mkdocs", "build", "--strict", *arguments]],
        "lint": [[python, "-m", "ruff", "check", *arguments], [python, "-m", "mypy"]],
    }.get(target, [])


def run_all(lines: list[list[str]], venv: Path, root: Path) -> int:
    """Run command lines until one fails; the last one takes this process's place, so signals reach it directly."""
    os.chdir(root)
    for number, line in enumerate(lines, start=1):
        sys.stdout.flush()
        if number == len(lines) and not WINDOWS:
            os.execve(line[0], line, clean_environ(venv))
        code = subprocess.run(line, env=clean_environ(venv), check=False).returncode
        if code:
            return code
    return 0


def main(arguments: list[str]) -> int:
    """Parse the target and run it.

    Returns:
        The exit code: the target's own, 2 for a set-up that needs the user, 130 when interrupted.
    """
    if not arguments or arguments[0] in ("-h", "--help") or arguments[0] not in TARGETS:
        print(__doc__)
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    target, rest = arguments[0], arguments[1:]
    try:
        if target == "clean":
            clean(ROOT)
            return 0
        extras = set(TARGETS[target])
        if target == "env":
            known = known_extras(ROOT)
            if not set(rest) <= known:
                raise SetupError(f"There is no extra {', '.join({*rest} - known)}; known: {', '.join(sorted(known))}.")
            extras |= set(rest)
        prepare(ROOT, extras)
        return run_all(commands(target, ROOT / ".venv", rest), ROOT / ".venv", ROOT)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped; the same command takes up again from here.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
