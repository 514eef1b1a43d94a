"""Sample descriptions of picture and sound."""

import struct
from fractions import Fraction

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.errors import Damaged
from film_archive.media.bitstream.bits import UnreadableError
from film_archive.media.bitstream.h264 import h264_facts
from film_archive.media.bitstream.h265 import h265_facts
from film_archive.media.mov.atoms import Atom, Notes
from film_archive.media.mov.descriptions import object_type, picture_facts
from film_archive.media.mov.sound import sound_facts
from tests.media.mov_building import (
    IDENTITY,
    atom,
    full,
    movie,
    opened,
    pcm,
    picture_entry,
    sound_entry,
    sound_entry_v2,
    video,
)


def entry(data: bytes) -> Atom:
    return Atom(data[4:8], 0, 8, memoryview(data), "clip.mov")


def picture(*extensions: bytes, fourcc: bytes = b"apch"):
    return picture_facts(entry(picture_entry(fourcc, 1920, 1080, *extensions)), Notes())


def sound(data: bytes, timescale: int = 48000, **options):
    return sound_facts(entry(data), timescale, Notes(), **options)


def nclc(*numbers):
    return atom(b"colr", b"nclc", struct.pack(">3H", *numbers))


def nclx(*numbers, full_range=False):
    return atom(b"colr", b"nclx", struct.pack(">3HB", *numbers, 0x80 if full_range else 0))


# Picture


@pytest.mark.parametrize(
    ("fourcc", "name", "profile", "bits"),
    [
        (b"apco", "prores_422", "422 Proxy", 10),
        (b"apcs", "prores_422", "422 LT", 10),
        (b"apcn", "prores_422", "422", 10),
        (b"apch", "prores_422", "422 HQ", 10),
        (b"ap4h", "prores_4444", "4444", 12),
        (b"ap4x", "prores_4444", "4444 XQ", 12),
        (b"xd5b", "mpeg2", "XDCAM HD422", 8),
        (b"ai15", "h264", "AVC-Intra 100", 10),
        (b"v210", "uncompressed", "v210", 10),
        (b"brxq", "braw", None, None),
    ],
)
def test_codecs(fourcc, name, profile, bits):
    codec = picture(fourcc=fourcc).codec
    assert (codec.name, codec.profile, codec.bit_depth) == (name, profile, bits)


def test_a_codec_that_is_not_known():
    facts = opened(movie(video(entries=[picture_entry(b"XyZ1")]))).facts()
    assert facts.codec == "xyz1"
    assert any("'XyZ1' is not one that is known" in note for note in facts.diagnostics)


def test_media_that_can_be_kept_but_not_decoded():
    facts = opened(movie(video(entries=[picture_entry(b"brhq")]))).facts()
    assert (facts.codec, facts.decodable) == ("braw", False)
    assert facts.note is not None
    assert "maker's software" in facts.note
    assert facts.frames == 6


def test_encrypted_media():
    scheme = atom(b"sinf", atom(b"frma", b"avc1"), full(b"schm", b"cenc"))
    facts = opened(movie(video(entries=[picture_entry(b"encv", 64, 48, scheme)]))).facts()
    assert (facts.codec, facts.decodable) == ("h264", False)
    assert facts.note is not None
    assert "encrypted" in facts.note


@pytest.mark.parametrize(
    ("colr", "tags"),
    [
        (nclc(1, 1, 1), ("bt709", "bt709", "bt709", None)),
        (nclc(9, 16, 9), ("bt2020", "smpte2084", "bt2020nc", None)),
        (nclx(9, 18, 9), ("bt2020", "arib-std-b67", "bt2020nc", "limited")),
        (nclx(12, 13, 0, full_range=True), ("smpte432", "iec61966-2-1", "gbr", "full")),
        (nclc(2, 2, 2), (None, None, None, None)),
        (nclc(0, 77, 65535), (None, None, None, None)),
        (atom(b"colr", b"prof", bytes(40)), (None, None, None, None)),
        (atom(b"colr", b"nc"), (None, None, None, None)),
    ],
)
def test_colour_tags(colr, tags):
    color = picture(colr).color
    assert (color.primaries, color.transfer, color.matrix, color.range) == tags


