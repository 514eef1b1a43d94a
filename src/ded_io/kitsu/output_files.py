"""Output files in Kitsu: a row for each thing that a version consists of, with its path as it is on disk.

Kitsu would make paths of its own by a template, all in lower case; so ours are written over what it made. It makes the row
even where it has no template and answers with an error; the row is then found and completed.
"""

from __future__ import annotations

from typing import Any

from ded_io.kitsu.connection import Row, Session
from ded_io.kitsu.entities import Outcome, Standing, found_or_created, updated
from ded_io.kitsu.publication import OutputFile, Publication
from film_archive.core.digest import KEY
from film_archive.core.source import printable

_LARGEST = 2**31 - 1
"""Bytes that Kitsu's column can count; the exact number stands in `data` as well."""
_PATH = 400
_CHECKSUM = 32
_EXTENSION = 10
"""Characters that Kitsu's columns have."""


def output_file(
    session: Session, shot_id: str, task_type_id: str, output_type_id: str, publication: Publication, file: OutputFile
) -> Standing:
    """The row of one output file of a version, with what is known of the file."""
    identity = {
        "name": publication.element,
        "output_type_id": output_type_id,
        "task_type_id": task_type_id,
        "representation": file.representation,
        "revision": publication.version,
    }
    what = f"register {file.representation} of {publication.name}"
    create = {
        **identity,
        "comment": publication.comment,
        "nb_elements": file.frames,
        "extension": _extension(file),
        "sep": "/",
    }
    standing = found_or_created(
        lambda: _find(session, shot_id, identity),
        lambda: session.create(f"data/entities/{shot_id}/output-files/new", create, what),
    )
    if standing.outcome is Outcome.UNCHANGED and standing.row.fields.get("path") is None:
        standing = Standing(standing.row, Outcome.CREATED)  # made this very moment, or by a run that was killed
    return updated(session, standing, "data/output-files", fields_of(publication, file), what)


def _find(session: Session, shot_id: str, identity: dict[str, Any]) -> Row | None:
    where = {key: str(identity[key]) for key in ("name", "output_type_id", "task_type_id", "representation")}
    for row in session.rows(f"entities/{shot_id}/output-files", **where):
        if all(row.fields.get(key) == value for key, value in identity.items()):
            return row
    return None


def fields_of(publication: Publication, file: OutputFile) -> dict[str, Any]:
    """What a row says of a file; what is too long or too large for Kitsu's columns stands in `data` alone."""
    path = printable(file.path)
    checksum = file.digests.get(KEY, "")
    return {
        "path": path if len(path) <= _PATH else None,
        "extension": _extension(file),
        "nb_elements": file.frames,
        "comment": publication.comment,
        "size": file.size if file.size is not None and file.size <= _LARGEST else None,
        "checksum": checksum if 0 < len(checksum) <= _CHECKSUM else None,
        "data": {
            "path": path,
            "size": file.size,
            "digests": dict(file.digests),
            "first_frame": file.first_frame,
            "last_frame": file.last_frame,
            "fps": f"{publication.fps.numerator}/{publication.fps.denominator}",
            "colorspace": file.colorspace,
        },
    }


def _extension(file: OutputFile) -> str:
    return file.path.suffix[1:][:_EXTENSION]
