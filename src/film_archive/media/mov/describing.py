"""From an open QuickTime or MP4 file to the facts that a probe tells."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

from film_archive.core.errors import Damaged, InvalidTimecode, NotSupported
from film_archive.core.facts import AudioFacts, ColorFacts, MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.bitstream.frame_header import FIXED_HEAD, FrameHeader, dnx_header, prores_header
from film_archive.media.codecs import Codec
from film_archive.media.mov.atoms import Notes
from film_archive.media.mov.descriptions import PictureFacts
from film_archive.media.mov.indexing import IndexedMovie, PlacedPicture
from film_archive.media.mov.metadata import camera_of, created_of, looks_like_umid, reel_of
from film_archive.media.mov.sound import sound_facts
from film_archive.media.mov.track import Track

_WITH_HEADERS = ("prores_422", "prores_4444", "dnxhd", "dnxhr")
_TIMECODE_KEYS = ("timecode", "©TIM")


def media_facts(file: IndexedMovie) -> MediaFacts:
    """Everything a probe tells of a file. Raises Damaged or NotSupported where the picture's tables are unusable."""
    notes = Notes(file.movie.diagnostics)
    placed = file.placed_picture
    facts = MediaFacts(container=file.movie.container, audio=_audio(file, notes))
    notes.add_all(file.fragment_notes)
    if placed is not None:
        notes.add_all(placed.notes)
        facts = _with_picture(facts, file, placed, notes)
    elif facts.audio:
        facts = replace(facts, codec=facts.audio[0].codec)
    start, start_source = _start(file, None if placed is None else placed.rate, notes)
    reel, reel_source = _reel(file)
    created = created_of(file.movie.tags, file.movie.header.created, notes)
    if (why := file.why_empty) is not None:
        facts = replace(facts, frames=0, decodable=False, note=f"It {why}.")
    elif placed is None and not facts.audio and start is None:
        notes.add("the file holds no picture, no sound and no timecode")
    return replace(
        facts,
        start_timecode=start,
        start_source=start_source,
        continuous_frames=_continuous(file, facts),
        reel=reel,
        reel_source=reel_source,
        created=None if created is None else created.date,
        created_source=None if created is None else created.source,
        camera=camera_of(file.movie.tags),
        cut_short=file.missing_bytes > 0 or not all(place.whole for place in file.movie.places),
        diagnostics=tuple(notes),
    )


def _with_picture(facts: MediaFacts, file: IndexedMovie, placed: PlacedPicture, notes: Notes) -> MediaFacts:
    described, picture = placed.described, placed.picture
    header = _frame_header(file, placed, notes)
    codec, scan, color = described.codec, described.scan, described.color
    if header is not None:
        if codec.name.startswith("dnx"):
            codec = header.codec  # the four letters don't tell which
        if scan is not None and header.scan is not None and scan != header.scan:
            by_frame = described.scan_doubtful and header.scan != "progressive"
            told = "frame" if by_frame else "description"
            notes.add(f"the description says {scan}, the first frame {header.scan}; the {told} is told")
            scan = header.scan if by_frame else scan
        scan = scan or header.scan
        color = _filled(color, header.color)
        if (header.width, header.height or described.height) != (described.width, described.height):
            notes.add(
                f"the description says {described.width}x{described.height}, the first frame is "
                f"{header.width}x{header.height or described.height}"
            )
    if placed.track.rotated:
        notes.add(f"players turn the picture by {placed.track.rotated} degrees; width and height are as stored")
    index = FrameIndex(picture.packets, picture.keys, placed.rate)
    return replace(
        facts,
        codec=codec.name,
        profile=codec.profile,
        width=described.width,
        height=described.height,
        frame_rate=placed.rate,
        frames=index.frames,
        vfr=index.vfr,
        scan=scan,
        pixel_aspect=_pixel_aspect(described, placed.track),
        bit_depth=codec.bit_depth,
        color=color,
        decodable=codec.decodable,
        note=_decoding_note(codec, described.encrypted),
    )


