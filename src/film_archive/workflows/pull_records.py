"""What a pull writes down of all that it has cut (of each cut, see `cut_records`): a record, and a journal while it runs.

The record (`LIST.pull.json`) is what a later run of the same pull goes by: what it names, and is as it was, is not cut
again. A file that no record names is never touched.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic_core import to_json

from film_archive import __version__
from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import Damaged, Refused
from film_archive.core.journal import Journal
from film_archive.core.source import printable
from film_archive.editorial.event import EditList
from film_archive.workflows.cut_records import CutRecord, sidecar_of
from film_archive.workflows.cut_steps import CutStep

SCHEMA = "film-archive pull 1"
_LARGEST = 1 << 28


def record_name(list_path: Path) -> str:
    return f"{list_path.stem}.pull.json"


def timeline_name(list_path: Path) -> str:
    return f"{list_path.stem}.pull.otio"


def own_names(list_path: Path) -> tuple[str, ...]:
    """What a pull of a list writes beside its cuts."""
    return record_name(list_path), timeline_name(list_path), "ascmhl"


def digest_of_list(edits: EditList) -> str:
    """Follows from what a list says."""
    hasher = MultiHasher()
    for event in edits:
        hasher.update(to_json(event.to_json()))
    return hasher.digests()[KEY]


def write_record(folder: Path, list_path: Path, head: Mapping[str, Any], cuts: Iterable[CutRecord]) -> Path:
    """Write the record of a pull; `head` is what it says beside the cuts."""
    path = folder / record_name(list_path)
    document = {"schema": SCHEMA, "tool": f"film-archive {__version__}", **head, "cuts": [cut.to_json() for cut in cuts]}
    files.write_atomically(path, _text(document), replace=True)
    return path


def _text(document: Mapping[str, Any]) -> bytes:
    return to_json(document, indent=1) + b"\n"


@dataclass(frozen=True, slots=True)
class Known:
    """What earlier runs of a pull have made in its folder."""

    folder: Path
    cuts: Mapping[str, CutRecord]
    """By their names."""
    begun: frozenset[str]
    """Names that a run was about to give when it was stopped."""

    @classmethod
    def read(cls, folder: Path, list_path: Path) -> Self:
        """Look at the record and at a stopped run's journal. Raises Refused where a file of the record's name is none."""
        cuts = {cut.output: cut for cut in _read_record(folder / record_name(list_path))}
        begun: set[str] = set()
        journal = journal_path(folder, list_path)
        if journal.is_file():
            with Journal.open(journal, journal_head(list_path)) as left:
                for cut, names in journaled(left):
                    begun.update(names)
                    if cut is not None:
                        cuts[cut.output] = cut
        return cls(folder, cuts, frozenset(begun))

    def may_be_ours(self, step: CutStep) -> bool:
        """Whether what stands under a step's name may be what this pull had made there; it is looked at before it counts."""
        return self.done(step) is not None or step.output.name in self.begun

    def done(self, step: CutStep) -> CutRecord | None:
        """The cut that a step would make, if it is there."""
        record = self.cuts.get(step.output.name)
        return record if record is not None and record.answers(step) and record.is_there(self.folder) else None


def abandon_pull(list_path: Path, folder: Path) -> bool:
    """Remove the cuts of a killed run of a pull, its unfinished files and its journal; False where there was none.

    What a run had finished, and so a record names, stays; so does a cut that was changed since it was made. Raises Refused
    where another process pulls the list into that folder.
    """
    path = journal_path(folder, list_path)
    if not path.is_file():
        return False
    record = folder / record_name(list_path)
    kept = {cut.output for cut in _read_record(record)}
    with Journal.open(path, journal_head(list_path)) as journal:
        begun: set[str] = set()
        made: dict[str, CutRecord] = {}
        for cut, names in journaled(journal):
            begun.update(names)
            if cut is not None:
                made[cut.output] = cut
        for name in sorted(begun - kept):
            output = folder / name
            if output.parent != folder:
                raise Damaged(f"{printable(path)} names {printable(name)}, which no pull made; nothing more was removed.")
            _remove_unfinished(output)
            _remove_unfinished(sidecar_of(output))
            if name not in made or made[name].is_there(folder):
                _remove(output)
                _remove(sidecar_of(output))
        for name in own_names(list_path):
            _remove_unfinished(folder / name, but=path)
        if not record.exists():
            _remove(folder / timeline_name(list_path))
        journal.remove()
    return True


def _remove_unfinished(place: Path, but: Path | None = None) -> None:
    """What was built to get a name."""
    for name in files.temporary_names(place):
        if but is None or name != but.name:
            _remove(place.with_name(name))


def _remove(path: Path) -> None:
    """A file, or the folder of a sequence's cut."""
    if path.is_dir() and not path.is_symlink():
        files.remove_tree(path)
    else:
        files.remove(path)


def journal_path(folder: Path, list_path: Path) -> Path:
    return files.temporary_name(folder / record_name(list_path), "journal")


def journal_head(list_path: Path) -> dict[str, str]:
    return {"verb": "pull", "list": printable(list_path.name)}


def journaled(journal: Journal) -> Iterable[tuple[CutRecord | None, tuple[str, ...]]]:
    """(a cut that was finished or None, names that were about to be given) of each entry."""
    for entry in journal.entries():
        if "cut" in entry:
            yield CutRecord.from_json(entry["cut"]), ()
        else:
            yield None, tuple(entry.get("begun", ()))


def _read_record(path: Path) -> tuple[CutRecord, ...]:
    if not path.exists():
        return ()
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("it is too large")
        document = json.loads(path.read_bytes())
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise ValueError("it says so nowhere")
        return tuple(CutRecord.from_json(cut) for cut in document["cuts"])
    except (ValueError, KeyError, TypeError, RecursionError, Damaged) as error:
        raise Refused(f"{printable(path)} is no record of a pull ({error}); move it away. Nothing was changed.") from error
