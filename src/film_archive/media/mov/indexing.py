"""Where every frame and sound packet of a QuickTime or MP4 file lies, from its tables and fragments.

Which tracks count: the *picture* is, among picture tracks with samples, the enabled ones before the disabled, then
the one with the most samples, then the first in the file (so neither a poster image nor an empty spare track is taken
for the film); *sound* is every sound track with samples, disabled ones too.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from film_archive.core.errors import NotSupported
from film_archive.core.frame_index import AudioIndex, FrameIndex, Packets
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate
from film_archive.media.mov.atoms import Notes
from film_archive.media.mov.descriptions import Description, PictureFacts, picture_facts
from film_archive.media.mov.edits import Segment, segments
from film_archive.media.mov.fragments import Defaults, Run, TrackRuns, join_chunks, join_samples, read_fragments
from film_archive.media.mov.movie import Movie
from film_archive.media.mov.placing import Ground, Picture, place_pcm, place_picture, place_sound
from film_archive.media.mov.rates import frame_rate
from film_archive.media.mov.samples import Chunks, Samples, expand, expand_pcm
from film_archive.media.mov.sound import SoundFacts, sound_facts
from film_archive.media.mov.tables import TimeRuns
from film_archive.media.mov.timecode import TimecodeFacts, parse_timecode_description, read_timecode
from film_archive.media.mov.track import Track


@dataclass(frozen=True, slots=True, eq=False)
class PlacedPicture:
    """The picture track with its description, its frames' places, their rate, and what was odd."""

    track: Track
    described: PictureFacts
    picture: Picture
    rate: FrameRate | None
    notes: Notes


@dataclass(frozen=True, slots=True, eq=False)
class PlacedSound:
    """One sound track with its packets and the samples (a channel) that are shown, None where only decoding tells."""

    track: Track
    described: SoundFacts
    packets: Packets
    samples: int | None
    notes: Notes


