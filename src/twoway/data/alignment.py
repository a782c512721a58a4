"""What a folder of aligned pictures says of how they were cut, so that models trained on it can say it too."""

from __future__ import annotations

import json
from typing import Any

from twoway.data.sources import FileSource
from twoway.errors import DataError

__all__ = ["ALIGNMENT_FILE", "read_template_facts"]

ALIGNMENT_FILE = "alignment.json"


def read_template_facts(source: FileSource, wrapper: str = "") -> dict[str, Any] | None:
    """The template in a folder's or ZIP's ``alignment.json``, as plain data; None where there is no such file.

    Args:
        source: The files.
        wrapper: Leading folder that everything lies in, ``""`` or ``"faces/"``.

    Raises:
        DataError: The file is damaged.
    """
    for name in dict.fromkeys((wrapper + ALIGNMENT_FILE, ALIGNMENT_FILE)):
        text = source.text(name)
        if text is None:
            continue
        try:
            found = json.loads(text).get("template")
        except (ValueError, AttributeError, RecursionError) as error:
            raise DataError(
                f"{name} in {source.where} is not what `twoway data align` writes ({error}). Mend it, or remove it "
                "to go on without what it says."
            ) from error
        return found if isinstance(found, dict) else None
    return None