def _frame_header(file: IndexedMovie, placed: PlacedPicture, notes: Notes) -> FrameHeader | None:
    """The first frame's own header, for the codecs that have one that says something."""
    name, picture = placed.described.codec.name, placed.picture
    if name not in _WITH_HEADERS or placed.described.encrypted or not len(picture.shown):
        return None
    first = int(picture.shown[0])
    size = min(FIXED_HEAD, int(picture.packets.sizes[first]))
    frame = file.source.read_at(int(picture.packets.offsets[first]), size)
    header = prores_header(frame) if name.startswith("prores") else dnx_header(frame, placed.rate)
    if header is None:
        notes.add(f"the first frame doesn't begin like a frame of {name}; the file may be damaged")
    return header


def _filled(color: ColorFacts, other: ColorFacts) -> ColorFacts:
    return ColorFacts(
        primaries=color.primaries or other.primaries,
        transfer=color.transfer or other.transfer,
        matrix=color.matrix or other.matrix,
        range=color.range or other.range,
        space=color.space,
    )


def _pixel_aspect(described: PictureFacts, track: Track) -> Fraction | None:
    """From `pasp`; else from the size that the track is shown at, against the clean aperture or the stored size.

    Display sizes are rounded to whole pixels, so a shape within half a percent of square is square.
    """
    if described.pixel_aspect is not None:
        return described.pixel_aspect
    width, height = track.display_size
    stored = described.clean_size or (Fraction(described.width), Fraction(described.height))
    if not (width and height and stored[0] and stored[1]):
        return None
    shape = (width / height) / (stored[0] / stored[1])
    return Fraction(1) if abs(shape - 1) < Fraction(1, 200) else shape.limit_denominator(1000)


def _decoding_note(codec: Codec, encrypted: bool) -> str | None:
    if encrypted:
        return "The picture is encrypted; it can be kept, verified and restored whole."
    if not codec.decodable:
        return f"{codec.name} takes its maker's software to decode; it can be kept, verified and restored whole."
    return None


def _audio(file: IndexedMovie, notes: Notes) -> tuple[AudioFacts, ...]:
    audio = []
    for track in file.sound_tracks:
        try:
            placed = file.placed_sound(track)
            described, samples = placed.described, placed.samples
            notes.add_all(placed.notes)
        except (Damaged, NotSupported) as error:
            if not track.descriptions:
                raise
            described = sound_facts(track.descriptions[0].atom, track.timescale, notes, iso_entries=track.iso_entries)
            samples = None
            notes.add(f"{track.name} can't be indexed: {error}")
        audio.append(
            AudioFacts(
                codec=described.codec,
                channels=described.channels,
                sample_rate=described.sample_rate,
                bits=described.bits,
                samples=samples,
                layout=described.layout,
            )
        )
    return tuple(audio)


def _start(file: IndexedMovie, rate: FrameRate | None, notes: Notes) -> tuple[Timecode | None, str | None]:
    """(start timecode, where it was found): the timecode track, else a metadata text."""
    timecode = file.timecode
    notes.add_all(file.timecode_notes)
    if timecode is not None and timecode.start is not None:
        start = timecode.start
        if rate is not None and start.rate != rate:
            notes.add(f"timecode counts at {start.rate.text}, the picture plays at {rate.text}")
        return start, "tmcd track"
    for tag in file.movie.tags:
        if tag.key in _TIMECODE_KEYS and rate is not None:
            try:
                return Timecode.from_string(tag.text, rate), f"metadata ({tag.key})"
            except InvalidTimecode:
                notes.add(f"the metadata's timecode {tag.text!r} is none at {rate.text}")
    return None, None


def _continuous(file: IndexedMovie, facts: MediaFacts) -> int | None:
    """Frames up to the first place where the timecode jumps; None where it never does."""
    timecode = file.timecode
    if timecode is None or not timecode.breaks or facts.frame_rate is None:
        return None
    until = math.ceil(timecode.breaks[0].seconds * facts.frame_rate - Fraction(1, 100))  # within rounding: on a frame
    return max(0, until) if facts.frames is None or until < facts.frames else None


def _reel(file: IndexedMovie) -> tuple[str | None, str | None]:
    """(reel, where it was found): the timecode track's source name, Apple's key, any other; never a UMID."""
    timecode = file.timecode
    if timecode is not None and timecode.reel and not looks_like_umid(timecode.reel):
        return timecode.reel, "tmcd track"
    return reel_of(file.movie.tags) or (None, None)
