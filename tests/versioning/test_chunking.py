"""Contents that are stored as chunks: where they are cut, how they are read, and what they take."""

from __future__ import annotations

import random
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.core.digest import blake3_of
from film_archive.core.errors import Damaged, UsageError
from film_archive.core.source import FileSource, MemorySource
from film_archive.testing.media import AudioSpec, ClipSpec, cached_clip
from film_archive.versioning import chunking, contents
from film_archive.versioning.chunk_list import ChunkListMaker, read_chunk_list
from film_archive.versioning.chunk_policy import chunking_of, set_chunking
from film_archive.versioning.chunked import ChunkedSource
from film_archive.versioning.chunking import OTHER, SOUND, Cuts, Cutter, TrackCutter, cuts_of, runs_of
from film_archive.versioning.collecting import clean_up
from film_archive.versioning.contents import Blob, Layout
from film_archive.versioning.elsewhere import Elsewhere
from film_archive.versioning.export import export_entries
from film_archive.versioning.reading import Bytes
from film_archive.versioning.refs import Branch
from film_archive.versioning.repository import Repository
from film_archive.versioning.switching import check_out
from film_archive.versioning.verifying import verify
from tests.archive.making import contents as members
from tests.servers.buckets import BucketServer
from tests.versioning.making import commit, held, noise, on_disk, stored_files, unsync

CLIP = noise(5_000_000, 11)


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    unsync(monkeypatch)


# Where it is cut


def test_the_places_of_cuts_are_frozen() -> None:
    data = memoryview(random.Random(6).randbytes(3_000_000))
    assert list(Cutter().cut(data)) == [526909, 265563, 294185, 458548, 297756, 311178, 223504, 403947, 218410]
    assert list(Cutter(SOUND).cut(data))[:8] == [116210, 29775, 78703, 71880, 71580, 79142, 79619, 66843]
    assert chunking.parameters() == {
        "chunker": "media/1", "average": 262144, "minimum": 65536, "maximum": 1048576, "sound": 65536, "normalization": 1,
    }  # fmt: skip


