"""What pages send, looked at before gradio's components do: mistakes become messages, and no address is asked."""

from __future__ import annotations

import html
import logging
from typing import Any

__all__ = ["guard_inputs", "names_an_address"]

log = logging.getLogger("twoway.studio")
REFUSED = "The page sent something that the studio does not take. Reload the page."


def guard_inputs(page: Any) -> None:
    """Have a page refuse what its components cannot take with a message, where gradio prints the whole traceback.

    Files come by upload alone: gradio would fetch one whose place is an address, and so let visitors have this machine
    ask any other.

    Args:
        page: Gradio's blocks; changed in place.
    """
    import gradio as gr

    take = page.preprocess_data

    async def taken(block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False) -> Any:
        try:
            if names_an_address(inputs):
                raise ValueError("A file is an address.")
            return await take(block_fn, inputs, state, explicit_call)
        except gr.Error as error:  # a value that the control does not have, such as a number beyond its end
            message = html.escape(str(error.message)).rstrip(".")
            raise gr.Error(
                f"{message}. Choose another value.", title="That did not work", print_exception=False
            ) from None
        except Exception as error:
            log.info("Inputs of a page were refused: %s", type(error).__name__)
            raise gr.Error(REFUSED, title="That did not work", print_exception=False) from None

    page.preprocess_data = taken


def names_an_address(sent: Any) -> bool:
    """Whether a file among what was sent lies at an address and not on this machine.

    Example:
        >>> names_an_address([{"path": "https://example.com/x.png"}]), names_an_address([3, {"path": "x.png"}])
        (True, False)
    """
    if isinstance(sent, dict):
        place = sent.get("path")
        return (isinstance(place, str) and "://" in place[:32]) or any(map(names_an_address, sent.values()))
    return isinstance(sent, (list, tuple)) and any(map(names_an_address, sent))
