"""The probe: what a piece of media is, from any ByteSource, path, folder or sequence. `readers` has the table behind
it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from film_archive.core.errors import FilmArchiveError, NotMedia, NotSupported, from_os_error
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.reels import reel_of_name
from film_archive.core.source import ByteSource, FileSource, as_source, kind_of, printable
from film_archive.core.timecode import RateLike
from film_archive.core.wording import amount
from film_archive.media import stills
from film_archive.media.clips import Clip, clip_of_sequence, find_clips
from film_archive.media.raw_cameras import extension_of, note_of
from film_archive.media.readers import Given, fits, is_media_extension, reader_of
from film_archive.media.sequence import ImageSequence, sequence_from_pattern
from film_archive.media.sidecars import read_sidecar, with_sidecar, xml_sidecar_places


def probe(
    source: ByteSource | str | os.PathLike[str],
    *,
    rate: RateLike | None = None,
    sidecars: Iterable[ByteSource] | None = None,
) -> MediaFacts:
    """The facts of one file, by its content.

    `rate` ("24", 23.976, "29.97df") is used where the file has none, to count a timecode that is kept without one
    (sound, image headers). `sidecars` complete what the file does not say; for a file they are looked for beside it.
    Raises NotMedia, Damaged, NotSupported, NotFound, StorageError: each one sentence.
    """
    if not isinstance(source, ByteSource):
        with FileSource(source) as opened:
            return probe(opened, rate=rate, sidecars=sidecars)
    given = Given.of(rate)
    if sidecars is None:
        sidecars = _xml_beside(source.path) if isinstance(source, FileSource) else ()
    return _probed(source, given, sidecars)


def index(source: ByteSource | str | os.PathLike[str]) -> FrameIndex:
    """Where each frame and each piece of sound lies in a file.

    Raises what `probe` raises, and NotSupported for raw formats whose frames can't be told apart here.
    """
    if not isinstance(source, ByteSource):
        with FileSource(source) as opened:
            return index(opened)
    return reader_of(source).index(source)


def _probed(source: ByteSource, given: Given, sidecars: Iterable[ByteSource]) -> MediaFacts:
    reader = reader_of(source)
    facts = reader.facts(source, given)
    said = list(facts.diagnostics)
    extension = extension_of(source.name)
    if extension != facts.container and is_media_extension(extension) and not fits(extension, reader, source):
        said.append(f"its name ends in .{extension}, but its content is {facts.container}")
    facts = replace(facts, diagnostics=tuple(said))
    for sidecar in sidecars:
        facts = _completed(facts, sidecar, given)
    if facts.reel is None and (reel := reel_of_name(source.name)) is not None:
        facts = replace(facts, reel=reel, reel_source="file name")
    note = note_of(facts.codec)
    if note is not None and (facts.decodable or facts.note is None):
        facts = replace(facts, decodable=False, note=note)
    return facts


def _completed(facts: MediaFacts, sidecar: ByteSource, given: Given) -> MediaFacts:
    try:
        return with_sidecar(facts, read_sidecar(sidecar), rate=given.rate)
    except NotSupported:
        return facts  # a sidecar of another kind belongs to the clip without telling anything here
    except FilmArchiveError as error:
        return replace(facts, diagnostics=(*facts.diagnostics, f"a sidecar was left unread: {error}"))


def _xml_beside(path: Path) -> Iterator[ByteSource]:
    """The XML files that are sidecars of a file by their names, opened one by one."""
    for place in xml_sidecar_places(path):
        if place.is_file():
            with FileSource(place) as source:
                yield source


# Folders and sequences


@dataclass(frozen=True, slots=True)
class ProbedClip:
    """A clip and what it is; or why that can't be told."""

    clip: Clip
    facts: MediaFacts | None
    problem: FilmArchiveError | None = None


def probe_clip(
    clip: Clip,
    *,
    rate: RateLike | None = None,
    open_path: Callable[[str], ByteSource] = as_source,
    size_of: Callable[[str], int] = os.path.getsize,
) -> MediaFacts:
    """The facts of a clip of several files: a sequence by its first and last image and all files' sizes, a spanned
    recording by its first part.

    `open_path` opens a path of the clip, `size_of` tells its bytes; give both to probe members of an archive.
    """
    given = Given.of(rate)

    def facts_of(path: str, sidecars: tuple[str, ...] = ()) -> MediaFacts:
        opened = [open_path(sidecar) for sidecar in sidecars if sidecar.lower().endswith(".xml")]
        try:
            with open_path(path) as source:
                return _probed(source, given, opened)
        finally:
            for sidecar in opened:
                sidecar.close()

    sequence = clip.sequence
    if sequence is not None:
        facts = stills.sequence_facts(sequence, lambda number: facts_of(sequence.file(number)))
        return replace(facts, diagnostics=(*facts.diagnostics, *_empty_frames(sequence, size_of)))
    return of_spanned(clip, facts_of(clip.parts[0], clip.sidecars))


