"""Files of codes as Parquet tables: a row a picture, read by data frames and databases; needs pyarrow.

Columns are ``name``, ``label``, ``in_domain`` and ``error``, and lists of numbers of one length for ``w``, ``z``,
``chances``, ``continuous`` and ``features``. Layers of a code lie side by side; the schema's metadata holds, under
``twoway``, JSON with the model's fingerprint, where the pictures were, and the shape of each list.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twoway.errors import ConfigError

if TYPE_CHECKING:
    from twoway.latents.codes import Codes

__all__ = ["needs_pyarrow", "read_parquet", "write_parquet"]

NUMBERS = {"labels": "label", "in_domain": "in_domain", "errors": "error"}
LISTS = ("w", "z", "chances", "continuous", "features")


def needs_pyarrow(path: Path) -> None:
    """Say what to install where pyarrow is missing.

    Raises:
        ConfigError: It is.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise ConfigError(
            f"{path} is a Parquet file, which needs pyarrow. Install it with pip install 'twoway[parquet]', or use a "
            ".npz file."
        )


def write_parquet(path: Path, codes: Codes) -> None:
    """Write codes to a file.

    Raises:
        OSError: The file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {"name": pa.array(codes.names, pa.string())}
    for field, column in NUMBERS.items():
        values = getattr(codes, field)
        if values is not None:
            columns[column] = pa.array(values)
    shapes: dict[str, list[int]] = {}
    for field in LISTS:
        values = getattr(codes, field)
        if values is None:
            continue
        shapes[field] = list(values.shape[1:])
        flat = np.ascontiguousarray(values, np.float32).reshape(-1)
        columns[field] = pa.FixedSizeListArray.from_arrays(pa.array(flat), int(np.prod(values.shape[1:])))
    told = {"fingerprint": codes.fingerprint, "source": codes.source, "split": codes.split, "shapes": shapes}
    table = pa.table(columns).replace_schema_metadata({"twoway": json.dumps(told)})
    pq.write_table(table, path)


def read_parquet(path: Path) -> dict[str, Any]:
    """Fields of `twoway.latents.codes.Codes` in a file.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no such table.
    """
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path).read()  # pyarrow's own errors are ValueErrors and OSErrors
    told = json.loads((table.schema.metadata or {}).get(b"twoway", b"null"))
    if not isinstance(told, dict) or "fingerprint" not in told:
        raise ValueError("its schema has no metadata of twoway")
    fields: dict[str, Any] = {"w": None, "labels": None, "names": tuple(table["name"].to_pylist())}
    fields |= {name: str(told[name]) for name in ("fingerprint", "source", "split")}
    for field, column in NUMBERS.items():
        if column in table.column_names:
            fields[field] = table[column].to_numpy().copy()
    for field, shape in told["shapes"].items():
        if field in LISTS:
            flat = table[field].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            fields[field] = flat.reshape(len(table), *map(int, shape)).copy()
    return fields
