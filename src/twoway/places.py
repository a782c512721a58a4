"""Places of a machine in text and data that is handed to others: names stay, the folders above them go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["without_places"]

# a path from the root, the home or a drive, that is no part of an address such as https://host/a/b
_PLACE = re.compile(
    r"(?<![\w:/.~\\-])(?:~?/|[A-Za-z]:[\\/]|\\\\)"
    r"(?:[^\s'\"`,;:()\[\]<>|/\\]+[\\/]+)*[^\s'\"`,;()<>|/\\]*"
)
_WHOLE = re.compile(r"^(?:~?/|[A-Za-z]:[\\/]|\\\\|\.\.?[\\/])")


def without_places(value: Any) -> Any:
    """Plain data whose paths are only names, so that it tells nothing of the machine it was made on.

    Args:
        value: Mappings, lists, text, numbers.

    Returns:
        The same, with every path that starts at the root, a home or a drive replaced by its last part. A text that is
        such a path as a whole may have spaces in it.

    Example:
        >>> without_places({"source": "/home/ann/my cats", "kimg": 3, "notes": "from ~/x/y.npz, https://a.org/b/c"})
        {'source': 'my cats', 'kimg': 3, 'notes': 'from y.npz, https://a.org/b/c'}
    """
    if isinstance(value, Mapping):
        return {key: without_places(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_places(one) for one in value]
    if not isinstance(value, str):
        return value
    if _WHOLE.match(value) and "\n" not in value and not re.search(r"\s[/~]", value):
        return _name(value)
    return _PLACE.sub(lambda found: _name(found[0]), value)


def _name(path: str) -> str:
    parts = [part for part in re.split(r"[\\/]+", path) if part not in ("", "~", ".", "..")]
    return parts[-1] if parts else path
