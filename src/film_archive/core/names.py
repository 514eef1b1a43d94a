"""What the paths in an archive, a tree and a work tree may be, when two of them clash, and what is junk.

A path is text: relative, with `/` between its parts. A name that can't be one is percent-encoded, with its raw bytes beside it.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from urllib.parse import quote_from_bytes

from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import Refused, UsageError
from film_archive.core.source import printable

OWN = ".film-archive"
"""Below this an archive keeps its own data."""

LONGEST_PART = 255
"""Bytes; what most file systems let a name have (some: 255 UTF-16 units, which is more)."""

MAXIMUM_NAME = 65_535 - 64
"""A zip's name field has 16 bits, and some room is left for what comes in front when it is unpacked."""

JUNK_NAMES = frozenset(
    {
        ".DS_Store",
        "Thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        ".Spotlight-V100",
        ".Trashes",
        ".fseventsd",
        ".TemporaryItems",
        ".DocumentRevisions-V100",
        "$RECYCLE.BIN",
        "System Volume Information",
        ".VolumeIcon.icns",
        ".apdisk",
    }
)
"""What operating systems leave behind: skipped wherever files are gathered, and counted."""


def is_junk(name: str) -> bool:
    """Whether a file or folder of this name is an operating system's leftover (AppleDouble `._*` too)."""
    return name in JUNK_NAMES or (name.startswith("._") and len(name) > 2)


def is_own(path: str) -> bool:
    return path == OWN or path.startswith(OWN + "/")


def fitting_name(part: str) -> str:
    raw = part.encode("utf-8", "surrogateescape")
    if len(raw) <= LONGEST_PART:
        return part
    hasher = MultiHasher()
    hasher.update(raw)
    ending = f"~{hasher.digests()[KEY]}{PurePosixPath(part).suffix if len(PurePosixPath(part).suffix) <= 8 else ''}"
    return raw[: LONGEST_PART - len(ending.encode())].decode("utf-8", "ignore") + ending


def member_name(relative: str | os.PathLike[str]) -> tuple[str, bytes | None]:
    """The member path of a file's relative path, and its raw bytes where no member may be called so.

    Those are names that are not UTF-8, that have a backslash, or that begin like a drive ("a:"): they are percent-encoded
    ("%FF", "%5C", "a%3A"), a percent sign of such a name too.
    """
    raw = os.fsencode(relative)
    if os.sep != "/":
        raw = raw.replace(os.sep.encode(), b"/")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    if text is not None and "\\" not in text and not _has_drive(text):
        return text, None
    encoded = quote_from_bytes(raw, safe=bytes(i for i in range(0x20, 0x7F) if i not in b"%\\"))
    return (encoded.replace(":", "%3A", 1) if _has_drive(encoded) else encoded), raw


def _has_drive(path: str) -> bool:
    """Whether a path begins as one with a drive does, "c:"."""
    return len(path) > 1 and path[1] == ":" and path[0].isascii() and path[0].isalpha()


def name_problem(path: str, *, folder: bool = False) -> str | None:
    """Why a member must not be called this, or None."""
    if folder:
        path = path.removesuffix("/")
    if not path:
        return "it is empty"
    if "\0" in path:
        return "it has a NUL in it"
    if "\\" in path:
        return "it has a backslash in it"
    if path.startswith("/"):
        return "it is an absolute path"
    if _has_drive(path):
        return "it begins like a drive"
    parts = path.split("/")
    if ".." in parts:
        return "it goes up with '..'"
    if "" in parts or "." in parts:
        return "it has an empty or '.' part"
    if len(path.encode("utf-8", "surrogateescape")) > MAXIMUM_NAME:
        return "it is too long"
    return None


def check_member_name(path: str, *, own: bool = False) -> None:
    """Raise Refused where a member must not be called this; only our own data may lie where those lie."""
    problem = name_problem(path)
    if problem is None and not own and fold(path.partition("/")[0]) == OWN:
        problem = "an archive keeps its own data there"
    if problem is not None:
        raise Refused(f"{printable(path)} can't be archived under this name: {problem}.")


def fold(path: str) -> str:
    """The form in which two paths clash on a file system that ignores case or Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def clashes(paths: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of paths that are the same, but perhaps for case or Unicode form."""
    seen: dict[str, str] = {}
    found = []
    for path in paths:
        folded = fold(path.removesuffix("/"))
        if folded in seen:
            found.append((seen[folded], path))
        else:
            seen[folded] = path
    return found


def files_as_folders(files: Iterable[str], paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of a file and of a path that has it as a folder on its way, case and Unicode form ignored."""
    folded = {fold(path): path for path in files}
    seen: set[str] = set()
    for path in paths:
        above = fold(path).rpartition("/")[0]
        while above and above not in seen:
            seen.add(above)
            if above in folded:
                yield folded[above], path
            above = above.rpartition("/")[0]


def require_member_path(path: str) -> str:
    """A member path as a user gives it, checked."""
    problem = name_problem(path)
    if problem is not None:
        raise UsageError(f"{printable(path)} is not the path of a member: {problem}.")
    return path
