"""What labels, descriptors and first frames say: codecs, formats without decoder, sizes, fields, colour, sound."""

from __future__ import annotations

import os
import struct
from fractions import Fraction
from pathlib import Path

import pytest

from film_archive.core.facts import MediaFacts
from film_archive.core.source import FileSource, MemorySource
from film_archive.media.bitstream.frame_header import read_frame_header
from film_archive.media.bitstream.h264 import sequence_parameters, stands_alone
from film_archive.media.mxf import MxfFile
from film_archive.media.mxf.colors import code_range
from film_archive.media.mxf.klv import normal, ul
from film_archive.media.mxf.labels import clip_wrapped, kind_of_track, pattern_name, picture_codec, sound_codec
from tests.media.mxf_building import (
    OP_ATOM,
    PICTURE_KEY,
    SOUND_KEY,
    UL,
    Packages,
    TrackMade,
    assemble,
    frame_wrap,
    picture_track,
    prores_frame,
    sound_track,
)
from tests.media.mxf_building import Part as Partition

NOTHING = bytes(16)


def facts_of(track: TrackMade, frame: bytes = bytes(100), *more: TrackMade, **packages: object) -> MediaFacts:
    made = Packages([track, *more], **packages)  # type: ignore[arg-type]
    units = frame_wrap([[(PICTURE_KEY, frame), *((SOUND_KEY, bytes(3840)) for _ in more)]] * 2)
    containers = (track.descriptor[0x3004],) if 0x3004 in track.descriptor else ()
    data = assemble(
        [
            Partition(2, made.header(), containers=containers),
            Partition(3, essence=units.data, body_sid=1, containers=containers),
            Partition(4, containers=containers),
        ]
    )
    return MxfFile.open(MemorySource(data, "clip.mxf")).facts()


def raw(container: str, coding: str) -> MediaFacts:
    items = {0x3004: bytes.fromhex(UL + "0401010d" + container), 0x3201: bytes.fromhex(UL + "0401010d" + coding)}
    return facts_of(picture_track(items=items))


def test_xocn_is_told_with_what_to_do() -> None:
    facts = raw("0e060d0302020100", "0e06040102060601")
    assert (facts.codec, facts.profile, facts.decodable, facts.frames) == ("xocn", "X-OCN LT", False, 2)
    assert facts.note is not None
    assert "exporter" in facts.note
    assert raw("0e060d0302020100", "0e06040102060501").profile is None


def test_sony_raw_and_arriraw() -> None:
    assert raw("0e060d0302010100", "0e06040102040201").codec == "sony_raw"
    facts = raw("0d01030102220100", "0401020102010103")
    assert (facts.codec, facts.profile, facts.bit_depth, facts.decodable) == ("arriraw", "ARRIRAW", 13, False)
    assert facts.note is not None
    assert "art-cmd" in facts.note
    assert raw("0d01030102220200", "0401020102010202").profile == "ARRIRAW HDE"


def test_unknown_essence_shows_its_labels() -> None:
    facts = raw("0e99010203040506", "0e99060504030201")
    assert (facts.codec, facts.decodable, facts.frames) == (None, False, 2)
    assert facts.note is not None
    assert "060e2b34040101000e99010203040506" in facts.note
    assert "060e2b34040101000e99060504030201" in facts.note