def of_spanned(clip: Clip, facts: MediaFacts) -> MediaFacts:
    """The facts of a clip's first file as those of the clip, which may be spanned over more."""
    said = list(facts.diagnostics)
    if clip.missing_parts:
        one = len(clip.missing_parts) == 1
        numbers = ", ".join(map(str, clip.missing_parts))
        said.append(f"{'part' if one else 'parts'} {numbers} of this spanned clip {'is' if one else 'are'} missing")
    if len(clip.parts) > 1:
        said.append(f"it is spanned over {len(clip.parts)} files; these are the facts of the first")
    return replace(facts, diagnostics=tuple(said))


def _empty_frames(sequence: ImageSequence, size_of: Callable[[str], int]) -> Iterator[str]:
    """What there is to say of frames that have no bytes: a render that died leaves such."""
    try:
        empty = [number for number in sequence.numbers() if size_of(sequence.file(number)) == 0]
    except OSError as error:
        raise from_os_error(error, f"look at the frames of {sequence}") from error
    if empty:
        what = amount(len(empty), "file has no bytes", "files have no bytes")
        yield f"{what} (the first is {sequence.file_name(empty[0])})"


def probe_path(
    path: str | os.PathLike[str],
    *,
    rate: RateLike | None = None,
    on_left_out: Callable[[str, str], None] = lambda path, what: None,
) -> tuple[ProbedClip, ...]:
    """The clips at a path: a file, a pattern of a sequence ("a.####.exr"), or all that lie below a folder.

    Of a folder, files that neither are media nor are called so are left out; what can't be read stands there with its
    problem. Hidden files are passed over and links to folders not followed; pipes, sockets and devices are told to
    `on_left_out` with what they are. Raises NotFound where there is nothing,
    NotSupported for a pipe.
    """
    place = Path(path)
    text = str(place)
    try:
        mode = place.stat().st_mode
    except OSError as error:
        sequence = None if place.is_symlink() else sequence_from_pattern(text)
        if sequence is None:
            raise from_os_error(error, f"open {printable(text)}") from error
        clip = clip_of_sequence(sequence)
        return (ProbedClip(clip, probe_clip(clip, rate=rate)),)
    if stat.S_ISREG(mode):
        return (ProbedClip(Clip(text, (text,)), probe(place, rate=rate)),)
    if not stat.S_ISDIR(mode):
        raise NotSupported(f"{printable(text)} is {kind_of(mode)}, not a file or a folder.")
    unread: list[ProbedClip] = []
    probed = [_tried(clip, rate) for clip in find_clips(_files_below(text, unread, on_left_out)).clips]
    return (*(each for each in probed if each.facts is not None or not _is_unrelated(each)), *unread)


def _tried(clip: Clip, rate: RateLike | None) -> ProbedClip:
    try:
        return ProbedClip(clip, probe_clip(clip, rate=rate))
    except FilmArchiveError as error:
        return ProbedClip(clip, None, error)


def _is_unrelated(probed: ProbedClip) -> bool:
    """Whether a file neither is media nor is called so: an empty `a.mov` is a problem, an empty `a.xyz` is none."""
    return isinstance(probed.problem, NotMedia) and not is_media_extension(extension_of(probed.clip.name))


def _files_below(folder: str, unread: list[ProbedClip], on_left_out: Callable[[str, str], None]) -> Iterator[str]:
    """Files that may be media, in order; what can't be looked at goes to `unread`, unless it is the folder itself."""

    def failed(error: OSError) -> None:
        place = str(error.filename or folder)
        problem = from_os_error(error, f"read {printable(place)}")
        if place == folder:
            raise problem from error
        unread.append(ProbedClip(Clip(place, (place,)), None, problem))

    for above, folders, names in os.walk(folder, onerror=failed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = str(Path(above, name))
            try:
                mode = 0 if name.startswith(".") else Path(path).stat().st_mode
                if stat.S_ISREG(mode):
                    yield path
                elif mode and not stat.S_ISDIR(mode):
                    on_left_out(path, kind_of(mode))
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ELOOP):  # a link that leads nowhere, a file that has just gone
                    failed(error)