@pytest.mark.parametrize(
    ("fields", "scan"),
    [((1, 0), "progressive"), ((2, 1), "tff"), ((2, 6), "bff"), ((2, 9), "tff"), ((2, 14), "bff"), ((2, 0), None),
     ((3, 1), None)],
)  # fmt: skip
def test_fields(fields, scan):
    assert picture(atom(b"fiel", bytes(fields))).scan == scan


@pytest.mark.parametrize(("pasp", "ratio"), [((2, 1), 2), ((10, 11), Fraction(10, 11)), ((0, 1), None), ((1, 0), None)])
def test_pixel_aspect(pasp, ratio):
    assert picture(atom(b"pasp", struct.pack(">II", *pasp))).pixel_aspect == ratio


@pytest.mark.parametrize(
    ("display", "extensions", "ratio"),
    [
        ((64, 48), (), 1),
        ((128, 48), (), 2),
        ((0, 0), (), None),
        ((640, 480), (atom(b"clap", struct.pack(">8i", 704, 1, 480, 1, 0, 1, 0, 1)),), Fraction(10, 11)),
        ((128, 48), (atom(b"pasp", struct.pack(">II", 4, 3)),), Fraction(4, 3)),
        ((64, 48), (atom(b"clap", struct.pack(">8i", 704, 0, 480, 1, 0, 1, 0, 1)),), 1),
    ],
)
def test_pixel_aspect_from_the_size_shown(display, extensions, ratio):
    plan = video(display=display, entries=[picture_entry(b"jpeg", 64, 48, *extensions)])
    assert opened(movie(plan)).facts().pixel_aspect == ratio


@pytest.mark.parametrize(("turn", "degrees"), [((0, 1, -1, 0), 90), ((-1, 0, 0, -1), 180), ((0, -1, 1, 0), 270)])
def test_rotation_is_noted(turn, degrees):
    a, b, c, d = (number << 16 if number > 0 else -(-number << 16) for number in turn)
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    facts = opened(movie(video(matrix=matrix))).facts()
    assert (facts.width, facts.height) == (64, 48)
    assert any(f"by {degrees} degrees" in note for note in facts.diagnostics)
    assert not any("degrees" in note for note in opened(movie(video(matrix=IDENTITY))).facts().diagnostics)


def test_extensions_may_end_in_anything():
    for tail in (bytes(4), b"\1\2\3", struct.pack(">I4s", 4, b"junk"), struct.pack(">I4s", 9999, b"junk")):
        assert picture(nclc(1, 1, 1), tail).color.primaries == "bt709"


def test_an_entry_too_short_for_its_size():
    with pytest.raises(Damaged, match="apch"):
        picture_facts(entry(atom(b"apch", bytes(20))), Notes())


def prores_frame(width=64, height=48, interlace=0, colours=(1, 1, 1), chroma=2):
    header = struct.pack(">HxB4sHHBBBBB", 20, 0, b"apl0", width, height, chroma << 6 | interlace << 2, 0, *colours)
    return struct.pack(">I4s", 600, b"icpf") + header + bytes(600 - 8 - len(header))


@pytest.mark.parametrize(("interlace", "scan"), [(0, "progressive"), (1, "tff"), (2, "bff"), (3, None)])
def test_what_a_prores_frame_says(interlace, scan):
    plan = video(1, entries=[picture_entry(b"apch")])
    plan.chunks = [[prores_frame(interlace=interlace, colours=(9, 16, 9))]]
    facts = opened(movie(plan)).facts()
    assert facts.scan == scan
    assert (facts.color.primaries, facts.color.transfer, facts.color.matrix) == ("bt2020", "smpte2084", "bt2020nc")
    assert facts.diagnostics == ()


def test_a_prores_frame_that_disagrees():
    extensions = (atom(b"fiel", b"\1\0"), nclc(1, 1, 1))
    plan = video(1, entries=[picture_entry(b"apch", 1920, 1080, *extensions)])
    plan.chunks = [[prores_frame(interlace=1, colours=(9, 16, 9))]]
    facts = opened(movie(plan)).facts()
    assert facts.scan == "progressive"
    assert facts.color.primaries == "bt709"
    assert any("the description says progressive, the first frame tff" in note for note in facts.diagnostics)
    assert any("the description says 1920x1080, the first frame is 64x48" in note for note in facts.diagnostics)


