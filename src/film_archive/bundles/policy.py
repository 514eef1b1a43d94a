"""What becomes of a media reference that leads to no file when media are bundled."""

from __future__ import annotations

from enum import StrEnum

from film_archive.core.errors import UsageError


class MediaReferencePolicy(StrEnum):
    """OTIO's three policies, under the names that OTIO 0.18 gives them; `parse` takes other spellings too."""

    ERROR_IF_NOT_FILE = "ErrorIfNotFile"
    """Nothing is written; all references without a file are listed."""
    MISSING_IF_NOT_FILE = "MissingIfNotFile"
    """Such a reference becomes a MissingReference that keeps in its metadata what it was."""
    ALL_MISSING = "AllMissing"
    """All references become MissingReferences, and no media go in."""

    @classmethod
    def parse(cls, text: object) -> MediaReferencePolicy:
        """A policy by any of its names: "ErrorIfNotFile", "error_if_not_file" (the next OTIO's), "error"; an enum's member too.

        Raises UsageError for other words.
        """
        word = str(getattr(text, "name", text))
        found = _SPELLINGS.get(word.replace("_", "").replace("-", "").lower())
        if found is None:
            names = ", ".join(f"{policy.value} ({_SHORT[policy]})" for policy in cls)
            raise UsageError(f"{word[:80]!r} is no policy for media references; use one of {names}.")
        return found


_SHORT = {
    MediaReferencePolicy.ERROR_IF_NOT_FILE: "error",
    MediaReferencePolicy.MISSING_IF_NOT_FILE: "missing",
    MediaReferencePolicy.ALL_MISSING: "all-missing",
}
_SPELLINGS = {
    **{policy.value.lower(): policy for policy in MediaReferencePolicy},
    **{short.replace("-", ""): policy for policy, short in _SHORT.items()},
}