@pytest.mark.parametrize(
    ("container", "coding", "name", "profile"),
    [
        ("0d01030102106001", "0401020201323104", "h264", "AVC-Intra 100"),
        ("0d01030102106001", "0401020201322102", "h264", "AVC-Intra 50"),
        ("0d01030102106001", "0401020201323204", "h264", "AVC-Intra 200"),
        ("0d01030102106001", "0401020201323001", "h264", "High 4:2:2 Intra"),
        ("0d01030102106001", "0401020201316001", "h264", "High 4:2:2"),
        ("0d010301021c0100", "0401020203060100", "prores_422", "422 Proxy"),
        ("0d010301021c0100", "0401020203060200", "prores_422", "422 LT"),
        ("0d010301021c0100", "0401020203060300", "prores_422", "422"),
        ("0d010301021c0100", "0401020203060400", "prores_422", "422 HQ"),
        ("0d010301021c0100", "0401020203060500", "prores_4444", "4444"),
        ("0d010301021c0100", "0401020203060600", "prores_4444", "4444 XQ"),
        ("0d01030102110100", "0401020271010000", "dnxhd", None),
        ("0e04030102060203", "0000000000000000", "dnxhd", None),
        ("0d010301020c0100", "0401020203010101", "jpeg2000", None),
        ("0d010301020c0100", "0401020203010801", "jpeg2000", "HTJ2K"),
        ("0d01030102046001", "0401020201040300", "mpeg2", "4:2:2"),
        ("0d01030102010101", "0401020201020101", "mpeg2", "4:2:2"),
        ("0d01030102024002", "0401020202020200", "dv", "DVCPRO"),
        ("0d01030102025001", "0401020202020400", "dv", "DVCPRO50"),
        ("0d01030102026002", "0401020202020600", "dv", "DVCPRO HD"),
        ("0d010301021f6001", "0000000000000000", "h265", None),
        ("0d01030102057f01", "0401020101020201", "uncompressed", None),
        ("0d01030102230100", "0401020203090000", "ffv1", None),
        ("0d01030102210100", "0401020203080200", "jpegxs", None),
    ],
)
def test_codecs_by_their_labels(container: str, coding: str, name: str, profile: str | None) -> None:
    codec = picture_codec(ul(UL + "04010100" + container), ul(UL + "04010100" + coding)).codec
    assert codec is not None
    assert (codec.name, codec.profile) == (name, profile)


def test_intra_by_label() -> None:
    def intra(coding: str) -> bool:
        codec = picture_codec(NOTHING, ul(UL + "04010100" + coding)).codec
        assert codec is not None
        return codec.intra

    assert intra("0401020201323104")
    assert intra("0401020201020101")
    assert not intra("0401020201316001")
    assert not intra("0401020201040300")


def test_the_first_frame_is_right_where_labels_lie() -> None:
    items = {0x3004: bytes.fromhex(UL + "0401010a0d01030102110100"), 0x3201: NOTHING}
    facts = facts_of(picture_track(items=items), prores_frame(1))
    assert (facts.codec, facts.bit_depth) == ("prores_422", 10)
    assert any("labels say dnxhd, but the first frame is prores_422" in note for note in facts.diagnostics)


def test_avc_intra_without_parameter_sets_is_still_known() -> None:
    items = {
        0x3004: bytes.fromhex(UL + "0401010a0d01030102106001"),
        0x3201: bytes.fromhex(UL + "0401010a0401020201323104"),
    }
    facts = facts_of(picture_track(items=items), bytes.fromhex("0000000109100000000165888040") + bytes(80))
    assert (facts.codec, facts.profile, facts.bit_depth, facts.frames) == ("h264", "AVC-Intra 100", 10, 2)


def size_items(
    stored: tuple[int, int], sampled: tuple[int, int] | None, display: tuple[int, int] | None
) -> dict[int, bytes]:
    items = {}
    for (across, down), size in zip(
        ((0x3203, 0x3202), (0x3205, 0x3204), (0x3209, 0x3208)), (stored, sampled, display), strict=True
    ):
        if size is not None:
            items[across], items[down] = struct.pack(">I", size[0]), struct.pack(">I", size[1])
    return items


@pytest.mark.parametrize(
    ("stored", "sampled", "display", "layout", "size"),
    [
        ((1920, 1088), (1920, 1080), (1920, 1080), 0, (1920, 1080)),
        ((1920, 1088), (1920, 1080), None, 0, (1920, 1080)),
        ((1920, 1080), None, None, 0, (1920, 1080)),
        ((1920, 540), None, (1920, 540), 1, (1920, 1080)),
        ((1920, 540), None, None, 4, (1920, 1080)),
        ((1920, 1080), None, None, 3, (1920, 1080)),
    ],
)
def test_sizes(
    stored: tuple[int, int],
    sampled: tuple[int, int] | None,
    display: tuple[int, int] | None,
    layout: int,
    size: tuple[int, int],
) -> None:
    items = {**size_items(stored, sampled, display), 0x320C: bytes((layout,))}
    facts = facts_of(picture_track(items=items))
    assert (facts.width, facts.height) == size


