"""The engine of proxies: the same bytes however the work was shared or broken off, and only the original's pictures."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from film_archive.core.digest import MultiHasher
from film_archive.core.errors import Damaged, NoSpace
from film_archive.core.source import FileSource
from film_archive.core.timecode import FrameRate
from film_archive.media.av import piece
from film_archive.media.av.clip_pictures import FilePictures, Pictures
from film_archive.media.av.decoding import DecodedFrame
from film_archive.media.av.frames import frame_of
from film_archive.media.av.lanes import lanes_for
from film_archive.media.av.proxy_sound import mix_of
from film_archive.media.av.proxying import ClipSound, Labels, MadeProxy, ProxyTarget, make_proxies
from film_archive.media.probe import index, probe
from film_archive.testing import crash
from film_archive.testing.media import AudioSpec, ClipSpec, cached_clip

nightly = pytest.mark.nightly
_FAST = (("preset", "ultrafast"),)
LONG = ClipSpec(
    name="long", codec="h264", width=128, height=72, frames=490, gop=30, audio=(AudioSpec("pcm_s16le"),), encoder_options=_FAST
)
TARGETS = (ProxyTarget("small", 96, 54, 200_000, "ultrafast"), ProxyTarget("smaller", 64, 36, 100_000, "ultrafast"))


def made(path: Path, folder: Path, **more: Any) -> list[MadeProxy]:
    folder.mkdir(exist_ok=True)
    with FileSource(path) as source:
        facts = probe(source)
        mix = mix_of(facts.audio)
        sound = None if mix is None else ClipSound(source, mix)
        return make_proxies(FilePictures(source, facts, index(source)), TARGETS, folder, sound=sound, **more)


def digests(proxies: list[MadeProxy]) -> list[str]:
    found = []
    for proxy in proxies:
        hasher = MultiHasher()
        hasher.update(proxy.path.read_bytes())
        found.append(hasher.digests()["xxh128"])
    return found


@pytest.fixture(scope="session")
def whole(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The digests of LONG's proxies, made without a break by one worker."""
    return digests(made(cached_clip(LONG, footage), tmp_path_factory.mktemp("whole"), workers=1))


# The same bytes


@pytest.mark.parametrize("workers", [2, pytest.param(4, marks=nightly), None])
def test_bytes_do_not_depend_on_workers(workers: int | None, footage: Path, tmp_path: Path, whole: list[str]) -> None:
    assert digests(made(cached_clip(LONG, footage), tmp_path / "made", workers=workers)) == whole


@pytest.mark.parametrize(
    ("frames", "workers"),
    [
        *((1, 3), (300, 1), (489, 3)),  # each of both at least once; the rest nightly
        *(pytest.param(*pair, marks=nightly) for pair in ((1, 1), (300, 3), (489, 1))),
    ],
)
def test_a_stopped_run_goes_on_where_it_was(
    workers: int, frames: int, footage: Path, tmp_path: Path, whole: list[str]
) -> None:
    clip, seen = cached_clip(LONG, footage), 0

    def count(more: int) -> None:
        nonlocal seen
        seen += more
        if seen == frames:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(clip, tmp_path, workers=workers, on_frames=count)
    assert not list(tmp_path.glob("*.mp4"))
    assert all(path.suffix == ".piece" for path in tmp_path.iterdir()), "nothing half made is left"
    assert digests(made(clip, tmp_path, workers=workers)) == whole
    assert {path.suffix for path in tmp_path.iterdir()} <= {".mp4", ".proof", ".piece"}


def test_a_killed_run_goes_on_where_it_was(footage: Path, tmp_path: Path, whole: list[str]) -> None:
    clip = cached_clip(LONG, footage)

    def work() -> None:
        made(clip, tmp_path / "made", workers=1)

    took = crash.run(lambda: made(clip, tmp_path / "other", workers=1)).seconds
    crash.run(work, kill_after=took * 0.6)
    assert digests(made(clip, tmp_path / "made", workers=2)) == whole


def test_sizes_that_are_there_do_not_change_the_others(footage: Path, tmp_path: Path, whole: list[str]) -> None:
    with FileSource(cached_clip(LONG, footage)) as source:
        facts = probe(source)
        pictures, mix = FilePictures(source, facts, index(source)), mix_of(facts.audio)
        assert mix is not None
        alone = make_proxies(pictures, TARGETS[1:], tmp_path, among=TARGETS, sound=ClipSound(source, mix))
    assert digests(alone) == whole[1:]


