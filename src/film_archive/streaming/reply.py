"""The head and the body of an HTTP answer, still as values: fields, and pieces that are bytes or ranges."""

from __future__ import annotations

from dataclasses import dataclass

from film_archive.streaming.ranges import Answer, ByteRange, Representation, RequestFields, answer, format_date

Piece = bytes | ByteRange
"""Literal bytes (a multipart's framing), or bytes of the content."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. `body` is empty for HEAD, though the fields state its length."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: tuple[Piece, ...]

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in self.body)


def reply_to(request: RequestFields, content: Representation, *, now: float, boundary: str) -> Reply:
    """What to send to a GET or HEAD. `boundary` parts a multipart and must not occur in the content: make it random."""
    found = answer(request, content, now)
    body = _body(found, content, boundary)
    length = sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in body)
    fields = [("accept-ranges", "bytes"), ("cache-control", "private, no-cache")]
    if content.etag is not None:
        fields.append(("etag", str(content.etag)))
    if content.last_modified is not None and content.last_modified <= now and found.status in (200, 206):
        fields.append(("last-modified", format_date(content.last_modified)))
    if found.status == 206 and len(found.ranges) > 1:
        fields.append(("content-type", f"multipart/byteranges; boundary={boundary}"))
    elif found.status in (200, 206):
        fields.append(("content-type", content.content_type))
    if found.status == 206 and len(found.ranges) == 1:
        fields.append(("content-range", _content_range(found.ranges[0], content.size)))
    if found.status == 416:
        fields.append(("content-range", f"bytes */{content.size}"))
    if found.status != 304:  # a length there would have to be that of the 200
        fields.append(("content-length", str(length)))
    return Reply(found.status, tuple(fields), () if request.method == "HEAD" else body)


def _body(found: Answer, content: Representation, boundary: str) -> tuple[Piece, ...]:
    if len(found.ranges) <= 1:
        return tuple(part for part in found.ranges if part.length)
    pieces: list[Piece] = []
    for part in found.ranges:
        pieces.append(_part_head(part, content, boundary, first=not pieces))
        pieces.append(part)
    pieces.append(f"\r\n--{boundary}--\r\n".encode("ascii"))
    return tuple(pieces)


def _part_head(part: ByteRange, content: Representation, boundary: str, *, first: bool) -> bytes:
    return (
        f"{'' if first else chr(13) + chr(10)}--{boundary}\r\n"
        f"Content-Type: {content.content_type}\r\n"
        f"Content-Range: {_content_range(part, content.size)}\r\n\r\n"
    ).encode("ascii")


def _content_range(part: ByteRange, size: int) -> str:
    return f"bytes {part.first}-{part.end - 1}/{size}"
