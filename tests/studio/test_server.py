"""The studio's server without a browser: ports, missing parts, many visitors at once."""

import concurrent.futures
import json
import socket
import sys
import types
import urllib.request

import pytest
from browsing import photo, toy_studio
from PIL import Image
from typer.testing import CliRunner

from twoway.cli.studio import names_of
from twoway.errors import ConfigError, StudioError
from twoway.studio.boards import board, enlargement
from twoway.studio.guests import Guests
from twoway.studio.server import check_port, require_gradio

USERS = 20


def test_a_port_in_use_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"Port {port} of 127.0.0.1 is in use"):
            check_port("127.0.0.1", port)
    assert check_port("127.0.0.1", 0) > 0


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70000), ("no.such.host.invalid", 0), ("127.0.0.1", -1)])
def test_an_address_that_is_none_is_told(host, port):
    with pytest.raises(ConfigError):
        check_port(host, port)


def test_without_gradio_the_command_says_what_to_install(monkeypatch):
    from twoway.cli.main import app

    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ConfigError, match=r"pip install 'twoway\[studio\]'"):
        require_gradio()
    done = CliRunner().invoke(app, ["studio", "nowhere", "--port", "0"])
    assert isinstance(done.exception, ConfigError)  # before a model is looked for
    assert "\n" not in str(done.exception)


def test_models_have_short_names_that_differ():
    assert names_of(["a/x", "a/y"]) == ["x", "y"]
    assert names_of(["a/x", "a/x"]) == ["a/x (1)", "a/x (2)"]


def test_what_is_made_of_a_picture_is_not_shown_beside_the_next(tmp_path):
    gr = pytest.importorskip("gradio")
    from twoway.studio.tabs.desk import guarded

    page = types.SimpleNamespace(session_hash="ann")
    with toy_studio(tmp_path) as studio:
        guests = Guests(studio)
        first, second = photo(tmp_path / "a.png", seed=1), photo(tmp_path / "b.png", seed=2)
        guests.guest("ann").session.open(first)
        made = guarded(guests, lambda guest: "of the first", of_picture=True)
        assert made(page) == "of the first"

        def late(guest):
            guest.session.open(second)
            return "of the first"

        assert guarded(guests, late, of_picture=True)(page) == gr.skip()
        assert guarded(guests, late)(page) == "of the first"  # as what opens pictures itself


def test_guests_come_and_go(tmp_path):
    with toy_studio(tmp_path) as studio:
        guests = Guests(studio)
        ann, bob = guests.guest("ann"), guests.guest("bob")
        ann.session.open(photo(tmp_path / "a.png"))
        assert bob.session.view is None
        assert guests.guest("ann") is ann
        assert studio.sessions == 2
        guests.leave("ann")
        guests.leave("ann")
        assert studio.sessions == 1
        bob.session.close()  # as after a long time
        assert not bob.session.closed
        with pytest.raises(StudioError, match="which page"):
            guests.guest(None)
        with pytest.raises(StudioError, match="no second picture"):
            bob.other("mix")


def test_two_may_send_the_same_file(tmp_path):
    """Gradio keeps one file for all uploads of the same bytes."""
    gradio = pytest.importorskip("gradio")
    from twoway.studio.panel import Panel
    from twoway.studio.tabs.desk import Desk

    path = photo(tmp_path / "same.png")
    with toy_studio(tmp_path / "studio") as studio, gradio.Blocks():
        guests = Guests(studio)
        panel = Panel([Desk(guests, name, studio.abilities(name)) for name in studio.names])
        for name in ("ann", "bob"):
            panel._open(guests.guest(name), "one", str(path))
            assert guests.guest(name).session.view is not None
            assert path.is_file()
            guests.guest(name).give("mix", str(path))


def test_a_page_whose_session_ended_goes_on_with_its_model(tmp_path):
    with toy_studio(tmp_path) as studio:
        guests = Guests(studio)
        ann = guests.guest("ann")
        assert ann.session.model == "one"
        assert not ann.meets("two")  # it asks of a model that was left
        guests.leave("ann")
        again = guests.guest("ann")
        assert again.meets("two")
        assert again.session.model == "two"
        again.session.close()
        assert again.meets("one")
        assert again.session.model == "one"


def test_guests_who_only_give_something_are_counted_and_forgotten(tmp_path):
    now = [0.0]
    with toy_studio(tmp_path, sessions=2) as studio:
        studio.clock = lambda: now[0]
        guests = Guests(studio)
        path = str(photo(tmp_path / "a.png"))
        for name in ("ann", "bob"):
            guests.guest(name).give("mix", path)
        assert studio.sessions == 2
        with pytest.raises(StudioError, match="2 visitors"):
            guests.guest("eve").give("mix", path)
        assert len(guests) == 3
        now[0] = 61.0
        guests.sweep()
        assert len(guests) == 2, "who never got a session is forgotten"
        now[0] = 3601.0
        guests.sweep()
        assert (len(guests), studio.sessions) == (0, 0)


