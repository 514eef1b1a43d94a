"""Writing tables as Parquet, row group by row group, so that millions of rows need little memory.

PyArrow writes it: it is Parquet's own library, and large, so it is an extra (`pip install film-archive[parquet]`). Text that
is no UTF-8, as names may be, has escapes in its column, and its bytes in a column `raw_NAME` beside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import IO, Any

from film_archive.core.errors import NotSupported
from film_archive.core.source import printable

_ROWS = 1 << 16


def write_parquet(target: IO[bytes], kinds: Mapping[str, type], rows: Iterable[tuple[Any, ...]], raw: str) -> int:
    """Write rows with the columns `kinds` (name → str or int) and return how many; `raw` is the one of names.

    Raises NotSupported where PyArrow is not installed, before anything is written.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise NotSupported(
            "Parquet needs PyArrow, which is not installed: `pip install film-archive[parquet]`, or write .csv or .json."
        ) from error
    types = {str: arrow.string(), int: arrow.int64()}
    columns = [arrow.field(name, types[kind]) for name, kind in kinds.items()]
    schema = arrow.schema([*columns, arrow.field(f"raw_{raw}", arrow.binary())])
    place = list(kinds).index(raw)
    count = 0
    with parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        for part in _parts(rows):
            lists = [list(column) for column in zip(*part, strict=True)]
            names = [printable(name) for name in lists[place]]
            pairs = zip(names, lists[place], strict=True)
            lists.append([None if shown == name else os.fsencode(name) for shown, name in pairs])
            lists[place] = names
            writer.write_table(arrow.table(lists, schema=schema))
            count += len(part)
    return count


def _parts(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    iterator = iter(rows)
    while part := list(islice(iterator, _ROWS)):
        yield part
