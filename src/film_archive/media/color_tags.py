"""The names of colour code points (ITU-T H.273), which QuickTime, MP4, H.264, HEVC and ProRes all write as numbers.

Names are those that FFmpeg prints, so that a probe says the same whichever reader looked. 2 is "unspecified" and 0
and 3 are reserved (0 is a value only for the matrix): both are None.
"""

from __future__ import annotations

from film_archive.core.facts import ColorFacts

PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "ebu3213",
}

TRANSFERS = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}

MATRICES = {
    0: "gbr",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    11: "smpte2085",
    12: "chroma-derived-nc",
    13: "chroma-derived-c",
    14: "ictcp",
}


def color_facts(primaries: int, transfer: int, matrix: int, full_range: bool | None = None) -> ColorFacts:
    """The tags of three code points; `full_range` is None where the file does not say."""
    return ColorFacts(
        primaries=PRIMARIES.get(primaries),
        transfer=TRANSFERS.get(transfer),
        matrix=MATRICES.get(matrix),
        range=None if full_range is None else "full" if full_range else "limited",
    )
