"""Names of codecs: what a probe may answer, and how each is recognised in a QuickTime or MP4 sample description.

`VideoCodec` in the seeds' models has the same values. A profile is written as people in the trade write it ("422 HQ",
"HQX", "High 4:2:2 Intra").
"""

from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec and, where it says so, its profile and bit depth."""

    name: str
    profile: str | None = None
    bit_depth: int | None = None
    intra: bool = False
    """Whether every frame always stands alone."""
    decodable: bool = True


_PRORES = {
    b"apco": Codec("prores_422", "422 Proxy", 10, True),
    b"apcs": Codec("prores_422", "422 LT", 10, True),
    b"apcn": Codec("prores_422", "422", 10, True),
    b"apch": Codec("prores_422", "422 HQ", 10, True),
    b"ap4h": Codec("prores_4444", "4444", 12, True),
    b"ap4x": Codec("prores_4444", "4444 XQ", 12, True),
    b"aprn": Codec("prores_raw", "RAW", 12, True),
    b"aprh": Codec("prores_raw", "RAW HQ", 12, True),
}

VIDEO_FOURCC: dict[bytes, Codec] = {
    **_PRORES,
    b"AVdn": Codec("dnxhd", None, None, True),
    b"AVdh": Codec("dnxhr", None, None, True),
    b"avc1": Codec("h264"),
    b"avc3": Codec("h264"),
    b"hvc1": Codec("h265"),
    b"hev1": Codec("h265"),
    b"ai12": Codec("h264", "AVC-Intra 100", 10, True),
    b"ai13": Codec("h264", "AVC-Intra 100", 10, True),
    b"ai15": Codec("h264", "AVC-Intra 100", 10, True),
    b"ai16": Codec("h264", "AVC-Intra 100", 10, True),
    b"ai52": Codec("h264", "AVC-Intra 50", 10, True),
    b"ai53": Codec("h264", "AVC-Intra 50", 10, True),
    b"ai55": Codec("h264", "AVC-Intra 50", 10, True),
    b"ai56": Codec("h264", "AVC-Intra 50", 10, True),
    b"jpeg": Codec("mjpeg", None, 8, True),
    b"mjpa": Codec("mjpeg", None, 8, True),
    b"mjpb": Codec("mjpeg", None, 8, True),
    b"mjp2": Codec("jpeg2000", None, None, True),
    b"png ": Codec("png", None, None, True),
    b"CFHD": Codec("cineform", None, None, True),
    b"v210": Codec("uncompressed", "v210", 10, True),
    b"2vuy": Codec("uncompressed", "2vuy", 8, True),
    b"r210": Codec("uncompressed", "r210", 10, True),
    b"raw ": Codec("uncompressed", "raw", 8, True),
    b"rle ": Codec("animation", None, 8),
    b"dvc ": Codec("dv", "NTSC", 8, True),
    b"dvcp": Codec("dv", "PAL", 8, True),
    b"dv5n": Codec("dv", "DVCPRO50", 8, True),
    b"dv5p": Codec("dv", "DVCPRO50", 8, True),
    b"dvh5": Codec("dv", "DVCPRO HD", 8, True),
    b"dvh6": Codec("dv", "DVCPRO HD", 8, True),
    b"mp4v": Codec("mpeg4", None, 8),
    b"m2v1": Codec("mpeg2", None, 8),
    b"xdvb": Codec("mpeg2", "XDCAM EX", 8),
    b"xdvc": Codec("mpeg2", "XDCAM EX", 8),
    b"xd5b": Codec("mpeg2", "XDCAM HD422", 8),
    b"xd5e": Codec("mpeg2", "XDCAM HD422", 8),
    b"vp09": Codec("vp9"),
    b"av01": Codec("av1"),
    b"BRAW": Codec("braw", decodable=False),
    b"CRAW": Codec("crm", decodable=False),
}

AUDIO_FOURCC: dict[bytes, str] = {
    b"twos": "pcm_s16be",
    b"sowt": "pcm_s16le",
    b"in24": "pcm_s24be",
    b"in32": "pcm_s32be",
    b"fl32": "pcm_f32be",
    b"fl64": "pcm_f64be",
    b"raw ": "pcm_u8",
    b"lpcm": "pcm",
    b"ipcm": "pcm",
    b"fpcm": "pcm",
    b"mp4a": "aac",
    b"ac-3": "ac3",
    b"ec-3": "eac3",
    b"alac": "alac",
    b"fLaC": "flac",
    b"Opus": "opus",
    b".mp3": "mp3",
    b"ulaw": "pcm_mulaw",
    b"alaw": "pcm_alaw",
    b"ima4": "adpcm_ima",
}

_H264_PROFILES = {66: "Baseline", 77: "Main", 88: "Extended", 100: "High", 110: "High 10", 122: "High 4:2:2", 244: "High 4:4:4"}
_H265_PROFILES = {1: "Main", 2: "Main 10", 3: "Main Still Picture", 4: "Range Extensions"}

# SMPTE ST 2019-1 (VC-3) compression IDs: name, bit depth.
_DNX_IDS = {
    1235: ("DNxHD 220x", 10),
    1237: ("DNxHD 145", 8),
    1238: ("DNxHD 220", 8),
    1241: ("DNxHD 220x", 10),
    1242: ("DNxHD 145", 8),
    1243: ("DNxHD 220", 8),
    1244: ("DNxHD 145 TR", 8),
    1250: ("DNxHD 90x", 10),
    1251: ("DNxHD 90", 8),
    1252: ("DNxHD 60", 8),
    1253: ("DNxHD 36", 8),
    1256: ("DNxHD 444", 10),
    1258: ("DNxHD 100 TR", 8),
    1259: ("DNxHD 85 TR", 8),
    1260: ("DNxHD 145 TR", 8),
    1270: ("DNxHR 444", None),
    1271: ("DNxHR HQX", None),
    1272: ("DNxHR HQ", 8),
    1273: ("DNxHR SQ", 8),
    1274: ("DNxHR LB", 8),
}


def h264_codec(profile: int, constraints: int, bit_depth: int | None = None) -> Codec:
    """The codec of an H.264 profile_idc and its constraint flags (ITU-T H.264, A.2; constraint_set3 = 0x10 is intra)."""
    intra = bool(constraints & 0x10) and profile in (110, 122, 244) or profile == 44
    name = "CAVLC 4:4:4 Intra" if profile == 44 else _H264_PROFILES.get(profile)
    if intra and profile != 44 and name is not None:
        name += " Intra"
    return Codec("h264", name, bit_depth or (8 if profile < 110 else None), intra)


def h265_codec(profile: int, bit_depth: int | None = None) -> Codec:
    """The codec of an HEVC general_profile_idc (ITU-T H.265, A.3)."""
    return Codec("h265", _H265_PROFILES.get(profile), bit_depth or {1: 8, 2: 10, 3: 8}.get(profile))


def dnx_codec(frame: bytes) -> Codec | None:
    """The codec of a VC-3 frame from its header (ST 2019-1: prefix 00 00 02 80 0x, compression ID at byte 40)."""
    if len(frame) < 44 or frame[:4] not in (b"\x00\x00\x02\x80", b"\x00\x00\x03\x8c"):
        return None
    compression_id = struct.unpack_from(">I", frame, 40)[0]
    name, bits = _DNX_IDS.get(compression_id, (None, None))
    if bits is None:
        bits = {1: 8, 2: 10, 3: 12}.get(frame[33] >> 5)
    family = "dnxhr" if 1270 <= compression_id <= 1274 else "dnxhd"
    return Codec(family, name, bits, True)
