"""Methods, terms and nets of one's own: a Python file that the user names is imported, and registers them."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from twoway.errors import ConfigError, UserError

__all__ = ["use_file"]


def use_file(path: str | Path) -> ModuleType:
    """Import a Python file, such as one with a method decorated by `twoway.methods.method`.

    The file is run, so take none from strangers. A file that was imported before is not run again.

    Args:
        path: The file.

    Returns:
        The module.

    Raises:
        ConfigError: There is no such Python file, or it cannot be run.
    """
    file = Path(path).expanduser().resolve()
    if file.suffix != ".py" or not file.is_file():
        raise ConfigError(f"{path} is no Python file that is there. Give one that registers methods, such as mine.py.")
    name = f"twoway_extension_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None, "a .py file has a loader"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except UserError:
        sys.modules.pop(name, None)
        raise
    except Exception as error:
        sys.modules.pop(name, None)
        raise ConfigError(
            f"{path} cannot be used: {type(error).__name__}: {error}. Run `python {path}` to see where, and mend it."
        ) from error
    return module
