"""Where a large content is cut so that what two versions of it have in common is the same chunks.

`media/1`: by the container's own tables, the bytes of each coded frame are a piece, the packets of each sound track one behind
the other are a piece, and so is each run of what is left. Within a piece FastCDC (Xia et al., "The Design of Fast Content Defined
Chunking", 2020, normalized by 1) cuts: 256 KiB on average, of sound 64 KiB. So frames and sound make the same chunks in every
container, whatever lies around and between them. Where no container can be read the whole content is one piece.

Cuts decide what is found again, never what is read back. They are frozen all the same: others find nothing of what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from film_archive.core.digest import read_ahead
from film_archive.core.errors import Damaged, NotMedia, NotSupported, OutOfRange
from film_archive.core.source import ByteSource

CHUNKER = "media/1"
AVERAGE, MINIMUM, MAXIMUM = 256 << 10, 64 << 10, 1 << 20
"""Bytes of a chunk, but for the last one before a cut, which may be smaller."""
SOUND = 64 << 10
"""The same of sound, on average."""
_NORMALIZED: Final = 1
_SOUND_AT_ONCE = 4 * SOUND
"""Bytes of the largest chunk of sound."""
_MOST_TRACKS = 64
LEAST = 4 << 20
"""Smaller contents are never cut."""
_WHOLE = frozenset(("still", "raw"))
"""What is one picture, of which no two versions have anything in common."""
_EBML = b"\x1a\x45\xdf\xa3"
_PRORES = b"icpf"
_PRORES_ATOM = 8
"""Size and type before a ProRes frame, which Matroska leaves out (matroska.org, codec mappings, V_PRORES)."""


OTHER = -1
"""The track of what is no sound."""


class Cuts(NamedTuple):
    """The runs that a content consists of, in their order."""

    ends: NDArray[np.int64]
    """Where each ends; the last one with the content."""
    tracks: NDArray[np.int64]
    """The number of the sound track that each is of, or OTHER."""


def parameters() -> dict[str, Any]:
    """What is stored with every list of chunks."""
    return {
        "chunker": CHUNKER,
        "average": AVERAGE,
        "minimum": MINIMUM,
        "maximum": MAXIMUM,
        "sound": SOUND,
        "normalization": _NORMALIZED,
    }


def cuts_of(source: ByteSource) -> Cuts | None:
    """The runs of frames, sound and what lies between them; None where a content is not to be cut at all."""
    from film_archive.media.readers import reader_of

    if source.size < LEAST:
        return None
    try:
        reader = reader_of(source)
        if reader.name in _WHOLE:
            return None
        index = reader.index(source)
    except (NotMedia, NotSupported, Damaged, OutOfRange):
        return _one_piece(source)  # it is no media, or none that can be read: kept all the same
    video, sound = index.video, [track.packets for track in index.audio]
    if video is None or not len(video):
        return _one_piece(source)
    begins, ends = video.offsets, video.offsets + video.sizes
    if source.read_at(int(begins[0]) + 4, 4) == _PRORES:
        begins = np.concatenate((begins, begins + _PRORES_ATOM))
    elif reader.name == "demuxer" and (head := _head_of_bare_prores(source, int(begins[0]))):
        begins, ends = begins + head, ends + head - _PRORES_ATOM
    return _cuts(source, (begins, ends), [_Run(packets.offsets, packets.sizes) for packets in sound])


class _Run(NamedTuple):
    """Where packets of a track lie."""

    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]


def _head_of_bare_prores(source: ByteSource, place: int) -> int:
    """How long the head of the Matroska block at a place is: track, time (2 bytes), flags (RFC 9559, 10.1).

    0 where there is none with a ProRes frame in it: other packets are found behind their heads by their bytes.
    """
    head = source.read_at(place, 20)
    if source.read_at(0, 4) != _EBML or not head or not head[0]:
        return 0
    length = 9 - head[0].bit_length() + 3
    return length if len(head) > length and _is_bare_prores(head[length : length + 8]) else 0


def _is_bare_prores(frame: bytes) -> bool:
    """Whether a frame begins as the header of a ProRes frame does (SMPTE RDD 36, 5.1): its size, then version 0 or 1."""
    return len(frame) == 8 and frame[0] == 0 and 20 <= frame[1] <= 0x94 and frame[2] == 0 and frame[3] <= 1


def _cuts(source: ByteSource, picture: Sequence[NDArray[np.int64]], sound: Sequence[_Run]) -> Cuts:
    """Runs between all these places, as far as they are inside; of sound are those that are whole packets."""
    places = [*picture, *(run.offsets for run in sound), *(run.offsets + run.sizes for run in sound)]
    ends = np.unique(np.concatenate(places))
    ends = np.append(ends[(ends > 0) & (ends < source.size)], source.size)
    begins = np.insert(ends[:-1], 0, 0)
    tracks = np.full(len(ends), OTHER)
    for number, run in enumerate(sound[:_MOST_TRACKS]):
        at = np.minimum(np.searchsorted(begins, run.offsets), len(begins) - 1)
        whole = (begins[at] == run.offsets) & (ends[at] == run.offsets + run.sizes)
        tracks[at[whole]] = number
    return Cuts(ends.astype(np.int64), tracks.astype(np.int64))


def _one_piece(source: ByteSource) -> Cuts:
    return Cuts(np.array([source.size], np.int64), np.array([OTHER], np.int64))


def runs_of(
    source: ByteSource, cuts: Cuts, *, while_reading: Callable[[memoryview], None] | None = None
) -> Iterator[tuple[int, memoryview]]:
    """(track, bytes) of a content in its order, each valid until the next is asked for: a chunk, or some of a sound track.

    `while_reading` gets all bytes in their order, in a thread of its own.
    """
    cutter = _RunCutter(cuts)
    rest = b""  # of the run that is being cut
    for block in read_ahead(source, while_reading=while_reading):
        begin = 0
        if rest:  # as much as decides where its chunks end
            window = memoryview(rest + block[: min(MAXIMUM, cutter.left - len(rest))])
            yield from cutter.cut(window)
            begin = cutter.used - len(rest)
            if begin < 0:
                rest = bytes(window[cutter.used :])
                continue
        yield from cutter.cut(block[begin:])
        rest = bytes(block[begin + cutter.used :])


class _RunCutter:
    """Goes along the runs of a content."""

    def __init__(self, cuts: Cuts) -> None:
        self._runs = iter(zip(cuts.ends.tolist(), cuts.tracks.tolist(), strict=True))
        self._cut = Cutter().cut
        self._end, self._track = next(self._runs)
        self._position = 0
        self.used = 0
        """Bytes of the last window that were cut."""

    @property
    def left(self) -> int:
        """Bytes of the run that is being cut."""
        return int(self._end) - self._position

    def cut(self, window: memoryview) -> Iterator[tuple[int, memoryview]]:
        """What can be cut of the bytes that come next: all but what ends in a way that is not seen yet."""
        start = 0
        while start < len(window) and len(window) - start >= self.left:
            stop = start + self.left
            lengths = self._cut(window[start:stop]) if self._track == OTHER else iter((self.left,))
            for length in lengths:
                yield self._track, window[start : start + length]
                start += length
            self._position = self._end
            self._end, self._track = next(self._runs, (self._end, OTHER))
        if self._track != OTHER and start < len(window):
            yield self._track, window[start:]
            self._position += len(window) - start
            start = len(window)
        elif len(window) - start >= MAXIMUM:
            lengths = self._cut(window[start:])
            while len(window) - start >= MAXIMUM:
                length = next(lengths)
                yield OTHER, window[start : start + length]
                start += length
                self._position += length
        self.used = start


class Cutter:
    """FastCDC of one piece."""

    def __init__(self, average: int = AVERAGE) -> None:
        from pyfastcdc import FastCDC

        self.minimum, self.maximum = average // 4, 4 * average
        self._cdc = FastCDC(average, min_size=self.minimum, max_size=self.maximum, normalized_chunking=_NORMALIZED, seed=0)

    def cut(self, piece: memoryview) -> Iterator[int]:
        """The lengths of a piece's chunks."""
        if len(piece) <= self.minimum:
            return iter((len(piece),) if len(piece) else ())
        return (chunk.length for chunk in self._cdc.cut_buf(piece))


class TrackCutter:
    """FastCDC of a sound track, whose bytes come by and by."""

    def __init__(self) -> None:
        self._cutter = Cutter(SOUND)
        self._waiting = bytearray()

    def feed(self, data: memoryview) -> list[bytes]:
        """The chunks that are whole now."""
        self._waiting += data
        return self._cut(_SOUND_AT_ONCE) if len(self._waiting) >= 2 * _SOUND_AT_ONCE else []

    def finish(self) -> list[bytes]:
        """Those that are left."""
        return self._cut(0)

    def _cut(self, keep: int) -> list[bytes]:
        """Cut; the last `keep` bytes are not all seen yet."""
        held = bytes(self._waiting)
        found = []
        start = 0
        lengths = self._cutter.cut(memoryview(held))
        while start < len(held) and len(held) - start >= keep:
            length = next(lengths)
            found.append(held[start : start + length])
            start += length
        del self._waiting[:start]
        return found