class IndexedMovie:
    """A file and its parsed index; tables are expanded when they are first asked for, and kept."""

    def __init__(self, source: ByteSource, movie: Movie) -> None:
        self.source = source
        self.movie = movie
        self.missing_bytes = 0
        """Of the fragment that is cut off, at least; known when the fragments have been read."""

    def frame_index(self) -> FrameIndex:
        """All of it; raises Damaged or NotSupported where the tables of the picture or of any sound are unusable."""
        placed = self.placed_picture
        notes = Notes(self.movie.diagnostics)
        sound = []
        for track in self.sound_tracks:
            heard = self.placed_sound(track)
            said = heard.described
            sound.append(AudioIndex(heard.packets, said.sample_rate, said.channels, said.frame_bytes, said.codec))
            notes.add_all(heard.notes)
        notes.add_all(self.fragment_notes)
        if placed is None:
            return FrameIndex(None, np.zeros(0, np.bool_), None, tuple(sound), tuple(notes))
        notes.add_all(placed.notes)
        return FrameIndex(placed.picture.packets, placed.picture.keys, placed.rate, tuple(sound), tuple(notes))

    # Which tracks

    @cached_property
    def picture_track(self) -> Track | None:
        candidates = [track for track in self.movie.tracks if track.handler == b"vide" and self._sample_count(track)]
        return max(candidates, key=lambda track: (track.enabled, self._sample_count(track)), default=None)

    @cached_property
    def sound_tracks(self) -> tuple[Track, ...]:
        return tuple(track for track in self.movie.tracks if track.handler == b"soun" and self._sample_count(track))

    @cached_property
    def timecode_track(self) -> Track | None:
        """The one that the picture (else any sound) refers to, else the first there is."""
        known = [track for track in self.movie.tracks if track.handler == b"tmcd" and track.descriptions]
        owners = ([] if self.picture_track is None else [self.picture_track]) + list(self.sound_tracks)
        for owner in owners:
            for track_id in owner.refers_to(b"tmcd"):
                for track in known:
                    if track.id == track_id:
                        return track
        return known[0] if known else None

    # Where their samples are

    @cached_property
    def placed_picture(self) -> PlacedPicture | None:
        """The picture on the clip's clock; None for sound alone."""
        track = self.picture_track
        if track is None:
            return None
        notes = Notes()
        described = picture_facts(self._description(track, notes).atom, notes)
        samples = self._samples(track)
        shown = self._shown(track, samples, notes)
        slack = Fraction(track.timescale, self.movie.header.timescale)
        picture = place_picture(samples, shown, slack, self._ground(track, notes))
        if described.codec.intra and not picture.keys.all():
            picture = Picture(picture.packets, np.ones(len(picture.keys), np.bool_), picture.shown, picture.origin, picture.seen)
        if track.edits and picture.seen and track.edits[0].empty:
            notes.add(f"the picture begins {float(picture.seen):g} s into the presentation; times count from there")
        rate = frame_rate(picture.packets.times[picture.shown], picture.packets.end, track.timescale)
        others = sum(1 for other in self.movie.tracks if other.handler == b"vide" and self._sample_count(other)) - 1
        if others:
            notes.add(f"there {'is another picture track' if others == 1 else f'are {others} more picture tracks'}; "
                      f"track {track.id} is taken for the film")  # fmt: skip
        return PlacedPicture(track, described, picture, rate, notes)

    def placed_sound(self, track: Track) -> PlacedSound:
        """A sound track on the clip's clock. Raises Damaged or NotSupported where its tables are unusable."""
        if track not in self._sound:
            self._sound[track] = self._place_sound(track)
        return self._sound[track]

    @cached_property
    def _sound(self) -> dict[Track, PlacedSound]:
        return {}

    @cached_property
    def timecode(self) -> TimecodeFacts | None:
        """What the timecode track says; None where there is none."""
        return self._timecode_and_notes[0]

    @property
    def timecode_notes(self) -> Notes:
        return self._timecode_and_notes[1]

    @cached_property
    def _timecode_and_notes(self) -> tuple[TimecodeFacts | None, Notes]:
        track, notes = self.timecode_track, Notes()
        if track is None:
            return None, notes
        placed = self.placed_picture
        rate = None if placed is None else placed.rate
        description = parse_timecode_description(track.descriptions[0].atom, rate, notes)
        if description is None:
            return None, notes
        samples = self._samples(track)
        shown = self._shown(track, samples, notes)
        # Without an edit list a late first frame is the writer's delay for reordering, and the label is meant for it.
        first = Fraction(shown[0].at if shown else 0, track.timescale)
        if placed is not None and placed.track.edits:
            first = placed.picture.seen
        slack = Fraction(1, self.movie.header.timescale)
        facts = read_timecode(self.source, description, samples, shown, track.timescale, first, slack, notes)
        others = sum(1 for other in self.movie.tracks if other.handler == b"tmcd") - 1
        if others:
            notes.add(f"there are {others + 1} timecode tracks; track {track.id} is used")
        return facts, notes

    def _place_sound(self, track: Track) -> PlacedSound:
        notes = Notes()
        tables = track.tables
        entry = self._description(track, notes).atom
        described = sound_facts(entry, track.timescale, notes, iso_entries=track.iso_entries)
        placed = self.placed_picture
        origin = Fraction(0) if placed is None else placed.picture.origin
        ground, frame_bytes = self._ground(track, notes), described.frame_bytes
        if not track.enabled:
            notes.add(f"{track.name} is disabled")
        if frame_bytes and (tables.sample_size in (1, frame_bytes) or not tables.sample_count):
            chunks = join_chunks(expand_pcm(tables), self._runs(track), frame_bytes)
            shown = self._shown(track, chunks, notes)
            packets, count = place_pcm(chunks, frame_bytes, shown, origin, ground)
            return PlacedSound(track, described, packets, count, notes)
        if frame_bytes and tables.sample_size % frame_bytes:
            raise NotSupported(
                f"{self.source.name}: {track.name} has samples of {tables.sample_size} bytes where {described.codec} "
                f"with {described.channels} channels takes {frame_bytes}; it can't be indexed, only kept."
            )
        if not frame_bytes and tables.sample_size and described.packet_bytes and described.packet_samples > 1:
            samples = _packets_of_constant_rate(expand_pcm(tables), described)
        else:
            samples = self._samples(track)
        shown = self._shown(track, samples, notes)
        packets, ticks = place_sound(samples, shown, origin, ground)
        if frame_bytes:
            return PlacedSound(track, described, packets, int(packets.sizes.sum()) // frame_bytes, notes)
        heard = ticks if track.timescale == described.sample_rate else None
        return PlacedSound(track, described, packets, heard, notes)

    def _description(self, track: Track, notes: Notes) -> Description:
        """The description of a track's first sample; that others follow is noted."""
        used = np.unique(track.tables.stsc[:, 2])
        if len(used) > 1:
            notes.add(f"{track.name} changes its description within the clip; the first is told")
        defaults = self.movie.defaults.get(track.id, Defaults())
        number = int(track.tables.stsc[0, 2]) if len(used) else defaults.description
        if not 1 <= number <= len(track.descriptions):
            raise track.atom.damaged("has samples but no description of them")
        return track.descriptions[number - 1]

    def _samples(self, track: Track) -> Samples:
        samples = expand(track.tables, self.source.name)
        runs = self._runs(track)
        return join_samples(samples, runs, self.source.name) if runs else samples

    def _shown(self, track: Track, media: Samples | Chunks, notes: Notes) -> tuple[Segment, ...]:
        there = Segment(media.start, media.end, media.start)
        return segments(track.edits, track.timescale, self.movie.header.timescale, there, self.source.name, notes)

    def _sample_count(self, track: Track) -> int:
        return track.tables.samples_there + sum(run.count for run in self._runs(track))

    def _runs(self, track: Track) -> list[Run]:
        found = self._fragments.get(track.id)
        return [] if found is None else found.runs

    @cached_property
    def _fragments(self) -> dict[int, TrackRuns]:
        tracks: dict[int, TrackRuns] = {}
        for track in self.movie.tracks if self.movie.fragments else ():
            table_end = TimeRuns.of(track.tables.stts).at(np.array([track.tables.samples_there]))
            tracks.setdefault(track.id, TrackRuns(self.movie.defaults.get(track.id, Defaults()), int(table_end[0])))
        self.missing_bytes = read_fragments(self.source, self.movie.fragments, tracks, self.fragment_notes)
        return tracks

    @cached_property
    def why_empty(self) -> str | None:
        """Why a file that is made of fragments has no samples at all, said of it ("is …"); None where that is not so."""
        tracks = self.movie.tracks
        if not self.movie.defaults or any(self._sample_count(track) for track in tracks):
            return None
        if self.missing_bytes:
            return (
                "is cut short within its first fragment, and no fragment is complete: at least "
                f"{self.missing_bytes} bytes are missing; copy it again from its original"
            )
        if self.movie.fragments:
            return "is made of fragments, and none of them holds a sample"
        return (
            "ends before its first fragment: copy it again from its original, or join it to its segments if it is their "
            "init segment"
        )

    @cached_property
    def fragment_notes(self) -> Notes:
        """What was odd about the fragments; filled when they are first read."""
        return Notes()

    def _ground(self, track: Track, notes: Notes) -> Ground:
        return Ground(
            track.name, track.timescale, self.source.name, self.source.size, self.movie.moov_place, notes
        )  # fmt: skip


def _packets_of_constant_rate(chunks: Chunks, described: SoundFacts) -> Samples:
    """Coded sound whose tables count decoded samples (ima4, MACE): a chunk is a packet, the codec gives its size."""
    return Samples(
        offsets=chunks.offsets,
        sizes=chunks.frames // described.packet_samples * described.packet_bytes,
        times=chunks.ticks,
        keys=np.ones(len(chunks), np.bool_),
        decode_times=chunks.ticks,
        decode_end=chunks.end,
    )
