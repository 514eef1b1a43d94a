"""`/media/…?in=…&out=…&handles=…`: a part of a clip by source timecode, as a file to download."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

from film_archive import __version__
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import UsageError
from film_archive.server.holdings import Holdings, Media
from film_archive.streaming.ranges import EntityTag, Representation
from film_archive.streaming.representation import media_type
from film_archive.workflows.cuts import Cut, CutRequest, open_cut

MOST_HANDLES = 100_000
_NAMES = ("in", "out", "duration", "handles")
_FIELDS = 16


@dataclass(frozen=True, slots=True)
class ServedCut:
    """A cut and what HTTP says of it."""

    media: Media
    disposition: str


def cut_request(query: bytes) -> CutRequest | None:
    """The cut that a query asks for; None where it speaks of none. Raises UsageError where it makes no sense."""
    try:
        fields = parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=False, max_num_fields=_FIELDS)
    except ValueError as error:
        raise UsageError("The address's query can't be read; it is ?in=TC&out=TC&handles=N.") from error
    given = [(name, value) for name, value in fields if name in _NAMES]
    if not given:
        return None
    named = dict(given)
    if len(named) < len(given) or "in" not in named:
        raise UsageError("A cut is asked for with one in point, and one out point or duration: ?in=TC&out=TC&handles=N.")
    handles = named.get("handles", "0")
    if not (handles.isascii() and handles.isdigit() and len(handles) < 9 and int(handles) <= MOST_HANDLES):
        raise UsageError(f"Handles are whole frames from 0 to {MOST_HANDLES}.")
    return CutRequest(named["in"], named.get("out"), named.get("duration"), int(handles))


def cut_of(holdings: Holdings, path: str, query: bytes) -> ServedCut | None:
    """The cut that a query asks for of the clip at a path; None where the query speaks of none."""
    request = cut_request(query)
    if request is None:
        return None
    clip = holdings.clip(path)
    cut = open_cut(clip.media.source, clip.frame_index(), clip.facts, request, digest=clip.digest)
    made, name = cut.to_bytes().source, cut_name(path, cut)
    content = Representation(
        size=made.size,
        etag=_tag(clip.media.content, cut, made.size),
        last_modified=clip.media.content.last_modified,
        content_type=media_type(name),
    )
    return ServedCut(Media(made, content, clip.media.place, clip.media.status), disposition(name))


def cut_name(path: str, cut: Cut) -> str:
    """What to call a cut: the clip's name and its first frame's timecode."""
    stem = path.rpartition("/")[2].rpartition(".")[0] or "clip"
    return f"{stem}_{str(cut.start).replace(':', '').replace(';', '')}_{cut.selection.frames.count}f{cut.suffix}"


def disposition(name: str) -> str:
    """A Content-Disposition that saves an answer under this name (RFC 6266, with RFC 8187 for what is not ASCII)."""
    plain = "".join(sign if sign.isascii() and sign.isprintable() and sign not in '"\\%' else "_" for sign in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _tag(content: Representation, cut: Cut, size: int) -> EntityTag | None:
    """Follows from the clip's own tag, the frames and the version that lays the cut out: the same again, the same tag."""
    if content.etag is None:
        return None
    frames = cut.selection.frames
    hasher = MultiHasher()
    hasher.update(f"{content.etag} {frames.first} {frames.end} {size} {cut.start} {__version__}".encode())
    return EntityTag(hasher.digests()[KEY])
