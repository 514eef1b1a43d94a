"""Whether a bundle is what it should be: its bytes against their digests, its references against what is in it, and what its
clips show against what the media have.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from film_archive.archive.check import Kind, check_archive
from film_archive.archive.opened import Archive
from film_archive.archive.reader import FolderArchive, ZipArchive, begins_as_ours
from film_archive.bundles.hash_list import listed_digests
from film_archive.bundles.opened import Bundle, Status, open_bundle
from film_archive.core.digest import Digest, digest_source
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, NotSupported
from film_archive.core.facts import MediaFacts
from film_archive.core.member import Member, Role
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.source import printable
from film_archive.core.wording import amount
from film_archive.editorial.otio_layout import LaidClip
from film_archive.editorial.otio_values import OtioRange
from film_archive.workflows.bundle_contents import Contents, contents_of, outside
from film_archive.workflows.checking import Checked, Found


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleChecked(Checked):
    """What `bundle check` found."""

    digests: bool
    """Whether the bundle has digests of its members, in a manifest, a zip's directory or an ASC MHL."""
    references_checked: int
    """References whose media were looked for."""
    clips_checked: int
    """Clips whose ranges were held against the media."""

    @property
    def verdict(self) -> str:
        """What it comes to, in a few words."""
        if self.ok:
            return "all as it should be" if self.digests else "all there; there are no digests to hold the bytes against"
        return amount(len(self.problems), "problem")


def check_bundle(bundle: Path, *, progress: Progress | None = None) -> BundleChecked:
    """Read every byte of a bundle, then look at its timeline; never stops at the first problem.

    What its bytes are (damage), what its references lead to (nothing) and what its clips show (more than there is) are told
    apart, by the kind of each problem and by the exit status.

    Raises NotFound where there is no bundle.
    """
    begun = time.monotonic()
    progress = progress or quiet()
    count = size = references = clips = 0
    digests = True
    problems: list[Found] = []
    foreign = not begins_as_ours(bundle)
    try:
        with open_bundle(bundle) as archive:
            foreign = foreign and archive.is_foreign
            for member in archive.members():
                count, size = count + 1, size + member.size
            opened = Bundle(archive)
            digests = isinstance(archive, ZipArchive | FolderArchive)
            if isinstance(archive, ZipArchive | FolderArchive):
                progress.expect(Phase.VERIFYING, size)
                result = check_archive(archive, on_bytes=progress.counting(Phase.VERIFYING))
                problems += [Found(path=each.path, what=each.what, kind=each.kind) for each in result.problems]
            listed = listed_digests(archive, archive.members())
            digests = digests or bool(listed)
            problems += [_found(path, what) for path, what in _unlike_list(archive, listed)]
            contents = contents_of(opened)
            references = len(contents.document.references)
            problems += [_found(path, what, Kind.LACKING) for path, what in dict.fromkeys(_references(contents))]
            if contents.problem is not None:
                problems.append(_found(opened.content_path, contents.problem, Kind.UNREADABLE))
            if contents.layout is not None:
                clips = sum(1 for _ in contents.layout.clips())
                problems += [_found(path, what, Kind.OUTSIDE) for path, what in dict.fromkeys(_ranges(contents, opened))]
    except Damaged as error:
        problems.append(Found(path="bundle", what=str(error), kind=Kind.DAMAGED))
    return BundleChecked(
        archive=printable(bundle),
        ok=not problems,
        foreign=foreign,
        members_checked=count,
        bytes=size,
        problems=tuple(problems),
        digests=digests,
        references_checked=references,
        clips_checked=clips,
        seconds=time.monotonic() - begun,
    )


def _unlike_list(archive: Archive, listed: Mapping[str, Digest]) -> Iterator[tuple[str, str]]:
    """(where, what) of files that are not what the bundle's ASC MHL says; digests that are known are not made again."""
    for path, digest in listed.items():
        try:
            member = archive.member(path)
            value = member.digests.get(digest.algorithm)
            if value is None:
                with archive.source(member) as source:
                    value = digest_source(source, (digest.algorithm,))[digest.algorithm]
        except (NotFound, NotSupported):
            yield path, "is listed in the bundle's ASC MHL and is not there"
        except Damaged as error:
            yield path, str(error)
        else:
            if value != digest.value:
                yield path, f"is not what the bundle's ASC MHL says ({digest.algorithm} {value} instead of {digest.value})"