@pytest.mark.parametrize(
    ("detail", "interlace", "scan", "told"),
    [(9, 1, "tff", None), (14, 2, "bff", None), (9, 2, "bff", "frame"), (14, 1, "tff", "frame"), (9, 0, "tff", "description"),
     (1, 2, "tff", "description"), (6, 1, "bff", "description")],
)  # fmt: skip
def test_a_prores_frame_s_word_on_the_order_of_fields(detail, interlace, scan, told):
    """9 and 14 are read in two ways, so the frame is believed; what is plain is not overruled by how the frame was coded."""
    plan = video(1, entries=[picture_entry(b"apch", 64, 48, atom(b"fiel", bytes((2, detail))))])
    plan.chunks = [[prores_frame(interlace=interlace)]]
    facts = opened(movie(plan)).facts()
    assert facts.scan == scan
    assert [note.rpartition("; ")[2] for note in facts.diagnostics] == ([] if told is None else [f"the {told} is told"])


def test_a_first_frame_that_is_none():
    facts = opened(movie(video(entries=[picture_entry(b"apch")]))).facts()
    assert any("doesn't begin like a frame of prores_422" in note for note in facts.diagnostics)


def dnx_frame(cid, width, lines, flags=0, version=1, bits=1):
    frame = bytearray(640)
    frame[0:5] = struct.pack(">IB", 0x280, version)
    frame[5] = flags
    struct.pack_into(">HH", frame, 24, lines, width)
    frame[33] = bits << 5
    struct.pack_into(">I", frame, 40, cid)
    return bytes(frame)


@pytest.mark.parametrize(
    ("cid", "timescale", "delta", "version", "bits", "profile", "depth"),
    [
        (1237, 24000, 1001, 1, 1, "DNxHD 115", 8),
        (1237, 25, 1, 1, 1, "DNxHD 120", 8),
        (1237, 30000, 1001, 1, 1, "DNxHD 145", 8),
        (1238, 25, 1, 1, 1, "DNxHD 185", 8),
        (1235, 24, 1, 1, 2, "DNxHD 175x", 10),
        (1253, 25, 1, 1, 1, "DNxHD 36", 8),
        (1252, 50, 1, 1, 1, "DNxHD 115", 8),
        (1270, 24, 1, 3, 3, "DNxHR 444", 12),
        (1271, 24, 1, 3, 2, "DNxHR HQX", 10),
        (1274, 24, 1, 3, 1, "DNxHR LB", 8),
    ],
)
def test_what_a_dnx_frame_says(cid, timescale, delta, version, bits, profile, depth):
    plan = video(2, entries=[picture_entry(b"AVdn", 1920, 1080)], timescale=timescale, stts=[(2, delta)])
    plan.chunks = [[dnx_frame(cid, 1920, 1080, 0, version, bits)] * 2]
    facts = opened(movie(plan)).facts()
    assert (facts.profile, facts.bit_depth, facts.scan) == (profile, depth, "progressive")
    assert facts.codec == ("dnxhr" if version == 3 else "dnxhd")
    assert facts.diagnostics == ()


@pytest.mark.parametrize(("flags", "scan"), [(2, "tff"), (3, "bff")])
def test_interlaced_dnx(flags, scan):
    plan = video(1, entries=[picture_entry(b"AVdn", 1920, 1080)])
    plan.chunks = [[dnx_frame(1242, 1920, 540, flags)]]
    assert opened(movie(plan)).facts().scan == scan


def test_dnx_range():
    aclr = atom(b"ACLR", b"ACLR0001", struct.pack(">II", 2, 0))
    assert picture(aclr, fourcc=b"AVdn").color.range == "full"


@given(st.binary(max_size=80))
def test_parameter_sets_of_noise(data):
    for read in (h264_facts, h265_facts):
        try:
            facts = read(b"\x01" + data)
        except UnreadableError:
            continue
        assert facts.codec.name in ("h264", "h265")


def test_parameter_sets_that_can_t_be_read_are_noted():
    notes = Notes()
    facts = picture_facts(entry(picture_entry(b"avc1", 64, 48, atom(b"avcC", b"\1d\0\x1f\xff\xe1\0\x30short"))), notes)
    assert facts.codec.name == "h264"
    assert any("parameter sets can't be read" in note for note in notes)


