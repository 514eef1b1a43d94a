"""Universal labels of MXF and what they name: operational patterns, kinds of track, codecs.

Sources: the SMPTE registers (RP 224, ST 400), ST 381 (MPEG, AVC), ST 382 (sound), ST 383 (DV), ST 386 (D-10), ST 422
(JPEG 2000), ST 2019-4 (VC-3), RDD 44 (ProRes), RDD 55 (ARRIRAW). Sony's raw formats have no public paper: their
labels are those that VENICE, F55 and F65 clips carry.
"""

from __future__ import annotations

from dataclasses import dataclass

from film_archive.media.codecs import Codec
from film_archive.media.mxf.klv import ul

PICTURE, SOUND, DATA, TIMECODE = "picture", "sound", "data", "timecode"

_DEFINITIONS = {
    ul("060e2b34 04010101 01030202 01000000"): PICTURE,
    ul("060e2b34 04010101 01030202 02000000"): SOUND,
    ul("060e2b34 04010101 01030202 03000000"): DATA,
    ul("060e2b34 04010101 01030201 01000000"): TIMECODE,
    ul("060e2b34 04010101 01030201 02000000"): TIMECODE,
    ul("060e2b34 04010101 01030201 03000000"): TIMECODE,
    # AAF's older definitions, as Avid writes them
    ul("807d0060 08143e6f 6f3c8ce1 6cef11d2"): PICTURE,
    ul("807d0060 08143e6f 78e1ebe1 6cef11d2"): SOUND,
    ul("807f0060 08143e6f 7f275e81 77e511d2"): TIMECODE,
}

_PATTERN = ul("060e2b34 04010101 0d010201 00000000")[:12]
_ENCRYPTED_CONTAINER = ul("060e2b34 04010101 0d010301 020b0000")[:14]
_CONTAINER = ul("060e2b34 04010101 0d010301 02000000")[:13]
_SONY_CONTAINER = ul("060e2b34 04010101 0e060d03 02000000")[:13]
_AVID_CONTAINER = ul("060e2b34 04010101 0e040301 02060000")[:14]
_SONY_CODING = ul("060e2b34 04010101 0e060401 02000000")[:13]
_PICTURE_CODING = ul("060e2b34 04010101 04010200 00000000")[:11]
_SOUND_CODING = ul("060e2b34 04010101 04020200 00000000")[:11]


def kind_of_track(definition: bytes) -> str:
    """ "picture", "sound", "data", "timecode", or "other"."""
    return _DEFINITIONS.get(definition, "other")


def pattern_name(label: bytes) -> str | None:
    """ "OP1a", "OP2b", "OP-Atom" …, or None where it is no operational pattern (ST 377-1, ST 390)."""
    if label[:12] != _PATTERN or len(label) != 16:
        return None
    if label[12] == 0x10:
        return "OP-Atom"
    if 1 <= label[12] <= 3 and 1 <= label[13] <= 3:
        return f"OP{label[12]}{'abc'[label[13] - 1]}"
    return None


def is_encrypted_container(container: bytes) -> bool:
    """Whether an essence container label says that the essence is encrypted (ST 429-6)."""
    return container[:14] == _ENCRYPTED_CONTAINER


def is_d10(container: bytes) -> bool:
    """Whether an essence container label is one of D-10 (ST 386)."""
    return container[:13] == _CONTAINER and container[13] == 0x01


@dataclass(frozen=True, slots=True)
class Naming:
    """What the labels say of a codec, and why it can't be decoded where it can't."""

    codec: Codec | None = None
    note: str | None = None


_SONY_NOTE = (
    "Sony's {} can be archived, copied and restored here but not decoded: develop it with Sony's RAW Viewer, Catalyst "
    "or command-line exporter to DPX or EXR, and go on with those."
)
_XOCN_NOTE = _SONY_NOTE.format("X-OCN")
_RAW_NOTE = _SONY_NOTE.format("RAW")
_ARRI_NOTE = (
    "{} can be archived, copied and restored here but not decoded: develop it with ARRI's Reference Tool (or art-cmd), "
    "and go on with what it writes."
)
_NO_DECODER = "There is no decoder for {} here; archiving, copying and restoring work, and whole frames can be cut out."

