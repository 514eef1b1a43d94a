"""What a pull writes down of what it has cut: a sidecar beside each cut, a record of all, and a journal while it runs.

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
from film_archive.core.records import Record
from film_archive.core.source import FileSource, printable
from film_archive.editorial.event import EditList
from film_archive.workflows.extraction import CutStep

SCHEMA = "film-archive pull 1"
CUT_SCHEMA = "film-archive cut 1"
_LARGEST = 1 << 28


@dataclass(frozen=True, slots=True, kw_only=True)
class CutFile(Record):
    """A file that was written."""

    path: str
    """Relative to the pull's folder, with "/"."""
    size: int
    """Bytes."""
    mtime_ns: int
    """When it was written last."""
    xxh128: str
    """XXH3-128, read back from the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRecord(Record):
    """A cut, and what it was made from. Frame numbers are those of the source, from 0."""

    output: str
    """The file, or the folder of a sequence; relative to the pull's folder."""
    source: str
    """The media file, the sequence's pattern, or ARCHIVE::MEMBER."""
    source_identity: str
    """Changes when the source does."""
    source_digest: str | None
    """XXH3-128 of the whole source, where its archive has it."""
    first_frame: int
    """Its first frame."""
    frames: int
    """How many."""
    start_timecode: str | None
    """Of its first frame."""
    start_rate: str | None
    """The rate that it counts at."""
    reel: str | None
    """The reel that it is marked with."""
    mode: str
    """How it was cut: "copy" where no frame was encoded again, "smart" where those of partial GOPs were, "encode" where all."""
    asked_mode: str
    """How it was to be cut."""
    stored_from: int
    """The first frame whose bytes are in the file: earlier than `first_frame` where decoding needs it."""
    frames_checked: int
    """Frames that were held against the archive's digests of them, and are what was archived."""
    missing: tuple[int, ...]
    """Of a sequence, numbers of files that were not there."""
    diagnostics: tuple[str, ...]
    """What is to be known, each one sentence."""
    files: tuple[CutFile, ...]
    """All its files."""
    tool: str = f"film-archive {__version__}"
    """What cut it."""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def answers(self, step: CutStep) -> bool:
        """Whether it is what a step would make."""
        asked = (step.source, step.identity, step.first_frame, step.frames, step.start_timecode, step.reel, str(step.mode))
        return self.output == step.output.name and asked == (
            *(self.source, self.source_identity, self.first_frame, self.frames),
            *(self.start_timecode, self.reel, self.asked_mode),
        )

    def is_there(self, folder: Path) -> bool:
        """Whether all its files are, as far as their sizes and times tell, what they were."""
        for file in self.files:
            try:
                status = (folder / file.path).lstat()
            except OSError:
                return False
            if (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns):
                return False
        return True


def sidecar_of(output: Path) -> Path:
    """The file beside a cut that tells where it comes from."""
    return output.with_name(f"{output.name}.json")


def write_sidecar(folder: Path, record: CutRecord) -> None:
    """Write down beside a cut where it comes from; replaces what an earlier run wrote there."""
    document = {"schema": CUT_SCHEMA, **record.to_json()}
    document["files"] = [{"path": file.path, "size": file.size, "xxh128": file.xxh128} for file in record.files]
    files.write_atomically(sidecar_of(folder / record.output), _text(document), replace=True)


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


def digest_of_file(path: Path, name: str) -> CutFile:
    """A file of a cut, read back."""
    from film_archive.core.digest import digest_source

    with FileSource(path) as source:
        digest = digest_source(source)[KEY]
        return CutFile(path=name, size=source.size, mtime_ns=source.status.st_mtime_ns, xxh128=digest)


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
