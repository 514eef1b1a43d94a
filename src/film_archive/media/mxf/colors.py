"""Colour labels of picture descriptors as H.273 names, and cameras' own curves and gamuts as names of their spaces.

Sources: SMPTE ST 377-1 and the labels register (04010101…), ST 2115 (camera log in the register), and the private
labels that Sony's cameras write (0e060401…), as their clips and Sony's own metadata beside them name them.
"""

from __future__ import annotations

from film_archive.core.facts import ColorFacts
from film_archive.media.mxf.klv import ul

_REGISTERED = ul("060e2b34 04010101 04010101 00000000")[:12]
_SONY_CURVE = ul("060e2b34 04010101 0e060401 01010000")[:14]
_SONY_GAMUT = ul("060e2b34 04010101 0e060401 01030000")[:14]

_TRANSFERS = {
    0x01: "bt470m",
    0x02: "bt709",
    0x03: "smpte240m",
    0x04: "bt709",  # ST 274 and ST 296 use BT.709's curve
    0x05: "bt1361e",
    0x06: "linear",
    0x07: "smpte428",
    0x08: "iec61966-2-4",
    0x09: "bt2020-10",
    0x0A: "smpte2084",
    0x0B: "arib-std-b67",
    0x0D: "iec61966-2-1",
}
_MATRICES = {
    0x01: "smpte170m",
    0x02: "bt709",
    0x03: "smpte240m",
    0x04: "ycgco",
    0x05: "gbr",
    0x06: "bt2020nc",
    0x07: "ictcp",
}
_PRIMARIES = {
    0x01: "smpte170m",
    0x02: "bt470bg",
    0x03: "bt709",
    0x04: "bt2020",
    0x05: "smpte428",
    0x06: "smpte432",
    0x0A: "smpte431",
}
_CAMERA_CURVES = {0x0E: "S-Log3", 0x0F: "V-Log", 0x10: "Canon Log 2", 0x11: "Canon Log 3"}
_CAMERA_GAMUTS = {0x0B: "S-Gamut3", 0x0C: "S-Gamut3.Cine", 0x0D: "V-Gamut", 0x0E: "Cinema Gamut"}
_SONY_CURVES = {0x0501: "S-Log", 0x0508: "S-Log2", 0x0604: "S-Log3", 0x0605: "S-Log3", 0x0705: "S-Cinetone"}
_SONY_GAMUTS = {0x0103: "S-Gamut", 0x0104: "S-Gamut3", 0x0105: "S-Gamut3.Cine"}


def described_color(
    transfer: bytes, matrix: bytes, primaries: bytes, color_range: str | None
) -> tuple[ColorFacts, tuple[str, ...]]:
    """What three labels (3210, 321A, 3219; empty where absent) say, and a sentence for each that has no known name."""
    standard = {
        "transfer": _registered(transfer, 0x01, _TRANSFERS),
        "matrix": _registered(matrix, 0x02, _MATRICES),
        "primaries": _registered(primaries, 0x03, _PRIMARIES),
    }
    curve = _registered(transfer, 0x01, _CAMERA_CURVES) or _private(transfer, _SONY_CURVE, _SONY_CURVES)
    gamut = _registered(primaries, 0x03, _CAMERA_GAMUTS) or _private(primaries, _SONY_GAMUT, _SONY_GAMUTS)
    named = {"transfer": curve, "matrix": None, "primaries": gamut}
    labels = {"transfer": transfer, "matrix": matrix, "primaries": primaries}
    unknown = tuple(
        f"The colour label {label.hex()} ({role}) has no name that is known here; it was left untagged."
        for role, label in labels.items()
        if any(label) and standard[role] is None and named[role] is None
    )
    space = " ".join(name for name in (curve, gamut) if name) or None
    return ColorFacts(**standard, range=color_range, space=space), unknown


def code_range(bits: int | None, black: int | None, white: int | None) -> str | None:
    """ "limited" or "full" from the reference levels of a picture descriptor (3304 and 3305, or 3407 and 3406)."""
    if not bits or black is None or white is None or not 8 <= bits <= 16:
        return None
    scale = 1 << (bits - 8)
    if black == 16 * scale and white in (235 * scale, 240 * scale):
        return "limited"
    if black == 0 and white == (1 << bits) - 1:
        return "full"
    return None


def _registered(label: bytes, group: int, names: dict[int, str]) -> str | None:
    return names.get(label[13]) if label[:12] == _REGISTERED and label[12] == group else None


def _private(label: bytes, family: bytes, names: dict[int, str]) -> str | None:
    return names.get(int.from_bytes(label[14:16], "big")) if label[:14] == family else None
