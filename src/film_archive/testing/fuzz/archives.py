"""Archives of both forms, foreign zips and journals as targets: what is called whole has to be what was archived."""

from __future__ import annotations

import io
import random
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import mock

from film_archive.archive import draft, layout, sealing
from film_archive.archive.check import check_archive
from film_archive.archive.entries import entries_of, parts_of
from film_archive.archive.folder import FolderWriter
from film_archive.archive.reader import Archive, ZipArchive, open_archive
from film_archive.archive.repair import diagnose, repair_archive
from film_archive.archive.unpack import unpack
from film_archive.archive.writer import Writer, ZipWriter
from film_archive.core import files
from film_archive.core.frame_table import SequenceName
from film_archive.core.manifest import read_manifest
from film_archive.core.member import Role
from film_archive.core.source import MemorySource
from film_archive.testing.fuzz.mutation import mutate
from film_archive.testing.fuzz.target import Broken, Sample, Target, answer

Contents = Mapping[str, bytes]
"""Member path → bytes."""

_MTIME_NS = 1_600_000_000_123_456_789
_LARGEST = 1 << 22
"""Of a member that is read whole: the samples' are far smaller, and what claims more is read in part."""


def _noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


_FIRST = {"footage/a.mov": _noise(300, 1), "footage/ü.wav": _noise(5000, 2), "zero": b""}
_FRAMES = {number: _noise(90, number) for number in range(1001, 1006)}
_SECOND = {"day2/b.mov": _noise(400, 3)}


# Made by our writers


def _put(archive: Writer, members: Contents) -> None:
    for path, data in members.items():
        archive.add(path, MemorySource(data, path), identity=path, mtime_ns=_MTIME_NS, mode=0o640)


def _put_all(archive: Writer) -> None:
    _put(archive, _FIRST)
    for number, data in _FRAMES.items():
        path = f"plates/a.{number}.dpx"
        archive.add_frame(path, number, MemorySource(data, path), identity=path, mtime_ns=_MTIME_NS, mode=0o644)
    archive.end_sequence(SequenceName("plates/a.", 4, ".dpx"))
    archive.add_bytes(
        layout.proxy_path("footage/a.mov", "thumbnail"), b"proxy" * 50, identity="1", role=Role.PROXY, of="footage/a.mov",
        proxy={"size": "thumbnail", "width": 320, "height": 180, "bit_rate": 500_000, "frames": 24},
    )  # fmt: skip
    archive.add_folder("empty", empty=True, mtime_ns=_MTIME_NS, mode=0o750)
    archive.add_symlink("link", "footage/a.mov", mtime_ns=_MTIME_NS)


def _contents(archive: Archive) -> dict[str, bytes]:
    """All members' bytes; of a large one the beginning."""
    found = {}
    for member in archive.members():
        for part in parts_of(member):
            if part.role not in (Role.FOLDER, Role.SYMLINK):
                with archive.source(part) as source:
                    found[part.path] = source.read_at(0, _LARGEST)
    return found


def _generations(folder: Path) -> tuple[tuple[bytes, Contents], ...]:
    """An archive's bytes and contents after each of two generations, the second appended."""
    path, made = folder / "archive.zip", []
    with ZipWriter.create(path) as archive:
        _put_all(archive)
        archive.finish()
    made.append(_read(path))
    with mock.patch.object(draft, "clone_whole", return_value=False), ZipWriter.add_to(path) as archive:
        _put(archive, _SECOND)
        archive.drop(layout.proxy_path("footage/a.mov", "thumbnail"))
        archive.finish()
    made.append(_read(path))
    files.remove(path)
    return tuple(made)


def _read(path: Path) -> tuple[bytes, Contents]:
    with ZipArchive(path) as archive:
        return path.read_bytes(), _contents(archive)


def _zips(folder: Path) -> Sequence[Sample]:
    generations = _generations(folder)
    truths = tuple(contents for _, contents in generations)
    return [Sample("archive.zip", data, truths) for data, _ in generations]


def _foreign_zips(folder: Path) -> Sequence[Sample]:
    samples = []
    members = {"a.txt": b"text " * 200, "b/ü.bin": _noise(700, 7), "c": b""}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as made:
            for name, data in members.items():
                made.writestr(name, data)
            made.writestr("folder/", b"")
            made.comment = b"a comment"
        samples.append(Sample("foreign.zip", buffer.getvalue(), (members,)))
    return samples


