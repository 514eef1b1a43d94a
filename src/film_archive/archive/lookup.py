"""Finding one line in a manifest of a million: a hash of each path and the place of its line, 16 bytes a member."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

from film_archive.core.errors import Damaged
from film_archive.core.manifest import line_start, parse_member, read_lines
from film_archive.core.member import Member
from film_archive.core.source import ByteSource

_PATH = b'{"path":'
_BEHIND_PATH = b'","role":'
_WINDOW = 1 << 12


class LineIndex:
    """Members of a manifest by path, without holding them. `text` is the manifest's text, readable at any place."""

    def __init__(self, chunks: Iterable[bytes], text: ByteSource, version: int) -> None:
        import numpy as np
        import xxhash

        self._text = text
        self._version = version
        hashes, places = array("Q"), array("Q")
        self._sequences: list[int] = []
        position = 0
        for line in read_lines(chunks):
            hashes.append(xxhash.xxh3_64_intdigest(_path_of(line)))
            places.append(position)
            if b'"sequence":' in line:
                self._sequences.append(position)
            position += len(line) + 1
        self._order = np.argsort(np.frombuffer(hashes, np.uint64), kind="stable")
        self._hashes = np.frombuffer(hashes, np.uint64)[self._order]
        self._places = np.frombuffer(places, np.uint64)[self._order]

    def find(self, path: str) -> Member | None:
        """The member of this path; of several the last."""
        import numpy as np
        import xxhash

        start = line_start(path)
        wanted = np.uint64(xxhash.xxh3_64_intdigest(start[len(_PATH) :]))
        first, last = (int(np.searchsorted(self._hashes, wanted, side)) for side in ("left", "right"))
        for at in range(last - 1, first - 1, -1):
            line = self._line(int(self._places[at]))
            if line.startswith(start):
                member = parse_member(line, self._version)
                if member.path == path:
                    return member
        return None

    def sequences(self) -> Iterator[Member]:
        """The image sequences."""
        for place in self._sequences:
            yield parse_member(self._line(place), self._version)

    def _line(self, place: int) -> bytes:
        length = _WINDOW
        while True:
            line, end, _ = self._text.read_at(place, length).partition(b"\n")
            if end or place + length >= self._text.size:
                return line
            length *= 8


def _path_of(line: bytes) -> bytes:
    """The path as it stands in a line, with its quotes."""
    end = line.find(_BEHIND_PATH)
    if end < 0 or not line.startswith(_PATH):
        if line.startswith(b'{"film_archive":'):
            return b""
        raise Damaged(f"A line of the manifest does not begin with a path: {line[:80]!r}.")
    return line[len(_PATH) : end + 1]
