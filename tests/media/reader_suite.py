"""What every reader of media has to pass, whatever its format: one line in CASES, and all of this runs against it.

A reader answers the same for a file, a part of a file and memory; for damaged input it gives facts or one of our
errors and never reads without end.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from film_archive.core.errors import FilmArchiveError
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import FileSource, MemorySource
from film_archive.media.probe import index, probe
from tests.media import making


@dataclass(frozen=True)
class ReaderCase:
    """A small whole file of a format, its name, and what a probe has to call it."""

    file_name: str
    container: str
    make: Callable[[], bytes]
    indexed: bool = True
    tries: int = 40
    """Damaged copies in each test: fewer where a single one takes long."""

    def __str__(self) -> str:
        return self.file_name


CASES: tuple[ReaderCase, ...] = (
    ReaderCase("sound.wav", "wav", making.wave),
    ReaderCase("long.rf64", "wav", making.rf64),
    ReaderCase("a.dpx", "dpx", partial(making.timed_dpx, 0x01020304, 24.0)),
    ReaderCase("little.dpx", "dpx", partial(making.timed_dpx, 0x01020304, 24.0, order="<")),
    ReaderCase("a.exr", "exr", partial(making.exr, *making.TIMED)),
    ReaderCase("a.tif", "tiff", partial(making.image, "tif")),
    ReaderCase("a.jpg", "jpeg", making.jpeg_with_exif),
    ReaderCase("a.png", "png", partial(making.image, "png")),
    ReaderCase("a.jp2", "jpeg2000", partial(making.image, "jp2")),
    ReaderCase("a.ari", "arriraw", making.arriraw),
    ReaderCase("A001_C003_1204R5_001.R3D", "r3d", making.r3d, indexed=False),
    ReaderCase("a.dng", "dng", making.dng),
    ReaderCase("a.mov", "mov", partial(making.film, "mov"), tries=15),
    ReaderCase("a.mp4", "mp4", partial(making.film, "mp4", "mpeg4", "yuv420p", sound="aac"), tries=15),
    ReaderCase("a.mxf", "mxf", partial(making.film, "mxf", "mpeg2video", "yuv420p"), tries=15),
    ReaderCase("a.avi", "avi", partial(making.film, "avi", sound="pcm_s16le"), tries=15),
    ReaderCase("a.mkv", "mkv", partial(making.film, "matroska", "mpeg4", "yuv420p", sound="aac"), tries=15),
    ReaderCase("a.ts", "mpegts", partial(making.film, "mpegts", "mpeg2video", "yuv420p"), tries=15),
    ReaderCase("a.flac", "flac", partial(making.sound_file, "flac", "flac"), tries=15),
    ReaderCase("a.aiff", "aiff", partial(making.sound_file, "aiff", "pcm_s16be"), tries=15),
)


class Watched(MemorySource):
    """Bytes in memory that fail the test where a reader asks for them without end."""

    most_reads = 100_000

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data, name)
        self._reads = 0
        self._bytes = 0

    def read_into(self, offset: int, buffer: memoryview) -> int:
        count = super().read_into(offset, buffer)
        self._reads += 1
        self._bytes += count
        assert self._reads <= self.most_reads, "a reader went on reading"
        assert self._bytes <= (1 << 26) + 200 * self.size, "a reader read the same bytes again and again"
        return count


def answer(data: bytes, name: str) -> MediaFacts | FilmArchiveError:
    """Facts, or the error that the probe raised; anything else is a failure."""
    try:
        return probe(Watched(data, name))
    except FilmArchiveError as error:
        return error


def indexed(data: bytes, name: str) -> FrameIndex | FilmArchiveError:
    try:
        return index(Watched(data, name))
    except FilmArchiveError as error:
        return error


def is_sound(given: MediaFacts | FilmArchiveError) -> None:
    """Facts can be stored and read again; an error is one sentence."""
    if isinstance(given, MediaFacts):
        assert MediaFacts.from_json(given.to_json()) == given
        assert all(isinstance(text, str) and text for text in given.camera.values())
    else:
        assert str(given).endswith("."), given
        assert "\n" not in str(given)


def check_whole(case: ReaderCase) -> None:
    facts = answer(case.make(), case.file_name)
    assert isinstance(facts, MediaFacts), facts
    assert facts.container == case.container
    assert not any("its name ends in" in problem for problem in facts.diagnostics)
    is_sound(facts)


def check_same_everywhere(case: ReaderCase, folder: Path) -> None:
    """A file, a part of a larger file (as a member of an archive is), and memory have the same facts."""
    data = case.make()
    plain, inside = folder / case.file_name, folder / f"inside-{case.file_name}.zip"
    plain.write_bytes(data)
    inside.write_bytes(b"x" * 4096 + data + b"y" * 100)
    with FileSource(plain) as first, FileSource(inside, name=case.file_name) as second:
        part = second.slice(4096, len(data))
        facts = probe(first)
        assert probe(part) == facts
        assert answer(data, case.file_name) == facts
        if case.indexed:
            assert index(part).to_bytes() == index(first).to_bytes()


def check_index(case: ReaderCase) -> None:
    data = case.make()
    made, facts = indexed(data, case.file_name), answer(data, case.file_name)
    if not case.indexed:
        assert isinstance(made, FilmArchiveError)
        return
    assert isinstance(made, FrameIndex), made
    assert isinstance(facts, MediaFacts)
    assert made.frames == (facts.frames or 0)
    for track in ([] if made.video is None else [made.video]) + [each.packets for each in made.audio]:
        assert len(track) > 0
        assert int(track.offsets.min()) >= 0
        assert int((track.offsets + track.sizes).max()) <= len(data)
    assert FrameIndex.from_bytes(made.to_bytes()).to_bytes() == made.to_bytes()


def check_truncated(case: ReaderCase) -> None:
    """The first bytes alone, and then about as many lengths again over the whole file."""
    data = case.make()
    lengths = {*range(0, 64, 3), *range(64, len(data), max(1, len(data) // case.tries))}
    for length in sorted(lengths):
        is_sound(answer(data[:length], case.file_name))
        if isinstance(made := indexed(data[:length], case.file_name), FrameIndex):
            made.to_bytes()


def check_flipped(case: ReaderCase, seed: int) -> None:
    """Bytes changed at random, most of them where the header is."""
    data = case.make()
    chance = random.Random(f"{case.file_name} {seed}")
    for _ in range(case.tries):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 8)):
            reach = min(len(data), 4096) if chance.random() < 0.8 else len(data)
            damaged[chance.randrange(reach)] = chance.choice((0, 0xFF, 0x7F, 0x80, chance.randrange(256)))
        is_sound(answer(bytes(damaged), case.file_name))
        if isinstance(made := indexed(bytes(damaged), case.file_name), FrameIndex):
            made.to_bytes()