def _found(path: str, what: str, kind: Kind = Kind.DAMAGED) -> Found:
    return Found(path=printable(path), what=what, kind=kind)


def _references(contents: Contents) -> Iterator[tuple[str, str]]:
    """(where, what) of references that lead to nothing in the bundle."""
    for reference in contents.document.references:
        target = contents.target(reference)
        of = f", which {printable(reference.clip)!r} references," if reference.clip else ", which the timeline references,"
        if target.status is Status.MISSING:
            what = f"is not in the bundle{of}" if not target.lacking else f"lacks {amount(target.lacking, 'image')}{of}"
            yield target.name or "a reference", what.rstrip(",")
        elif target.status is Status.ELSEWHERE:
            yield target.name, f"leads out of the bundle{of}".rstrip(",")


def _ranges(contents: Contents, bundle: Bundle) -> Iterator[tuple[str, str]]:
    """(where, what) of clips that show what is not in their media."""
    known: dict[str, MediaFacts | None] = {}
    assert contents.layout is not None
    for clip in contents.layout.clips():
        beyond = outside(clip)
        if beyond is not None:
            assert clip.rate is not None
            before, behind = (round(seconds * clip.rate) for seconds in beyond)
            said = " and ".join(
                f"{amount(frames, 'frame')} {where}" for frames, where in ((before, "before"), (behind, "behind")) if frames
            )
            yield clip.name or "a clip", f"shows {said} its media's available range"
        for each in clip.references:
            if each.reference is None or each.reference.sequence is not None:
                continue
            target = contents.target(each.reference)
            if target.status is Status.PRESENT:
                problem = _media_problem(clip, each.available, _facts(bundle, target.members[0], known))
                if problem is not None:
                    yield target.members[0], problem


def _media_problem(clip: LaidClip, available: OtioRange | None, facts: MediaFacts | None) -> str | None:
    """What a range says that the media does not have; nothing where the media's length is not known."""
    if facts is None or facts.seconds is None or facts.frame_rate is None:
        return None
    if available is not None:
        begin, end, what = available.start.seconds, available.start.seconds + available.duration.seconds, "is said to have"
    elif clip.rate is not None:
        begin, end, what = clip.begin, clip.end, f"is shown by {clip.name or 'a clip'!r} for"
    else:
        return None
    half = Fraction(1, 2) / facts.frame_rate
    start = facts.start_timecode
    starts = [Fraction(0)] + ([] if start is None else [Fraction(start.total_frames) / start.rate])
    if available is not None and abs(end - begin - facts.seconds) <= half:
        return None  # all of it, counted from wherever the timeline counts it
    if any(first - half <= begin and end <= first + facts.seconds + half for first in starts):
        return None
    rate = facts.frame_rate
    lies = f"frames {_frame(begin, rate)} to {_frame(end, rate)}"
    has = " or ".join(f"{_frame(first, rate)} to {_frame(first + facts.seconds, rate)}" for first in starts)
    return f"{what} {lies}, and it has {has} (the last exclusive)"


def _frame(seconds: Fraction, rate: Fraction) -> int:
    return round(seconds * rate)


def _facts(bundle: Bundle, path: str, known: dict[str, MediaFacts | None]) -> MediaFacts | None:
    """What is known of a member; None where it is no media that is read here, which is nobody's fault."""
    if path not in known:
        member: Member = bundle.archive.member(path)
        known[path] = member.media or _probed(bundle, member)
    return known[path]


def _probed(bundle: Bundle, member: Member) -> MediaFacts | None:
    from film_archive.media.probe import probe

    if member.role in (Role.FOLDER, Role.SYMLINK):
        return None
    try:
        with bundle.archive.source(member) as source:
            return probe(source)
    except FilmArchiveError:  # that its bytes are what they were has been checked; what they mean is not known
        return None
