"""A list of duplicates as a file: what `dupes --list` writes and `sort --list` takes, to be looked at and shortened by hand."""

from __future__ import annotations

from pathlib import Path

from film_archive.core import files
from film_archive.core.errors import Damaged
from film_archive.core.source import FileSource, printable
from film_archive.library.dupe_finder import DupeSet, Duplicates


def write_list(target: Path, found: Duplicates) -> None:
    """Write the sets, replacing an older list."""
    from pydantic_core import to_json

    sets = b",\n".join(to_json(each.to_json()) for each in found.sets)
    files.write_atomically(target, b'{"schema_version":1,"sets":[\n' + sets + b"\n]}\n", replace=True)


def read_list(path: Path) -> tuple[DupeSet, ...]:
    """The sets of a list, also of a whole document of `dupes --json`; raises Damaged where it is none, NotFound."""
    from pydantic_core import from_json

    with FileSource(path) as source:
        data = source.read_at(0, source.size)
    try:
        document = from_json(data)
    except ValueError as error:
        raise Damaged(f"{printable(path)} is no list of duplicates: it is no JSON ({error}).") from error
    if not isinstance(document, dict) or not isinstance(document.get("sets"), list):
        raise Damaged(f"{printable(path)} is no list of duplicates: it has no `sets`.")
    return tuple(map(DupeSet.from_json, document["sets"]))
