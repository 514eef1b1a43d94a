"""Proxies for what is there already: embedded into archives, or as files for plain media."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from film_archive.archive import layout
from film_archive.archive.folder import FolderWriter
from film_archive.archive.reader import open_archive
from film_archive.archive.writer import ZipWriter
from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported, Refused, UsageError
from film_archive.core.frame_index import FrameIndex
from film_archive.core.ladder import Rung
from film_archive.core.manifest import Member
from film_archive.core.source import ByteSource, FileSource, printable
from film_archive.proxy import embedding, making
from film_archive.proxy.making import Proxy
from film_archive.workflows.filling import proxy_folder
from film_archive.workflows.locating import is_archive

OnFrames = Callable[[int], None]


@dataclass(slots=True)
class ProxiesMade:
    """What was made, for which original, and what could not be."""

    made: list[dict[str, Any]] = field(default_factory=list)
    failed: list[tuple[str, FilmArchiveError]] = field(default_factory=list)
    frames: int = 0
    """Frames of originals that were decoded."""
    seconds: float = 0.0
    workers: int = 1

    @property
    def damaged(self) -> int:
        """Frames that could not be decoded."""
        return max((len(proxy["corrupt"]) for proxy in self.made), default=0)

    @property
    def exit_status(self) -> int:
        if not self.failed:
            return 12 if self.damaged else 0
        return 12 if self.made else self.failed[0][1].exit_status

    def to_json(self) -> dict[str, Any]:
        return {
            "proxies": self.made,
            "failed": [{"path": path, "reason": str(error)} for path, error in self.failed],
            "workers": self.workers,
            "seconds": round(self.seconds, 3),
            "fps": round(self.frames / self.seconds, 1) if self.seconds else None,
        }

    def add(self, source: str, proxy: Proxy, output: str) -> None:
        self.made.append(
            {
                "source": source,
                "size": proxy.rung.name,
                "output": output,
                "width": proxy.width,
                "height": proxy.height,
                "frames": proxy.frames,
                "start_timecode": None if proxy.start is None else str(proxy.start),
                "verified": not proxy.corrupt,
                "corrupt": list(proxy.corrupt),
                "chunks": proxy.pieces,
            }
        )


def make_proxies(
    named: Sequence[Path], rungs: Sequence[Rung], *, output: Path | None = None, on_frames: OnFrames | None = None
) -> ProxiesMade:
    """Proxies of archives' clips, embedded, or of media files, below `output`.

    In an archive only what is missing or stale is made. Raises UsageError where files are named without `output`.
    """
    done, begun = ProxiesMade(), time.monotonic()
    for path in named:
        if is_archive(path):
            if output is not None:
                raise UsageError(f"{printable(path)} is an archive; its proxies go into it, so leave out -o.")
            _for_archive(path, rungs, done, on_frames)
        else:
            if output is None:
                raise UsageError("Say where the proxies of media files go: -o DIR.")
            try:
                _for_file(path, rungs, output, done, on_frames)
            except FilmArchiveError as error:
                done.failed.append((printable(path), error))
    done.seconds = time.monotonic() - begun
    return done


def _for_archive(path: Path, rungs: Sequence[Rung], done: ProxiesMade, on_frames: OnFrames | None) -> None:
    path = path.resolve()
    with open_archive(path) as archive:
        archive.require_manifest("hold proxies")
        members = {member.path: member for member in archive.members()}
        wanted = [
            (member, missing)
            for member in members.values()
            if member.is_original
            and making.can_have_proxies(member.media)
            and member.sequence is None
            and (missing := [rung for rung in rungs if not _is_current(members, member, rung)])
        ]
        work = proxy_folder(path)
        ready: list[tuple[Member, list[Proxy]]] = []
        for member, missing in wanted:  # all are made before the archive is touched
            try:
                with archive.source(member) as source:
                    made = _make(source, member, missing, work / str(member.digests.get(KEY)), on_frames)
            except (NotSupported, Damaged) as error:
                done.failed.append((member.path, error))
                continue
            done.frames += made[0].frames
            ready.append((member, made))
    if ready:
        with FolderWriter.add_to(path) if path.is_dir() else ZipWriter.add_to(path) as writer:
            for member, made in ready:
                for proxy in made:
                    place = layout.proxy_path(member.path, proxy.rung.name)
                    if place in members:
                        writer.drop(place)
                    embedding.add(writer, member, proxy, f"{making.settings(proxy.rung)} {member.digests.get(KEY)}")
                    done.add(member.path, proxy, f"{printable(path)}::{place}")
            writer.finish()
    files.remove_tree(work)


def _is_current(members: dict[str, Member], original: Member, rung: Rung) -> bool:
    """Whether a proxy of this size is there, was made from these bytes, and as it would be made now (or was given)."""
    there = members.get(layout.proxy_path(original.path, rung.name))
    line = {} if there is None else there.get("proxy") or {}
    return line.get("of_digest") == original.digests.get(KEY) and line.get("made") in (making.settings(rung), "given")


def _make(
    source: ByteSource, member: Member, rungs: Sequence[Rung], folder: Path, on_frames: OnFrames | None
) -> list[Proxy]:
    from film_archive.media.probe import index

    facts = member.media
    assert facts is not None
    return making.make(source, facts, index(source), rungs, folder, on_frames=on_frames)


def _for_file(
    path: Path, rungs: Sequence[Rung], output: Path, done: ProxiesMade, on_frames: OnFrames | None
) -> None:
    """Proxies of one file as `STEM_SIZE.mp4` in a folder; nothing there is overwritten."""
    from film_archive.media.probe import index, probe

    targets = {rung.name: output / f"{path.stem}_{rung.name}.mp4" for rung in rungs}
    for target in targets.values():
        if target.exists():
            raise Refused(f"{printable(target)} exists already; nothing was made of {printable(path)}.")
    with FileSource(path) as source:
        facts = probe(source)
        frames: FrameIndex = index(source)
        if not making.can_have_proxies(facts):
            raise NotSupported(f"{source.name} has no picture that can be decoded as a clip; no proxies were made.")
        with files.explaining(f"write {printable(output)}"):
            output.mkdir(parents=True, exist_ok=True)
        hasher = MultiHasher()
        hasher.update(f"{path.absolute()} {embedding.identity_of(source)}".encode("utf-8", "surrogateescape"))
        folder = output / f".film-archive-proxies-{hasher.digests()[KEY]}"
        made = making.make(source, facts, frames, rungs, folder, on_frames=on_frames)
        source.check_unchanged()
    for proxy in made:
        files.rename(proxy.path, targets[proxy.rung.name])
        done.add(printable(path), proxy, printable(targets[proxy.rung.name]))
    done.frames += frames.frames
    files.remove_tree(folder)