# Read


def _examine_zip(sample: Sample, data: bytes, folder: Path) -> None:
    path = folder / sample.name
    path.write_bytes(data)
    answer(lambda: _look(path, sample))
    answer(lambda: _unpack(path, folder / "out", sample))
    answer(lambda: diagnose(path))
    repaired = answer(lambda: repair_archive(path))
    if repaired is not None:
        # Names that only a local header still says are not covered by any digest.
        _look(path, sample, named=layout.MANIFEST not in {lost.path for lost in repaired.lost})
    elif path.read_bytes() != data and answer(lambda: open_archive(path).close()) is None:
        raise Broken("a repair that failed has made an archive that does not open any more")


def _look(path: Path, sample: Sample, *, named: bool = True) -> None:
    with open_archive(path) as archive:
        sealed = isinstance(archive, ZipArchive) and archive.sealed
        for member in archive.members():
            answer(lambda member=member: archive.source(member).close())  # type: ignore[misc]
        result = check_archive(archive)
        if result.ok and sample.truth:
            _compare(_contents(archive), sample, whole=sealed and named)
        bad = {problem.path for problem in result.problems}
        if not bad & {"manifest", "structure", "directory"} and sealed and sample.truth:
            _compare(_good(archive, bad), sample, whole=False)


def _good(archive: Archive, bad: set[str]) -> dict[str, bytes]:
    """What a check has found nothing wrong with."""
    parts = [part for member in archive.members() for part in parts_of(member)]
    return {
        part.path: archive.read(part.path)
        for part in parts
        if part.path not in bad and part.role not in (Role.FOLDER, Role.SYMLINK) and part.size < _LARGEST
    }


def _compare(found: Contents, sample: Sample, *, whole: bool) -> None:
    """All that was archived where it is `whole`; else no path may have other bytes than it ever had."""
    truths: Sequence[Contents] = sample.truth  # type: ignore[assignment]
    if whole and found in truths:
        return
    for path, data in found.items():
        known = [truth[path] for truth in truths if path in truth]
        if known and data not in known:
            raise Broken(f"{path} is said to be whole, and is not")
    if whole and not any(found.keys() <= truth.keys() for truth in truths):
        raise Broken(f"what is said to be whole has members that were never archived: {sorted(found)}")


def _unpack(path: Path, target: Path, sample: Sample) -> None:
    with open_archive(path) as archive:
        done = unpack(archive, target, everything=True)
        for member in archive.members():
            for part in parts_of(member):
                if part.path in done.written and part.raw_name is None:
                    _compare({part.path: (target / part.path).read_bytes()}, sample, whole=False)


# The folder form: the sample is the manifest


def _folder(folder: Path) -> Sequence[Sample]:
    place = _media(folder / "media")
    with FolderWriter.create(place) as archive:
        _put_all(archive)
        archive.finish()
    with open_archive(place) as opened:
        return [Sample("manifest.jsonl", (place / layout.MANIFEST).read_bytes(), (_contents(opened),))]


def _media(place: Path) -> Path:
    for path, data in {**_FIRST, **{f"plates/a.{number}.dpx": data for number, data in _FRAMES.items()}}.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)
    return place


def _examine_folder(sample: Sample, data: bytes, folder: Path) -> None:
    """The manifest changed, or its copy, or both."""
    with open_archive(_archived(folder / "archive", sample)) as whole:
        place = whole.path
    names = ((layout.MANIFEST,), (layout.MANIFEST_COPY,), (layout.MANIFEST, layout.MANIFEST_COPY))[len(data) % 3]
    for name in names:
        (place / name).write_bytes(data)
    answer(lambda: _look(place, sample))
    answer(lambda: _unpack(place, folder / "out", sample))
    answer(lambda: diagnose(place))
    if answer(lambda: repair_archive(place)) is not None:
        _look(place, sample)


def _archived(place: Path, sample: Sample) -> Path:
    _media(place)
    truth: Contents = sample.truth[0]  # type: ignore[index]
    for path, data in truth.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)
    (place / layout.MANIFEST).write_bytes(sample.data)
    (place / layout.MANIFEST_COPY).write_bytes(sample.data)
    return place


