"""Cutting long-GOP clips to the frame: the partial GOPs at the ends encoded again ("smart"), or all of it ("encode").

A smart cut keeps the whole closed GOPs inside the range bit for bit. What is before and behind them is encoded again by
the same codec and profile, and described beside the clip's own (`coded_forms`). Before a cut gets its name its pictures are
held against the clip's: where one is not right, there is no cut.

    frames      a ··· │ k1 ················· k2 │ ··· b
                encode│ whole GOPs, copied      │encode
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from film_archive.core import copying, files
from film_archive.core.columns import Longs
from film_archive.core.errors import NotSupported
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRange
from film_archive.core.wording import amount
from film_archive.media.bitstream.bits import UnreadableError
from film_archive.media.bitstream.h264 import nal_units
from film_archive.media.cutting.coded_forms import CodedForm, form_of
from film_archive.media.cutting.cuttable import CutBytes, CutResult, Cuttable
from film_archive.media.cutting.mov_writer import CutTrack, lay_out
from film_archive.media.cutting.movie import MovieClip, picture_track, seconds_of, sound_track
from film_archive.media.cutting.splicing import MadeCut, NewPackets, Parts, Spliced
from film_archive.media.mov import MovFile

_HEAD = 1 << 16
_CHECKED = 48
"""Frames of what was copied that are decoded at each seam."""


class Mode(StrEnum):
    """How the frames at the ends of a long-GOP cut come into it."""

    COPY = "copy"
    """Nothing is encoded again: whole GOPs lie in the file, and its edit list shows what was asked for."""
    SMART = "smart"
    """Only the partial GOPs at the ends are encoded again; no other frame lies in the file."""
    ENCODE = "encode"
    """All of it is encoded again."""


def in_mode(clip: Cuttable, mode: Mode) -> Cuttable:
    """The clip, cut in this way. Where every frame stands alone there is but one.

    Raises NotSupported where this clip's frames can't be encoded again so that they fit.
    """
    if mode is Mode.COPY or not isinstance(clip, MovieClip) or clip.index.intra:
        return clip
    values: dict[str, Any] = {name: getattr(clip, name) for name in clip.__dataclass_fields__}
    made = RecodedClip(**values, mode=mode)
    made.require_possible()
    return made


@dataclass(frozen=True, eq=False)
class RecodedClip(MovieClip):
    """A long-GOP clip that is cut to the frame by encoding some frames again."""

    mode: Mode = field(kw_only=True)

    def require_possible(self) -> None:
        if self._form() is None:
            coded = f"{'interlaced ' if self.facts.scan in ('tff', 'bff') else ''}{self.facts.codec or 'of an unknown codec'}"
            raise NotSupported(
                f"{self.name} is {coded}, which is not encoded again here so that it fits the rest; cut it with --mode copy, "
                "which shows exactly these frames and encodes none."
            )
        if self.index.vfr or self.rate is None:
            raise NotSupported(f"{self.name} has a variable rate, and is not encoded again here; cut it with --mode copy.")

    def _form(self) -> CodedForm | None:
        return form_of(self.facts.codec, self.picture, self.facts.scan in (None, "progressive"))

    @cached_property
    def _known(self) -> CodedForm:
        """The clip's own form, for looking at its frames."""
        form = self._form()
        assert form is not None, "see require_possible"
        return form

    def cut(self, frames: FrameRange, target: Path, *, on_bytes: files.OnBytes | None = None) -> CutResult:
        """As MovieClip's, proven by its pictures. Raises NotSupported where they are not right."""
        if os.path.lexists(target):
            return super().cut(frames, target)  # which refuses, and says so
        made = self._make(frames)
        self._prove(made, frames)
        with files.AtomicFile(target, purpose="cut") as new:
            descriptor, shared = new.file.fileno(), 0
            with files.explaining(
                f"write {printable(target)}", needed=lambda: files.unwritten(descriptor, made.layout.size), folder=target.parent
            ):
                new.file.write(made.layout.head)
                new.file.flush()
                for run in made.layout.runs:
                    shared += copying.transfer(made.part(run), descriptor, run.target_offset, on_bytes=on_bytes)
                new.file.seek(made.layout.moov_offset)
                new.file.write(made.layout.moov)
            new.commit()
        start, notes = self.shifted_start(frames.first)
        return CutResult(target, frames, start, made.mode, made.bytes_read, shared, frames.first, (*made.notes, *notes))

    def cut_bytes(self, frames: FrameRange) -> CutBytes:
        made = self._make(frames)
        self._prove(made, frames)
        notes = self.shifted_start(frames.first)[1]
        return CutBytes(made.source(f"a cut of {self.name}"), ".mov", frames.first, (*made.notes, *notes), made.mode)

    # Which frames

    def parts(self, frames: FrameRange) -> Parts:
        """The whole closed GOPs in a range, and what is before and behind them."""
        none = Parts(frames, FrameRange(frames.end, frames.end), FrameRange(frames.end, frames.end), FrameRange(0, 0))
        if self.mode is Mode.ENCODE:
            return none
        first = next((key for key in self._keys(frames) if self._begins_anew(key)), None)
        if first is None:
            return none
        end = self._end_of_whole(frames, first)
        if end is None:
            return none
        low, high = self._number(first), frames.end if end == len(self.index.keys) else self._number(end)
        inside = np.sort(self._numbers[first:end])
        if high <= low or not np.array_equal(inside, np.arange(low, high)):
            return none
        return Parts(
            FrameRange(frames.first, low), FrameRange(low, high), FrameRange(high, frames.end), FrameRange(first, end)
        )

    def _keys(self, frames: FrameRange) -> list[int]:
        """Positions of keyframes that are shown in a range, in order."""
        return [int(key) for key in np.flatnonzero(self.index.keys) if self._number(int(key)) in frames]

    def _end_of_whole(self, frames: FrameRange, first: int) -> int | None:
        """The position behind the last whole GOP in a range: that of the IDR that follows it, or the end of the clip."""
        if frames.end == self.index.frames:
            return len(self.index.keys)
        end = int(self.index.shown[frames.end])
        if self.index.keys[end] and self._begins_anew(end):
            return end
        return next((key for key in reversed(self._keys(frames)) if key > first and self._begins_anew(key)), None)

    @cached_property
    def _numbers(self) -> Longs:
        numbers = np.full(len(self.index.keys), -1, np.int64)
        numbers[self.index.shown] = np.arange(self.index.frames)
        return numbers

    def _number(self, position: int) -> int:
        return int(self._numbers[position])

    def _begins_anew(self, position: int) -> bool:
        assert self.index.video is not None
        size = min(int(self.index.video.sizes[position]), _HEAD)
        return self._known.begins_anew(self.source.read_at(int(self.index.video.offsets[position]), size))

    # Making it

    def _make(self, frames: FrameRange) -> MadeCut:
        self.require(frames)
        parts = self.parts(frames)
        spliced = Spliced(self.source)
        packets = NewPackets(self.index, frames.first)
        form = self._form()
        assert form is not None, "see require_possible"
        for part in (parts.head, parts.copied, parts.tail):
            if part.count and part is parts.copied:
                packets.copy(parts.positions)
            elif part.count:
                self._encode(part, form, spliced, packets)
        index = packets.index(self._shown_until(frames), self.index)
        description, *further = form.entries
        picture, _ = picture_track(index, FrameRange(0, frames.count), description, self.width, self.height)
        if further:
            picture = replace(picture, further=tuple(further), described=packets.described(picture.offsets))
        tracks = [picture, *self._sound(frames)]
        start, _ = self.shifted_start(frames.first)
        layout = lay_out(
            tracks,
            spliced.size,
            start=start,
            reel=self.reel,
            user_data=self.said_of(frames),
            created=self.user_data.created,
        )
        read = sum(run.length for run in layout.runs if run.source_offset < self.source.size)
        encoded = parts.head.count + parts.tail.count
        notes: tuple[str, ...] = ()
        if encoded and parts.copied.count:
            notes = (f"encoded again, in the partial GOPs at the ends: {amount(encoded, 'frame')} of {frames.count}",)
        elif encoded:
            why = "" if self.mode is Mode.ENCODE else "no whole closed GOP lies in the range; "
            notes = (f"{why}encoded again: {amount(frames.count, 'frame')}, which is all",)
        read += self._decoded_bytes(parts)
        mode = str(self.mode if parts.copied.count else Mode.ENCODE) if encoded else "copy"
        return MadeCut(self.source, spliced, layout, parts, mode, read, notes)

    def _encode(self, part: FrameRange, form: CodedForm, spliced: Spliced, packets: NewPackets) -> None:
        """Put a part's frames, encoded again, behind the clip's bytes, and describe them."""
        from film_archive.media.av.recoding import Recoder, Recoding

        assert self.rate is not None, "see require_possible"
        settings = Recoding(form.codec, self.facts.profile, self.rate, self._gop, form.parameter_id)
        recoder = Recoder(self.source, self.index, settings)
        begin = spliced.size
        for picture in recoder.pictures(part):
            data = b"".join(len(unit).to_bytes(form.length_size, "big") + unit for unit in _units(picture.data))
            packets.add(spliced.append(data), len(data), part.first + picture.number, picture.key)
        try:
            packets.describe(begin, form.add(_units(recoder.parameters)))
        except UnreadableError as error:
            raise NotSupported(f"{self.name}: the encoder's parameters do not fit beside the clip's; use --mode copy.") from error

    @cached_property
    def _gop(self) -> int:
        """The longest distance of two keyframes."""
        keys = np.flatnonzero(self.index.keys)
        return int(np.diff(np.append(keys, len(self.index.keys))).max(initial=1))

    def _sound(self, frames: FrameRange) -> list[CutTrack]:
        begin, end = seconds_of(self.index, frames)
        tracks = (
            sound_track(track, description, begin, end)
            for track, description in zip(self.index.audio, self.sound, strict=True)
        )
        return [track for track in tracks if track is not None]

    def _shown_until(self, frames: FrameRange) -> int:
        """Ticks from the first frame to the end of the last."""
        video = self.index.video
        assert video is not None
        after = int(video.times[self.index.shown[frames.end]]) if frames.end < self.index.frames else video.end
        return after - int(video.times[self.index.shown[frames.first]])

    def _decoded_bytes(self, parts: Parts) -> int:
        """What was read to decode the frames that were encoded again."""
        video, total = self.index.video, 0
        assert video is not None
        for part in (parts.head, parts.tail):
            if part.count:
                begin = self.index.keyframe_before(part.first).position
                end = int(self.index.positions(part).max()) + 1
                total += int(video.sizes[begin:end].sum())
        return total

    def _prove(self, made: MadeCut, frames: FrameRange) -> None:
        from film_archive.media.av.recoding import Proof, prove

        def of(part: FrameRange, copied: bool) -> Proof:
            return Proof(FrameRange(part.first - frames.first, part.end - frames.first), copied)

        head, copied, tail = made.parts.head, made.parts.copied, made.parts.tail
        proofs = [of(part, False) for part in (head, tail) if part.count]
        if copied.count:
            middle = min(copied.end, copied.first + _CHECKED)
            proofs += [of(FrameRange(copied.first, middle), True)]
            if middle < copied.end:
                proofs += [of(FrameRange(max(middle, copied.end - _CHECKED), copied.end), True)]
        written = made.source(f"a cut of {self.name}")
        told = prove(written, MovFile.open(written).index(), self.source, self.index, frames.first, tuple(proofs))
        if told is not None:
            raise NotSupported(
                f"{self.name} can't be cut with --mode {self.mode}: {told}. Nothing was written; --mode copy encodes nothing."
            )


def _units(stream: bytes) -> list[bytes]:
    """The NAL units of a byte stream, without the zeros that may stand between them."""
    return [(bytes((head,)) + unit).rstrip(b"\0") for head, unit in nal_units(stream)]