def test_whole_frames_called_fields() -> None:
    items = {**size_items((1920, 1080), None, None), 0x320C: b"\1"}
    facts = facts_of(picture_track(items=items), prores_frame(1, width=1920, height=1080))
    assert facts.height == 1080
    assert any("frames have 1080 lines" in note for note in facts.diagnostics)


def line_map(first: int, second: int) -> bytes:
    return struct.pack(">IIii", 2, 4, first, second)


@pytest.mark.parametrize(
    ("items", "scan"),
    [
        ({0x320C: b"\0"}, "progressive"),
        ({0x320C: b"\4"}, "progressive"),
        ({0x320C: b"\1", 0x320D: line_map(21, 584)}, "tff"),
        ({0x320C: b"\3", 0x320D: line_map(21, 584)}, "tff"),
        ({0x320C: b"\1", 0x320D: line_map(21, 584), 0x3212: b"\2"}, "bff"),
        ({0x320C: b"\1", 0x320D: line_map(23, 285)}, "bff"),
        ({0x320C: b"\1", 0x320D: line_map(0, 0)}, "tff"),
        ({0x320C: b"\1"}, "tff"),
        ({0x320C: b"\x09"}, None),
    ],
)
def test_fields(items: dict[int, bytes], scan: str | None) -> None:
    assert facts_of(picture_track(items={**size_items((1920, 540), None, None), **items})).scan == scan


def test_the_frame_knows_its_fields_best() -> None:
    frame = bytearray(prores_frame(1))
    frame[20] |= 2 << 2
    assert facts_of(picture_track(), bytes(frame)).scan == "bff"


@pytest.mark.parametrize(
    ("size", "shape", "aspect"),
    [
        ((1920, 1080), (16, 9), Fraction(1)),
        ((1440, 1080), (16, 9), Fraction(4, 3)),
        ((720, 576), (16, 9), Fraction(64, 45)),
        ((4096, 2160), (17, 9), Fraction(1)),
        ((1920, 1080), (0, 1), None),
        ((1920, 1080), (-16, 9), None),
    ],
)
def test_pixel_aspect_comes_from_the_displays_shape(
    size: tuple[int, int], shape: tuple[int, int], aspect: Fraction | None
) -> None:
    items = {**size_items(size, None, None), 0x320E: struct.pack(">ii", *shape)}
    assert facts_of(picture_track(items=items)).pixel_aspect == aspect


def colored(transfer: str | None, matrix: str | None, primaries: str | None) -> MediaFacts:
    labels = {0x3210: transfer, 0x321A: matrix, 0x3219: primaries}
    items = {tag: bytes.fromhex(UL + "04010106" + label) for tag, label in labels.items() if label}
    return facts_of(picture_track(items=items))


def test_colour_labels_have_the_names_of_h273() -> None:
    color = colored("0401010101020000", "0401010102020000", "0401010103030000").color
    assert (color.transfer, color.matrix, color.primaries, color.space) == ("bt709", "bt709", "bt709", None)
    color = colored("04010101010a0000", "0401010102060000", "0401010103040000").color
    assert (color.transfer, color.matrix, color.primaries) == ("smpte2084", "bt2020nc", "bt2020")
    color = colored("04010101010b0000", None, "0401010103060000").color
    assert (color.transfer, color.matrix, color.primaries) == ("arib-std-b67", None, "smpte432")


def test_camera_logs_are_spaces_and_never_called_709() -> None:
    color = colored("0e06040101010605", "0401010102020000", "0e06040101030105").color
    assert (color.transfer, color.primaries, color.space) == (None, None, "S-Log3 S-Gamut3.Cine")
    assert colored("0e06040101010604", None, "0e06040101030104").color.space == "S-Log3 S-Gamut3"
    assert colored("04010101010f0000", None, "04010101030d0000").color.space == "V-Log V-Gamut"


