"""What is written down of a cut, beside it: what it was made from, which frames, by what, and the files that it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import to_json

from film_archive import __version__
from film_archive.core import files
from film_archive.core.digest import KEY, digest_source
from film_archive.core.records import Record
from film_archive.core.source import FileSource
from film_archive.media.cutting.cuttable import CutResult
from film_archive.workflows.cut_steps import CutStep

SCHEMA = "film-archive cut 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CutFile(Record):
    """A file that was written."""

    path: str
    """Relative to the folder that the cut is in, with "/"."""
    size: int
    """Bytes."""
    mtime_ns: int
    """When it was written last."""
    xxh128: str | None
    """XXH3-128, read back from the file; null where it was not read back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRecord(Record):
    """A cut, and what it was made from. Frame numbers are those of the source, from 0."""

    output: str
    """The file, or the folder of a sequence; relative to the folder that the cut is in."""
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


def write_sidecar(folder: Path, record: CutRecord) -> Path:
    """Write down beside a cut in a folder where it comes from; replaces what stood there. Returns where it is."""
    document = {"schema": SCHEMA, **record.to_json()}
    document["files"] = [{"path": file.path, "size": file.size, "xxh128": file.xxh128} for file in record.files]
    path = sidecar_of(folder / record.output)
    files.write_atomically(path, to_json(document, indent=1) + b"\n", replace=True)
    return path


def record_of(step: CutStep, result: CutResult, *, read_back: bool) -> CutRecord:
    """The record of a cut that was made; with `read_back` its files are read again for their digests."""
    return CutRecord(
        output=step.output.name,
        source=step.source,
        source_identity=step.identity or "",
        source_digest=step.digest,
        first_frame=step.first_frame,
        frames=step.frames,
        start_timecode=step.start_timecode,
        start_rate=step.clip_start_rate,
        reel=step.reel,
        mode=result.mode,
        asked_mode=str(step.mode),
        stored_from=result.stored_from,
        frames_checked=result.frames_checked,
        missing=result.missing,
        diagnostics=result.diagnostics,
        files=tuple(_files(step.output, read_back=read_back)),
    )


def _files(output: Path, *, read_back: bool) -> Iterator[CutFile]:
    for path in sorted(output.iterdir()) if output.is_dir() else [output]:
        with FileSource(path) as source:
            digest = digest_source(source)[KEY] if read_back else None
            name = path.relative_to(output.parent).as_posix()
            yield CutFile(path=name, size=source.size, mtime_ns=source.status.st_mtime_ns, xxh128=digest)
