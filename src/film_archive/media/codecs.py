"""Names of codecs: what a probe may answer, and how each is recognised in a QuickTime or MP4 sample description.

`VideoCodec` in the seeds' models has the same values. A profile is written as people in the trade write it ("422 HQ",
"HQX", "High 4:2:2 Intra").
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction


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
    b"dva1": Codec("h264"),
    b"dvav": Codec("h264"),
    b"dvh1": Codec("h265"),
    b"dvhe": Codec("h265"),
    **{b"ai1" + end: Codec("h264", "AVC-Intra 100", 10, True) for end in (b"p", b"q", b"2", b"3", b"5", b"6")},
    **{b"ai5" + end: Codec("h264", "AVC-Intra 50", 10, True) for end in (b"p", b"q", b"2", b"3", b"5", b"6")},
    b"aivx": Codec("h264", "XAVC Intra", 10, True),
    b"xalg": Codec("h264", "XAVC Long GOP"),
    b"avlg": Codec("h264", "AVC-LongG"),
    b"jpeg": Codec("mjpeg", None, 8, True),
    b"mjpa": Codec("mjpeg", None, 8, True),
    b"mjpb": Codec("mjpeg", None, 8, True),
    b"mjp2": Codec("jpeg2000", None, None, True),
    b"png ": Codec("png", None, None, True),
    b"CFHD": Codec("cineform", None, None, True),
    b"v210": Codec("uncompressed", "v210", 10, True),
    b"v216": Codec("uncompressed", "v216", 16, True),
    b"v308": Codec("uncompressed", "v308", 8, True),
    b"v408": Codec("uncompressed", "v408", 8, True),
    b"v410": Codec("uncompressed", "v410", 10, True),
    b"2vuy": Codec("uncompressed", "2vuy", 8, True),
    b"yuv2": Codec("uncompressed", "yuv2", 8, True),
    b"yuvs": Codec("uncompressed", "yuvs", 8, True),
    b"r210": Codec("uncompressed", "r210", 10, True),
    b"R10k": Codec("uncompressed", "R10k", 10, True),
    b"b48r": Codec("uncompressed", "b48r", 16, True),
    b"b64a": Codec("uncompressed", "b64a", 16, True),
    b"raw ": Codec("uncompressed", "raw", 8, True),
    b"rle ": Codec("animation", None, 8),
    b"dvc ": Codec("dv", "NTSC", 8, True),
    b"dvcp": Codec("dv", "PAL", 8, True),
    b"dvpp": Codec("dv", "DVCPRO", 8, True),
    b"dv5n": Codec("dv", "DVCPRO50", 8, True),
    b"dv5p": Codec("dv", "DVCPRO50", 8, True),
    **{b"dvh" + end: Codec("dv", "DVCPRO HD", 8, True) for end in (b"2", b"3", b"4", b"5", b"6", b"p", b"q")},
    b"mp4v": Codec("mpeg4", None, 8),
    b"m2v1": Codec("mpeg2", None, 8),
    **{b"hdv" + end.encode(): Codec("mpeg2", "HDV", 8) for end in "123456789a"},
    **{b"mx5" + end: Codec("mpeg2", "IMX 50", 8, True) for end in (b"n", b"p")},
    **{b"mx4" + end: Codec("mpeg2", "IMX 40", 8, True) for end in (b"n", b"p")},
    **{b"mx3" + end: Codec("mpeg2", "IMX 30", 8, True) for end in (b"n", b"p")},
    **{b"xdv" + end.encode(): Codec("mpeg2", "XDCAM HD", 8) for end in "23678"},
    **{b"xdv" + end.encode(): Codec("mpeg2", "XDCAM EX", 8) for end in "1459abcdef"},
    **{b"xd5" + end.encode(): Codec("mpeg2", "XDCAM HD422", 8) for end in "1459abcdef"},
    b"vp09": Codec("vp9"),
    b"av01": Codec("av1"),
    b"apv1": Codec("apv", None, None, True),
    **{
        kind: Codec("braw", intra=True, decodable=False)
        for kind in (b"brst", b"brhq", b"brlt", b"brvl", b"brvm", b"brvn", b"brxq", b"brxh", b"brs2", b"blrv", b"braw", b"BRAW")
    },
    b"CRAW": Codec("crm", intra=True, decodable=False),
}

AUDIO_FOURCC: dict[bytes, str] = {
    b"twos": "pcm_s16be",
    b"sowt": "pcm_s16le",
    b"in24": "pcm_s24be",
    b"in32": "pcm_s32be",
    b"fl32": "pcm_f32be",
    b"fl64": "pcm_f64be",
    b"raw ": "pcm_u8",
    b"NONE": "pcm_u8",
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
    b"ms\x00\x55": "mp3",
    b"ulaw": "pcm_mulaw",
    b"alaw": "pcm_alaw",
    b"ima4": "adpcm_ima",
    b"ms\x00\x02": "adpcm_ms",
    b"ms\x00\x11": "adpcm_ima",
    b"MAC3": "mace3",
    b"MAC6": "mace6",
    b"QDM2": "qdm2",
    b"samr": "amr_nb",
    b"apac": "apac",
    b"sawb": "amr_wb",
    b"dtsc": "dts",
}

_H264_PROFILES = {
    66: "Baseline",
    77: "Main",
    88: "Extended",
    100: "High",
    110: "High 10",
    122: "High 4:2:2",
    244: "High 4:4:4",
}
_H265_PROFILES = {1: "Main", 2: "Main 10", 3: "Main Still Picture", 4: "Range Extensions"}

# SMPTE ST 2019-1 (VC-3) compression IDs of DNxHD: bit depth, bytes a frame, what follows the number in the trade's
# name, and the numbers themselves, which are rounded megabits a second and so depend on the rate ("DNxHD 145" at
# 29.97 is 120 at 25).
_DNXHD_IDS: dict[int, tuple[int, int, str, tuple[int, ...]]] = {
    1235: (10, 917504, "x", (175, 185, 220, 365, 440)),
    1237: (8, 606208, "", (115, 120, 145, 240, 290)),
    1238: (8, 917504, "", (175, 185, 220, 365, 440)),
    1241: (10, 917504, "x", (175, 185, 220)),
    1242: (8, 606208, "", (115, 120, 145)),
    1243: (8, 917504, "", (175, 185, 220)),
    1244: (8, 606208, " TR", (120, 145)),
    1250: (10, 458752, "x", (90, 110, 175, 220)),
    1251: (8, 458752, "", (90, 110, 175, 220)),
    1252: (8, 303104, "", (60, 75, 115, 145)),
    1253: (8, 188416, "", (36, 45, 75, 90)),
    1256: (10, 1835008, "x 444", (350, 365, 440, 730, 880)),
    1258: (8, 212992, " TR", (42, 60, 75, 115)),
    1259: (8, 417792, " TR", (80, 85, 100, 170, 200)),
    1260: (8, 417792, " TR", (80, 85, 100)),
}

# … and of DNxHR, whose depth is in the frame header where it is not always 8.
_DNXHR_IDS: dict[int, tuple[str, int | None]] = {
    1270: ("DNxHR 444", None),
    1271: ("DNxHR HQX", None),
    1272: ("DNxHR HQ", 8),
    1273: ("DNxHR SQ", 8),
    1274: ("DNxHR LB", 8),
}


def h264_codec(profile: int, constraints: int, bit_depth: int | None = None) -> Codec:
    """The codec of an H.264 profile_idc and its constraint flags (H.264, A.2; constraint_set3, 0x10, is intra)."""
    intra = (bool(constraints & 0x10) and profile in (110, 122, 244)) or profile == 44
    name = "CAVLC 4:4:4 Intra" if profile == 44 else _H264_PROFILES.get(profile)
    if intra and profile != 44 and name is not None:
        name += " Intra"
    return Codec("h264", name, bit_depth or (8 if profile < 110 else None), intra)


def h265_codec(
    profile: int, bit_depth: int | None = None, chroma: int | None = None, *, intra: bool = False
) -> Codec:
    """The codec of an HEVC general_profile_idc (ITU-T H.265, A.3); `chroma` is chroma_format_idc.

    The range extensions (profile 4) are told apart as the standard names them: "Main 4:2:2 10", "Main 4:4:4 12 Intra".
    """
    name = _H265_PROFILES.get(profile)
    if profile == 4 and bit_depth is not None and chroma is not None:
        sampling = {0: ["Monochrome"], 2: ["Main 4:2:2"], 3: ["Main 4:4:4"]}.get(chroma, ["Main"])
        name = " ".join(sampling + ([str(bit_depth)] if bit_depth > 8 else []) + (["Intra"] if intra else []))
    return Codec("h265", name, bit_depth or {1: 8, 2: 10, 3: 8}.get(profile), intra and profile == 4)


def dnx_codec(frame: bytes, rate: Fraction | None = None) -> Codec | None:
    """The codec of a VC-3 frame from its header (ST 2019-1: header prefix, compression ID at byte 40), or None.

    DNxHD is named by its bit rate, which takes the frame rate; without one it is named as at 29.97 (59.94 for 720
    lines).
    """
    if len(frame) < 44 or not _is_vc3_prefix(frame):
        return None
    compression_id = struct.unpack_from(">I", frame, 40)[0]
    coded_bits = {1: 8, 2: 10, 3: 12}.get(frame[33] >> 5)
    if compression_id in _DNXHD_IDS:
        bits, size, suffix, numbers = _DNXHD_IDS[compression_id]
        usual = Fraction(60000 if compression_id in (1250, 1251, 1252, 1258) else 30000, 1001)
        megabits = size * 8 * (rate or usual) / 1_000_000
        return Codec("dnxhd", f"DNxHD {min(numbers, key=lambda number: abs(number - megabits))}{suffix}", bits, True)
    name, known_bits = _DNXHR_IDS.get(compression_id, (None, None))
    return Codec("dnxhd" if name is None else "dnxhr", name, known_bits or coded_bits, True)


def _is_vc3_prefix(frame: bytes) -> bool:
    """ST 2019-1: the length of the header as four bytes, then 1 or 2 (DNxHD) or 3 (DNxHR)."""
    header, version = int.from_bytes(frame[:4], "big"), frame[4]
    if version in (1, 2):
        return header == 0x280
    return version == 3 and 0x280 <= header <= 0x2170 and header % 4 == 0
