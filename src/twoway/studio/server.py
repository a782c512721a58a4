"""Starting and stopping the studio's web server; the only door to the page."""

from __future__ import annotations

import errno
import logging
import os
import socket
from dataclasses import dataclass
from typing import Any

from twoway.errors import ConfigError
from twoway.studio.guests import Guests
from twoway.studio.inputs import guard_inputs
from twoway.studio.shared import PAGE, Studio

__all__ = ["Running", "check_port", "require_gradio", "serve"]

QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
CACHE = "GRADIO_TEMP_DIR"
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
    "connect-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


@dataclass
class Running:
    """A studio that is being served.

    Args:
        url: Where, on this machine.
        share_url: Where, for everybody; None unless it was asked for.
        guests: Who is on the page.
        page: Gradio's blocks.
        studio: Models and sessions.
        cache_before: Where gradio kept its files before; it has one place for all that a program serves.
    """

    url: str
    share_url: str | None
    guests: Guests
    page: Any
    studio: Studio
    cache_before: str | None = None

    def close(self) -> None:
        """Stop serving, end all sessions and remove what they left; closing twice is once."""
        self.page.close(verbose=False)
        if os.environ.get(CACHE) == str(self.studio.folder / PAGE):
            os.environ.pop(CACHE)
            if self.cache_before is not None:
                os.environ[CACHE] = self.cache_before
        self.studio.close()

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def require_gradio() -> None:
    """Import gradio, which asks nobody anything.

    Raises:
        ConfigError: It is not installed.
    """
    os.environ.update(QUIET)  # read when gradio is imported
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise ConfigError("The studio needs gradio, which is not installed: pip install 'twoway[studio]'") from error


def check_port(host: str, port: int) -> int:
    """A port that is free; 0 takes any.

    Raises:
        ConfigError: It is taken, or there is no such host or port.
    """
    if not 0 <= port < 2**16:
        raise ConfigError(f"--port is {port}, but ports go from 0 (any that is free) to 65535.")
    bare = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    with socket.socket(family) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((bare, port))
        except (OSError, UnicodeError) as error:
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                raise ConfigError(
                    f"Port {port} of {host} is in use, perhaps by another studio. Give another one with --port, or 0 "
                    "for any that is free."
                ) from error
            raise ConfigError(
                f"The studio cannot listen at {host}, port {port}: {error}. Give 127.0.0.1 for this machine only, "
                "or 0.0.0.0 for all that can reach it."
            ) from error
        return int(attempt.getsockname()[1])


def serve(studio: Studio, *, host: str = "127.0.0.1", port: int = 7860, share: bool = False) -> Running:
    """Start serving a studio; returns at once.

    Args:
        studio: Models and limits; closed together with the server.
        host: Address to listen at; 127.0.0.1 for this machine only.
        port: Of it; 0 takes any that is free.
        share: Make it reachable for everybody through gradio's servers.

    Raises:
        ConfigError: Gradio is not installed, or the port is taken.
    """
    port = check_port(host, port)
    cache = studio.folder / PAGE
    cache.mkdir(parents=True, exist_ok=True)
    before = os.environ.get(CACHE)
    os.environ[CACHE] = str(cache)  # read when components are made
    require_gradio()
    from gradio import processing_utils
    from starlette.middleware import Middleware

    from twoway.studio.app import STYLE, build_page, make_theme

    vars(processing_utils)["async_ssrf_protected_download"] = refuse_address
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log the server's call of itself
    guests = Guests(studio)
    page = build_page(studio, guests)
    guard_inputs(page)
    try:
        _, url, share_url = page.launch(
            server_name=host,
            server_port=port,
            share=share,
            prevent_thread_lock=True,
            quiet=True,
            show_error=False,
            theme=make_theme(),
            css=STYLE.read_text(encoding="utf-8"),
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            enable_monitoring=False,
            max_file_size=int(studio.limits.upload_mib * 2**20),
            app_kwargs={"middleware": [Middleware(Headers)]},
        )
    except OSError as error:  # taken since it was looked at
        raise ConfigError(f"The studio cannot listen at {host}, port {port}: {error}.") from error
    return Running(url, share_url, guests, page, studio, before)


async def refuse_address(url: str, cache_dir: str) -> str:
    """In place of what gradio fetches addresses with that visitors send for files: the studio asks no other server."""
    raise ConfigError("A file was given as an address, which the studio does not fetch. Upload the file itself.")


class Headers:
    """Middleware: the page may ask nobody but its own server, and files are what the server says they are.

    Args:
        app: What answers.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer with the headers added."""

        async def add(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        await self.app(scope, receive, add if scope["type"] == "http" else send)