def hvcc(profile, chroma, depth, constraints=0):
    return atom(b"hvcC", struct.pack(">BB4s6sBHBBBB", 1, profile, bytes(4), constraints.to_bytes(6, "big"), 93, 0xF000,
                                     0xFC, 0xFC | chroma, 0xF8 | depth - 8, 0xF8 | depth - 8), bytes(4))  # fmt: skip


@pytest.mark.parametrize(
    ("box", "profile", "bits", "intra", "scan"),
    [
        (hvcc(1, 1, 8), "Main", 8, False, None),
        (hvcc(2, 1, 10, 1 << 47), "Main 10", 10, False, "progressive"),
        (hvcc(4, 2, 10), "Main 4:2:2 10", 10, False, None),
        (hvcc(4, 3, 12, 1 << 37), "Main 4:4:4 12 Intra", 12, True, None),
        (hvcc(4, 1, 12, 3 << 46), "Main 12", 12, False, None),
    ],
)
def test_hevc(box, profile, bits, intra, scan):
    facts = picture(box, fourcc=b"hvc1")
    assert (facts.codec.name, facts.codec.profile, facts.codec.bit_depth) == ("h265", profile, bits)
    assert (facts.codec.intra, facts.scan) == (intra, scan)


def test_vp9_and_av1():
    facts = picture(full(b"vpcC", bytes([2, 31, 10 << 4 | 2 << 1 | 1, 9, 16, 9])), fourcc=b"vp09")
    assert (facts.codec.profile, facts.codec.bit_depth) == ("Profile 2", 10)
    assert (facts.color.transfer, facts.color.range) == ("smpte2084", "full")
    assert picture(atom(b"av1C", b"\x81\x05\x4c\x00"), fourcc=b"av01").codec.bit_depth == 10
    assert picture(atom(b"av1C", b"\x81\x05\x0c\x00"), fourcc=b"av01").codec.bit_depth == 8


def esds(kind: int, long: bool = False) -> bytes:
    def descriptor(tag: int, body: bytes) -> bytes:
        return bytes([tag]) + (b"\x80\x80\x80" if long else b"") + bytes([len(body)]) + body

    config = descriptor(4, bytes([kind, 0x15]) + bytes(11))
    return full(b"esds", descriptor(3, b"\0\1\0" + config))


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize(("kind", "name"), [(0x61, "mpeg2"), (0x20, "mpeg4"), (0x6C, "mjpeg")])
def test_object_types_of_pictures(kind, name, long):
    assert picture(esds(kind, long), fourcc=b"mp4v").codec.name == name


@given(st.binary(max_size=40))
def test_object_types_of_noise(data):
    kind = object_type(entry(atom(b"esds", data)))
    assert kind is None or 0 <= kind <= 255


# Sound


def enda(little: bool) -> bytes:
    return atom(b"wave", atom(b"frma", b"in24"), atom(b"enda", struct.pack(">H", little)), struct.pack(">II", 8, 0))


@pytest.mark.parametrize(
    ("data", "codec", "bits", "frame_bytes"),
    [
        (sound_entry(b"sowt"), "pcm_s16le", 16, 4),
        (sound_entry(b"twos", 6), "pcm_s16be", 16, 12),
        (sound_entry(b"twos", 1, 8), "pcm_s8", 8, 1),
        (sound_entry(b"sowt", 2, 24), "pcm_s24le", 24, 6),
        (sound_entry(b"raw ", 2, 8), "pcm_u8", 8, 2),
        (sound_entry(b"raw ", 1, 16), "pcm_s16be", 16, 2),
        (sound_entry(b"NONE", 1, 8), "pcm_u8", 8, 1),
        (sound_entry(b"in24", 2, 16, 48000, enda(True), version=1, v1=(1, 3, 6, 2)), "pcm_s24le", 24, 6),
        (sound_entry(b"in24", 2, 16, 48000, version=1, v1=(1, 3, 6, 2)), "pcm_s24be", 24, 6),
        (sound_entry(b"in24", 1, 24), "pcm_s24be", 24, 3),
        (sound_entry(b"in32", 2, 16, 48000, version=1, v1=(1, 4, 8, 2)), "pcm_s32be", 32, 8),
        (sound_entry(b"fl32", 2, 16, 48000, enda(True), version=1, v1=(1, 4, 8, 2)), "pcm_f32le", 32, 8),
        (sound_entry(b"fl64", 1), "pcm_f64be", 64, 8),
        (sound_entry(b"ulaw", 2), "pcm_mulaw", 8, 2),
        (sound_entry_v2(8, 24, 96000.0, 0x0C, 24), "pcm_s24le", 24, 24),
        (sound_entry_v2(2, 32, 48000.0, 0x0B, 8), "pcm_f32be", 32, 8),
        (sound_entry_v2(2, 24, 48000.0, 0x14, 8), "pcm_s32le", 32, 8),
        (sound_entry(b"ipcm", 2, 24, 48000, full(b"pcmC", b"\1\x18")), "pcm_s24le", 24, 6),
        (sound_entry(b"fpcm", 1, 32, 48000, full(b"pcmC", b"\0\x20")), "pcm_f32be", 32, 4),
    ],
)
def test_pcm(data, codec, bits, frame_bytes):
    facts = sound(data)
    assert (facts.codec, facts.bits, facts.frame_bytes) == (codec, bits, frame_bytes)