def test_colour_labels_without_a_name_are_kept_in_a_sentence() -> None:
    facts = colored("0e06040101017777", None, None)
    assert facts.color.transfer is None
    assert any("0e06040101017777 (transfer)" in note for note in facts.diagnostics)


def test_a_label_in_the_wrong_place_is_not_believed() -> None:
    assert colored("0401010103030000", None, None).color.transfer is None


@pytest.mark.parametrize(
    ("bits", "black", "white", "name"),
    [
        (8, 16, 235, "limited"),
        (10, 64, 940, "limited"),
        (12, 256, 3760, "limited"),
        (8, 0, 255, "full"),
        (10, 0, 1023, "full"),
        (10, 16, 235, None),
        (None, 16, 235, None),
        (10, None, 940, None),
    ],
)
def test_code_range(bits: int | None, black: int | None, white: int | None, name: str | None) -> None:
    assert code_range(bits, black, white) == name


def test_depth_of_rgba_is_in_its_layout() -> None:
    items = {
        0x3004: bytes.fromhex(UL + "0401010a0d010301020c0100"),
        0x3201: NOTHING,
        0x3301: b"",
        0x3401: b"R\x0cG\x0cB\x0c\0\0",
    }
    assert facts_of(picture_track(items=items)).bit_depth == 12