def test_pieces_that_were_scaled_from_other_sizes_are_not_taken(footage: Path, tmp_path: Path) -> None:
    """A killed run made two sizes; now only the small one is asked for."""
    with FileSource(cached_clip(LONG, footage)) as source:
        pictures = FilePictures(source, probe(source), index(source))
        for name in ("alone", "both"):
            (tmp_path / name).mkdir()
        expected = digests(make_proxies(pictures, TARGETS[1:], tmp_path / "alone"))

        def stop(more: int) -> None:
            if list((tmp_path / "both").glob("*.piece")):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            make_proxies(pictures, TARGETS, tmp_path / "both", workers=1, on_frames=stop)
        assert digests(make_proxies(pictures, TARGETS[1:], tmp_path / "both")) == expected
        both = digests(make_proxies(pictures, TARGETS, tmp_path / "both"))
        assert both[1] != expected[0], "what was finished alone is not that which is made beside others"


def test_what_is_finished_under_other_labels_is_made_again(footage: Path, tmp_path: Path) -> None:
    with FileSource(cached_clip(SHORT, footage)) as source:
        pictures = FilePictures(source, probe(source), index(source))
        for reel in ("A001", "A002"):
            (made_now, _) = make_proxies(pictures, TARGETS, tmp_path, labels=Labels(None, reel))
            assert probe(made_now.path).reel == reel


# What stands against what should


def swap_pictures(monkeypatch: pytest.MonkeyPatch, order: dict[int, int], size: str = "small") -> None:
    """Let the encoder of one size get picture order[n] as frame n; both lie in one piece."""
    take = piece._Line.take
    held: dict[int, np.ndarray[Any, Any]] = {}
    late: list[int] = []

    def taking(line: piece._Line, picture: av.VideoFrame, number: int) -> None:
        if line._size.name != size:
            take(line, picture, number)
            return
        held[number] = picture.to_ndarray()
        late.append(number)
        while late and order.get(late[0], late[0]) in held:
            ready = late.pop(0)
            take(line, av.VideoFrame.from_ndarray(held[order.get(ready, ready)], format="yuv420p"), ready)

    monkeypatch.setattr(piece._Line, "take", taking)


