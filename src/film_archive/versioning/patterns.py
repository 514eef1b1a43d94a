"""Patterns of paths, as a shell has them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Whether a path, or a folder that it is in, matches a pattern as in a shell ("*" crosses folders); none: all do."""
    return not patterns or any(
        fnmatchcase(path, pattern) or fnmatchcase(path, pattern.rstrip("/") + "/*") for pattern in patterns
    )