@pytest.mark.parametrize(
    ("channels", "bits", "codec", "frame_bytes"),
    [
        (1, 16, "pcm_s16le", 2),
        (2, 24, "pcm_s24le", 6),
        (8, 24, "pcm_s24le", 24),
        (1, 32, "pcm_s32le", 4),
        (1, 20, "pcm_s24le", 3),
    ],
)
def test_sound(channels: int, bits: int, codec: str, frame_bytes: int) -> None:
    track = sound_track(channels, bits)
    track.descriptor[0x3D0A] = struct.pack(">H", frame_bytes)
    facts = facts_of(picture_track(), prores_frame(0), track)
    assert [(one.codec, one.channels, one.bits) for one in facts.audio] == [(codec, channels, bits)]
    assert facts.audio[0].samples == 2 * (3840 // frame_bytes)
    assert facts.audio[0].layout == ("mono" if channels == 1 else None)


def test_coded_sound_is_not_counted_in_samples() -> None:
    track = sound_track()
    track.descriptor[0x3D06] = bytes.fromhex(UL + "040101010402020203021c00")
    facts = facts_of(picture_track(), prores_frame(0), track)
    assert (facts.audio[0].codec, facts.audio[0].samples) == ("dolby_e", None)


def test_sound_codecs() -> None:
    assert sound_codec(NOTHING, 24) == "pcm_s24le"
    assert sound_codec(ul(UL + "04010100040202017e000000"), 16) == "pcm_s16be"
    assert sound_codec(ul(UL + "04010100040202017f000000"), 16) == "pcm_s16le"
    assert sound_codec(ul(UL + "040101000402020203010100"), 8) == "pcm_alaw"
    assert sound_codec(ul(UL + "040101000402020204040000"), 16) == "aac"
    assert sound_codec(ul(UL + "040101000e99000000000000"), 16) is None


def test_writer_pattern_and_date() -> None:
    packages = {"created": struct.pack(">HBBBBBB", 2024, 9, 12, 8, 30, 15, 125)}
    facts = facts_of(picture_track(), prores_frame(0), **packages)
    assert facts.created == "2024-09-12T08:30:15.500Z"
    assert facts.camera["writer"] == "Tester Writer 1.0"
    assert facts.camera["operational_pattern"] == "OP1a"
    broken = facts_of(picture_track(), prores_frame(0), created=struct.pack(">HBBBBBB", 2024, 13, 12, 8, 30, 15, 0))
    assert broken.created is None


def test_patterns() -> None:
    assert pattern_name(normal(OP_ATOM)) == "OP-Atom"
    assert pattern_name(ul(UL + "04010100 0d010201 02030900")) == "OP2c"
    assert pattern_name(NOTHING) is None


def test_wrapping_claims() -> None:
    def claim(label: str) -> bool | None:
        return clip_wrapped(ul(UL + "04010100" + label))

    assert claim("0d01030102060400") is True
    assert claim("0d01030102060300") is False
    assert claim("0d01030102106002") is True
    assert claim("0d01030102110100") is False
    assert claim("0d010301027f0100") is None or claim("0d010301027f0100") is False
    assert claim("0e04030102060203") is None


def test_kinds_of_tracks() -> None:
    assert kind_of_track(ul("807d0060 08143e6f 6f3c8ce1 6cef11d2")) == "picture"
    assert kind_of_track(NOTHING) == "other"


def test_headers_that_are_cut_off_say_nothing() -> None:
    whole = {
        "prores": prores_frame(0),
        "jpeg2000": bytes.fromhex("ff4fff51002f0000")
        + struct.pack(">IIII", 64, 48, 0, 0)
        + bytes(16)
        + bytes((0, 3, 9, 1, 1)) * 3,
        "mpeg2": bytes.fromhex("000001b3100090ffffe0")
        + bytes(4)
        + bytes.fromhex("000001b51482000100000001b58ffff79d80"),
        "avc": bytes.fromhex("00000001677a1029b6d4073811e4f01e08d14000000003"),
    }
    for name, frame in whole.items():
        for length in range(len(frame)):
            read_frame_header(frame[:length])
        assert name == "avc" or read_frame_header(frame) is not None


def test_parameter_sets_and_slices() -> None:
    # High 4:2:2 Intra, 1920x1080 frames of 10 bits, cropped from 1088 lines
    bits = "".join(
        (
            f"{122:08b}{0x10:08b}{41:08b}",
            ue(0) + ue(2) + ue(2) + ue(2) + "0" + "0",
            ue(0) + ue(2) + ue(0) + "0" + ue(119) + ue(67) + "1" + "1",
            "1" + ue(0) + ue(0) + ue(0) + ue(8) + "0" + "1",
        )
    )
    unit = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    parameters = sequence_parameters(unit)
    assert parameters is not None
    assert (parameters.width, parameters.height, parameters.frames_only) == (1920, 1080, True)
    assert (parameters.codec.profile, parameters.codec.bit_depth, parameters.codec.intra) == (
        "High 4:2:2 Intra",
        10,
        True,
    )
    assert all(sequence_parameters(unit[:length]) is None for length in range(len(unit) - 1))
    assert sequence_parameters(bytes(40)) is None
    assert stands_alone(bytes.fromhex("0000000165b80400")) is True
    assert stands_alone(bytes.fromhex("00000001419a0400")) is False
    assert stands_alone(bytes.fromhex("0000000141b80400")) is True
    assert stands_alone(bytes(50)) is None


def ue(value: int) -> str:
    return f"{value + 1:b}".rjust(2 * (value + 1).bit_length() - 1, "0")


def test_a_header_from_the_wild() -> None:
    """ExifTool's test image: a sound-only header by MXFLib with next to no essence behind it."""
    shared = Path(os.environ.get("FILM_ARCHIVE_SHARED", Path(__file__).parents[3] / "shared"))
    path = shared / "corpus/media/exiftool__exiftool/MXF.mxf"
    if not path.is_file():
        pytest.skip("the shared corpus is not here; set FILM_ARCHIVE_SHARED to its folder")
    with FileSource(path) as source:
        facts = MxfFile.open(source).facts()
    assert (facts.container, facts.codec, facts.frames) == ("mxf", "pcm_u8", None)
    assert [(one.channels, one.sample_rate, one.bits, one.samples) for one in facts.audio] == [(1, 7872, 8, 0)]
    assert facts.created == "2010-12-20T00:14:40.224Z"
    assert facts.camera["writer"].startswith("Phil Harvey ExifTool")
