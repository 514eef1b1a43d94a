"""By which names a list and a media file can know the same clip. Defined here and only here.

A list names its source by file, by reel and by clip name, each as some program cut and cleaned it. What two sides share is
found by comparing *keys*: both sides give all forms that a name may take, with the class that says how much the form is
worth. Sources of the forms: CMX3600's reel column of 8 characters (and the 32 of "file32" lists) in which Avid, Premiere, Resolve
and Final Cut Pro cut clip names; the makers' clip naming in `core.reels`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from film_archive.core.reels import naming_of
from film_archive.editorial.event import Event

# Classes of keys, from the surest. The three kinds of names are ranked one after the other: file, reel, clip.
PATH, FILE, STEM = 3, 2, 1
EXACT, SHORT, PATTERN = 3, 2, 1
CLIP = 1

_STILLS = frozenset(("exr", "dpx", "cin", "tif", "tiff", "jpg", "jpeg", "png", "tga", "dng", "ari", "arx"))
_MEDIA = _STILLS | frozenset(
    (
        *(
            "mov",
            "mp4",
            "m4v",
            "mxf",
            "r3d",
            "braw",
            "crm",
            "rmf",
            "nev",
            "avi",
            "mpg",
            "mts",
            "m2ts",
            "y4m",
            "mkv",
            "webm",
        ),
        *("wav", "bwf", "aif", "aiff", "caf", "mp3", "psd", "cr3", "ogv"),
    )
)
"""Extensions that are taken off; in other names a dot is part of the name."""
_UNCLEAN = re.compile(r"[\W_]+")
_PATTERN = re.compile(r"[._ -]?(?:%0?\d{0,2}d|#{1,12}|@{1,12}|\[\d{1,12}-\d{1,12}\]|\d{1,12}-\d{1,12})$", re.ASCII)
_FRAME = re.compile(r"[._]\d{1,12}$", re.ASCII)
_PART = re.compile(r"_\d{3}$", re.ASCII)
_MARKS = re.compile(r"(?:\s*(?:\*|•|\bFF|\([\d.]{1,10} ?FPS\)))+\s*$", re.IGNORECASE)
"""What programs put behind a clip's name: Avid's `*` and "FF" (freeze frame), and the speed."""
_LONGEST = 512


@dataclass(frozen=True, slots=True)
class Names:
    """What a clip is called, in the forms that can be compared: form → how much it is worth."""

    file: dict[str, int]
    reel: dict[str, int]
    clip: dict[str, int]

    def __bool__(self) -> bool:
        return bool(self.file or self.reel or self.clip)

    @property
    def kinds(self) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
        """In the order in which they are ranked."""
        return self.file, self.reel, self.clip


def base_name(path: str) -> str:
    """A path's or URL's last part, on whichever system it was written."""
    return path[-2 * _LONGEST :].replace("\\", "/").rstrip("/").rpartition("/")[2][:_LONGEST]


def media_name(path: str) -> str:
    """The file name of a candidate's path, which may be ARCHIVE::MEMBER."""
    return base_name(path.rpartition("::")[2])


def stem_of(name: str) -> str:
    """A file's name without media extension, frame pattern or frame number, in lower case."""
    name = name.strip().casefold()
    head, dot, extension = name.rpartition(".")
    if not dot or extension not in _MEDIA or not head:
        return name
    without = _PATTERN.sub("", head)
    if without == head and extension in _STILLS:
        without = _FRAME.sub("", head)
    return without or head


def plain(text: str) -> str:
    """Letters and digits only, as systems clean reels that allow nothing else."""
    return text if text.isalnum() else _UNCLEAN.sub("", text)


def names_of_media(path: str, reel: str | None = None, other_names: Iterable[str] = ()) -> Names:
    """The names that a media file can be known by: its path, its reel, clip names in its metadata."""
    name = media_name(path).casefold()
    stem = stem_of(name)
    file = {path: PATH, name: FILE}
    clip = {stem: CLIP, name: CLIP}
    for form in _without_part(stem):
        file.setdefault(form, STEM)
        clip.setdefault(form, CLIP)
    for other in other_names:
        clip.setdefault(other.strip().casefold(), CLIP)
        clip.setdefault(stem_of(base_name(other)), CLIP)
    return Names(file, _reels_of_media(stem, name, reel), clip)