_CONTAINERS = {
    0x01: Naming(Codec("mpeg2", None, 8, True)),
    0x02: Naming(Codec("dv", None, 8, True)),
    0x04: Naming(Codec("mpeg2", None, 8)),
    0x05: Naming(Codec("uncompressed", None, None, True)),
    0x0C: Naming(Codec("jpeg2000", None, None, True)),
    0x0F: Naming(Codec("h264")),
    0x10: Naming(Codec("h264")),
    0x11: Naming(Codec("dnxhd", None, None, True)),
    0x12: Naming(Codec("vc1")),
    0x14: Naming(Codec("tiff", None, None, True)),
    0x15: Naming(Codec("vc2", None, None, True)),
    0x19: Naming(Codec("exr", "ACES", 16, True)),
    0x1B: Naming(Codec("cineform", None, None, True)),
    0x1C: Naming(Codec("prores_422", None, 10, True)),
    0x1E: Naming(Codec("uncompressed", "DNxUncompressed", None, True)),
    0x1F: Naming(Codec("h265")),
    0x20: Naming(Codec("h265")),
    0x21: Naming(Codec("jpegxs", None, None, True, decodable=False), _NO_DECODER.format("JPEG XS")),
    0x22: Naming(Codec("arriraw", None, None, True, decodable=False), _ARRI_NOTE.format("ARRIRAW")),
    0x23: Naming(Codec("ffv1")),
    0x24: Naming(Codec("vc6", None, None, True, decodable=False), _NO_DECODER.format("VC-6")),
}
"""By the mapping kind, byte 13 of a generic container label."""

_PRORES = {
    1: Codec("prores_422", "422 Proxy", 10, True),
    2: Codec("prores_422", "422 LT", 10, True),
    3: Codec("prores_422", "422", 10, True),
    4: Codec("prores_422", "422 HQ", 10, True),
    5: Codec("prores_4444", "4444", 12, True),
    6: Codec("prores_4444", "4444 XQ", 12, True),
}
_MPEG2 = {1: "Main", 2: "4:2:2", 3: "Main", 4: "4:2:2", 5: "Main", 6: "High", 7: "High", 8: "High"}
_AVC_INTRA = {
    0x20: ("High 10 Intra", 10),
    0x21: ("AVC-Intra 50", 10),
    0x30: ("High 4:2:2 Intra", None),
    0x31: ("AVC-Intra 100", 10),
    0x32: ("AVC-Intra 200", 10),
    0x40: ("High 4:4:4 Intra", None),
    0x50: ("CAVLC 4:4:4 Intra", None),
}
_AVC = {
    0x10: "Baseline",
    0x11: "Constrained Baseline",
    0x20: "Main",
    0x30: "Extended",
    0x40: "High",
    0x50: "High 10",
    0x60: "High 4:2:2",
    0x70: "High 4:4:4",
}
_DV = {1: "DV25", 2: "DVCPRO"}
_DVCPRO = {
    1: "DVCPRO",
    2: "DVCPRO",
    3: "DVCPRO50",
    4: "DVCPRO50",
    5: "DVCPRO HD",
    6: "DVCPRO HD",
    7: "DVCPRO HD",
    8: "DVCPRO HD",
}


def picture_codec(container: bytes, coding: bytes) -> Naming:
    """What an essence container label and a picture coding label (3201) say of the codec; the latter is preferred."""
    return _by_coding(coding) or _by_container(container) or Naming()


def _by_container(label: bytes) -> Naming | None:
    if label[:13] == _CONTAINER:
        return _CONTAINERS.get(label[13])
    if label[:14] == _AVID_CONTAINER:
        return Naming(Codec("dnxhd", None, None, True))
    if label[:13] == _SONY_CONTAINER:
        return _sony_raw(0x06 if label[13] == 2 else 0x04, 0)
    return None


def _sony_raw(family: int, variant: int) -> Naming | None:
    if family == 0x06:  # 06 is LT on all clips that were seen; for the others no sure name is known
        return Naming(Codec("xocn", "X-OCN LT" if variant == 0x06 else None, 16, True, decodable=False), _XOCN_NOTE)
    if family == 0x04:
        return Naming(Codec("sony_raw", None, 16, True, decodable=False), _RAW_NOTE)
    return None


