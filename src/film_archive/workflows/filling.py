"""Filling an archive that is being written: each file with its facts, its frame index and its proxies, in a fixed order.

The order matters: a run that was killed and is begun again asks the writer for each member in turn, and gets back those that
are finished.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from film_archive.archive import layout
from film_archive.archive.continuing import Writer
from film_archive.archive.entries import EPOCH_NS
from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import Damaged, NoSpace, NotMedia, NotSupported, ShortRead, SourceChanged, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.job import DONE, IN_PART, Report, identity_of, require_unchanged
from film_archive.core.ladder import LADDER, Rung
from film_archive.core.member import Member, Role
from film_archive.core.progress import Phase, Progress
from film_archive.core.records import Record
from film_archive.core.source import ByteSource, FileSource, printable
from film_archive.core.timecode import FrameRange
from film_archive.core.wording import amount
from film_archive.media.clips import clip_of_sequence
from film_archive.proxy import embedding, making, stills
from film_archive.proxy.making import Proxy
from film_archive.proxy.original import Original
from film_archive.proxy.recipe import PLAIN, STILL_FILES, Recipe, Still
from film_archive.workflows.clip_logs import ClipLog
from film_archive.workflows.gathering import Found, FoundPart, FoundSequence, Kind, LeftOut
from film_archive.workflows.locating import is_member, locate, state_of
from film_archive.workflows.room import Outlook

DEFAULT_PROXIES = (LADDER["thumbnail"], LADDER["preview"])
INDEX_VERSION = 1
SUMS_VERSION = 1

_SAID_TOGETHER = 16
"""More sentences than there are of one clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made(Report):
    """What `create` or `add` did."""

    archive: Path
    """Its path."""
    members: int
    """How many it has now: media, folders and links, and our own data; in a dry run those that would come in."""
    bytes: int
    """The sum of their sizes."""
    clips: int = 0
    """Media among what was archived."""
    proxies: int | None = 0
    """How many were made; null in a dry run: clips are looked into when they are archived."""
    generation: int = 1
    """1, and one more with each `add`."""
    junk_skipped: int = 0
    """Operating systems' leftovers that were not archived."""
    reused: int = 0
    """Members that a killed run had finished already."""
    left_out: tuple[LeftOut, ...] = ()
    """What can't be archived; the exit status is then 12, unless it is only unfinished files of ours."""
    warnings: tuple[str, ...] = ()
    """What is to be known of single clips, each one sentence."""

    @property
    def exit_status(self) -> int:
        """12 where something that was asked for is not in the archive; of a dry run: where something would not be."""
        return DONE if all(left.ours for left in self.left_out) else IN_PART


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure(Record):
    """A small member that is made, not found; it goes in before all that was gathered."""

    path: str
    """Its path in the archive."""
    data: bytes
    """What it holds."""
    role: Role
    """What it is for."""
    mtime_ns: int = EPOCH_NS
    """Modification time, nanoseconds since 1970."""
    of: str | None = None
    """The member that it was made from."""
    name_bytes: bytes | None = None
    """Its path on disk, where that is not UTF-8."""

    @property
    def identity(self) -> str:
        """Changes when its bytes do."""
        hasher = MultiHasher()
        hasher.update(self.data)
        return f"enclosure {hasher.digests()[KEY]}"


@dataclass(slots=True)
class Tally:
    """What filling an archive has come to so far."""

    clips: int = 0
    proxies: int = 0
    embedded: dict[str, list[str]] = field(default_factory=dict)
    """Member path → the paths of its proxies, in the order in which they were asked for."""
    warnings: list[str] = field(default_factory=list)
    without: WithoutProxies = field(default_factory=lambda: WithoutProxies())


Closing = Callable[[Writer, Tally], Iterable[Enclosure]]


@dataclass(slots=True)
class WithoutProxies:
    """Clips that got no proxies, by the reason, for one sentence each."""

    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, path: str, facts: MediaFacts | None) -> None:
        """Take note of a clip, unless it has no picture or is no media at all."""
        reason = None if facts is None else reason_without_proxies(facts)
        if reason is not None:
            self.names.setdefault(reason, []).append(printable(path))

    def sentences(self) -> Iterator[str]:
        for reason, names in self.names.items():
            shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            yield f"no proxies of {shown}: {reason}"


