"""Paths: what a member may be called, where our own data lies, and what is junk."""

from __future__ import annotations

import os
import zlib
from pathlib import PurePosixPath

from film_archive.core.errors import Refused
from film_archive.core.member import Member
from film_archive.core.names import (
    JUNK_NAMES,
    LONGEST_PART,
    MAXIMUM_NAME,
    OWN,
    check_member_name,
    clashes,
    files_as_folders,
    fitting_name,
    fold,
    is_junk,
    is_own,
    member_name,
    name_problem,
    require_member_path,
)
from film_archive.core.source import printable

# What a path may be is not only an archive's concern; who knows it from here keeps finding it here.
__all__ = [
    "BUNDLE_CONTENT",
    "BUNDLE_VERSION",
    "FORMAT",
    "FORMAT_CRC32",
    "FORMAT_TEXT",
    "JUNK_NAMES",
    "LARGEST_DIRECTORY",
    "LARGEST_MANIFEST",
    "LONGEST_PART",
    "MANIFEST",
    "MANIFEST_COPY",
    "MAXIMUM_NAME",
    "MOST_MEMBERS",
    "OWN",
    "WORK",
    "below",
    "check_member_name",
    "clashes",
    "files_as_folders",
    "fitting_name",
    "fold",
    "index_path",
    "is_junk",
    "is_mark",
    "is_own",
    "link_target",
    "member_name",
    "name_problem",
    "place_of",
    "proxy_path",
    "require_member_path",
    "sums_path",
    "timeline_path",
]

FORMAT = f"{OWN}/format"
MANIFEST = f"{OWN}/manifest.jsonl"
MANIFEST_COPY = f"{OWN}/manifest-copy.jsonl"
"""In the folder form: the same once more, since nothing else tells what the manifest said."""
WORK = f"{OWN}/work"
BUNDLE_CONTENT = "content.otio"
BUNDLE_VERSION = "version.txt"
"""In an archive that is an OTIO bundle too: these two are not below `.film-archive/`, since OTIO looks for them here."""

FORMAT_TEXT = (
    b"film-archive 1\n"
    b"This is an archive of film media: a ZIP that any unzip program opens, or a folder.\n"
    b"Media are stored as they were. .film-archive/manifest.jsonl lists them with digests and facts,\n"
    b".film-archive/proxies holds small versions of them, .film-archive/frames where each frame lies.\n"
)

FORMAT_CRC32 = zlib.crc32(FORMAT_TEXT)


def is_mark(path: str, size: int | None, crc32: int | None) -> bool:
    """Whether a member is the format mark as we write it, so that its bytes are known whatever became of them."""
    return (path, size, crc32) == (FORMAT, len(FORMAT_TEXT), FORMAT_CRC32)


MOST_MEMBERS = 1_000_000
"""Of a zip; beyond, programs that hold a directory in memory get into trouble, and the folder form is there."""

LARGEST_MANIFEST = 1 << 33
LARGEST_DIRECTORY = 1 << 31
"""Of a zip, in bytes, uncompressed: more is neither written nor read."""


def proxy_path(original: str, size: str, extension: str = "mp4") -> str:
    return f"{OWN}/proxies/{_fitting(original)}/{size}.{extension}"


def index_path(original: str) -> str:
    return f"{OWN}/frames/{_fitting(original + '.idx')}"


def sums_path(original: str) -> str:
    return f"{OWN}/frames/{_fitting(original + '.sum')}"


def timeline_path(name: str) -> str:
    return f"{OWN}/timelines/{fitting_name(name)}"


def _fitting(path: str) -> str:
    """A path whose parts are no longer than a file's name may be; a longer part is cut, and a digest of all of it put in."""
    if len(path) * 4 <= LONGEST_PART:
        return path
    return "/".join(map(fitting_name, path.split("/")))


def place_of(member: Member) -> str:
    """A member's relative path on disk; raises Refused where it would lead anywhere else than its path says."""
    problem = name_problem(member.path)
    raw = member.raw_name
    if problem is None and raw is not None and (b"\0" in raw or member_name(os.fsdecode(raw)) != (member.path, raw)):
        problem = f"its raw name {raw[:80]!r} is another"
    if problem is not None:
        raise Refused(f"{printable(member.path)} must not be written or read under this name: {problem}.")
    return os.fsdecode(member.path.encode("utf-8", "surrogateescape") if raw is None else raw)


def link_target(member: Member) -> bytes:
    """Where a symbolic link points."""
    raw = member.raw_target
    return (member.target or "").encode("utf-8", "surrogateescape") if raw is None else raw


def below(folder: str, path: str) -> bool:
    """Whether a member lies in a folder of the archive."""
    return PurePosixPath(folder) in PurePosixPath(path).parents