def test_the_library_cuts_alike_without_its_compiled_part() -> None:
    from pyfastcdc.py import FastCDC

    data = random.Random(6).randbytes(200_000)
    plain = FastCDC(SOUND, min_size=SOUND // 4, max_size=4 * SOUND, normalized_chunking=1, seed=0)
    assert [chunk.length for chunk in plain.cut_buf(data)] == list(Cutter(SOUND).cut(memoryview(data)))


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_runs_are_the_content_and_depend_on_their_own_bytes_only(data: st.DataObject) -> None:
    ends = data.draw(st.lists(st.integers(1, len(CLIP) - 1), max_size=20, unique=True).map(sorted))
    ends = [*ends, len(CLIP)]
    tracks = data.draw(st.lists(st.integers(OTHER, 1), min_size=len(ends), max_size=len(ends)))
    sizes: list[int] = []
    cuts = Cuts(np.array(ends), np.array(tracks))
    found = runs_of(MemorySource(CLIP), cuts, while_reading=lambda block: sizes.append(len(block)))
    pieces = [(track, bytes(run)) for track, run in found]
    assert b"".join(run for _, run in pieces) == CLIP
    assert sum(sizes) == len(CLIP)
    expected = []
    for (start, end), track in zip(pairwise([0, *ends]), tracks, strict=True):
        if track == OTHER:
            expected += list(Cutter().cut(memoryview(CLIP)[start:end]))
    assert [len(run) for track, run in pieces if track == OTHER] == expected


@given(st.lists(st.integers(1, 400_000), max_size=12))
@settings(max_examples=20, deadline=None)
def test_a_sound_track_is_cut_alike_however_it_comes_by(lengths: list[int]) -> None:
    cutter, start = TrackCutter(), 0
    found = []
    for length in lengths:
        found += cutter.feed(memoryview(CLIP)[start : start + length])
        start = min(len(CLIP), start + length)
    found += cutter.finish()
    assert [len(chunk) for chunk in found] == list(Cutter(SOUND).cut(memoryview(CLIP)[:start]))
    assert b"".join(found) == CLIP[:start]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ProRes with sound."""
    spec = ClipSpec(name="chunks", profile="422 HQ", width=1280, height=720, frames=16, audio=(AudioSpec(),))
    return cached_clip(spec, tmp_path_factory.mktemp("clips"))


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("tags.mov", ["-metadata", "title=another"]),
        ("fast.mov", ["-movflags", "+faststart"]),
        ("trim.mov", ["-ss", "0.25"]),
        ("again.mxf", ["-r", "24"]),
        ("again.mkv", []),
    ],
)
def test_a_re_wrapped_clip_is_the_same_chunks(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, words: list[str]
) -> None:
    monkeypatch.setattr(chunking, "LEAST", 1 << 16)
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("ffmpeg is not installed here: it makes the other containers")
    before, after = (words, []) if words[:1] in (["-ss"], ["-r"]) else ([], words)
    command = [ffmpeg, "-v", "error", *before, "-i", clip, "-map", "0:v", "-map", "0:a", "-c", "copy", *after, tmp_path / target]
    subprocess.run(command, check=True)
    known = _chunks(clip)
    again = _chunks(tmp_path / target)
    new = sum(len(chunk) for chunk in again - known)
    size = sum(map(len, again))
    assert new < 0.03 * size + 2 * SOUND  # heads, and where a sound track was cut off


def _chunks(path: Path) -> set[bytes]:
    with FileSource(path) as source:
        cuts = cuts_of(source)
        assert cuts is not None
        assert (cuts.tracks != OTHER).any()
        sound: dict[int, TrackCutter] = {}
        found = set()
        for track, run in runs_of(source, cuts):
            if track == OTHER:
                found.add(bytes(run))
            else:
                found.update(sound.setdefault(track, TrackCutter()).feed(run))
        for cutter in sound.values():
            found.update(cutter.finish())
        return found


def test_small_contents_and_single_pictures_are_not_cut(tmp_path: Path) -> None:
    assert cuts_of(MemorySource(bytes(chunking.LEAST - 1))) is None
    dpx = b"SDPX" + (2048).to_bytes(4, "big") + b"V2.0\0" + bytes(chunking.LEAST)
    assert cuts_of(MemorySource(dpx, "a.dpx")) is None
    whole = cuts_of(MemorySource(noise(chunking.LEAST, 1)))
    assert whole is not None
    assert whole.ends.tolist() == [chunking.LEAST]


# The list


def _listed(seed: int) -> tuple[bytes, bytes, dict[bytes, Blob]]:
    """(content, its list, blobs) of something like a clip: chunks, literals, two interleaved sound tracks."""
    chance = random.Random(seed)
    maker, content, blobs = ChunkListMaker(), bytearray(), {}

    def blob(data: bytes) -> bytes:
        address = blake3_of(data)
        blobs[address] = Blob(address, len(data), bytes(16), Layout.INLINE, data=data)
        return address

    sound = dict.fromkeys((0, 1), b"")
    for _ in range(chance.randrange(30)):
        data = chance.randbytes(chance.randrange(1, 300))
        kind = chance.randrange(4)
        content += data
        if kind < 2:
            maker.add_sound(kind, len(data))
            sound[kind] += data
        elif kind == 2:
            maker.add_literal(data)
        else:
            maker.add(blob(data), len(data))
    for track, data in sound.items():
        while data:
            length = chance.randrange(1, len(data) + 1)
            maker.add_sound_chunk(track, blob(data[:length]), length)
            data = data[length:]
    return bytes(content), maker.data(chunking.parameters()), blobs


@given(st.integers(0, 10_000), st.data())
@settings(max_examples=60, deadline=None)
def test_any_part_of_a_list_is_read_as_it_was(seed: int, data: st.DataObject) -> None:
    content, listed, blobs = _listed(seed)
    chunks = read_chunk_list(listed, len(content), "it")
    assert chunks.chunker["chunker"] == "media/1"
    assert chunks.all_addresses() == set(blobs)

    def nothing(place: bytes) -> MemorySource:
        raise AssertionError(place)

    source = ChunkedSource(chunks, lambda wanted: {one: blobs[one] for one in wanted if one in blobs}, nothing, "it")
    assert source.read_at(0, source.size) == content
    start = data.draw(st.integers(0, len(content)))
    length = data.draw(st.integers(0, len(content)))
    assert source.read_at(start, length) == content[start : start + length]


@given(st.integers(0, 50), st.integers(0, 1 << 16), st.integers(0, 255))
@settings(max_examples=150, deadline=None)
def test_a_damaged_list_says_so_or_is_read_within_its_bounds(seed: int, at: int, value: int) -> None:
    content, listed, _ = _listed(seed)
    bad = bytearray(listed)
    bad[at % len(bad)] = value
    for data in (bytes(bad), listed[: at % len(listed)]):
        try:
            chunks = read_chunk_list(data, len(content), "it")
        except Damaged:
            continue
        assert chunks.size == len(content)
        named = chunks.chunks >= 0
        assert (chunks.chunks < len(chunks.sizes)).all()
        assert (chunks.offsets[named] + np.diff(chunks.ends, prepend=0)[named] <= chunks.sizes[chunks.chunks[named]]).all()


# In a repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


@pytest.fixture
def main(repository: Repository) -> Branch:
    branch = repository.empty_branch("main")
    set_chunking(repository.opened.database, ["*.mov"])
    return branch


def _stored(repository: Repository) -> int:
    return sum(place.stat().st_size for place in stored_files(repository.root))


def test_an_edited_head_adds_next_to_nothing_and_all_is_read_back(repository: Repository, main: Branch, tmp_path: Path) -> None:
    edited = b"another head" + CLIP[12:]
    main = commit(repository, main, {"a.mov": CLIP, "b.txt": CLIP[:4_500_000]}, tmp_path / "files")
    before = _stored(repository)
    main = commit(repository, main, {"a.mov": edited, "cut.mov": CLIP[1000:]}, tmp_path / "files")
    assert _stored(repository) - before < 1_200_000
    held_now = {"a.mov": edited, "b.txt": CLIP[:4_500_000], "cut.mov": CLIP[1000:]}
    assert held(repository.opened, "main") == held_now
    with Bytes(repository.opened) as found:
        layouts = {
            entry.path: repository.opened.contents.find(entry.blake3 or b"") for entry in repository.entries("main")
        }
        assert {path: blob.layout for path, blob in layouts.items() if blob} == {
            "a.mov": Layout.CHUNKED, "b.txt": Layout.WHOLE, "cut.mov": Layout.CHUNKED,
        }  # fmt: skip
        entry = next(entry for entry in repository.entries("main") if entry.path == "a.mov")
        with found.source(entry) as source:
            assert source.read_at(3_000_000, 700_000) == edited[3_000_000:3_700_000]
    check_out(repository, main, tmp_path / "out")
    assert on_disk(tmp_path / "out") == held_now
    export_entries(repository.opened, repository.entries("main"), tmp_path / "out.zip")
    assert {path: data for path, data in members(tmp_path / "out.zip").items() if path in held_now} == held_now
    assert verify(repository.opened).problems == ()


def test_the_same_content_is_stored_once_whatever_the_patterns_were(
    repository: Repository, main: Branch, tmp_path: Path
) -> None:
    main = commit(repository, main, {"a.mov": CLIP}, tmp_path / "files")
    before = _stored(repository)
    set_chunking(repository.opened.database, [])
    main = commit(repository, main, {"again.mov": CLIP, "whole.mov": CLIP[::-1]}, tmp_path / "files")
    assert _stored(repository) - before == len(CLIP)
    set_chunking(repository.opened.database, ["*"])
    commit(repository, main, {"once more.mov": CLIP[::-1]}, tmp_path / "files")
    assert _stored(repository) - before == len(CLIP)


def test_chunks_stay_while_any_content_that_stays_needs_them(
    repository: Repository, main: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(repository, main, {"a.mov": CLIP}, tmp_path / "files")
    vfx = repository.branch_from("main", "vfx")
    vfx = commit(repository, vfx, {"a.mov": None, "b.mov": CLIP[: len(CLIP) // 2] + noise(2_500_000, 12)}, tmp_path / "files")
    repository.remove_branch(vfx.id)
    assert clean_up(repository.opened, keep_days=0, grace_days=0, dry_run=False).objects > 0
    assert verify(repository.opened).problems == ()
    assert held(repository.opened, "main") == {"a.mov": CLIP}
    # A content that nothing leads to, too young to go, of chunks that are old.
    again = commit(repository, repository.branch_from("main", "again"), {"a.mov": b"x" + CLIP[1:]}, tmp_path / "files")
    with repository.opened.database.transaction() as transaction:
        transaction.execute("UPDATE blobs SET added = 1 WHERE layout <> 4")
        transaction.execute("UPDATE objects SET added = 1")
    repository.remove_branch(again.id)
    clean_up(repository.opened, keep_days=0, grace_days=1, dry_run=False)
    assert verify(repository.opened).problems == ()


def test_a_flipped_byte_and_a_missing_chunk_are_found(repository: Repository, main: Branch, tmp_path: Path) -> None:
    commit(repository, main, {"a.mov": CLIP}, tmp_path / "files")
    pack = max(stored_files(repository.root), key=lambda place: place.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data)
    problems = verify(repository.opened).problems
    assert {"a.mov"} < {problem.path for problem in problems}
    with pytest.raises(Damaged):
        check_out(repository, repository.opened.refs.named("main"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)
    assert verify(repository.opened).ok
    blob = next(blob for blob in repository.opened.contents.all() if blob.layout is Layout.CHUNKED)
    chunk = next(iter(repository.opened.contents.chunks_of(blob, "a.mov").all_addresses()))
    with repository.opened.database.transaction() as transaction:
        transaction.execute("DELETE FROM blobs WHERE id = :id", {"id": chunk})
    assert [problem.path for problem in verify(repository.opened).problems] == ["a.mov"]
    with repository.opened.database.transaction() as transaction:
        transaction.execute("DELETE FROM blobs WHERE id = :id", {"id": blob.data})
    with pytest.raises(Damaged, match="list of the chunks"):
        held(repository.opened, "main")


def test_many_chunks_are_written_by_and_by(
    repository: Repository, main: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "_MOST_ROWS", 5)
    monkeypatch.setattr(contents, "_LOOKED_UP_AT", 500_000)
    commit(repository, main, {"a.mov": CLIP, "b.mov": CLIP[:-1], "c": b"small"}, tmp_path / "files")
    assert held(repository.opened, "main") == {"a.mov": CLIP, "b.mov": CLIP[:-1], "c": b"small"}
    assert verify(repository.opened).problems == ()


def test_patterns_are_kept_and_looked_at(repository: Repository, main: Branch) -> None:
    database = repository.opened.database
    assert chunking_of(database) == ("*.mov",)
    set_chunking(database, ["footage/*", "*.mxf"])
    repository.close()
    assert chunking_of(repository.opened.database) == ("footage/*", "*.mxf")
    with pytest.raises(UsageError):
        set_chunking(database, [""])
    with repository.opened.database.transaction() as transaction:
        transaction.execute("UPDATE meta SET value = '[1]' WHERE name = 'chunking'")
    with pytest.raises(Damaged):
        chunking_of(repository.opened.database)


def test_chunks_lie_in_a_bucket_as_well(buckets: BucketServer, tmp_path: Path) -> None:
    where = Elsewhere.named(store=f"s3://{buckets.bucket()}/show", endpoint=buckets.endpoint)
    repository = Repository(tmp_path / "repo", where)
    main = repository.empty_branch("main")
    set_chunking(repository.opened.database, ["*"])
    main = commit(repository, main, {"a.mov": CLIP}, tmp_path / "files")
    commit(repository, main, {"b.mov": b"head" + CLIP}, tmp_path / "files")
    assert held(repository.opened, "main") == {"a.mov": CLIP, "b.mov": b"head" + CLIP}
    assert verify(repository.opened).problems == ()
    repository.close()