def _without_part(stem: str) -> tuple[str, ...]:
    """A stem, and without the part's number that RED and Canon put behind it."""
    return (stem, stem[:-4]) if _PART.search(stem) else (stem,)


def _reels_of_media(stem: str, name: str, reel: str | None) -> dict[str, int]:
    """All forms of the reels that a file may be on a list under; the surest worth of a form counts."""
    found: dict[str, int] = {}
    given = reel.strip().casefold() if reel else ""
    naming = naming_of(stem.upper())
    if naming is not None:
        row, match = naming
        found[row.reel_of(match).casefold()] = found[match["reel"].casefold()] = PATTERN
    for full in (given, stem) if given else (stem,):
        cleaned = plain(full)
        found[cleaned] = found[cleaned[:8]] = SHORT
        if len(full) > 8:
            found[full[:8].rstrip()] = found[full[:32].rstrip()] = SHORT
    found[given] = found[stem] = found[name] = EXACT
    found.pop("", None)
    return found


def names_of_event(event: Event, called: str | None = None) -> Names:
    """The names that an event gives its source; `called` is one more clip name of it.

    Behind a transition, SOURCE FILE may be either side's: there it counts no more than a clip name.
    """
    file: dict[str, int] = {}
    clip: dict[str, int] = {}
    for reference in event.media:
        if reference.url:
            file.setdefault(reference.url, PATH)
            file.setdefault(_local(reference.url), PATH)
            _add_file(file, unquote(reference.url))
            _add_file(file, reference.url)
        if reference.name:
            _add_file(file, reference.name)
    one_side = event.transition == "C" or bool(event.media) or event.from_clip_name == event.to_clip_name
    for path in (event.source_file, *event.source_files, event.from_clip_path, event.from_file):
        if path and one_side:
            file.setdefault(path, PATH)
            _add_file(file, path)
        elif path:
            _add_file(clip, path)
    reel: dict[str, int] = {}
    if event.names_reel and event.reel:
        for form in (event.reel.strip().casefold(), stem_of(event.reel)):
            reel.setdefault(form, EXACT)
        cleaned = plain(event.reel.casefold())
        if cleaned:
            reel.setdefault(cleaned, SHORT)
    for name in event.reel_names:
        reel.setdefault(name.strip().casefold(), EXACT)
        reel.setdefault(stem_of(base_name(name)), EXACT)
    for given in (event.clip_name, called):
        for text in (given, _MARKS.sub("", given[:_LONGEST])) if given else ():
            clip.setdefault(text.strip().casefold(), CLIP)
            clip.setdefault(stem_of(base_name(text)), CLIP)
    for kind in (file, reel, clip):
        kind.pop("", None)
    clip.update(dict.fromkeys(clip, CLIP))
    return Names(file, reel, clip)


def _local(url: str) -> str:
    """The path of a file URL; other texts as they are."""
    for start in ("file://localhost", "file://"):
        if url.startswith(start):
            return unquote(url[len(start) :])
    return url


def _add_file(file: dict[str, int], path: str) -> None:
    name = base_name(path).casefold()
    if name:
        file.setdefault(name, FILE)
        file.setdefault(stem_of(name), STEM)


def shared(wanted: Names, media: Names) -> tuple[int, int, int]:
    """How well a media file's names fit what an event calls its source: classes of file, reel and clip name; 0 is nothing.

    A form is worth what it is worth on both sides: a stem that is equal is a stem.
    """
    return _best(wanted.file, media.file), _best(wanted.reel, media.reel), _best(wanted.clip, media.clip)


def _best(wanted: dict[str, int], media: dict[str, int]) -> int:
    if len(wanted) > len(media):
        wanted, media = media, wanted
    return max((min(worth, media[form]) for form, worth in wanted.items() if form in media), default=0)
