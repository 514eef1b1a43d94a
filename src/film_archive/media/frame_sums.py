"""A digest of each frame's own bytes, so that damage, and a cut, can be told frame by frame.

16 bytes a frame, one behind the other in the order of frame numbers: XXH3-128, big-endian as everywhere, of the frame's
packet. Frames that are not shown (pre-roll) and sound have none; the whole clip's digest covers them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import Damaged, FilmArchiveError
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import ByteSource

WIDTH = 16
OnBytes = Callable[[int], None]


def frame_sums(source: ByteSource, index: FrameIndex, *, on_bytes: OnBytes | None = None) -> bytes:
    """The digests of all frames of a clip. Raises ShortRead where it ends before them."""
    made = bytearray()
    for number in range(index.frames):
        digest, size = _digest(source, index, number)
        made += digest
        if on_bytes is not None:
            on_bytes(size)
    return bytes(made)


def differing(
    source: ByteSource, index: FrameIndex, sums: bytes, first: int = 0, *, on_bytes: OnBytes | None = None
) -> Iterator[int]:
    """The frames of a clip, by their numbers in it, whose bytes are not those of the digests from number `first` on.

    Frames that can't be read are among them. Raises Damaged where there are fewer digests than frames.
    """
    if len(sums) % WIDTH or len(sums) < (first + index.frames) * WIDTH:
        raise Damaged(f"{source.name} has {index.frames} frames, and digests of {max(0, len(sums) // WIDTH - first)} of them.")
    for number in range(index.frames):
        wanted = sums[(first + number) * WIDTH : (first + number + 1) * WIDTH]
        try:
            digest, size = _digest(source, index, number)
        except FilmArchiveError:
            yield number
            continue
        if on_bytes is not None:
            on_bytes(size)
        if digest != wanted:
            yield number


def _digest(source: ByteSource, index: FrameIndex, number: int) -> tuple[bytes, int]:
    frame = index.frame(number)
    hasher = MultiHasher((KEY,))
    hasher.update(source.read_at(frame.offset, frame.size))
    return bytes.fromhex(hasher.digests()[KEY]), frame.size
