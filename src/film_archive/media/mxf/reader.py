"""An MXF file: opening it, its facts, and where each frame and each piece of sound lies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.facts import AudioFacts, ColorFacts, MediaFacts
from film_archive.core.frame_index import AudioIndex, FrameIndex, Longs
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate
from film_archive.media.bitstream.frame_header import HEAD, read_frame_header
from film_archive.media.mxf.container import containers
from film_archive.media.mxf.describing import Picture, describe_picture, describe_sound
from film_archive.media.mxf.elements import NO_ELEMENTS, Elements
from film_archive.media.mxf.essence import Stream, read_stream
from film_archive.media.mxf.index_tables import Segment, read_segments
from film_archive.media.mxf.klv import LONGEST_RUN_IN, KlvReader, run_in
from film_archive.media.mxf.labels import PICTURE, SOUND, is_encrypted_container, pattern_name, picture_codec
from film_archive.media.mxf.metadata import Metadata, Package, read_metadata
from film_archive.media.mxf.order import Order, picture_order
from film_archive.media.mxf.packets import available_units, picture_packets, shown_units, sound_packets
from film_archive.media.mxf.partitions import Partitions, find_partitions
from film_archive.media.mxf.sound import pcm_form
from film_archive.media.mxf.source_timecode import Origin, origin_of
from film_archive.media.mxf.tracks import EssenceTrack, EssenceTracks, essence_tracks

_FIXED_SIZE = frozenset(("dnxhd", "dnxhr", "dv", "uncompressed"))
"""Codecs whose frames all have one size in a file."""


@dataclass(frozen=True, eq=False)
class EditUnits:
    """Whole edit units of a frame-wrapped stream in stored order: where each begins and how many bytes it takes.

    System item, picture, sound, data and their filler are in it, so that a run of units can be copied as it is.
    Positions are those of the file.
    """

    offsets: Longs
    sizes: Longs


@dataclass(frozen=True, eq=False)
class MxfFile:
    """An opened MXF file. Positions in `partitions` and `segments` are as in the file, behind `run_in` bytes."""

    source: ByteSource
    run_in: int
    partitions: Partitions
    metadata: Metadata
    metadata_place: tuple[int, int]
    """Where the header metadata that was read lies, [start, end)."""
    final: bool
    """Whether the metadata was called closed and complete by its writer."""
    segments: tuple[Segment, ...]
    tracks: EssenceTracks
    diagnostics: tuple[str, ...]

    @classmethod
    def open(cls, source: ByteSource) -> MxfFile:
        """Read partitions, header metadata and index segments.

        Raises Damaged where the file is no MXF or its header metadata can't be read, NotSupported where the essence is
        encrypted or lies in other files.
        """
        before = run_in(source.read_at(0, LONGEST_RUN_IN + 16))
        if before is None:
            raise Damaged(f"{source.name} is not an MXF file, or its beginning is lost.")
        reader = KlvReader(_behind(source, before))
        partitions = find_partitions(reader)
        notes = list(partitions.diagnostics)
        metadata, place, final = _best_metadata(reader, partitions, notes)
        segments, lost = read_segments(reader, partitions.sections)
        packs = [section.partition for section in partitions.sections]
        labels = {*metadata.labels, *(label for pack in packs for label in pack.containers)}
        if any(is_encrypted_container(label) for label in labels):
            raise NotSupported(f"{source.name} is encrypted; give the file as it was before encryption.")
        sids = tuple(containers(partitions.sections))
        tracks = essence_tracks(metadata, sids)
        if tracks.elsewhere and not tracks.tracks:
            raise NotSupported(
                f"{source.name} holds no picture or sound of its own; its {tracks.elsewhere} track(s) lie in other "
                "files: give those."
            )
        if not (partitions.header.closed or packs[-1].kind == "footer"):
            notes.append("The file was not closed by its writer: what is complete in it was counted.")
        notes += [*metadata.diagnostics, *lost]
        return cls(source, before, partitions, metadata, place, final, tuple(segments), tracks, tuple(notes))

    @cached_property
    def _reader(self) -> KlvReader:
        return KlvReader(_behind(self.source, self.run_in))

    @property
    def picture(self) -> EssenceTrack | None:
        """The picture track."""
        return next(iter(self.tracks.of(PICTURE)), None)

    @property
    def sounds(self) -> list[EssenceTrack]:
        """The sound tracks, in the material package's order."""
        return self.tracks.of(SOUND)

    @property
    def pattern(self) -> str | None:
        """ "OP1a", "OP-Atom" …"""
        return pattern_name(self.partitions.header.pattern)

    @cached_property
    def streams(self) -> dict[int, Stream]:
        """BodySID → what was found in it."""
        found: dict[int, Stream] = {}
        chunks = containers(self.partitions.sections)
        wanted = [*([self.picture] if self.picture is not None else []), *self.sounds]
        for body_sid in dict.fromkeys(track.body_sid for track in wanted):
            tracks = [track for track in wanted if track.body_sid == body_sid]
            if body_sid in chunks:
                found[body_sid] = read_stream(
                    self._reader,
                    chunks[body_sid],
                    tracks,
                    self.segments,
                    self.metadata,
                    self.partitions.header.pattern,
                    frozenset(track.track.track_id for track in tracks if _fixed_size(track)),
                )
        return found

    def elements(self, track: EssenceTrack) -> Elements:
        """Where one track's payloads lie, counted from the header partition, in stored order with pre-charge."""
        stream = self.streams.get(track.body_sid)
        return NO_ELEMENTS if stream is None else stream.elements.get(track.track.track_id, NO_ELEMENTS)

    def edit_units(self) -> EditUnits | None:
        """Whole edit units of the picture's stream (the first sound's where there is none); None where clip-wrapped."""
        track = self.picture or next(iter(self.sounds), None)
        stream = None if track is None else self.streams.get(track.body_sid)
        if stream is None or stream.content is None:
            return None
        content = stream.content
        return EditUnits(content.starts + self.run_in, content.ends - content.starts)

    @cached_property
    def described(self) -> Picture | None:
        """What descriptor and first frame say of the picture."""
        track = self.picture
        if track is None:
            return None
        found = self.elements(track)
        head = b""
        if len(found):
            head = self._reader.source.read_at(int(found.offsets[0]), min(int(found.sizes[0]), HEAD))
        labels = [label for section in self.partitions.sections for label in section.partition.containers]
        header = read_frame_header(head, track.edit_rate)
        return describe_picture(track.descriptor, list(dict.fromkeys(labels)), header)

    @cached_property
    def origin(self) -> Origin:
        """Start timecodes and reel."""
        return origin_of(self.metadata, self.picture or next(iter(self.sounds), None))

    @cached_property
    def _order(self) -> Order:
        """Display order and keyframes of the picture; raises NotSupported where nothing tells them."""
        track = self.picture
        stream = None if track is None else self.streams.get(track.body_sid)
        if track is None or stream is None:
            return picture_order(self._reader.source, None, NO_ELEMENTS, None)
        if stream.content is not None and stream.content.doubled:
            raise NotSupported(
                f"{self.source.name} stores the two fields of a frame apart; frames can't be addressed in it."
            )
        trusted = stream.table is not None and (stream.content is None or stream.content.indexed > 0)
        entries = stream.table.entries if stream.table is not None and trusted else None
        codec = None if self.described is None else self.described.codec
        return picture_order(self._reader.source, codec, self.elements(track), entries)

    def index(self) -> FrameIndex:
        """Where each frame and each piece of sound lies: payloads only, in complete edit units.

        Raises NotSupported where an edit unit holds more than one picture element, or where nothing tells the order in
        which frames of a long-GOP codec are shown.
        """
        notes = list(self._essence_notes)
        audio = []
        for sound in self.sounds:
            one, note = self._audio(sound)
            audio += [] if one is None else [one]
            notes += [] if note is None else [note]
        track = self.picture
        if track is None:
            return FrameIndex(None, np.zeros(0, np.bool_), None, tuple(audio), tuple(notes))
        order = self._order
        shown = shown_units(track, order.shown, final=self.final)
        notes += [] if shown.note is None else [shown.note]
        video = picture_packets(track, self.elements(track), order, shown.units, self.run_in)
        rate = FrameRate(track.edit_rate.numerator, track.edit_rate.denominator)
        return FrameIndex(video, order.keys, rate, tuple(audio), tuple(notes))

    @property
    def _essence_notes(self) -> list[str]:
        notes = [note for stream in self.streams.values() for note in stream.diagnostics]
        if any(stream.cut for stream in self.streams.values()):
            notes.append(
                "The file ends in the middle of its essence; only complete frames and pieces of sound were counted."
            )
        return notes

    def _audio(self, track: EssenceTrack) -> tuple[AudioIndex | None, str | None]:
        """One sound track's packets (None where its descriptor has no channels or rate), and what is odd about them."""
        if track.descriptor is None:
            return None, "A sound track has no descriptor and was left out."
        form = pcm_form(track.descriptor)
        if not form.channels or not form.sample_rate:
            return None, "A sound track does not say its channels or its rate and was left out."
        found = self.elements(track)
        stream = self.streams.get(track.body_sid)
        framed = stream is not None and stream.content is not None
        available = available_units(track, found, form, frame_wrapped=framed)
        shown = shown_units(track, available, final=self.final)
        packets = sound_packets(track, found, form, shown.units, self.run_in, frame_wrapped=framed)
        name = form.codec or "unknown"
        return AudioIndex(packets, form.sample_rate, form.channels, form.frame_bytes, name), shown.note

    def facts(self) -> MediaFacts:
        """What is in the file. Frames are counted: those that are complete, in the file, and shown."""
        track, picture, metadata = self.picture, self.described, self.metadata
        frames, notes, audio = self._counts()
        start = next(iter(self.origin.candidates), None)
        codec = picture.codec if picture is not None else None
        decodable = bool(audio) if track is None else codec is not None and codec.decodable
        note = None if picture is None else picture.note
        if track is not None and not frames:
            decodable = False
            note = "There is no complete frame in the file; if it is still being written, try again later."
        package = metadata.material or next((one for one in metadata.packages if one.role == "file"), None)
        created = None if package is None else package.created
        return MediaFacts(
            container="mxf",
            codec=codec.name if codec is not None else audio[0].codec if track is None and audio else None,
            profile=codec.profile if codec is not None else None,
            width=None if picture is None else picture.width,
            height=None if picture is None else picture.height,
            frame_rate=None if track is None else FrameRate(track.edit_rate.numerator, track.edit_rate.denominator),
            frames=None if track is None else frames,
            start_timecode=None if start is None else start.timecode,
            start_source=None if start is None else start.source,
            reel=self.origin.reel,
            reel_source=None if self.origin.reel is None else "source package",
            scan=None if picture is None else picture.scan,
            pixel_aspect=None if picture is None else picture.pixel_aspect,
            bit_depth=None if picture is None else picture.bit_depth,
            color=ColorFacts() if picture is None else picture.color,
            audio=tuple(audio),
            created=created,
            created_source=None if created is None else "package creation date",
            camera=self._described_by_writer(package),
            decodable=decodable,
            cut_short=self._is_cut_short,
            note=note,
            diagnostics=tuple(dict.fromkeys((*self.diagnostics, *notes))),
        )

    @property
    def _is_cut_short(self) -> bool:
        """Whether it ends before the footer that its header tells of, or in the middle of an element."""
        beyond = self.partitions.header.footer >= self._reader.source.size
        return beyond or any(stream.cut for stream in self.streams.values())

    def _counts(self) -> tuple[int, list[str], list[AudioFacts]]:
        """(frames, diagnostics, sound tracks); where frames can't be put in order they are still counted."""
        track = self.picture
        try:
            index = self.index()
        except NotSupported as error:
            if track is None:
                raise
            found = self.elements(track)
            stored = int(found.units[-1]) + 1 if len(found) else 0
            shown = shown_units(track, stored, final=self.final)
            audio = [one for sound in self.sounds if (one := describe_sound(sound.descriptor, None)) is not None]
            return shown.units, [*self._track_notes(), *self._essence_notes, str(error)], audio
        indexed = iter(index.audio)
        audio = []
        for sound in self.sounds:
            facts = describe_sound(sound.descriptor, None)
            if facts is not None:
                track_index = next(indexed)
                samples = track_index.packets.end if track_index.frame_bytes else None
                audio.append(replace(facts, samples=samples))
        return index.frames, [*self._track_notes(), *index.diagnostics], audio

    def _track_notes(self) -> list[str]:
        notes = [note for track in self.tracks.tracks for note in track.diagnostics]
        pictures = self.tracks.of(PICTURE)
        if len(pictures) > 1:
            notes.append(f"The file has {len(pictures)} picture tracks; the first of them was taken.")
        if self.tracks.elsewhere:
            notes.append(f"{self.tracks.elsewhere} track(s) lie in other files.")
        if self.described is not None:
            notes += self.described.diagnostics
        return [*notes, *self.origin.diagnostics]

    def _described_by_writer(self, package: Package | None) -> dict[str, str]:
        said = {
            "operational_pattern": self.pattern,
            "writer": None if self.metadata.writer is None else str(self.metadata.writer),
            "clip": None if package is None else package.name,
            "package": None if package is None else package.umid.hex(),
        }
        return {name: value for name, value in said.items() if value}