def test_rates():
    assert sound(sound_entry(rate=44100)).sample_rate == 44100
    assert sound(sound_entry(rate=0), 96000).sample_rate == 96000
    assert sound(sound_entry_v2(2, 24, 192000.0, 0x0C, 6)).sample_rate == 192000
    for impossible in (float("nan"), float("inf"), -1.0, 1e300):
        with pytest.raises(Damaged, match="can't be"):
            sound(sound_entry_v2(2, 24, impossible, 0x0C, 6))


@pytest.mark.parametrize("channels", [0, 2000])
def test_impossible_channels(channels):
    with pytest.raises(Damaged, match="channels"):
        sound(sound_entry(channels=channels))


def test_a_description_that_contradicts_its_codec_is_noted():
    notes = Notes()
    facts = sound_facts(entry(sound_entry(b"in24", 2, 16, 48000, version=1, v1=(1, 2, 4, 2))), 48000, notes)
    assert facts.frame_bytes == 6
    assert notes == ["its description says 4 bytes a sample, pcm_s24be takes 6"]


def test_iso_tables_of_version_1_have_no_extra_fields():
    data = sound_entry(b"mp4a", 2, 16, 48000, esds(0x40), version=1)
    plain = atom(b"mp4a", data[8:36], data[52:])
    assert sound(plain, iso_entries=True).codec == "aac"


@pytest.mark.parametrize(("kind", "name"), [(0x40, "aac"), (0x6B, "mp3"), (0xA5, "ac3"), (0xDD, "vorbis")])
def test_object_types_of_sound(kind, name):
    assert sound(sound_entry(b"mp4a", 2, 16, 48000, esds(kind))).codec == name
    in_wave = sound_entry(b"mp4a", 2, 16, 48000, atom(b"wave", esds(kind)), version=1, v1=(1024, 0, 0, 2))
    assert sound(in_wave).codec == name


def chan(tag: int, *labels: int) -> bytes:
    rows = b"".join(struct.pack(">II3f", label, 0, 0, 0, 0) for label in labels)
    return full(b"chan", struct.pack(">III", tag, 0, len(labels)), rows)


@pytest.mark.parametrize(
    ("box", "layout"),
    [
        (chan(101 << 16 | 2), "stereo"),
        (chan(124 << 16 | 6), "5.1"),
        (chan(0, 1, 2, 3, 4, 5, 6), "L R C LFE Ls Rs"),
        (chan(0, 1, 999), "L ?"),
        (chan(99 << 16), None),
        (full(b"chan", struct.pack(">III", 0, 0, 1 << 30)), None),
        (b"", None),
    ],
)
def test_layouts(box, layout):
    assert sound(sound_entry(b"sowt", 2, 16, 48000, box)).layout == layout


def test_coded_sound_of_a_constant_rate():
    entry_bytes = sound_entry(b"ima4", 2, 16, 44100, version=1, v1=(64, 34, 68, 2))
    plan = pcm(6400, 1280, entry_bytes, size=1)
    plan.chunks = [[b"\1"] * 1279 + [b"\1" * 81]] * 5
    data = movie(plan)
    sound_index = opened(data).index().audio[0]
    assert (sound_index.codec, sound_index.frame_bytes) == ("adpcm_ima", 0)
    assert sound_index.packets.sizes.tolist() == [1280 // 64 * 68] * 5
    assert sound_index.packets.times.tolist() == [0, 1280, 2560, 3840, 5120]
