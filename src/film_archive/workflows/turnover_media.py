"""The media of a package: what the events of a list need of their clips, each under its own name in the bundle.

A clip goes in as the parts that are asked for (ranges that touch are one), or whole: where no trimming is asked for, and
where it can't be cut without encoding it again, which is said. Of an image sequence a part is the files of its frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from film_archive.archive import layout
from film_archive.bundles.urls import MEDIA, media_url
from film_archive.core import files
from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported
from film_archive.core.job import identity_of
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRange, Timecode
from film_archive.core.wording import amount
from film_archive.editorial.event import ImageNames, TrimmedFrom
from film_archive.editorial.identity import media_name
from film_archive.editorial.pulling import Group, Request, grouped
from film_archive.editorial.relinking import NewMedia
from film_archive.media.cutting.cuttable import Cuttable
from film_archive.media.cutting.image_sequence import SequenceClip
from film_archive.workflows.bundle_media import numbered
from film_archive.workflows.clip_logs import ClipLog
from film_archive.workflows.clips import open_to_cut
from film_archive.workflows.gathering import Found, Kind, refuse_clashes
from film_archive.workflows.locating import OpenArchives, identity_of_member, is_member, split
from film_archive.workflows.pull_names import clip_stem
from film_archive.workflows.pull_sound import Recordings
from film_archive.workflows.pull_sources import SourceClip, Sources
from film_archive.workflows.trim import TrimmedMedium

SOUND = "sound"
"""The folder of recordings that ran while what is shown was shot: nothing of the timeline references them."""


@dataclass(slots=True)
class Laying:
    """Lays out the media of a package."""

    found: Sources
    archives: OpenArchives
    rate: str | None
    """What the list counts at, where that is known beforehand: media that do not say their rate count so, too."""
    log: ClipLog | None
    trims: bool
    with_sound: bool = False
    steps: list[Found] = field(default_factory=list)
    trimmed: list[TrimmedMedium] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    placed: dict[int, NewMedia] = field(default_factory=dict)
    """Place of an event → its media in the bundle."""
    _names: set[str] = field(default_factory=set)
    _pictures: list[tuple[str, Timecode | None, int]] = field(default_factory=list)
    """(stem of its name in the bundle, start, frames) of what shows pictures."""

    def lay_out(self, requests: Sequence[Request], source_in: Mapping[int, int]) -> None:
        """All media that are asked for, each once; `source_in` has the frame of each event's source in point.

        Raises Refused where two would be one file.
        """
        for group in _by_clip(requests):
            self._clip(self.found.clips[group[0].clip.path], group, source_in)
        if self.with_sound:
            self._sound()
        refuse_clashes(self.steps)

    def _clip(self, clip: SourceClip, requests: Sequence[Request], source_in: Mapping[int, int]) -> None:
        try:
            if clip.parts:
                raise NotSupported(f"it is spanned over {len(clip.parts)} files.")
            with open_to_cut(clip.what, rate=self.rate, log=self.log, archives=self.archives) as opened:
                if isinstance(opened.clip, SequenceClip):
                    self._images(clip, opened.clip, requests, source_in)
                    return
                cuts = grouped(requests, merge=True) if self.trims else ()
                cuts = tuple(_within(cut, opened.clip.frames) for cut in cuts)
                if cuts and not any(cut.frames.count >= opened.clip.frames for cut in cuts):
                    self._parts(clip, opened.clip, opened.identity, cuts, source_in)
                    return
        except (NotSupported, Damaged) as error:
            if self.trims:
                self.notes.append(f"{printable(clip.what)} goes in whole: {error}")
        self._whole(clip, requests, source_in)

    # Files

    def _whole(self, clip: SourceClip, requests: Sequence[Request], source_in: Mapping[int, int]) -> None:
        """All of a clip, as it is; of a spanned one all its parts, whose names belong together."""
        what = clip.parts or (clip.what,)
        name = media_name(what[0]) if clip.parts else self._free_name(media_name(what[0]))
        for each in what:
            self.steps.append(self._step(each, media_name(each) if clip.parts else name))
        start, candidate = clip.facts.start_timecode, clip.candidate
        for request in requests:
            self.placed[request.place] = NewMedia(
                name, media_url(name), start, candidate.rate, candidate.frames, source_in[request.place]
            )
        if not clip.is_sound:
            self._pictures.append((PurePosixPath(name).stem, start, candidate.frames))

    def _parts(
        self, clip: SourceClip, opened: Cuttable, identity: str, cuts: Iterable[Group], source_in: Mapping[int, int]
    ) -> None:
        """The parts of a clip that are asked for, each a file."""
        name = self._free_name(media_name(clip.what))
        start_of_all = None if opened.start is None else str(opened.start)
        for cut in cuts:
            part = f"{PurePosixPath(name).stem}_f{cut.frames.first}-{cut.frames.end - 1}"
            named = self._part(clip.what, opened, identity, cut.frames, f"{MEDIA}/{part}")
            start, _ = opened.shifted_start(cut.frames.first)
            kept = TrimmedFrom(
                file=media_name(clip.what),
                size=clip.size or None,
                start_timecode=start_of_all,
                reel=opened.reel,
                frames=opened.frames,
                first_frame=cut.frames.first,
                xxh128=clip.digest,
            )
            rate = opened.rate or clip.candidate.rate
            for request in cut.requests:
                within = source_in[request.place] - cut.frames.first
                self.placed[request.place] = NewMedia(
                    named, media_url(named), start, rate, cut.frames.count, within, trimmed_from=kept
                )
            self._tell(clip.what, f"{MEDIA}/{named}", cut, opened.frames)
            if not clip.is_sound:
                self._pictures.append((part, start, cut.frames.count))

    def _part(self, what: str, opened: Cuttable, identity: str, frames: FrameRange, member: str) -> str:
        """One part, under a path that gets its ending; returns its name. Raises NotSupported where it can't be cut."""
        made = opened.cut_bytes(frames)
        folder, _, name = member.rpartition("/")
        named = layout.fitting_name(f"{name}{made.suffix}")
        self.notes += [f"{printable(named)}: {each}" for each in made.diagnostics]
        step = self._step(what, named, folder)
        self.steps.append(
            replace(
                step,
                size=made.source.size,
                identity=identity,
                first_frame=frames.first,
                frames=frames.count,
                rate=self.rate,
                clip_start=None if opened.start is None else str(opened.start),
                clip_start_rate=None if opened.start is None else str(opened.start.rate),
                reel=opened.reel,
            )
        )
        return named

    def _step(self, what: str, name: str, folder: str = MEDIA) -> Found:
        """A file or a member as it is, under a name of the bundle."""
        if is_member(what):
            path, member_path = split(what)
            member = self.archives.open(path).member(member_path)
            size, identity, mtime_ns = member.size, identity_of_member(member), member.mtime_ns or 0
            mode = 0o644 if member.mode is None else member.mode
        else:
            with files.explaining(f"look at {printable(what)}"):
                status = Path(what).stat()
            size, identity, mtime_ns, mode = status.st_size, identity_of(status), status.st_mtime_ns, status.st_mode & 0o777
        return Found(
            path=what,
            member=f"{folder}/{name}",
            kind=Kind.FILE,
            size=size,
            mtime_ns=mtime_ns,
            mode=mode,
            identity=identity,
            original=printable(what),
        )

    def _tell(self, what: str, member: str, cut: Group, frames: int) -> None:
        used = {frame for request in cut.requests for frame in request.wanted.clamped(cut.frames)}
        self.trimmed.append(
            TrimmedMedium(
                path=printable(what),
                member=member,
                first_frame=cut.frames.first,
                frames=cut.frames.count,
                used_frames=len(used),
                of_frames=frames,
            )
        )

    # Image sequences

    def _images(
        self, clip: SourceClip, opened: SequenceClip, requests: Sequence[Request], source_in: Mapping[int, int]
    ) -> None:
        """The files of the frames that are asked for, or of all; each event's media are those of its part."""
        whole = FrameRange(0, opened.frames)
        cuts = grouped(requests, merge=True)
        cuts = tuple(_within(cut, opened.frames) if self.trims else replace(cut, frames=whole) for cut in cuts)
        first = opened.images.first
        called = ImageNames.of(opened.images.name(first))
        if called is None:
            raise NotSupported(f"{opened.name}: its files have no numbers that a timeline can name.")
        series = self._free_series(called)
        missing = 0
        members: dict[str, Found] = {}
        for cut in cuts:
            for number in range(first + cut.frames.first, first + cut.frames.end):
                place = opened.images.place(number)
                if place is None:
                    missing += 1
                    continue
                step = self._step(place, numbered(opened.images.name(number), called.prefix, series))
                members.setdefault(step.member, step)
            begin = numbered(opened.images.name(first + cut.frames.first), called.prefix, series)
            images, (start, _) = ImageNames.of(begin), opened.shifted_start(cut.frames.first)
            assert images is not None
            rate, kept = opened.rate or clip.candidate.rate, None
            if cut.frames.count < opened.frames:
                name, total = media_name(clip.what), opened.frames
                kept = TrimmedFrom(file=name, reel=opened.reel, frames=total, first_frame=cut.frames.first)
            for request in cut.requests:
                within = source_in[request.place] - cut.frames.first
                self.placed[request.place] = NewMedia(
                    begin, f"{MEDIA}/", start, rate, cut.frames.count, within, images, kept
                )
            if kept is not None:
                self._tell(clip.what, f"{MEDIA}/{begin}", cut, opened.frames)
            self._pictures.append((PurePosixPath(begin).stem, start, cut.frames.count))
        if missing:
            self.notes.append(f"{printable(clip.what)}: {amount(missing, 'frame has', 'frames have')} no file")
        self.steps += members.values()

    def _free_series(self, called: ImageNames) -> int:
        """Which number into the names of a sequence's files tells them from those of others; 1 is none."""
        number = 1
        while (name := layout.fold(numbered(f"{called.prefix}#{called.suffix}", called.prefix, number))) in self._names:
            number += 1
        self._names.add(name)
        return number

    # Sound that ran meanwhile

    def _sound(self) -> None:
        """The parts of recordings that ran while what is shown was shot."""
        recordings = Recordings(self.found.recordings())
        for stem, start, count in tuple(self._pictures):
            for take, frames in recordings.during(start, count):
                try:
                    with open_to_cut(take.what, rate=self.rate, log=self.log, archives=self.archives) as opened:
                        there = frames.clamped(FrameRange(0, opened.clip.frames))
                        if there.count:
                            member = f"{SOUND}/{stem}_{clip_stem(take.what)}"
                            self._part(take.what, opened.clip, opened.identity, there, member)
                except FilmArchiveError as error:
                    self.notes.append(f"{printable(take.what)} does not come along: {error}")

    def _free_name(self, name: str) -> str:
        """The name, or with a number where another medium has it."""
        number = 1
        while layout.fold(free := numbered(name, None, number)) in self._names:
            number += 1
        self._names.add(layout.fold(free))
        return free


def _by_clip(requests: Iterable[Request]) -> Iterator[list[Request]]:
    """Requests of one clip together, clips in the order in which the list names them."""
    clips: dict[str, list[Request]] = {}
    for request in requests:
        clips.setdefault(request.clip.path, []).append(request)
    yield from clips.values()


def _within(cut: Group, frames: int) -> Group:
    """A cut of what is really there: a manifest may have counted frames of sound that do not begin in the file."""
    return replace(cut, frames=cut.frames.clamped(FrameRange(0, frames)))