def test_a_board_is_large_enough_to_click_on():
    small, large = Image.new("RGB", (32, 24)), Image.new("RGB", (640, 480))
    assert (enlargement(small), enlargement(large)) == (12, 1)
    assert board(small).size == (384, 288)
    marked = board(small, [(16.0, 12.0)])
    assert marked.getpixel((192, 144)) != (0, 0, 0)
    assert board(small).getpixel((192, 144)) == (0, 0, 0)
    framed = board(small, (), [(4, 0), (28, 0), (28, 24), (4, 24)])
    assert framed.getpixel((48, 144)) != (0, 0, 0)
    everything = [(0, 0), (32, 0), (32, 24), (0, 24)]  # needs no frame
    assert board(small, (), everything).getextrema() == ((0, 0),) * 3


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Starts a studio; asks for an event of it by the name of a button, and tells how that ended."""
    pytest.importorskip("gradio")
    from twoway.studio.server import serve

    with serve(toy_studio(), port=0) as running:
        config = json.loads(urllib.request.urlopen(running.url + "config", timeout=60).read())

        def ask(name, kind, data):
            button = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == name)
            event = next(d for d in config["dependencies"] if [button, kind] in d["targets"])
            body = {"data": data, "fn_index": event["id"], "trigger_id": button, "session_hash": "somebody"}
            asked = urllib.request.Request(
                running.url + "gradio_api/queue/join", json.dumps(body).encode(), {"Content-Type": "application/json"}
            )
            urllib.request.urlopen(asked, timeout=60).read()
            for line in urllib.request.urlopen(running.url + "gradio_api/queue/data?session_hash=somebody", timeout=60):
                told = json.loads(line[5:]) if line.startswith(b"data:") else {}
                if told.get("msg") == "process_completed":
                    return told
            return None

        yield ask


@pytest.mark.parametrize(
    ("data", "said"),
    [([-5, 4, 1.0, -1], "Choose another value."), ([0, 4, 1.0, "sideways"], "Choose another value."),
     ([0, {"no": "number"}, 1.0, -1], "Reload the page.")],
)  # fmt: skip
def test_what_a_control_does_not_take_is_a_message_and_no_traceback(ask, capfd, data, said):
    told = ask("sample-go-one", "click", data)
    assert not told["success"]
    assert told["output"]["error"].endswith(said)
    assert "Traceback" not in capfd.readouterr().err
    assert ask("sample-go-one", "click", [0, 2, 1.0, -1])["success"]


def test_the_server_fetches_nothing_that_a_page_names(ask, monkeypatch, capfd):
    from gradio import processing_utils

    asked = []

    async def fetch(url, *_, **__):
        asked.append(url)
        raise OSError("no network")

    monkeypatch.setattr(processing_utils, "async_ssrf_protected_download", fetch)
    file = {
        "path": "https://example.com/x.png",
        "url": "https://example.com/x.png",
        "meta": {"_type": "gradio.FileData"},
    }
    told = ask("upload", "upload", [file])
    assert asked == []
    assert not told["success"]
    assert "Reload the page" in told["output"]["error"]
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.slow
def test_twenty_visitors_at_once_lose_nothing(tmp_path):
    pytest.importorskip("gradio")
    from twoway.studio.server import serve

    with serve(toy_studio(), port=0) as running:
        config = json.loads(urllib.request.urlopen(running.url + "config", timeout=60).read())
        button = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == "sample-go-one")
        event = next(d for d in config["dependencies"] if [button, "click"] in d["targets"])

        def visit(user):
            found = []
            for turn in range(3):
                first = 100 * user + 10 * turn
                body = {
                    "data": [first, 4, 1.0, -1],
                    "fn_index": event["id"],
                    "trigger_id": button,
                    "session_hash": f"user{user}",
                }
                asked = urllib.request.Request(
                    running.url + "gradio_api/queue/join",
                    json.dumps(body).encode(),
                    {"Content-Type": "application/json"},
                )
                urllib.request.urlopen(asked, timeout=120).read()
                stream = urllib.request.urlopen(
                    f"{running.url}gradio_api/queue/data?session_hash=user{user}", timeout=120
                )
                for line in stream:
                    told = json.loads(line[5:]) if line.startswith(b"data:") else {}
                    if told.get("msg") == "process_completed":
                        assert told["success"], told
                        shown = told["output"]["data"][0]["value"]
                        found.append([one["caption"] for one in shown] == [str(first + i) for i in range(4)])
                        break
            return found

        with concurrent.futures.ThreadPoolExecutor(USERS) as pool:
            answers = list(pool.map(visit, range(USERS)))
        assert answers == [[True] * 3] * USERS
        assert running.studio.sessions == USERS
