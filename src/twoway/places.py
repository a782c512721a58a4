"""Places of a machine in text and data that is handed to others: names stay, the folders above them go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["without_places"]

_FILE = r"[Ff][Ii][Ll][Ee]:(?://[^\s/\\'\"`]*)?/+"
# a path from the root, the home or a drive, or a file: address. After a colon one slash is a place of a host, two are
# an address such as https://host/a/b; after a bracket only folders that machines have are one, as (a)/b/c is a ratio.
_PLACE = re.compile(
    rf"(?:(?<!\w){_FILE}"
    r"|(?<![\w./~\\-])(?:~/|[A-Za-z]:[\\/]|\\\\|(?<!:)/+|(?<=:)/(?!/))"
    r"(?:(?<![)\]].)|(?=(?:home|root|Users|tmp|var|mnt|media|opt|srv)/)))"
    r"(?:[^\s'\"`,;:()\[\]<>|/\\]+[\\/]+)*[^\s'\"`,;()<>|/\\]*"
)
_QUOTED = re.compile(rf"(?<=(['\"`]))(?:{_FILE}|~?/|[A-Za-z]:[\\/]|\\\\)[^'\"`\n]*(?=\1)")
_WHOLE = re.compile(rf"^(?:{_FILE}|~?/|[A-Za-z]:[\\/]|\\\\|\.\.?[\\/])")


def without_places(value: Any) -> Any:
    """Plain data whose paths are only names, so that it tells nothing of the machine it was made on.

    Args:
        value: Mappings, lists, text, numbers.

    Returns:
        The same, with every path that starts at the root, a home or a drive replaced by its last part, in keys too. A
        text that is such a path as a whole, or a part in quotes that is, may have spaces in it. Inside a text, a slash
        with a single name behind it is left, as in 7 /10: no folder is told by it.

    Example:
        >>> without_places({"source": "/home/ann/my cats", "kimg": 3, "notes": "from ~/x/y.npz, https://a.org/b/c"})
        {'source': 'my cats', 'kimg': 3, 'notes': 'from y.npz, https://a.org/b/c'}
    """
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, (list, tuple)):
        return [without_places(one) for one in value]
    if not isinstance(value, str):
        return value
    if _WHOLE.match(value) and "\n" not in value and not re.search(r"\s[/~]", value):
        return _name(value)
    return _PLACE.sub(_shortened, _QUOTED.sub(_shortened, value))


def _mapping(value: Mapping[Any, Any]) -> dict[Any, Any]:
    """Keys and values; keys that come to the same are numbered."""
    found: dict[Any, Any] = {}
    for key, one in value.items():
        name = new = without_places(key) if isinstance(key, str) else key
        number = 2
        while new in found or (new != key and new in value):
            new, number = f"{name} ({number})", number + 1
        found[new] = without_places(one)
    return found


def _shortened(found: re.Match[str]) -> str:
    """The name of a path inside a text; one part below the root tells of no folder, and may be no path at all."""
    path = found[0]
    return path if path.startswith("/") and len(_parts(path)) < 2 else _name(path)


def _name(path: str) -> str:
    parts = _parts(re.sub(rf"^{_FILE}", "", path))
    return parts[-1] if parts else path


def _parts(path: str) -> list[str]:
    return [part for part in re.split(r"[\\/]+", path) if part not in ("", "~", ".", "..")]
