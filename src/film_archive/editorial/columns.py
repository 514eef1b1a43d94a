"""The columns of tables that people and programs make: which header names mean what. Defined here and only here.

ALE and CSV share it. A header is compared in lower case, with `_`, `-`, `.` and runs of blanks as one blank; of the names in
a row of `NAMES` the first that a table has counts. `docs/lists.md` lists them for users.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

NAMES: dict[str, tuple[str, ...]] = {
    "event": ("event", "event number", "edit", "no", "#", "shot", "shot name", "vfx id", "vfx shot", "id"),
    "reel": (
        *(
            "tape",
            "reel",
            "reel name",
            "tape name",
            "tape id",
            "source reel",
            "source tape",
            "camroll",
            "cam roll",
            "roll",
        ),
        *("camera roll", "labroll", "reel id", "reel number"),
    ),
    "clip": ("from clip name", "clip name", "clip", "name", "source clip", "source name", "source", "title"),
    "file": (
        *("source file", "source file name", "source filename", "file", "file name", "filename", "media", "media file"),
        *("source file path", "source path", "file path", "filepath", "path", "location", "unc", "url"),
    ),
    "in": (
        *(
            "source in",
            "src in",
            "start",
            "start tc",
            "start timecode",
            "source start",
            "source start tc",
            "in",
            "in tc",
        ),
        *("tc in", "timecode in", "in point", "mark in", "clip in", "source tc in", "src start"),
    ),
    "out": (
        *(
            "source out",
            "src out",
            "end",
            "end tc",
            "end timecode",
            "source end",
            "source end tc",
            "out",
            "out tc",
            "tc out",
        ),
        *("timecode out", "out point", "mark out", "clip out", "source tc out", "src end"),
    ),
    "duration": ("duration", "source duration", "length", "dur", "frames"),
    "record_in": (
        *(
            "record in",
            "rec in",
            "record start",
            "rec start",
            "record tc in",
            "rec tc in",
            "timeline in",
            "timeline start",
        ),
        *("dst in", "destination in", "sequence in", "master in", "cut in"),
    ),
    "record_out": (
        *(
            "record out",
            "rec out",
            "record end",
            "rec end",
            "record tc out",
            "rec tc out",
            "timeline out",
            "timeline end",
        ),
        *("dst out", "destination out", "sequence out", "master out", "cut out"),
    ),
    "rate": ("fps", "frame rate", "framerate", "rate", "source fps", "clip fps", "shot frame rate", "project fps"),
    "channels": ("tracks", "track", "channels", "channel"),
    "to_clip": ("to clip name",),
    "transition": ("transition",),
    "transition_duration": ("transition duration",),
    "speed": ("speed", "retime", "speed ratio"),
    "asc_sop": ("asc sop", "sop", "cdl sop"),
    "asc_sat": ("asc sat", "saturation", "cdl sat", "sat"),
    "notes": ("comments", "comment", "notes", "note", "description", "descript"),
}
"""Field → header names that mean it, the surest first."""

_BLANKS = re.compile(r"[\s_.\-]+")
_LONGEST = 200
_MEANINGS = {name: (field, rank) for field, names in NAMES.items() for rank, name in enumerate(names)}


def plain(header: str) -> str:
    """A header as it is compared."""
    return _BLANKS.sub(" ", header[:_LONGEST].strip(" \t\ufeff\"'")).strip().casefold()


def field_columns(headers: Sequence[str]) -> dict[str, int]:
    """Field → which column has it, for the headers of a table."""
    best: dict[str, tuple[int, int]] = {}
    for column, header in enumerate(headers):
        meaning = _MEANINGS.get(plain(header))
        if meaning is not None:
            field, rank = meaning
            best[field] = min(best.get(field, (rank, column)), (rank, column))
    return {field: column for field, (_, column) in best.items()}
