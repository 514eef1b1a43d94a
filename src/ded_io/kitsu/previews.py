"""The comment and the preview of a version.

The comment is known again by its first line, the version's name; the preview by the digest in its `data`, which is written
before the movie is uploaded. So whatever a killed run left is completed and nothing is made twice. A preview that Kitsu
broke is replaced; one that was looked at is never removed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from ded_io.kitsu.connection import Row, Session
from ded_io.kitsu.entities import Outcome, Standing
from ded_io.kitsu.publication import MOVIES, PreviewState, Publication
from film_archive.core.digest import KEY, digest_source
from film_archive.core.errors import NotFound, Refused
from film_archive.core.source import FileSource

_FIRST_LOOK, _LONGEST_WAIT = 0.25, 3.0
"""Seconds between two looks at a preview that is being processed: doubled from the first to the second."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How a preview stands in Kitsu, and what was done for it."""

    state: PreviewState
    outcome: Outcome
    row: Row | None = None


def comment(session: Session, task_id: str, status_id: str, publication: Publication) -> Standing:
    """The version's comment; the one that is there gets the text that it should have, and its status is left as it is."""
    text = text_of(publication)
    what = f"comment on {publication.name}"
    for row in session.rows(f"tasks/{task_id}/comments"):
        lines = row.text("text").splitlines()
        if lines and lines[0].strip() == publication.name:
            if row.text("text") == text:
                return Standing(row, Outcome.UNCHANGED)
            return Standing(session.update(f"data/comments/{row.id}", {"text": text}, what), Outcome.UPDATED)
    fields = {"task_status_id": status_id, "comment": text, "checklist": [], "links": []}
    return Standing(session.create(f"actions/tasks/{task_id}/comment", fields, what), Outcome.CREATED)


def text_of(publication: Publication) -> str:
    """What a version's comment says."""
    first, last = publication.frame_in - publication.head_handle, publication.frame_out + publication.tail_handle
    cut = f"{publication.frame_in}-{publication.frame_out} ({publication.frames})"
    lines = [publication.name, f"Frames {first}-{last}, cut {cut}, {publication.fps.text} fps"]
    note = "\n".join(line.rstrip() for line in publication.comment.strip().splitlines())
    return "\n".join([*lines, "", note] if note else lines)


def preview(
    session: Session, task_id: str, comment_row: Row, publication: Publication, *, normalize: bool, patience: float
) -> Shown:
    """Show the version's preview and wait, for `patience` seconds, until Kitsu has processed it."""
    if publication.preview is None:
        return Shown(PreviewState.NONE, Outcome.UNCHANGED)
    try:
        with FileSource(publication.preview) as source:
            digest = digest_source(source)[KEY]
    except NotFound:
        return Shown(PreviewState.MISSING, Outcome.UNCHANGED)
    outcome = Outcome.UNCHANGED
    for row in _previews(session, task_id, comment_row):
        if (
            row.data.get("ingest") != publication.key
            or row.data.get("digest") != digest
            or not row.text("original_name")
        ):
            continue
        row = _settled(session, row, patience)
        if _state(row) is not PreviewState.BROKEN:
            return Shown(_state(row), outcome, row)
        _remove(session, row, publication)
        outcome = Outcome.UPDATED
    row = _uploaded(session, task_id, comment_row, publication, digest, normalize)
    row = _settled(session, row, patience)
    return Shown(_state(row), Outcome.CREATED if outcome is Outcome.UNCHANGED else outcome, row)


def show_as_poster(session: Session, task_id: str, shot: Row, row: Row) -> bool:
    """Let the shot be shown by this preview, unless another task's is; returns whether anything changed."""
    shown_by = shot.text("preview_file_id")
    if shown_by == row.id:
        return False
    if shown_by and all(each.id != shown_by for each in session.rows("preview-files", task_id=task_id)):
        return False
    session.update(f"actions/preview-files/{row.id}/set-main-preview", {}, "show the preview as the shot's")
    return True


def _previews(session: Session, task_id: str, comment_row: Row) -> Iterator[Row]:
    """All previews of a comment."""
    linked = comment_row.fields.get("previews")
    ids = {each["id"] if isinstance(each, dict) else each for each in linked} if isinstance(linked, list) else set()
    for row in session.rows("preview-files", task_id=task_id):
        if row.id in ids or row.data.get("comment") == comment_row.id:
            yield row


def _uploaded(
    session: Session, task_id: str, comment_row: Row, publication: Publication, digest: str, normalize: bool
) -> Row:
    """A preview's record, told whose it is, and then its movie. What a killed run left empty is used."""
    assert publication.preview is not None
    what = f"show the preview of {publication.name}"
    row = next((each for each in _previews(session, task_id, comment_row) if not each.text("original_name")), None)
    if row is None:
        row = _new_record(session, task_id, comment_row, publication, what)
    data = {**row.data, "ingest": publication.key, "digest": digest, "comment": comment_row.id}
    if data != row.data:
        session.update(f"data/preview-files/{row.id}", {"data": data}, what)
    as_it_is = publication.preview.suffix.lower().lstrip(".") in MOVIES and not normalize
    session.upload(
        f"pictures/preview-files/{row.id}{'?normalize=false' if as_it_is else ''}", publication.preview, what
    )
    return session.row("preview-files", row.id)


def _new_record(session: Session, task_id: str, comment_row: Row, publication: Publication, what: str) -> Row:
    """A new preview's record: the version is its revision, unless another element of the task has that one."""
    path = f"actions/tasks/{task_id}/comments/{comment_row.id}/add-preview"
    taken = {row.fields.get("revision") for row in session.rows("preview-files", task_id=task_id)}
    revision = publication.version
    while revision in taken:
        revision += 1
    try:
        return session.create(path, {"revision": revision}, what)
    except Refused:  # another run took it meanwhile; Kitsu finds one
        return session.create(path, {}, what)


def _settled(session: Session, row: Row, patience: float) -> Row:
    """The row when Kitsu is done with it, or when the time is up."""
    deadline, wait = time.monotonic() + patience, _FIRST_LOOK
    while _state(row) is PreviewState.PROCESSING and time.monotonic() < deadline:
        time.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)
        row = session.row("preview-files", row.id)
    return row


def _state(row: Row) -> PreviewState:
    """Kitsu's "missing" is a movie that its store has lost: as good as broken."""
    known = {"ready": PreviewState.READY, "broken": PreviewState.BROKEN, "missing": PreviewState.BROKEN}
    return known.get(row.text("status"), PreviewState.PROCESSING)


def _remove(session: Session, row: Row, publication: Publication) -> None:
    """Remove a preview that can't be looked at; who may not remove one leaves it."""
    try:
        session.remove(f"data/preview-files/{row.id}", f"remove the broken preview of {publication.name}")
    except (Refused, NotFound):
        return