def _behind(source: ByteSource, before: int) -> ByteSource:
    return source.slice(before, source.size - before) if before else source


def _best_metadata(
    reader: KlvReader, partitions: Partitions, notes: list[str]
) -> tuple[Metadata, tuple[int, int], bool]:
    """The header metadata that is nearest to final, where it lies, and whether its writer called it that.

    A closed and complete header is; where it is open, the footer's or the last repetition is better.
    """
    holders = [section.partition for section in partitions.sections if section.metadata[0] < section.metadata[1]]
    places = {section.partition.offset: section.metadata for section in partitions.sections}
    final = [one for one in holders if one.closed and one.complete]
    rest = sorted(
        (one for one in holders if not (one.closed and one.complete)), key=lambda one: (one.closed, one.complete)
    )
    # of those that are not final the last one of the best kind knows most
    ordered = [*final, *reversed(rest)]
    for partition in ordered:
        try:
            place = places[partition.offset]
            return read_metadata(reader, *place), place, partition.closed and partition.complete
        except Damaged as error:
            notes.append(f"The header metadata at byte {partition.offset} could not be used: {error}")
    raise Damaged(
        f"{reader.source.name} has no header metadata that can be read, so nothing is known of what it holds."
    )


def _fixed_size(track: EssenceTrack) -> bool:
    """Whether all elements of a track have the same size by their codec."""
    descriptor = track.descriptor
    if descriptor is None:
        return False
    if track.kind == PICTURE:
        codec = picture_codec(descriptor.container, descriptor.values.label(0x3201)).codec
        return codec is not None and codec.name in _FIXED_SIZE
    form = pcm_form(descriptor)
    return bool(form.frame_bytes) and (form.sample_rate / track.edit_rate).denominator == 1
