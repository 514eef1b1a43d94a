"""Reels by the names that cameras give to clips: the table of their patterns.

Each pattern comes from the makers' manuals. A name that fits none has no reel: nothing is guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClipNaming:
    """How one maker names clips; `pattern` is matched at a name's beginning and has a group `reel`."""

    maker: str
    example: str
    pattern: re.Pattern[str]
    reel: str
    """The reel as lists carry it, in the pattern's groups."""

    def reel_of(self, match: re.Match[str]) -> str:
        return match["reel"] if self.reel == "{reel}" else self.reel.format(**match.groupdict())


def _row(maker: str, example: str, pattern: str, reel: str) -> ClipNaming:
    return ClipNaming(maker, example, re.compile(pattern + r"(?![A-Za-z0-9])", re.ASCII), reel)


NAMINGS: tuple[ClipNaming, ...] = (
    # ALEXA manuals, "File naming scheme": camera index, reel counter, clip, date, camera id. The card and its folder,
    # and so the reel in ARRI's ALE and XML, are index + counter + id.
    _row(
        "ARRI",
        "A004C010_20100610_R1JL",
        r"(?P<reel>[A-Z]\d{3})[CD]\d{3}_(?:\d{8}|\d{6})_(?P<id>[RL][0-9A-Z]{3})",
        "{reel}{id}",
    ),
    # RED operation guides, "Clip Naming Convention": A001_C003_1204R5, parts _001, _002 …
    _row("RED", "A001_C003_1204R5_001", r"(?P<reel>[A-Z]\d{3})_[A-Z]\d{3}_\d{4}[0-9A-Z]{2}(?:_\d{3})?", "{reel}"),
    # Canon Cinema EOS manuals, "Clips File Names": older with three digits of reel and one camera letter.
    _row(
        "Canon",
        "A001C001_150101AB_CANON",
        r"(?P<reel>[A-Z]\d{3})[CD]\d{3}_\d{6}[0-9A-Z]{2}_CANON(?:_\d{3})?(?:_Proxy)?",
        "{reel}",
    ),
    _row(
        "Canon",
        "A_0001C001X240101_123456AB_CANON_001",
        r"(?P<reel>[A-Z][A-Z_]\d{4})[CD]\d{3}[A-Z0-9]\d{6}_\d{6}[0-9A-Z]{2}_CANON(?:_\d{3})?(?:_Proxy)?",
        "{reel}",
    ),
    # Sony VENICE, and cameras that follow it: letter + reel, clip, date, two random signs.
    _row("Sony", "A001C001_240911L8", r"(?P<reel>[A-Z]\d{3})C\d{3}_\d{6}[A-Z0-9]{2}(?:M\d{2})?", "{reel}"),
    # Blackmagic cameras: letter + reel, month day hour minute, clip.
    _row("Blackmagic", "A001_08151512_C001", r"(?P<reel>[A-Z]\d{3})_\d{8}_C\d{3}", "{reel}"),
)


def reel_of_name(name: str) -> str | None:
    """The reel that a clip's name tells; `name` may have a folder, an extension or a frame number with it."""
    found = naming_of(name)
    return None if found is None else found[0].reel_of(found[1])


def naming_of(name: str) -> tuple[ClipNaming, re.Match[str]] | None:
    """The maker's pattern that a clip's name fits, and the match."""
    base = name.rpartition("/")[2]
    for row in NAMINGS:
        match = row.pattern.match(base)
        if match is not None:
            return row, match
    return None