def _by_coding(label: bytes) -> Naming | None:
    if label[:13] == _SONY_CODING:
        return _sony_raw(label[13], label[14])
    if label[:11] != _PICTURE_CODING:
        return None
    if label[11] == 1:
        if label[12] == 2:
            name = "ARRIRAW HDE" if label[14] == 2 else "ARRIRAW"
            bits = 13 if label[15] == 3 or (label[14], label[15]) == (2, 2) else 12
            return Naming(Codec("arriraw", name, bits, True, decodable=False), _ARRI_NOTE.format("ARRIRAW"))
        return Naming(Codec("uncompressed", None, None, True))
    if label[11] != 2:
        return None
    family, kind, profile = label[12], label[13], label[14]
    if family == 0x71:
        return Naming(Codec("dnxhd", None, None, True))
    if family == 0x01:
        return _mpeg_family(kind, profile)
    if family == 0x02:
        return Naming(Codec("dv", _DVCPRO.get(profile) if kind == 2 else _DV.get(kind), 8, True))
    if family == 0x03:
        return _single_picture(kind, profile)
    return None


def _mpeg_family(kind: int, profile: int) -> Naming | None:
    if kind in (0x31, 0x30):
        return Naming(Codec("h264", _AVC.get(profile) if kind == 0x31 else None))
    if kind == 0x32:
        name, bits = _AVC_INTRA.get(profile, (None, None))
        return Naming(Codec("h264", name, bits, True))
    if 0x40 <= kind <= 0x46:
        return Naming(Codec("h265", None, None, kind >= 0x44))
    if kind == 0x20:
        return Naming(Codec("mpeg4", None, 8))
    if kind == 0x10:
        return Naming(Codec("mpeg1", None, 8))
    if kind in _MPEG2 or kind == 9:
        return Naming(Codec("mpeg2", _MPEG2.get(kind), 8, kind == 2 and profile == 1))
    return None


def _single_picture(kind: int, profile: int) -> Naming | None:
    if kind == 6:
        return Naming(_PRORES.get(profile) or Codec("prores_422", None, None, True))
    if kind == 1:
        return Naming(Codec("jpeg2000", "HTJ2K" if profile == 8 else None, None, True))
    mapping_kind = {2: 0x14, 3: 0x15, 4: 0x19, 5: 0x1B, 7: 0x1E, 8: 0x21, 9: 0x23}.get(kind)
    return None if mapping_kind is None else _CONTAINERS[mapping_kind]


_COMPRESSED_SOUND = {
    (1, 1): "pcm_alaw",
    (1, 0x10): "dvaudio",
    (2, 1): "ac3",
    (2, 4): "mp2",
    (2, 5): "mp2",
    (2, 6): "mp2",
    (2, 0x1C): "dolby_e",
    (3, 1): "aac",
}
_MPEG_SOUND = {1: "mp2", 2: "mp2", 3: "aac", 4: "aac"}


def sound_codec(coding: bytes, bits: int) -> str | None:
    """The codec of a sound coding label (3D06, 16 zero bytes where absent): PCM unless it names another.

    `bits` are those in which a sample is stored, a multiple of 8. PCM in MXF is little-endian (ST 382), but for AIFF
    coding.
    """
    pcm = {8: "pcm_u8", 16: "pcm_s16le", 24: "pcm_s24le", 32: "pcm_s32le"}.get(bits)
    if not any(coding):
        return pcm
    if coding[:11] != _SOUND_CODING:
        return None
    if coding[11] == 1:
        return pcm.replace("le", "be") if pcm is not None and coding[12] == 0x7E else pcm
    if coding[11] == 2 and coding[12] == 3:
        return _COMPRESSED_SOUND.get((coding[13], coding[14]))
    if coding[11] == 2 and coding[12] == 4:
        return _MPEG_SOUND.get(coding[13])
    return None


def clip_wrapped(container: bytes) -> bool | None:
    """Whether a container label claims clip wrapping (True), frame wrapping (False), or says nothing (None).

    A claim only: FFmpeg labels its clip-wrapped OP-Atom as frame-wrapped.
    """
    if container[:13] != _CONTAINER:
        return None
    kind, first, second = container[13:16]
    if kind == 0x06:
        return {1: False, 2: True, 3: False, 4: True}.get(first)
    if kind in (0x04, 0x0F, 0x10, 0x1F, 0x20, 0x02):
        return {1: False, 2: True}.get(second)
    if kind == 0x05:
        return second % 4 == 2 if second else None
    if kind in (0x0C, 0x11, 0x15, 0x1E, 0x21, 0x23):
        return {1: False, 2: kind != 0x21, 3: kind == 0x21}.get(first)
    return {1: False}.get(first)
