"""Making proxies: one decode, scaled down in steps, coded in pieces of fixed length, joined with the sound, and held
against the original's pictures before they get their names.

Pieces and whole proxies that are there already are kept, so that a killed run goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pydantic_core import from_json, to_json

from film_archive.core import files
from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.facts import AudioFacts
from film_archive.core.source import ByteSource, FileSource
from film_archive.core.timecode import Timecode
from film_archive.media.av.clip_pictures import Pictures
from film_archive.media.av.coded import CodedFile, CodedPacket
from film_archive.media.av.edit_proxies import EditWriter, edit_video
from film_archive.media.av.fragments import GOP, FragmentWriter, fragment_video
from film_archive.media.av.lanes import Watch, lanes_for, run_all
from film_archive.media.av.likeness import Likeness, Look, keyframes
from film_archive.media.av.piece import PIECE, Draw, Overlay, Size, make_piece
from film_archive.media.av.proxy_sound import Mix, code_sound
from film_archive.media.av.pyramid import Looker
from film_archive.media.av.settings import VideoSettings
from film_archive.media.av.versions import ffmpeg_version

OnFrames = Callable[[int], None]

_MADE_BY = 3
"""Of how pieces are made and kept: those of other versions are made again."""


@dataclass(frozen=True, slots=True)
class ProxyTarget:
    """One size of proxy: its name in the ladder, even width and height in pixels, bits a second.

    `key` tells a file of it from one that was made otherwise; the caller's folder tells one original from another.
    """

    size: str
    width: int
    height: int
    bit_rate: int
    preset: str = "superfast"
    version: int = 1
    codec: str = "h264"
    """"h264", or one of `edit_proxies.CODECS`."""
    look: str = ""
    """What is drawn into it or done to its colours, as a short digest."""

    @property
    def key(self) -> str:
        coded = (self.bit_rate, self.preset) if self.codec == "h264" else (self.codec,)
        parts = (self.size, f"{self.width}x{self.height}", *coded, self.look, self.version)
        return "-".join(str(part) for part in parts if part != "")


@dataclass(frozen=True, slots=True)
class ClipSound:
    """Where a clip's sound is, and which of it is heard."""

    source: ByteSource
    mix: Mix
    tracks: tuple[AudioFacts, ...] = ()
    """All of it, for proxies for the edit."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What stands in a proxy's file beside its pictures."""

    timecode: Timecode | None = None
    reel: str | None = None


@dataclass(frozen=True, slots=True)
class MadeProxy:
    """A proxy that was made. `corrupt` lists frames of the original that could not be decoded and show their neighbour."""

    target: ProxyTarget
    path: Path
    frames: int
    pieces: int
    corrupt: tuple[int, ...] = ()
    likeness: Likeness = field(default_factory=Likeness)
    sound_frames: int = 0
    """Frames of AAC; of PCM, samples of one channel of each track."""
    sound_damage: str | None = None
    """Why its sound is silent from some place on."""


def make_proxies(
    pictures: Pictures,
    targets: Sequence[ProxyTarget],
    folder: Path,
    *,
    among: Sequence[ProxyTarget] = (),
    sound: ClipSound | None = None,
    labels: Labels | None = None,
    workers: int | None = None,
    on_frames: OnFrames | None = None,
    grade: Draw | None = None,
    draws: Sequence[Overlay | None] | None = None,
) -> list[MadeProxy]:
    """Make one proxy file a target in `folder`, from one decode, by `workers` threads (None: as many as processors).

    Every proxy has as many frames as the clip. `among` are all sizes of this clip that were asked for, those that are
    elsewhere already too: smaller ones are made from larger ones, so their bytes depend on which there are. `grade`
    changes every picture's colours, `draws` draw into those of each target. Raises NotSupported where nothing can be
    decoded, Damaged where a proxy does not show what it should: it is then not kept.
    """
    if not pictures.frames:
        raise NotSupported(f"{pictures.name} has no picture that can be decoded; no proxies were made.")
    work = _Work(pictures, folder, sound, labels or Labels(), Watch(on_frames), {*targets, *among})
    missing = [target for target in targets if not work.finished(target)]
    drawn = dict(zip(targets, draws or [None] * len(targets), strict=True))
    if missing:
        work.code(missing, drawn, grade, workers)
    elif on_frames is not None:
        on_frames(pictures.frames)
    return [work.join(target, drawn[target]) if target in missing else work.take(target) for target in targets]


