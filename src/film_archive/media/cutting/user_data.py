"""What a movie says about itself, carried into its cuts: user data and metadata as they were, and where the cut comes from.

The provenance is JSON under a key of its own among Apple's keys (`meta` of handler "mdta": `keys`, `ilst`). Source: QuickTime
File Format, "Metadata".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pydantic_core import from_json, to_json

from film_archive import __version__
from film_archive.core.timecode import FrameRange
from film_archive.media.mov.atoms import Atom

KEY = "film-archive.cut"
_LARGEST = 1 << 22
"""Bytes of user data that are carried; more is no metadata."""
_TEXT = 1
_HANDLER = b"\0\0\0\x21hdlr\0\0\0\0\0\0\0\0mdta" + bytes(13)
_TIMECODE_KEYS = frozenset((b"timecode", b"com.apple.proapps.timecode"))
_TIMECODE_TEXTS = frozenset((b"\xa9TIM", b"\xa9TSC", b"\xa9TSZ"))
"""Where programs write the clip's start timecode once more: it is not the cut's."""


@dataclass(frozen=True, slots=True)
class UserData:
    """A movie's `udta` and `meta`, but for what says the clip's own start timecode; empty where it has none.

    FFmpeg puts Apple's keys into a `meta` within `udta`, and mixes them up with those of a second `meta`; so a text is put
    beside the keys that are there, wherever that is.
    """

    texts: bytes = b""
    """What is in `udta` but for its `meta`, whole atoms."""
    inner: bytes = b""
    """The `meta` within `udta`."""
    meta: bytes = b""
    """The movie's own `meta`."""
    created: int = 0
    """Seconds since 1904, as the movie header has them; 0 is not set."""
    without_xmp: bool = False
    """Whether XMP was left out that names a timecode."""

    @classmethod
    def of(cls, moov: Atom, created: int) -> UserData:
        kept: dict[bytes, Atom] = {}
        for atom in moov.children():
            if atom.kind in (b"udta", b"meta") and atom.size <= _LARGEST and atom.header == 8:
                kept.setdefault(atom.kind, atom)
        texts, inner, without_xmp = b"", b"", False
        for atom in kept[b"udta"].children(lenient=True) if b"udta" in kept else ():
            if atom.kind == b"meta":
                inner = inner or _without_timecode(bytes(atom.data))
            elif atom.kind == b"XMP_" and b"imecode" in bytes(atom.body):
                without_xmp = True
            elif atom.kind not in _TIMECODE_TEXTS:
                texts += bytes(atom.data)
        meta = _without_timecode(bytes(kept[b"meta"].data)) if b"meta" in kept else b""
        return cls(texts, inner, meta, created, without_xmp)

    def with_provenance(self, text: str) -> bytes:
        """All of it as atoms, and the text among the keys, in the place of what stood under its key.

        Where the movie's own metadata has another form than Apple's keys it is carried as it is, without the text.
        """
        inner, meta = _parsed(self.inner), _parsed(self.meta)
        entry = [(KEY.encode(), _value(text))]
        if meta is None and inner is not None and not self.meta:
            return self._udta(_meta([*_others(inner), *entry]))
        if self.meta and meta is None:
            return self._udta(self.inner) + self.meta
        return self._udta(self.inner) + _meta([*_others(meta or []), *entry])

    @property
    def provenance(self) -> str | None:
        """What stands under the key: this is a cut already."""
        for key, value in [*(_parsed(self.meta) or []), *(_parsed(self.inner) or [])]:
            if key == KEY.encode() and value[4:8] == b"data":
                return value[16:].decode("utf-8", "replace")
        return None

    def _udta(self, inner: bytes) -> bytes:
        body = self.texts + inner
        return struct.pack(">I4s", 8 + len(body), b"udta") + body if body else b""


def _others(entries: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(key, value) for key, value in entries if key != KEY.encode()]


def _without_timecode(meta: bytes) -> bytes:
    """Metadata without keys that name the clip's start timecode; another form than Apple's keys as it is."""
    found = _parsed(meta)
    if found is None or not any(key.lower() in _TIMECODE_KEYS for key, _ in found):
        return meta
    return _meta([(key, value) for key, value in found if key.lower() not in _TIMECODE_KEYS])


def provenance(source: str, digest: str | None, frames: FrameRange, before: str | None) -> str:
    """Where a cut comes from, as JSON; `before` is what its source said of itself, where that is a cut, too."""
    known: dict[str, object] = {"source": source, "xxh128": digest, "first_frame": frames.first, "frames": frames.count}
    known["tool"] = f"film-archive {__version__}"
    if before is not None:
        try:
            known["of"] = from_json(before)
        except ValueError:
            known["of"] = before
    return to_json(known).decode()


def _parsed(meta: bytes) -> list[tuple[bytes, bytes]] | None:
    """(key, the atoms of its value) of each entry; None for metadata of another form."""
    flagged = meta[16:20] == b"hdlr"  # MP4's form has version and flags in front
    if meta[12:16] != b"hdlr" and not flagged:
        return None
    atom = Atom(b"meta", 0, 8, memoryview(meta), "metadata")
    children = {child.kind: child for child in atom.children(4 if flagged else 0, lenient=True)}
    handler, keys, values = children.get(b"hdlr"), children.get(b"keys"), children.get(b"ilst")
    if handler is None or bytes(handler.body[8:12]) != b"mdta" or keys is None or values is None:
        return None
    if set(children) - {b"hdlr", b"keys", b"ilst", b"free"}:
        return None
    names = keys.children(8, lenient=True)
    if any(name.kind != b"mdta" for name in names):
        return None
    found = []
    for value in values.children(lenient=True):
        number = int.from_bytes(value.kind, "big")
        if not 1 <= number <= len(names):
            return None
        found.append((bytes(names[number - 1].body), bytes(value.body)))
    return found


def _meta(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Metadata with these keys, as QuickTime has it."""
    keys = b"".join(struct.pack(">I4s", 8 + len(key), b"mdta") + key for key, _ in entries)
    values = b"".join(
        struct.pack(">II", 8 + len(value), number) + value for number, (_, value) in enumerate(entries, 1)
    )
    body = _HANDLER
    body += struct.pack(">I4sII", 16 + len(keys), b"keys", 0, len(entries)) + keys
    body += struct.pack(">I4s", 8 + len(values), b"ilst") + values
    return struct.pack(">I4s", 8 + len(body), b"meta") + body


def _value(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">I4sII", 16 + len(data), b"data", _TEXT, 0) + data
