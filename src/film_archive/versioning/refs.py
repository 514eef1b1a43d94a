"""Refs: which commit a branch is at. They alone change, one at a time, and only from what the mover believed they were.

    refs/<branch id>.json
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pydantic_core import to_json

from film_archive.core import files
from film_archive.core.errors import Damaged, NotFound, Refused, UsageError
from film_archive.core.source import FileSource, printable
from film_archive.versioning.locking import locked
from film_archive.versioning.objects import SCHEMA_VERSION, read_record

_KIND = "branch"
_BRANCH_ID = re.compile(r"[0-9a-f]{16}")
_LONGEST_NAME = 200
_SHOWN = bytes(sign for sign in range(0x20, 0x7F) if sign != 0x25)
"""Of a path, what stands for itself; all else is percent-encoded, since a path need not be UTF-8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A branch: its name for life (`id`), its name for people, and the commits it began with and is at."""

    id: str
    name: str
    description: str
    archive_path: Path
    archive_id: str
    parent: str | None
    first: str
    head: str
    created: datetime

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "archive_path": quote_from_bytes(os.fsencode(self.archive_path), safe=_SHOWN),
            "archive_id": self.archive_id,
            "parent": self.parent,
            "first": self.first,
            "head": self.head,
            "created": self.created.isoformat(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Branch:
        return cls(
            id=str(data["id"]),
            name=str(data["name"]),
            description=str(data["description"]),
            archive_path=Path(os.fsdecode(unquote_to_bytes(data["archive_path"]))),
            archive_id=str(data["archive_id"]),
            parent=data["parent"],
            first=str(data["first"]),
            head=str(data["head"]),
            created=datetime.fromisoformat(data["created"]),
        )


class Moved(Refused):
    """A branch is not where its mover believed it to be: look again, then try again."""


class Refs:
    """The folder of refs below a repository's root."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / "refs"

    def get(self, branch_id: str) -> Branch:
        """The branch of this id; raises NotFound."""
        place = self._place(branch_id)
        if place is None or not place.is_file():
            raise NotFound(f"There is no branch with the id {branch_id!r} in the repository {printable(self._root)}.")
        return _read(place)

    def all(self) -> list[Branch]:
        """All branches, oldest first."""
        found = [_read(place) for place in self._folder.glob("*.json") if _BRANCH_ID.fullmatch(place.stem)]
        return sorted(found, key=lambda branch: (branch.created, branch.id))

    def create(self, branch: Branch) -> None:
        """Make a new branch; raises Refused where one has its name."""
        with locked(self._root / "refs.lock"):
            for other in self.all():
                if _fold(other.name) == _fold(branch.name):
                    raise Refused(f"There is a branch {other.name!r} already; nothing was changed.")
            self._write(branch, replace_it=False)

    def move(self, branch: Branch, head: str) -> Branch:
        """Move a branch from where `branch` has it to another commit; raises Moved where it is elsewhere by now."""
        moved = replace(branch, head=head)
        with locked(self._root / "refs.lock"):
            now = self.get(branch.id)
            if now.head != branch.head:
                raise Moved(
                    f"The branch {branch.name!r} was moved by another meanwhile; nothing was changed, try again."
                )
            self._write(moved, replace_it=True)
        return moved

    def _write(self, branch: Branch, *, replace_it: bool) -> None:
        with files.explaining(f"make the folder {printable(self._folder)}"):
            self._folder.mkdir(exist_ok=True)
        record = {"film_archive": _KIND, "schema_version": SCHEMA_VERSION, **branch.to_json()}
        files.write_atomically(self._folder / f"{branch.id}.json", to_json(record), replace=replace_it)

    def _place(self, branch_id: str) -> Path | None:
        return self._folder / f"{branch_id}.json" if _BRANCH_ID.fullmatch(branch_id) else None


def _read(place: Path) -> Branch:
    with FileSource(place) as source:
        data = source.read_at(0, 1 << 20)
    name = f"The branch's file {printable(place)}"
    record = read_record(data, _KIND, name)
    try:
        return Branch.from_json(record)
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"{name} can't be read ({error}).") from error


def require_branch_name(name: str) -> str:
    """A branch's name as given: parts joined by slashes; raises UsageError where people or programs would stumble."""
    problem = _name_problem(name)
    if problem is not None:
        raise UsageError(f"{name!r} can't be the name of a branch: {problem}; nothing was changed.")
    return name


def _name_problem(name: str) -> str | None:
    if not name.strip():
        return "it is empty"
    if len(name) > _LONGEST_NAME:
        return f"it has more than {_LONGEST_NAME} signs"
    if not name.isprintable() or "\\" in name:
        return "it has a backslash or a sign that can't be shown"
    for part in name.split("/"):
        if part in ("", ".", ".."):
            return f"{part!r} is one of its parts"
        if part != part.strip() or part.startswith("-"):
            return "a part of it begins or ends with a blank, or begins with '-'"
    return None


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
