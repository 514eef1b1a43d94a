"""The three policies under all their names."""

from __future__ import annotations

from enum import Enum

import pytest

from film_archive.bundles.policy import MediaReferencePolicy
from film_archive.core.errors import UsageError

Theirs = Enum("Theirs", ["error_if_not_file", "missing_if_not_file", "all_missing"])
"""As the next OTIO has them."""


@pytest.mark.parametrize(
    ("policy", "spellings"),
    [
        (MediaReferencePolicy.ERROR_IF_NOT_FILE, ("ErrorIfNotFile", "error_if_not_file", "error")),
        (MediaReferencePolicy.MISSING_IF_NOT_FILE, ("MissingIfNotFile", "missing_if_not_file", "missing")),
        (MediaReferencePolicy.ALL_MISSING, ("AllMissing", "all_missing", "all-missing", "ALL_MISSING")),
    ],
)
def test_spellings(policy: MediaReferencePolicy, spellings: tuple[str, ...]) -> None:
    for spelling in (*spellings, policy, Theirs[policy.name.lower()]):
        assert MediaReferencePolicy.parse(spelling) is policy


@pytest.mark.parametrize("word", ["", "errors", None, 3, "x" * 1000])
def test_other_words(word: object) -> None:
    with pytest.raises(UsageError, match=r"no policy .* use one of ErrorIfNotFile \(error\), "):
        MediaReferencePolicy.parse(word)