def reason_without_proxies(facts: MediaFacts) -> str | None:
    """Why a clip with a picture can't have proxies here; None where it can, or has no picture."""
    if not facts.decodable:
        note = facts.note or f"{facts.codec or facts.container} is not decoded here"
        return note if facts.frames == 0 else f"{note.rstrip('.')}; `proxy attach` adopts dailies that were made elsewhere"
    if not facts.width:
        return None
    if making.can_have_proxies(facts):
        return None
    if facts.frames == 1 or facts.frames is None:
        return "single images have none"
    return "they have no frames" if facts.frames == 0 else "they have no frame rate"


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
    filling = _Filling(archive, tuple(rungs), recipe, outlook, work, progress, workers, Tally(), log, plain, frame_digests)
    progress.expect(filling.phase, sum(entry.size for entry in entries))
    progress.expect(Phase.ENCODING, sum(outlook.frames.values()))
    for number, entry in enumerate(entries, 1):
        with _counting_the_rest(() if archive.target.is_dir() else entries[number:]):
            filling.entry(entry)
    for each in closing(archive, filling.tally):
        _enclose(archive, each)
    files.remove_tree(work)  # all are in the archive now; behind its end nobody would remove them after a kill
    tally, sealed = filling.tally, archive.finish()
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
    rungs: tuple[Rung, ...]
    recipe: Recipe
    outlook: Outlook
    work: Path
    progress: Progress
    workers: int | None
    tally: Tally
    log: ClipLog | None
    plain: bool
    frame_digests: bool

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
        require_unchanged(printable(entry.path), entry.identity, _identity_of_link(entry))
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
            with _unchanged(frame) as source:
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
        self.sequence_proxies(member, sequence, facts)

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
            return None if found is None else _opened(found)

        self.progress.expect(Phase.ENCODING, (facts.frames or 0) - expected)
        original = Original(printable(member.path), facts, open_frame=open_frame)
        self._embed(member, original, facts.frames or 0, sequence.images.first)

    def file(self, entry: Found, part: FoundPart | None = None) -> None:
        """A file, and what is made of it; of a spanned clip the first `part`'s line has what is known of the clip."""
        self.progress.begin(self.phase, entry.member)
        member = self.archive.reuse(entry.member, entry.identity or "")
        with _unchanged(entry) as source:
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
            self.proxies(member, source, self.index(member, source))

    def logged(self, path: str, facts: MediaFacts) -> MediaFacts:
        """With what a log knows of it, where one was given."""
        return facts if self.log is None else self.log.completed(path, facts)

    def tell(self, member: Member) -> None:
        """What is wrong with a clip as it came: it is cut short, can't be read, or images are damaged or missing."""
        if member.get("media_problem"):
            self.warn(member, str(member.get("media_problem")))
        facts = member.media
        if facts is None:
            return
        if facts.missing:
            count = sum(hole.count for hole in facts.missing)
            self.warn(member, f"{amount(count, 'frame has', 'frames have')} no file (the first is {facts.missing[0].first})")
        if facts.cut_short or member.sequence is not None:
            for sentence in facts.diagnostics:
                self.warn(member, sentence)

    def warn(self, member: Member, sentence: str) -> None:
        path = printable(member.path)
        said = sentence if path in sentence else f"{path}: {sentence}"
        if said not in self.tally.warnings[-_SAID_TOGETHER:]:  # probe and proxies may both tell of it
            self.tally.warnings.append(said)

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
                self.warn(member, f"no frame index: {error}")
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
            self.warn(member, f"no proxies: {error}")
            return
        self._embed_stills(member, original, made, {name for _, name in names})
        for proxy in made:
            embedded = embedding.add(self.archive, member, proxy, self.recipe)
            self.tally.embedded.setdefault(member.path, []).append(embedded.path)
            self.tally.proxies += 1
        for sentence in making.shortcomings(made[0], first):
            self.warn(member, sentence)
        files.remove_tree(folder)

    def _embed_stills(self, member: Member, original: Original, made: list[Proxy], names: set[str]) -> None:
        """Put in those that are missing; a clip without any keeps its proxies."""
        try:
            shown = stills.make_stills(original, made, self.recipe) if names else []
        except SourceChanged:
            raise
        except (NotSupported, Damaged) as error:
            self.warn(member, f"no stills: {error}")
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


def _opened(entry: Found) -> FileSource:
    """A file, opened by whom it is closed; raises SourceChanged where it is not what it was when it was gathered."""
    source = FileSource(entry.path)
    try:
        require_unchanged(source.name, entry.identity, identity_of(source.status))
    except BaseException:
        source.close()
        raise
    return source


@contextlib.contextmanager
def _unchanged(entry: Found) -> Iterator[ByteSource]:
    """A file, opened, or a part of it; raises SourceChanged where it is not what it was when it was gathered."""
    if is_member(entry.path):
        with locate(entry.path) as located:
            require_unchanged(located.source.name, entry.identity, state_of(entry.path)[0])
            yield located.source if entry.frames is None else _part(located.source, entry)
        return
    with _opened(entry) as source:
        try:
            yield source if entry.frames is None else _part(source, entry)
        except ShortRead:
            source.check_unchanged()  # it became shorter: that says more
            raise


def _part(source: ByteSource, entry: Found) -> ByteSource:
    """The cut that an entry means, made of its file as it is read."""
    from film_archive.media.cutting.opening import open_clip

    assert entry.first_frame is not None
    assert entry.frames is not None
    return open_clip(source).cut_bytes(FrameRange(entry.first_frame, entry.first_frame + entry.frames)).source


def _identity_of_link(entry: Found) -> str:
    path = Path(entry.path)
    with files.explaining(f"read {printable(path)}"):
        return identity_of(path.lstat())


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
