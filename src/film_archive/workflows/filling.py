"""Filling an archive that is being written: each file with its facts, its frame index and its proxies, in a fixed order.

The order matters: a run that was killed and is begun again asks the writer for each member in turn, and gets back those that
are finished.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from film_archive.archive.continuing import Writer
from film_archive.core import files
from film_archive.core.errors import Damaged, NoSpace, NotMedia, NotSupported
from film_archive.core.facts import MediaFacts
from film_archive.core.job import require_unchanged
from film_archive.core.ladder import LADDER, Rung
from film_archive.core.member import Member
from film_archive.core.progress import Phase, Progress
from film_archive.core.source import ByteSource, printable
from film_archive.core.wording import amount
from film_archive.media.clips import clip_of_sequence
from film_archive.proxy.recipe import PLAIN, Recipe
from film_archive.workflows.beside_clips import BesideClips
from film_archive.workflows.clip_logs import ClipLog
from film_archive.workflows.filled import Enclosure, Made, Tally
from film_archive.workflows.found_files import identity_of_link, unchanged
from film_archive.workflows.gathering import Found, FoundPart, FoundSequence, Kind
from film_archive.workflows.locating import OpenArchives
from film_archive.workflows.room import Outlook

DEFAULT_PROXIES = (LADDER["thumbnail"], LADDER["preview"])

Closing = Callable[[Writer, Tally], Iterable[Enclosure]]


def fill(
    archive: Writer,
    entries: Sequence[Found | FoundSequence | FoundPart],
    rungs: Sequence[Rung],
    outlook: Outlook,
    work: Path,
    progress: Progress,
    *,
    enclosures: Sequence[Enclosure] = (),
    closing: Closing = lambda archive, tally: (),
    plain: bool = False,
    recipe: Recipe = PLAIN,
    workers: int | None = None,
    log: ClipLog | None = None,
    frame_digests: bool = False,
) -> Made:
    """Put everything into an archive and finish it. `work` holds proxies in the making.

    `closing` makes the members that go in last, and may ask the archive what is in it. With `plain` nobody looks into the
    files: they go in without facts and frame indexes, and without proxies.
    """
    begun = time.monotonic()
    for each in enclosures:
        _enclose(archive, each)
    tally = Tally()
    beside = BesideClips(archive, tuple(rungs), recipe, outlook, work, progress, workers, tally, frame_digests)
    with OpenArchives() as archives:
        filling = _Filling(archive, beside, progress, tally, log, plain, archives)
        progress.expect(filling.phase, sum(entry.size for entry in entries))
        progress.expect(Phase.ENCODING, sum(outlook.frames.values()))
        for number, entry in enumerate(entries, 1):
            with _counting_the_rest(() if archive.target.is_dir() else entries[number:]):
                filling.entry(entry)
    for each in closing(archive, tally):
        _enclose(archive, each)
    files.remove_tree(work)  # all are in the archive now; behind its end nobody would remove them after a kill
    sealed = archive.finish()
    return Made(
        archive=archive.target,
        members=sealed.members,
        bytes=sealed.bytes,
        clips=tally.clips,
        proxies=tally.proxies,
        generation=sealed.generation,
        reused=archive.reused,
        warnings=(*tally.warnings, *tally.without.sentences()),
        seconds=time.monotonic() - begun,
    )


@contextlib.contextmanager
def _counting_the_rest(entries: Sequence[Found | FoundSequence | FoundPart]) -> Iterator[None]:
    """Where the disk is full: what comes after the entry that did not fit needs room as well."""
    try:
        yield
    except NoSpace as error:
        rest = sum(entry.size for entry in entries)
        if not rest:
            raise
        raise NoSpace(f"{str(error).rstrip('.')}, and {rest} more for what comes after it.") from error


def _enclose(archive: Writer, each: Enclosure) -> None:
    raw = _hex(each.name_bytes)
    archive.add_bytes(
        each.path, each.data, identity=each.identity, role=each.role, mtime_ns=each.mtime_ns, of=each.of, raw_name=raw
    )


@dataclass(frozen=True, slots=True)
class _Filling:
    archive: Writer
    beside: BesideClips
    progress: Progress
    tally: Tally
    log: ClipLog | None
    plain: bool
    archives: OpenArchives
    """That media come from."""

    @property
    def phase(self) -> Phase:
        """Files are read where they are in an archive that is made in place, and written to another."""
        return Phase.READING if self.archive.target.is_dir() and not self.plain else Phase.WRITING

    def entry(self, entry: Found | FoundSequence | FoundPart) -> None:
        """Put one in, whatever it is."""
        if isinstance(entry, FoundSequence):
            self.sequence(entry)
        elif isinstance(entry, FoundPart):
            self.file(entry.file, entry)
        elif entry.kind == Kind.FILE:
            self.file(entry)
        elif entry.kind == Kind.SYMLINK:
            self.symlink(entry)
        else:
            self.folder(entry)

    def folder(self, entry: Found) -> None:
        self.archive.add_folder(
            entry.member,
            empty=entry.empty,
            mtime_ns=entry.mtime_ns,
            mode=entry.mode,
            raw_name=_hex(entry.name_bytes),
        )

    def symlink(self, entry: Found) -> None:
        require_unchanged(printable(entry.path), entry.identity, identity_of_link(entry))
        self.archive.add_symlink(
            entry.member,
            entry.target or "",
            mtime_ns=entry.mtime_ns,
            raw_name=_hex(entry.name_bytes),
            raw_target=_hex(entry.target_bytes),
        )

    def sequence(self, sequence: FoundSequence) -> None:
        """All frames of an image sequence, as one member."""
        from film_archive.media.probe import probe_clip

        self.progress.begin(self.phase, sequence.member)
        for number, frame in sequence.frames:
            with unchanged(frame, self.archives) as source:
                self.archive.add_frame(
                    frame.member,
                    number,
                    source,
                    identity=frame.identity or "",
                    mtime_ns=frame.mtime_ns,
                    mode=frame.mode,
                    on_bytes=self.progress.counting(self.phase),
                )
        facts = problem = None
        try:
            if not self.plain:
                facts = self.logged(sequence.images.hashes, probe_clip(clip_of_sequence(sequence.images)))
        except (NotMedia, NotSupported, Damaged) as error:  # then it is archived without facts
            problem = str(error)
        facts, problem = _as_in_archive(sequence.frames[0][1], facts, problem)
        member = self.archive.end_sequence(
            sequence.name, sequence.member, media=facts, media_problem=problem, original_path=sequence.original
        )
        self.tell(member)
        self.tally.clips += facts is not None
        self.beside.sequence_proxies(member, sequence, facts)

    def file(self, entry: Found, part: FoundPart | None = None) -> None:
        """A file, and what is made of it; of a spanned clip the first `part`'s line has what is known of the clip."""
        self.progress.begin(self.phase, entry.member)
        member = self.archive.reuse(entry.member, entry.identity or "")
        with unchanged(entry, self.archives) as source:
            if member is None:
                facts, problem = (None, None) if self.plain else _as_in_archive(entry, *_facts(source))
                if facts is not None and part is not None:
                    from film_archive.media.probe import of_spanned

                    facts = None if part.part_of is not None else of_spanned(part.clip, facts)
                if facts is not None:
                    facts = self.logged(entry.member, facts)
                member = self.archive.add(
                    entry.member,
                    source,
                    identity=entry.identity or "",
                    mtime_ns=entry.mtime_ns,
                    mode=entry.mode,
                    on_bytes=self.progress.counting(self.phase),
                    raw_name=_hex(entry.name_bytes),
                    media=facts,
                    media_problem=problem,
                    original_path=entry.original,
                    part_of=None if part is None else part.part_of,
                )
            else:
                self.progress.add(self.phase, member.size)
            self.tell(member)
            self.tally.clips += member.media is not None
            self.beside.proxies(member, source, self.beside.index(member, source))

    def logged(self, path: str, facts: MediaFacts) -> MediaFacts:
        """With what a log knows of it, where one was given."""
        return facts if self.log is None else self.log.completed(path, facts)

    def tell(self, member: Member) -> None:
        """What is wrong with a clip as it came: it is cut short, can't be read, or images are damaged or missing."""
        if member.get("media_problem"):
            self.tally.warn(member, str(member.get("media_problem")))
        facts = member.media
        if facts is None:
            return
        if facts.missing:
            count = sum(hole.count for hole in facts.missing)
            first = facts.missing[0].first
            self.tally.warn(member, f"{amount(count, 'frame has', 'frames have')} no file (the first is {first})")
        if facts.cut_short or member.sequence is not None:
            for sentence in facts.diagnostics:
                self.tally.warn(member, sentence)

def _facts(source: ByteSource) -> tuple[MediaFacts | None, str | None]:
    """What a probe knows of a file, and why it knows nothing where it should."""
    from film_archive.media.probe import probe
    from film_archive.media.raw_cameras import extension_of
    from film_archive.media.readers import is_media_extension

    try:
        return probe(source), None
    except NotMedia as error:
        return None, str(error) if is_media_extension(extension_of(source.name)) else None
    except (Damaged, NotSupported) as error:
        return None, str(error)


def _as_in_archive(entry: Found, facts: MediaFacts | None, problem: str | None) -> tuple[MediaFacts | None, str | None]:
    """What is told of a file, by its path in the archive: where it lay on this machine is not kept."""
    place, member = printable(entry.path).rpartition("/"), printable(entry.member).rpartition("/")
    before, after = "".join(place[:2]), "".join(member[:2])
    if not before:
        return facts, problem
    if facts is not None and any(before in said for said in facts.diagnostics):
        facts = replace(facts, diagnostics=tuple(said.replace(before, after) for said in facts.diagnostics))
    return facts, None if problem is None else problem.replace(before, after)


def _hex(raw: bytes | None) -> str | None:
    return None if raw is None else raw.hex()