# A seal that holds over a manifest that anybody may have written


def _manifests(folder: Path) -> Sequence[Sample]:
    (data, truth), *_ = _generations(folder)
    with ZipArchive("archive.zip", MemorySource(data, "archive.zip")) as archive:
        text = b"".join(archive._manifest_chunks())
    return [Sample("manifest.jsonl", text, (data, truth))]


def _examine_manifest(sample: Sample, text: bytes, folder: Path) -> None:
    answer(lambda: [member.frame_table() for member in read_manifest([text])[1]])
    data: bytes = sample.truth[0]  # type: ignore[index]
    path = folder / "archive.zip"
    path.write_bytes(data)
    if answer(lambda: _seal(path, text)) is None:
        return
    nothing = Sample(path.name, data, ())
    answer(lambda: _look(path, nothing))
    answer(lambda: _unpack(path, folder / "out", nothing))
    answer(lambda: diagnose(path))
    answer(lambda: repair_archive(path))


def _seal(path: Path, text: bytes) -> bool:
    """Write an archive's end anew with this manifest, and with a directory as far as its lines have one."""
    with ZipArchive(path) as archive:
        assert archive.manifest_entry is not None
        position = archive.manifest_entry.header_offset
    with path.open("r+b") as file:
        file.truncate(position)
        manifest, payload = sealing.write_manifest(file.fileno(), position, [text])
        entries = [placed for member in read_manifest([text])[1] for placed in entries_of(member)]
        sealing.write_directory(file.fileno(), entries, manifest, payload)
    return True


# Journals: what a killed run has left is continued, or begun anew, or refused


def _journals(folder: Path) -> Sequence[Sample]:
    """The journal of a create that was killed before its end, with what it had written."""
    path = folder / "archive.zip"
    with ZipWriter.create(path) as archive:
        _put_all(archive)
        archive._sync()
        _put(archive, _SECOND)
    work, journal = (files.temporary_name(path, purpose) for purpose in ("work", "journal"))
    sample = Sample("journal", journal.read_bytes(), work.read_bytes())
    files.remove(work)
    files.remove(journal)
    return [sample]


def _change_records(data: bytes, dice: random.Random, others: Sequence[bytes]) -> bytes:
    """Half of them as bytes; half so that the sums of its lines still hold."""
    if dice.random() < 0.5:
        return mutate(data, dice, others)
    lines = data.splitlines(keepends=True)
    for _ in range(dice.choice((1, 1, 2))):
        at = dice.randrange(len(lines))
        body = mutate(lines[at][9:-1], dice, [line[9:-1] for line in lines]).replace(b"\n", b"")
        lines[at] = b"%08x %s\n" % (zlib.crc32(body), body)
    return b"".join(lines)


def _examine_journal(sample: Sample, data: bytes, folder: Path) -> None:
    path = folder / "archive.zip"
    bytes_there: bytes = sample.truth  # type: ignore[assignment]
    files.temporary_name(path, "work").write_bytes(bytes_there)
    files.temporary_name(path, "journal").write_bytes(data)

    def again() -> bool:
        with ZipWriter.create(path) as archive:
            _put_all(archive)
            _put(archive, _SECOND)
            archive.finish()
        return True

    if answer(again) is not None and _sums_are_intact(sample.data, data):
        with ZipArchive(path) as archive:
            result = check_archive(archive)
            if not result.ok:
                raise Broken(f"a run that was continued made {result.problems}")


def _sums_are_intact(before: bytes, after: bytes) -> bool:
    """Whether all lines that hold are lines that were written: a forged journal is believed."""
    written = set(before.splitlines())
    return all(line in written or not _holds(line) for line in after.splitlines())


def _holds(line: bytes) -> bool:
    return len(line) > 9 and line[:9] == b"%08x " % zlib.crc32(line[9:])


TARGETS = (
    Target("archive", _zips, _examine_zip),
    Target("foreign-zip", _foreign_zips, _examine_zip),
    Target("folder-archive", _folder, _examine_folder),
    Target("manifest", _manifests, _examine_manifest),
    Target("journal", _journals, _examine_journal, _change_records),
)