FAULTS = {
    "shifted": {number: max(0, number - 1) for number in range(200)},
    "shifted forth": {number: min(199, number + 1) for number in range(200)},
    "dropped, and another doubled": {number: number + 1 for number in range(50, 70)} | {70: 70},
    "doubled": {60: 59},
    "swapped": {59: 60, 60: 59},
    "the first is the second": {0: 1},
    "the last is doubled": {199: 198},
    "another picture": {60: 150},
}
SHORT = ClipSpec(name="short", codec="h264", width=128, height=72, frames=200, encoder_options=_FAST)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_picture_in_another_ones_place_is_found(
    fault: str, footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap_pictures(monkeypatch, FAULTS[fault])
    with pytest.raises(Damaged, match=r"small proxy .* at frame \d+ .* not kept"):
        made(cached_clip(SHORT, footage), tmp_path, workers=1)
    assert not list(tmp_path.glob("small-*"))


class Late(FilePictures):
    """Decodes a stretch a frame late, as a wrong seek would."""

    def read(self, first: int, count: int, threads: int = 1) -> Iterator[DecodedFrame]:
        late = first - 1 if count > 1 and first else first
        for frame in super().read(late, count, threads):
            yield DecodedFrame(frame.number + first - late, frame.time, frame.frame, frame.corrupt)


def test_a_piece_that_was_decoded_from_another_frame_on_is_found(footage: Path, tmp_path: Path) -> None:
    with FileSource(cached_clip(LONG, footage)) as source:
        pictures = Late(source, probe(source), index(source))
        with pytest.raises(Damaged, match="not the original's"):
            make_proxies(pictures, TARGETS, tmp_path, workers=1)


class Painted(Pictures):
    """Pictures that a function paints, (height, width) or (height, width, 3)."""

    name = "painted"
    width, height, frames = 192, 108, 60
    rate = FrameRate(24, 1)

    def __init__(self, paint: Any) -> None:
        self._paint = paint

    def read(self, first: int, count: int, threads: int = 1) -> Iterator[DecodedFrame]:
        for number in range(first, first + count):
            yield DecodedFrame(number, number / self.rate, frame_of(self._paint(number)), corrupt=False)


def _noise(number: int, cell: int = 1) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(number).integers(0, 256, (108 // cell, 192 // cell), dtype=np.uint8)
    return values.repeat(cell, 0).repeat(cell, 1)


def _level(value: float) -> np.ndarray[Any, Any]:
    return np.full((108, 192), int(min(255, max(0, value))), np.uint8)


HARMLESS = {
    "black": lambda number: _level(0),
    "white": lambda number: _level(255),
    "fade": lambda number: _level(number * 4.25),
    "slow fade": lambda number: _level(100 + number / 4),
    "fade of a picture": lambda number: (_noise(1, 6) * (number / 60)).astype(np.uint8),
    "flashes": lambda number: _level(255 if number % 7 == 0 else 10),
    "strobe": lambda number: _level(255 * (number % 2)),
    "noise": _noise,
    "coarse noise": lambda number: _noise(number, 4),
    "noise that stays": lambda number: _noise(1),
    "grain on gray": lambda number: (118 + _noise(number) // 16).astype(np.uint8),
    "hard cuts": lambda number: _noise(number // 5, 12),
}


@pytest.mark.parametrize("bit_rate", [30_000, 300_000])
@pytest.mark.parametrize("name", HARMLESS)
def test_no_false_alarm(name: str, bit_rate: int, tmp_path: Path) -> None:
    targets = [ProxyTarget("a", 192, 108, bit_rate), ProxyTarget("b", 96, 54, bit_rate // 2)]
    proxies = make_proxies(Painted(HARMLESS[name]), targets, tmp_path)
    assert [proxy.likeness.compared >= 6 for proxy in proxies] == [True, True]


def test_a_still_clip_is_called_still(tmp_path: Path) -> None:
    (proxy,) = make_proxies(Painted(lambda number: _noise(1, 12)), [ProxyTarget("a", 192, 108, 300_000)], tmp_path)
    assert proxy.likeness.still == proxy.likeness.compared


# What goes wrong


@pytest.mark.parametrize("workers", [1, 2])
def test_an_encoder_that_fails_leaves_nothing_half(
    workers: int, footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: list[str]
) -> None:
    take = piece._Line.take

    def failing(line: piece._Line, picture: av.VideoFrame, number: int) -> None:
        if number == 333 and line._size.name == "small":
            raise av.error.ExternalError(-542398533, "Generic error in an external library")
        take(line, picture, number)

    with monkeypatch.context() as patched:
        patched.setattr(piece._Line, "take", failing)
        with pytest.raises((Damaged, av.error.ExternalError)):
            made(cached_clip(LONG, footage), tmp_path, workers=workers)
    assert all(path.suffix == ".piece" for path in tmp_path.iterdir())
    assert digests(made(cached_clip(LONG, footage), tmp_path, workers=workers)) == whole


@pytest.mark.parametrize(
    ("at", "workers"),
    [
        *((0, 2), (600, 1), (1400, 2)),  # each of both at least once; the rest nightly
        *(pytest.param(*pair, marks=nightly) for pair in ((0, 1), (600, 2), (1400, 1))),
    ],
)
def test_a_full_disk_leaves_nothing_half(
    at: int, workers: int, footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: list[str]
) -> None:
    put, count = piece.CodedWriter._put, 0

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    def filling(writer: piece.CodedWriter, data: bytes) -> None:
        nonlocal count
        count += 1
        if count > at:
            writer._new.file = Full(writer._new.file)  # type: ignore[assignment]
        put(writer, data)

    with monkeypatch.context() as patched:
        patched.setattr(piece.CodedWriter, "_put", filling)
        with pytest.raises(NoSpace):
            made(cached_clip(LONG, footage), tmp_path, workers=workers)
    assert all(path.suffix == ".piece" for path in tmp_path.iterdir())
    assert digests(made(cached_clip(LONG, footage), tmp_path, workers=workers)) == whole


def test_a_piece_of_another_version_is_made_again(footage: Path, tmp_path: Path, whole: list[str]) -> None:
    clip = cached_clip(LONG, footage)
    for target in TARGETS:
        (tmp_path / f"{target.key}.00000000.piece").write_bytes(b"film-archive coded 1 0 another\nrest")
    assert digests(made(clip, tmp_path)) == whole


# How work is shared


def test_lanes_are_for_pieces_that_stand_alone() -> None:
    pieces = [(start, start + 240) for start in range(0, 2400, 240)]
    many = lanes_for(pieces, 4 << 20, lambda first: 0, 4)
    assert (many.count, many.for_piece(10), many.for_piece(1)) == (4, 1, 4)
    assert lanes_for(pieces, 4 << 20, lambda first: 100, 4).count == 1, "long GOPs are decoded once"
    assert lanes_for(pieces[:1], 4 << 20, lambda first: 0, 4).for_piece(1) == 4
    assert lanes_for(pieces, 133 << 20, lambda first: 0, 16).threads == 1, "8K is not held sixteen times"