class _Work:
    """One clip's proxies in the making."""

    def __init__(
        self,
        pictures: Pictures,
        folder: Path,
        sound: ClipSound | None,
        labels: Labels,
        watch: Watch,
        among: set[ProxyTarget],
    ) -> None:
        self._pictures, self._folder, self._sound, self._labels = pictures, folder, sound, labels
        self._watch = watch
        self._ordered = sorted(among, key=lambda target: (target.width * target.height, target.key), reverse=True)
        edges = [*range(0, pictures.frames, PIECE), pictures.frames]
        self._pieces = list(pairwise(edges))

    def finished(self, target: ProxyTarget) -> bool:
        """Whether it is there, made as it would be made now."""
        if not self._path(target).exists() or not self._proof_path(target).exists():
            return False
        return self._notes(target).get("made_by") == self._whole_maker(target)

    def code(
        self,
        missing: Sequence[ProxyTarget],
        drawn: dict[ProxyTarget, Overlay | None],
        grade: Draw | None,
        workers: int | None,
    ) -> None:
        """Make the pieces and the sound that are not there yet."""
        smallest = max(place for place, target in enumerate(self._ordered) if target in missing)
        ordered = self._ordered[: smallest + 1]
        jobs: list[Callable[[], object]] = []
        heard = any(target.codec == "h264" for target in missing)
        if heard and self._sound is not None and not self._sound_file().is_current():
            jobs.append(partial(
                code_sound, self._sound.source, self._sound.mix, self._pictures.seconds, self._sound_file().path,
                self._sound_maker(), self._watch,
            ))  # fmt: skip
        todo = []
        for first, end in self._pieces:
            files_there = [target not in missing or self._piece(target, first).is_current() for target in ordered]
            if all(files_there):
                self._watch.done(end - first)
            else:
                todo.append((first, end, files_there))
        lanes = lanes_for([(first, end) for first, end, _ in todo], self._pictures.picture_bytes, self._pictures.lead, workers)
        for place, (first, end, there) in enumerate(todo):
            sizes = [
                Size(
                    name=target.size,
                    settings=self._settings(target),
                    maker=self._maker(target),
                    path=None if is_there else self._piece(target, first).path,
                    draw=drawn.get(target),
                )
                for target, is_there in zip(ordered, there, strict=True)
            ]
            threads = lanes.for_piece(len(todo) - place)
            jobs.append(partial(make_piece, self._pictures, sizes, first, end, threads, self._watch, grade=grade))
        run_all(jobs, lanes.count, self._watch)

    def join(self, target: ProxyTarget, draw: Overlay | None = None) -> MadeProxy:
        """Join a target's pieces and the sound, hold the file against the original, and give it its name.

        What `draw` covers is not compared.
        """
        pieces = [self._piece(target, first) for first, _ in self._pieces]
        path = self._path(target)
        if sum(len(notes_of(piece)["corrupt"]) for piece in pieces) == self._pictures.frames:
            for piece in pieces:
                files.remove(piece.path)
            raise Damaged(f"{self._pictures.name}: none of its pictures can be decoded; no proxy was kept.")
        with files.AtomicFile(path, replace=True, purpose="join") as new:
            heard = self._write(target, pieces, new.file)
            new.file.flush()
            with FileSource(new.temporary) as proxy:
                likeness, corrupt = self._compared(proxy, target, pieces, draw)
            if likeness.wrong:
                for piece in pieces:
                    files.remove(piece.path)
                number, what = likeness.wrong[0]
                raise Damaged(
                    f"The {target.size} proxy of {self._pictures.name} is not the original's: its picture at frame {number} "
                    f"{what}; it was not kept."
                )
            notes = {
                "corrupt": corrupt,
                "sound": heard,
                "compared": likeness.compared,
                "still": likeness.still,
                "error": likeness.error,
                "lean": likeness.lean,
                "sound_damage": self._sound_damage(target),
                "made_by": self._whole_maker(target),
            }
            files.write_atomically(self._proof_path(target), to_json(notes), replace=True)
            new.commit()
        for piece in pieces:
            files.remove(piece.path)
        return self.take(target)

    def take(self, target: ProxyTarget) -> MadeProxy:
        """A proxy that is there."""
        notes = self._notes(target)
        likeness = Likeness(notes["compared"], notes["still"], notes["error"], notes["lean"])
        return MadeProxy(
            target=target,
            path=self._path(target),
            frames=self._pictures.frames,
            pieces=len(self._pieces),
            corrupt=tuple(notes["corrupt"]),
            likeness=likeness,
            sound_frames=notes["sound"],
            sound_damage=notes["sound_damage"],
        )

    def _write(self, target: ProxyTarget, pieces: Sequence[CodedFile], output: Any) -> int:
        """The proxy's bytes; returns how many frames of AAC, or samples of PCM, it has."""
        if target.codec != "h264":
            return self._write_for_edit(target, pieces, output)
        heard = 0

        def counted(packets: Iterator[CodedPacket]) -> Iterator[CodedPacket]:
            nonlocal heard
            for packet in packets:
                heard += 1
                yield packet

        writer = FragmentWriter(
            output,
            self._settings(target),
            None if self._sound is None else self._sound.mix.settings,
            frames=self._pictures.frames,
            timecode=self._labels.timecode,
            reel=self._labels.reel,
            name=f"the {target.size} proxy",
        )
        try:
            sound = iter(()) if self._sound is None else counted(self._sound_file().packets())
            writer.write((packet for piece in pieces for packet in piece.packets()), sound)
            writer.close()
        finally:
            writer.abort()
        return heard

    def _write_for_edit(self, target: ProxyTarget, pieces: Sequence[CodedFile], output: Any) -> int:
        sound = self._sound
        writer = EditWriter(
            output,
            self._settings(target),
            None if sound is None else sound.source,
            () if sound is None else sound.tracks,
            timecode=self._labels.timecode,
            reel=self._labels.reel,
            name=f"the {target.size} proxy",
        )
        try:
            writer.write(packet for piece in pieces for packet in piece.packets())
            writer.close()
        finally:
            writer.abort()
        return writer.samples

    def _compared(
        self, proxy: ByteSource, target: ProxyTarget, pieces: Sequence[CodedFile], draw: Overlay | None
    ) -> tuple[Likeness, list[int]]:
        """The finished file's pictures against the looks that were taken of the original's."""
        likeness, corrupt = Likeness(), []
        looker = Looker(*notes_of(pieces[0])["size"])
        if draw is not None:
            likeness.covered = draw.covered((looker.width, looker.height), (target.width, target.height))
        shown = keyframes(proxy, "mov", looker, self._pictures.frames)
        waiting = next(shown, None)
        before: dict[int, Look] = {}
        key_error = 0.0
        for place, piece in enumerate(pieces):
            looks = {**before, **looks_of(piece)}
            if place + 1 < len(pieces):
                following = looks_of(pieces[place + 1])
                looks |= {number: look for number, look in following.items() if number == self._pieces[place][1]}
            again = looks.pop(-1, None)
            corrupt += piece.notes["corrupt"]
            if again is not None:
                likeness.judge(piece.notes["again"], again, looks)
            while waiting is not None and waiting[0] < self._pieces[place][1]:
                number, picture = waiting
                if number in looks:
                    if number % GOP == 0:
                        key_error = likeness.judge(number, picture, looks)
                    else:
                        likeness.judge(number, picture, looks, key_error=key_error)
                waiting = next(shown, None)
            before = {number: look for number, look in looks.items() if number == self._pieces[place][1] - 1}
        return likeness, corrupt

    def _sound_damage(self, target: ProxyTarget) -> str | None:
        if self._sound is None or target.codec != "h264":
            return None
        damage = notes_of(self._sound_file()).get("damage")
        return None if damage is None else str(damage)

    def _settings(self, target: ProxyTarget) -> VideoSettings:
        size, rate = (target.width, target.height), self._pictures.rate
        if target.codec == "h264":
            settings = fragment_video(*size, rate, target.bit_rate, preset=target.preset)
        else:
            settings = edit_video(target.codec, *size, rate)
        return replace(settings, time_base=self._pictures.tick)

    def _notes(self, target: ProxyTarget) -> dict[str, Any]:
        notes: dict[str, Any] = from_json(self._proof_path(target).read_bytes())
        return notes

    def _maker(self, target: ProxyTarget) -> str:
        """All that the bytes of its pieces depend on besides the original; what it is scaled down from among it."""
        above = [f"{larger.width}x{larger.height}" for larger in self._ordered[: self._ordered.index(target)]]
        return f"{_MADE_BY} {ffmpeg_version()} {target.key} {self._pictures.made_by} from {' '.join(above)}"

    def _whole_maker(self, target: ProxyTarget) -> str:
        """The same of the whole file, with its sound and its labels."""
        sound = "no sound" if self._sound is None else self._sound_maker()
        return f"{self._maker(target)} {sound} {self._labels.timecode} {self._labels.reel}"

    def _sound_maker(self) -> str:
        assert self._sound is not None
        return f"{_MADE_BY} {ffmpeg_version()} {self._sound.mix.channels}"

    def _sound_file(self) -> CodedFile:
        return CodedFile(self._folder / "sound.piece", self._sound_maker())

    def _piece(self, target: ProxyTarget, first: int) -> CodedFile:
        return CodedFile(self._folder / f"{target.key}.{first:08d}.piece", self._maker(target))

    def _path(self, target: ProxyTarget) -> Path:
        return self._folder / f"{target.key}.{'mp4' if target.codec == 'h264' else 'mov'}"

    def _proof_path(self, target: ProxyTarget) -> Path:
        return self._folder / f"{target.key}.proof"


def notes_of(piece: CodedFile) -> dict[str, Any]:
    """What a piece says of itself behind its packets."""
    if not piece.notes:
        for _ in piece.packets():
            pass
    return piece.notes


def looks_of(piece: CodedFile) -> dict[int, Look]:
    """The looks that a piece keeps: by frame number, and as −1 that of the second decoding."""
    notes = notes_of(piece)
    width, height = notes["size"]
    numbers = [*notes["looks"], *([-1] if "again" in notes else [])]
    values = np.frombuffer(piece.attachment, np.uint8)
    if len(values) != len(numbers) * height * width:
        raise Damaged(f"{piece.path.name} contradicts itself; remove it, and it is made again.")
    return dict(zip(numbers, values.reshape(-1, height, width), strict=True))
