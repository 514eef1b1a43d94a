"""The index of a QuickTime or MP4 file (`moov`), parsed: header, tracks, metadata, where things lie. No media is read
here.

Sources: QuickTime File Format, "Movie Atoms"; ISO/IEC 14496-12, 8.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.source import ByteSource
from film_archive.media.mov.atoms import Atom, Layout, Notes, Place, kind_text, load, only, walk
from film_archive.media.mov.fragments import Defaults, parse_defaults
from film_archive.media.mov.metadata import Tag, read_tags
from film_archive.media.mov.track import Track, parse_track

MAX_TRACKS = 1024


@dataclass(frozen=True, slots=True)
class MovieHeader:
    """`mvhd`: the presentation's timescale and duration in it, and its dates in seconds since 1904 (0: not set)."""

    timescale: int
    duration: int
    created: int
    modified: int


@dataclass(frozen=True, eq=False)
class Movie:
    """All that the index says. `moov` has its bytes, `places` the top level of the file in file order.

    `defaults` are the fragment defaults by track id; `fragments` the movie fragments, in file order.
    """

    brand: bytes | None
    header: MovieHeader
    tracks: tuple[Track, ...]
    tags: tuple[Tag, ...]
    moov: Atom
    moov_place: Place
    places: tuple[Place, ...]
    defaults: dict[int, Defaults]
    diagnostics: tuple[str, ...]

    @property
    def container(self) -> str:
        """"mov" for QuickTime, which has brand "qt  " or (before 2001) none; "mp4" for all that follow ISO."""
        return "mov" if self.brand in (None, b"qt  ") else "mp4"

    @property
    def fragments(self) -> tuple[Place, ...]:
        return tuple(place for place in self.places if place.kind == b"moof")

    def track(self, track_id: int) -> Track | None:
        return next((track for track in self.tracks if track.id == track_id), None)


def read_movie(source: ByteSource) -> Movie:
    """Find and parse the index of a file.

    Raises NotMedia for other files, Damaged where the index is missing, cut off or contradicts itself, and
    NotSupported for compressed indexes and for movies whose media lies in other files.
    """
    notes = Notes()
    layout = walk(source)
    place = layout.first(b"moov")
    if place is None:
        raise _without_index(source, layout)
    _note_layout(source, layout, notes)
    moov = load(source, place)
    parts = moov.children()
    _refuse(source, {atom.kind for atom in parts})
    mvhd = only(parts, b"mvhd", notes)
    if mvhd is None:
        raise moov.damaged("has no movie header (mvhd)")
    header = _header(mvhd)
    traks = [atom for atom in parts if atom.kind == b"trak"]
    if not traks:
        raise moov.damaged("has no tracks")
    if len(traks) > MAX_TRACKS:
        raise moov.damaged(f"has {len(traks)} tracks, more than the {MAX_TRACKS} that are supported")
    tracks = tuple(parse_track(trak, notes) for trak in traks)
    if len({track.id for track in tracks}) != len(tracks):
        notes.add("several tracks have the same number; references go to the first of them")
    extension = only(parts, b"mvex", notes)
    movie = Movie(
        brand=_brand(source, layout),
        header=header,
        tracks=tracks,
        tags=read_tags([moov, *traks], notes),
        moov=moov,
        moov_place=place,
        places=tuple(layout.places),
        defaults={} if extension is None else parse_defaults(extension),
        diagnostics=tuple(notes),
    )
    source.check_unchanged()
    return movie


def _refuse(source: ByteSource, kinds: set[bytes]) -> None:
    if b"cmov" in kinds:
        raise NotSupported(f"{source.name} has a compressed index (cmov), which is not read; save it again without.")
    if b"rmra" in kinds:
        raise NotSupported(f"{source.name} is a reference movie, its media lies in other files; archive those.")


def _without_index(source: ByteSource, layout: Layout) -> Damaged:
    """What to say of a file without a moov."""
    cut = next((place for place in layout.places if not place.whole), None)
    if cut is not None:
        return Damaged(
            f"{source.name} is truncated before its index was written: it ends at byte {source.size}, inside its "
            f"{kind_text(cut.kind)} (bytes {cut.start} to {cut.end}), and has no moov; copy it again from its original."
        )
    if layout.stopped is not None:
        return Damaged(
            f"{source.name} is damaged: {layout.stopped}, and no index (moov) lies before it; copy it again from its "
            "original."
        )
    if layout.first(b"moof") is not None:
        return Damaged(
            f"{source.name} is a media segment without its beginning: it has fragments, but no moov to read them by; "
            "join it to its init segment."
        )
    return Damaged(
        f"{source.name} has no index (moov): its recording was not finished, or it is truncated; copy it again from "
        "its original, or let its maker's software repair it."
    )


def _note_layout(source: ByteSource, layout: Layout, notes: Notes) -> None:
    for place in layout.places:
        if not place.whole and place.kind not in (b"moov", b"moof"):
            notes.add(
                f"the file is truncated: it ends at byte {source.size}, inside its {kind_text(place.kind)} (bytes "
                f"{place.start} to {place.end})"
            )
    if layout.stopped is not None:
        notes.add(f"{layout.stopped}; what follows is not looked at")
    if len(layout.all(b"moov")) > 1:
        notes.add("there is more than one index (moov); the first is used")


def _brand(source: ByteSource, layout: Layout) -> bytes | None:
    place = layout.first(b"ftyp")
    return None if place is None else source.read_at(place.start + place.header, 4)


def _header(mvhd: Atom) -> MovieHeader:
    if mvhd.unpack("B")[0] == 1:
        created, modified, timescale, duration = mvhd.unpack("QQIQ", 4)
    else:
        created, modified, timescale, duration = mvhd.unpack("IIII", 4)
    if not timescale:
        raise mvhd.damaged("has a timescale of 0")
    return MovieHeader(timescale, duration, created, modified)
