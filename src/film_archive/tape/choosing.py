"""Which files are meant: patterns, folders and digests against what cartridges hold."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from film_archive.core.errors import UsageError
from film_archive.tape.ltfs.names import tape_name
from film_archive.tape.ltfs.tree import TapeFile

_SEGMENT = re.compile(r"(.+)-LTFSseg([1-9][0-9]{0,3})")
_DIGEST = re.compile(r"[0-9a-fA-F]{8,128}")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is meant; nothing given means everything.

    A pattern with a slash is matched against the whole path (`*` goes over slashes), one without against each of its parts;
    a path of a folder means all below it. Digests are hex, whole or the first eight signs or more, of any algorithm.
    """

    patterns: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for digest in self.digests:
            if not _DIGEST.fullmatch(digest):
                raise UsageError(f"{digest!r} is no digest: give eight signs or more of its hex.")

    def matcher(self) -> Matcher:
        return Matcher(self)


class Matcher:
    """A choice, ready to be asked a million times."""

    def __init__(self, choice: Choice) -> None:
        self._all = not choice.patterns and not choice.digests
        whole = [pattern.strip("/") for pattern in choice.patterns if "/" in pattern.strip("/")]
        parts = [pattern.strip("/") for pattern in choice.patterns if "/" not in pattern.strip("/")]
        self._whole = _compiled([one for pattern in whole for one in (pattern, f"{pattern}/*")])
        self._parts = _compiled(parts)
        self._digests = tuple(digest.lower() for digest in choice.digests)

    def matches(self, path: str, file: TapeFile | None = None) -> bool:
        """Whether a file is meant; parts of a split file are, where the whole is."""
        if self._all:
            return True
        called = segment(path)[0]
        if self._whole is not None and (self._whole.fullmatch(called) or self._whole.fullmatch(path)):
            return True
        if self._parts is not None and any(self._parts.fullmatch(part) for part in (*called.split("/"), path.rpartition("/")[2])):
            return True
        if file is not None and self._digests:
            return any(value.startswith(digest) for digest in self._digests for value in file.digests.values())
        return False


def segment(path: str) -> tuple[str, int | None]:
    """The path of the whole, and which part of it this is (from 1); None where it is no part."""
    found = _SEGMENT.fullmatch(path)
    return (path, None) if found is None else (found[1], int(found[2]))


def _compiled(patterns: Sequence[str]) -> re.Pattern[str] | None:
    if not patterns:
        return None
    return re.compile("|".join(fnmatch.translate(_normal(pattern)) for pattern in patterns))


def _normal(pattern: str) -> str:
    """In the form that names have on tape, as far as a pattern can be one."""
    return "/".join(tape_name(part) if part not in ("", ".", "..") else part for part in pattern.split("/"))


def chosen(files: Iterable[tuple[str, TapeFile]], choice: Choice) -> list[tuple[str, TapeFile]]:
    """Those that are meant."""
    matcher = choice.matcher()
    return [(path, file) for path, file in files if matcher.matches(path, file)]
