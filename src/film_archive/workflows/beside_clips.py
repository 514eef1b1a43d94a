"""What goes in beside a clip while an archive is filled: its frame index, digests of its frames, stills and proxies.

All of it may be there already: a run that was killed and is begun again asks for each in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from film_archive.archive import layout
from film_archive.archive.continuing import Writer
from film_archive.core import files
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, NotSupported, SourceChanged, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.ladder import Rung
from film_archive.core.member import Member, Role
from film_archive.core.progress import Phase, Progress
from film_archive.core.source import ByteSource, FileSource, printable
from film_archive.proxy import embedding, making, stills
from film_archive.proxy.making import Proxy
from film_archive.proxy.original import Original
from film_archive.proxy.recipe import STILL_FILES, Recipe, Still
from film_archive.workflows.filled import Tally
from film_archive.workflows.found_files import opened
from film_archive.workflows.gathering import FoundSequence
from film_archive.workflows.room import Outlook

INDEX_VERSION = 1
SUMS_VERSION = 1


@dataclass(frozen=True, slots=True)
class BesideClips:
    """Makes it, and puts it in; `work` holds proxies in the making."""

    archive: Writer
    rungs: tuple[Rung, ...]
    recipe: Recipe
    outlook: Outlook
    work: Path
    progress: Progress
    workers: int | None
    tally: Tally
    frame_digests: bool

    def index(self, member: Member, source: ByteSource) -> FrameIndex | None:
        """The frame index of a clip, beside it."""
        from film_archive.media.probe import index

        facts = member.media
        if facts is None:
            return None
        try:
            frames = index(source)
        except (NotSupported, Damaged) as error:
            if facts.decodable or not self.rungs:  # else the reason is why there are no proxies, and said there
                self.tally.warn(member, f"no frame index: {error}")
            return None
        identity = f"index {INDEX_VERSION} {member.digests.get(KEY)}"
        self.archive.add_bytes(
            layout.index_path(member.path),
            frames.to_bytes(),
            identity=identity,
            role=Role.FRAMES,
            of=member.path,
            mtime_ns=member.mtime_ns,
        )
        if self.frame_digests and frames.frames:
            self.sums(member, source, frames)
        return frames

    def sums(self, member: Member, source: ByteSource, frames: FrameIndex) -> None:
        """The digests of a clip's frames, beside it. They are read once more, out of the system's cache where it holds them."""
        from film_archive.media.frame_sums import frame_sums

        identity = f"sums {SUMS_VERSION} {member.digests.get(KEY)}"
        path = layout.sums_path(member.path)
        if self.archive.reuse(path, identity) is None:
            data = frame_sums(source, frames)
            self.archive.add_bytes(
                path, data, identity=identity, role=Role.FRAMES, of=member.path, mtime_ns=member.mtime_ns
            )

    def sequence_proxies(self, member: Member, sequence: FoundSequence, facts: MediaFacts | None) -> None:
        """A sequence's proxies, beside it."""
        expected = self.outlook.frames.get(member.path, 0)
        if not self.rungs or facts is None or not making.can_have_proxies(facts):
            self.progress.expect(Phase.ENCODING, -expected)
            if self.rungs:
                self.tally.without.add(member.path, facts)
            return
        images = dict(sequence.frames)

        def open_frame(number: int) -> FileSource | None:
            found = images.get(sequence.images.first + number)
            return None if found is None else opened(found)

        self.progress.expect(Phase.ENCODING, (facts.frames or 0) - expected)
        original = Original(printable(member.path), facts, open_frame=open_frame)
        self._embed(member, original, facts.frames or 0, sequence.images.first)

    def proxies(self, member: Member, source: ByteSource, index: FrameIndex | None) -> None:
        """A clip's proxies, beside it; those that a killed run has put in are not made again."""
        facts = member.media
        expected = self.outlook.frames.get(member.path, 0)
        if not self.rungs or facts is None or index is None or not making.can_have_proxies(facts):
            self.progress.expect(Phase.ENCODING, -expected)
            if self.rungs:
                self.tally.without.add(member.path, facts)
            return
        self.progress.expect(Phase.ENCODING, index.frames - expected)
        self._embed(member, Original(source.name, facts, source, index), index.frames)

    def _embed(self, member: Member, original: Original, frames: int, first: int = 0) -> None:
        """Make what is missing of a clip's stills and proxies, and put it in; `first` is its first frame's number.

        Stills go in first: they are made from proxies, which are then still at hand where a killed run is continued.
        """
        self.progress.begin(Phase.ENCODING, member.path)
        names = [(kind, name) for kind in self.recipe.stills for name in STILL_FILES[kind]]
        while names and self._has_still(member, *names[0]):
            names.pop(0)
        missing = list(self.rungs)
        while not names and missing and self._has_proxy(member, missing[0]):
            there = embedding.place_of(member.path, missing.pop(0), self.recipe)
            self.tally.embedded.setdefault(member.path, []).append(there)
            self.tally.proxies += 1
        if not missing:
            self.progress.expect(Phase.ENCODING, -frames)
            return
        folder = self.work / str(member.digests.get(KEY))
        try:
            made = original.proxies(
                missing,
                folder,
                self.recipe,
                among=self.rungs,
                workers=self.workers,
                on_frames=self.progress.counting(Phase.ENCODING),
            )
        except SourceChanged:
            raise
        except (NotSupported, Damaged, UsageError) as error:
            self.tally.warn(member, f"no proxies: {error}")
            return
        self._embed_stills(member, original, made, {name for _, name in names})
        for proxy in made:
            embedded = embedding.add(self.archive, member, proxy, self.recipe)
            self.tally.embedded.setdefault(member.path, []).append(embedded.path)
            self.tally.proxies += 1
        for sentence in making.shortcomings(made[0], first):
            self.tally.warn(member, sentence)
        files.remove_tree(folder)

    def _embed_stills(self, member: Member, original: Original, made: list[Proxy], names: set[str]) -> None:
        """Put in those that are missing; a clip without any keeps its proxies."""
        try:
            shown = stills.make_stills(original, made, self.recipe) if names else []
        except SourceChanged:
            raise
        except (NotSupported, Damaged) as error:
            self.tally.warn(member, f"no stills: {error}")
            return
        for still in shown:
            if still.name in names:
                embedding.add_still(self.archive, member, still, self.recipe)

    def _has_still(self, member: Member, kind: Still, name: str) -> bool:
        """Whether a run that was killed has put a still's file in."""
        made = embedding.made_from(member, stills.settings(self.recipe, kind))
        return self.archive.reuse(embedding.still_place(member.path, name), made) is not None

    def _has_proxy(self, member: Member, rung: Rung) -> bool:
        """The same of a proxy."""
        made = embedding.made_from(member, self.recipe.settings(rung))
        return self.archive.reuse(embedding.place_of(member.path, rung, self.recipe), made) is not None
