"""Cutting an MXF clip: whole edit units into a new MXF, or the frames and samples into a QuickTime movie."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from film_archive.core import copying, files
from film_archive.core.columns import Longs
from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.facts import MediaFacts
from film_archive.core.source import ByteSource, ConcatSource, MemorySource, printable
from film_archive.core.timecode import FrameRange, Timecode
from film_archive.media.bitstream.h264 import parameters_in
from film_archive.media.cutting.cuttable import CutBytes, CutResult, Cuttable
from film_archive.media.cutting.movie import MovieClip
from film_archive.media.cutting.mxf_header import HeaderMetadata, Positions
from film_archive.media.cutting.mxf_writer import BLOCK, GenericStream, MxfLayout, Pack, UnitIndex, lay_out
from film_archive.media.mxf import MxfFile
from film_archive.media.mxf.essence import Stream
from film_archive.media.mxf.reader import EditUnits
from film_archive.media.mxf.sound import pcm_form
from film_archive.media.mxf.tracks import EssenceTrack

_LARGEST_STREAM = 64 << 20
_PARAMETERS_WITHIN = 4096


@dataclass(frozen=True, eq=False)
class MxfClip(Cuttable):
    """A clip of frame-wrapped intra-coded edit units. `movie` is the same clip for a cut in QuickTime, where that can be."""

    source: ByteSource = field(kw_only=True)
    material: MxfFile = field(kw_only=True)
    movie: MovieClip | None = field(kw_only=True)
    suffixes: tuple[str, ...] = (".mxf", ".mov", ".qt", ".mp4", ".m4v")

    def starting_at(self, start: Timecode) -> MxfClip:
        return replace(self, start=start, movie=None if self.movie is None else self.movie.starting_at(start))

    def identified(self, digest: str | None) -> MxfClip:
        return replace(self, digest=digest, movie=None if self.movie is None else self.movie.identified(digest))

    def completed_by(self, facts: MediaFacts) -> MxfClip:
        movie = None if self.movie is None else self.movie.completed_by(facts)
        return replace(self, facts=facts, start=facts.start_timecode, reel=facts.reel, movie=movie)

    def cut(self, frames: FrameRange, target: Path, *, on_bytes: files.OnBytes | None = None) -> CutResult:
        """An MXF where the target is called so, else a QuickTime movie of the same frames and samples."""
        self.require(frames)
        if target.suffix.lower() != ".mxf":
            if self.movie is None:
                raise NotSupported(
                    f"{self.facts.codec} frames from MXF can't be put into QuickTime without changing them; call the cut .mxf."
                )
            return self.movie.cut(frames, target, on_bytes=on_bytes)
        return self._cut_units(frames, target, on_bytes)

    def cut_bytes(self, frames: FrameRange) -> CutBytes:
        self.require(frames)
        layout, offsets, sizes, _, notes = self._lay_out(frames)
        parts: list[ByteSource] = [MemorySource(layout.head), MemorySource(bytes(layout.essence_offset - len(layout.head)))]
        parts += [self.source.slice(offset, length) for offset, length in _runs(offsets, sizes)]
        parts.append(MemorySource(layout.tail))
        return CutBytes(ConcatSource(parts, f"a cut of {self.name}"), ".mxf", frames.first, notes)

    def verify(self, frames: FrameRange, target: Path) -> CutResult | None:
        if target.suffix.lower() != ".mxf" and self.movie is not None:
            return self.movie.verify(frames, target)
        return super().verify(frames, target)

    def _lay_out(self, frames: FrameRange) -> tuple[MxfLayout, Longs, Longs, Timecode | None, tuple[str, ...]]:
        """(all but the essence, where the essence lies, its start timecode, what was odd)."""
        picture, stream, units = _framed(self.material)
        first = picture.first + frames.first
        chosen = slice(first, first + frames.count)
        offsets, sizes = units.offsets[chosen], units.sizes[chosen]
        self._require_units(frames, offsets, offsets + sizes)
        samples = self._samples(stream, first, first + frames.count)
        place, end = self.material.metadata_place
        raw = self.source.read_at(place + self.material.run_in, end - place)
        start, notes = self.shifted_start(frames.first)
        origin = 0 if picture.material is None else picture.material.origin
        positions = Positions(material=origin + frames.first, stored=first)
        header = HeaderMetadata(raw, self.name).cut(frames.count, positions, picture.edit_rate, samples)
        layout = lay_out(
            header,
            sizes,
            _index_of(picture, stream, chosen, sizes),
            residue=int(offsets[0]) % BLOCK,
            pack=self._pack(),
            streams=self._generic_streams,
        )
        return layout, offsets, sizes, start, notes

    def _cut_units(self, frames: FrameRange, target: Path, on_bytes: files.OnBytes | None) -> CutResult:
        layout, offsets, sizes, start, notes = self._lay_out(frames)
        shared = 0
        essence = int(sizes.sum())
        with files.AtomicFile(target, purpose="cut") as new:
            descriptor = new.file.fileno()
            with files.explaining(
                f"write {printable(target)}",
                needed=lambda: files.unwritten(descriptor, layout.size(essence)),
                folder=target.parent,
            ):
                new.file.write(layout.head)
                new.file.flush()
                position = layout.essence_offset
                for offset, length in _runs(offsets, sizes):
                    shared += copying.transfer(self.source.slice(offset, length), descriptor, position, on_bytes=on_bytes)
                    position += length
                new.file.seek(position)
                new.file.write(layout.tail)
            new.commit()
        return CutResult(target, frames, start, "copy", essence, shared, frames.first, notes)

    def _pack(self) -> Pack:
        partition, before = self.material.partitions.header, self.material.run_in
        return Pack.of(self.source.read_at(partition.offset + before, partition.end - partition.offset))

    def _require_units(self, frames: FrameRange, begins: Longs, ends: Longs) -> None:
        """Raise Damaged unless the frames lie in these edit units, by the index that everything else goes by."""
        index = self.material.index()
        for number, row in ((frames.first, 0), (frames.end - 1, frames.count - 1)):
            frame = index.frame(number)
            if len(begins) < frames.count or not begins[row] <= frame.offset < ends[row]:
                raise Damaged(f"{self.name}: frame {number} does not lie where the file's edit units are; nothing was written.")

    def _samples(self, stream: Stream, first: int, end: int) -> dict[Fraction, int]:
        """Samples of sound in some edit units, by sample rate."""
        found: dict[Fraction, int] = {}
        for track in self.material.sounds:
            if track.descriptor is None:
                continue
            form, elements = pcm_form(track.descriptor), stream.elements.get(track.track.track_id)
            if elements is not None and form.frame_bytes:
                inside = (elements.units >= first) & (elements.units < end)
                count = int(elements.sizes[inside].sum()) // form.frame_bytes
                found.setdefault(Fraction(form.sample_rate), count)
        return found

    @cached_property
    def _generic_streams(self) -> tuple[GenericStream, ...]:
        """What cameras write beside the essence, whole; a stream of absurd size is left out."""
        sections, before = self.material.partitions.sections, self.material.run_in
        ends = [section.partition.offset for section in sections[1:]] + [self.material.partitions.end]
        return tuple(
            GenericStream(
                section.partition.body_sid,
                self.source.read_at(section.partition.offset + before, end - section.partition.offset),
            )
            for section, end in zip(sections, ends, strict=True)
            if section.partition.kind == "generic stream" and end - section.partition.offset <= _LARGEST_STREAM
        )


def why_not_mxf(material: MxfFile, intra: bool) -> str | None:
    """Why a cut of this file can't be an MXF that is right; None where it can."""
    if not intra:
        return "its frames need each other"
    if len(material.streams) != 1 or material.tracks.elsewhere:
        return "its tracks do not lie together in one stream"
    stream = next(iter(material.streams.values()))
    if stream.content is None or material.picture is None:
        return "its essence is not wrapped frame by frame"
    if stream.content.doubled:
        return "the two fields of its frames are stored apart"
    found, picture = material.elements(material.picture), material.picture
    if material.described is not None and material.described.codec is not None and material.described.codec.name == "h264":
        heads = [
            parameters_in(material.source.read_at(int(found.offsets[row]) + material.run_in, _PARAMETERS_WITHIN))
            for row in (0, min(picture.first + 1, len(found) - 1))
        ]
        if heads[0] is not None and heads[1] is None:
            return "only its first frame has the parameters that all of them need"
    return None


def _framed(material: MxfFile) -> tuple[EssenceTrack, Stream, EditUnits]:
    picture, units = material.picture, material.edit_units()
    assert picture is not None
    assert units is not None
    return picture, material.streams[picture.body_sid], units


def _index_of(picture: EssenceTrack, stream: Stream, chosen: slice, sizes: Longs) -> UnitIndex:
    table = stream.table
    entries = None
    if table is not None and table.entries is not None and len(table.entries) >= chosen.stop:
        entries = table.entries.part(chosen)
    uniform = int(sizes.min()) == int(sizes.max())
    deltas = () if table is None or (entries is None and not uniform) else table.deltas
    return UnitIndex(picture.edit_rate, picture.body_sid, picture.index_sid or 2, deltas, entries)


def _runs(offsets: Longs, sizes: Longs) -> list[tuple[int, int]]:
    """(offset, length) of the runs of edit units that lie behind one another."""
    breaks = np.nonzero(offsets[1:] != offsets[:-1] + sizes[:-1])[0] + 1
    return [
        (int(offsets[first]), int(offsets[end - 1] + sizes[end - 1] - offsets[first]))
        for first, end in pairwise((0, *breaks.tolist(), len(offsets)))
    ]
