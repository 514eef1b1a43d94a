"""WAV: chunks and their sizes, formats, broadcast metadata, start timecode, and where the sound lies."""

from __future__ import annotations

import math
import struct
import subprocess
from fractions import Fraction
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.core.errors import Damaged, FilmArchiveError, NotMedia
from film_archive.core.facts import AudioFacts, MediaFacts
from film_archive.core.source import ByteSource, FileSource, MemorySource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.broadcast import read_bext, read_ixml, samples_to_frames
from film_archive.media.wave import WaveFile
from tests.media.making import bext, chunk, fmt, ixml, rf64, riff, wave

SOUND = bytes(range(240)) * 10
NDF_25 = {"TIMECODE_RATE": "25/1", "TIMECODE_FLAG": "NDF"}


def opened(data: bytes) -> WaveFile:
    return WaveFile.open(MemorySource(data, "a.wav"))


def facts_of(data: bytes, **given_facts: Any) -> MediaFacts:
    return opened(data).facts(**given_facts)


def plain(*before: bytes, form: bytes | None = None, sound: bytes = SOUND) -> bytes:
    return riff(*before, form or fmt(), chunk(b"data", sound))


# Formats


@pytest.mark.parametrize(
    ("form", "codec", "bits", "align"),
    [
        (fmt(2, 16), "pcm_s16le", 16, 4),
        (fmt(2, 24), "pcm_s24le", 24, 6),
        (fmt(1, 32), "pcm_s32le", 32, 4),
        (fmt(1, 8), "pcm_u8", 8, 1),
        (fmt(2, 32, tag=3), "pcm_f32le", 32, 8),
        (fmt(1, 64, tag=3), "pcm_f64le", 64, 8),
        (fmt(2, 24, valid=20), "pcm_s24le", 20, 6),
        (fmt(2, 32, valid=24), "pcm_s32le", 24, 8),
        (fmt(2, 32, tag=3, mask=3), "pcm_f32le", 32, 8),
        (fmt(1, 8, tag=6), "pcm_alaw", 8, 1),
        (fmt(2, 8, tag=7), "pcm_mulaw", 8, 2),
    ],
)
def test_formats(form: bytes, codec: str, bits: int, align: int) -> None:
    facts = facts_of(plain(form=form))
    (track,) = facts.audio
    assert (facts.container, facts.codec, facts.profile) == ("wav", codec, None)
    assert (track.codec, track.bits, track.samples) == (codec, bits, len(SOUND) // align)
    assert facts.seconds == Fraction(len(SOUND) // align, 48_000)
    assert (facts.frame_rate, facts.frames, facts.start_timecode) == (None, None, None)
    assert facts.diagnostics == ()


@pytest.mark.parametrize(
    ("mask", "channels", "layout"),
    [
        (0x4, 1, "mono"),
        (0x3, 2, "stereo"),
        (0x3F, 6, "5.1"),
        (0x60F, 6, "5.1(side)"),
        (0x100, 1, "BC"),
        (0x41, 2, "FL+FLC"),
    ],
)
def test_layouts(mask: int, channels: int, layout: str) -> None:
    (track,) = facts_of(plain(form=fmt(channels, 16, mask=mask))).audio
    assert (track.channels, track.layout) == (channels, layout)


def test_coded_sound_is_one_packet() -> None:
    form = chunk(b"fmt ", struct.pack("<HHIIHH", 0x55, 2, 44_100, 16_000, 1, 0))
    file = opened(riff(form, chunk(b"data", SOUND)))
    (track,) = file.facts().audio
    assert track == AudioFacts(codec="mp3", channels=2, sample_rate=44_100)
    (index,) = file.index().audio
    assert (index.frame_bytes, index.packets.sizes.tolist()) == (0, [len(SOUND)])
    odd = chunk(b"fmt ", struct.pack("<HHIIHH", 0x1234, 2, 44_100, 16_000, 1, 0))
    assert facts_of(riff(odd, chunk(b"data", SOUND))).codec == "wav_0x1234"


@pytest.mark.parametrize(
    ("form", "why"),
    [
        (fmt(0, 16), "0 channels"),
        (fmt(2, 16, rate=0), "at 0 Hz"),
        (chunk(b"fmt ", struct.pack("<HHIIHH", 1, 2, 48_000, 0, 0, 16)), "2 channels"),
        (chunk(b"fmt ", struct.pack("<HHIIHH", 1, 2, 48_000, 0, 5, 16)), "5 bytes for a sample of 2 channels"),
        (chunk(b"fmt ", b"\1\0\2\0"), "only 4 bytes"),
    ],
)
def test_impossible_formats(form: bytes, why: str) -> None:
    with pytest.raises(Damaged, match=why):
        opened(plain(form=form))


def test_what_is_no_wave() -> None:
    for data in (b"", b"RIFF", b"RIFF\0\0\0\0AVI " + bytes(100), bytes(100)):
        with pytest.raises(NotMedia, match="does not begin like a WAV"):
            opened(data)
    with pytest.raises(Damaged, match="without a format chunk"):
        opened(riff(chunk(b"data", SOUND)))
    with pytest.raises(Damaged, match="without sound"):
        opened(riff(fmt()))


# Sizes


def test_rf64() -> None:
    file = opened(rf64())
    assert (file.form, file.data.size, file.samples) == ("RF64", 96_000, 48_000)
    assert file.facts().profile == "RF64"
    assert file.diagnostics == ()
    bw64 = opened(rf64().replace(b"RF64", b"BW64"))
    assert bw64.facts().profile == "BW64"


def test_rf64_with_a_table_of_large_chunks() -> None:
    sizes = struct.pack("<QQQI4sQ", 0, len(SOUND), 0, 1, b"LIST", 10)
    unknown = 0xFFFFFFFF
    data = riff(
        chunk(b"ds64", sizes), fmt(), chunk(b"LIST", bytes(10), unknown), chunk(b"data", SOUND, unknown), form=b"RF64"
    )
    assert opened(data).data.size == len(SOUND)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_crashed_recording_is_read_to_its_end(size: int) -> None:
    data = riff(bext(0), fmt(), chunk(b"data", SOUND, size), size=0)
    file = opened(data)
    assert (file.data.size, file.samples) == (len(SOUND), len(SOUND) // 6)
    assert f"was never closed: all {len(SOUND)} bytes" in file.diagnostics[0]


def test_a_crashed_rf64_is_read_to_its_end() -> None:
    data = riff(chunk(b"ds64", bytes(28)), fmt(), chunk(b"data", SOUND, 0xFFFFFFFF), form=b"RF64", size=0xFFFFFFFF)
    assert opened(data).data.size == len(SOUND)


def test_a_crashed_recording_that_ends_within_a_sample() -> None:
    file = opened(riff(fmt(), chunk(b"data", SOUND[:-1], 0, pad=False)))
    assert file.samples == len(SOUND) // 6 - 1
    assert "the last 5 bytes are left out" in file.diagnostics[1]


def test_an_empty_recording_with_chunks_behind_it() -> None:
    file = opened(riff(fmt(), chunk(b"data", b""), bext(7), chunk(b"LIST", b"INFO")))
    assert (file.data.size, file.samples, file.diagnostics) == (0, 0, ())
    assert file.bext is not None
    assert len(file.index().audio[0].packets) == 0
    assert file.facts().seconds == 0


def test_sound_cut_short() -> None:
    file = opened(plain()[:-600])
    assert file.samples == (len(SOUND) - 600) // 6
    assert file.diagnostics == (
        f"it is cut short: its data chunk states {len(SOUND)} bytes, {len(SOUND) - 600} are there",
    )


def test_metadata_behind_the_sound_and_odd_sizes() -> None:
    form = fmt(1, 24)
    data = riff(form, chunk(b"note", b"abc"), chunk(b"data", SOUND[:999]), bext(48_000), ixml(NDF_25, tape="R1"))
    file = opened(data)
    assert (file.data.size, file.diagnostics) == (999, ())
    assert str(file.facts().start_timecode) == "00:00:01:00"
    unpadded = riff(form, chunk(b"data", SOUND[:999], pad=False), bext(48_000), ixml(NDF_25))
    assert opened(unpadded).bext is not None
    assert "no byte of padding" in opened(unpadded).diagnostics[0]


def test_what_stands_behind_the_last_chunk_is_told() -> None:
    assert opened(plain() + bytes(64)).diagnostics == ("64 bytes behind its last chunk are no chunk",)


def test_thousands_of_chunks_are_not_read() -> None:
    data = riff(*[chunk(b"junk", b"")] * 5000, fmt(), chunk(b"data", SOUND))
    with pytest.raises(Damaged, match="without a format chunk"):
        opened(data)


# bext and iXML


def test_bext() -> None:
    facts = facts_of(plain(bext(172_800_000, date="2024:05:06", time="07-08-09")))
    assert facts.profile == "BWF"
    assert (facts.created, facts.created_source) == ("2024-05-06T07:08:09", "bext")
    assert facts.camera == {"time_reference": "172800000", "time_reference_rate": "48000", "recorder": "Recorder",
                            "originator_reference": "ref"}  # fmt: skip
    assert facts.start_timecode is None


def test_a_bext_that_is_too_short() -> None:
    file = opened(plain(chunk(b"bext", bytes(100))))
    assert file.bext is None
    assert "bext chunk has only 100 bytes" in file.diagnostics[0]
    assert read_bext(bytes(347)) is None


def test_large_time_references() -> None:
    reference = 192_000 * 86_399
    assert opened(plain(bext(reference))).bext.time_reference == reference > 1 << 32  # type: ignore[union-attr]


def test_ixml() -> None:
    data = ixml(
        {
            "TIMECODE_RATE": "30000/1001",
            "TIMECODE_FLAG": "DF",
            "FILE_SAMPLE_RATE": "48048",
            "TIMESTAMP_SAMPLE_RATE": "48000",
            "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI": "0",
            "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO": "172972800",
        },
        project="A Film",
        scene="12A",
        take="3",
        tape="SR7",
        note="boom in shot",
        circled="TRUE",
        ubits="00052024",
        file_set="<FAMILY_UID>X1</FAMILY_UID>",
        track_list="<TRACK><INTERLEAVE_INDEX>2</INTERLEAVE_INDEX><NAME>Lav</NAME></TRACK>"
        "<TRACK><INTERLEAVE_INDEX>1</INTERLEAVE_INDEX><NAME>Boom</NAME></TRACK>",
    )
    facts = facts_of(plain(data))
    assert (facts.reel, facts.reel_source) == ("SR7", "iXML")
    assert str(facts.start_timecode) == "01:00:03;18"  # 3603.6 s of real time
    assert (facts.start_source, facts.start_timecode.rate) == ("iXML", FrameRate(30000, 1001))  # type: ignore[union-attr]
    assert facts.camera == {
        "time_reference": "172972800",
        "time_reference_rate": "48000",
        "project": "A Film",
        "scene": "12A",
        "take": "3",
        "note": "boom in shot",
        "circled": "true",
        "user_bits": "00052024",
        "take_id": "X1",
        "tracks": "1 Boom, 2 Lav",
    }


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("25/1", FrameRate(25)),
        ("24000/1001", FrameRate(24000, 1001)),
        ("23976/1000", FrameRate(24000, 1001)),
        ("2997/100", FrameRate(30000, 1001)),
        ("23.98", FrameRate(24000, 1001)),
        ("30", FrameRate(30)),
        ("0/0", None),
        ("-25/1", None),
        ("fast", None),
        ("", None),
    ],
)
def test_ixml_rates(text: str, rate: FrameRate | None) -> None:
    document = f"<BWFXML><SPEED><TIMECODE_RATE>{text}</TIMECODE_RATE></SPEED></BWFXML>".encode()
    assert read_ixml(document, "a.wav").timecode_rate == rate


@pytest.mark.parametrize(
    "document",
    [
        b"<!DOCTYPE x [<!ENTITY a 'b'>]><BWFXML><SCENE>&a;</SCENE></BWFXML>",
        b"<BWFXML><SCENE>",
        b"\xff\xfe\x00",
        b"",
    ],
)
def test_hostile_or_damaged_ixml_leaves_the_sound(document: bytes) -> None:
    facts = facts_of(plain(bext(0), chunk(b"iXML", document)))
    assert "its iXML was left unread" in facts.diagnostics[0]
    assert facts.audio[0].samples == len(SOUND) // 6


def test_ixml_filled_up_with_zeros_is_read() -> None:
    filled = chunk(b"iXML", ixml(NDF_25, tape="R9")[8:] + bytes(400))
    assert facts_of(plain(filled)).reel == "R9"


# Start timecode


def test_without_a_rate_the_start_stays_a_count_of_samples() -> None:
    data = plain(bext(48_000 * 3600))
    assert facts_of(data).start_timecode is None
    assert opened(data).start_samples is not None
    given_rate = facts_of(data, rate=25)
    assert str(given_rate.start_timecode) == "01:00:00:00"
    assert given_rate.start_source == "bext"
    assert str(facts_of(data, rate="29.97", drop_frame=True).start_timecode) == "01:00:00;00"
    assert facts_of(plain(), rate=25).start_timecode is None


def test_ixml_s_rate_wins_over_the_caller_s() -> None:
    assert str(facts_of(plain(bext(48_000), ixml(NDF_25)), rate=24).start_timecode) == "00:00:01:00"
    flag_only = ixml({"TIMECODE_FLAG": "DF"})
    assert str(facts_of(plain(bext(48_000 * 60), flag_only), rate="29.97").start_timecode) == "00:00:59;28"


def test_bext_and_ixml_that_disagree() -> None:
    speed = NDF_25 | {
        "TIMESTAMP_SAMPLE_RATE": "48000",
        "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO": str(48_000 * 2),
        "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI": "0",
    }
    facts = facts_of(plain(bext(48_000), ixml(speed)))
    assert str(facts.start_timecode) == "00:00:02:00"
    assert facts.diagnostics == ("it begins at sample 48000 by its bext, at 96000 by its iXML; the latter is taken",)


def test_a_start_within_a_frame_is_told() -> None:
    facts = facts_of(plain(bext(1920 * 10 + 960), ixml(NDF_25)))
    assert str(facts.start_timecode) == "00:00:00:10"
    assert facts.diagnostics == ("its sound begins 960 samples after the start of its first frame",)


def test_a_start_behind_midnight_and_drop_frame_at_25() -> None:
    facts = facts_of(plain(bext(48_000 * 86_401), ixml(NDF_25)))
    assert str(facts.start_timecode) == "00:00:01:00"
    assert "behind midnight" in facts.diagnostics[0]
    wrong = facts_of(plain(bext(0), ixml({"TIMECODE_RATE": "25/1", "TIMECODE_FLAG": "DF"})))
    assert str(wrong.start_timecode) == "00:00:00:00"
    assert "there is none" in wrong.diagnostics[0]


RATES = [FrameRate.of(text) for text in ("23.976", "24", "25", "29.97", "30", "47.952", "48", "50", "59.94", "60")]


@given(
    st.integers(0, 86_399 * 60),
    st.sampled_from(RATES),
    st.sampled_from((44_100, 47_952, 48_000, 48_048, 96_000, 192_000)),
    st.sampled_from((math.floor, math.ceil, round)),
)
def test_however_a_recorder_rounds_the_frame_is_found(frame: int, rate: FrameRate, samples: int, rounding: Any) -> None:
    exact = Fraction(frame) / rate * samples
    assert samples_to_frames(rounding(exact), samples, rate) == (frame, 0)


@given(st.integers(0, 1 << 34), st.sampled_from(RATES), st.sampled_from((44_100, 48_000, 96_000)))
def test_frames_of_samples_against_searching(count: int, rate: FrameRate, samples: int) -> None:
    frame, rest = samples_to_frames(count, samples, rate)
    start, following = (Fraction(n) / rate * samples for n in (frame, frame + 1))
    assert start - 1 < count <= following - 1
    assert rest == max(0, math.floor(count - start))


@given(st.integers(0, 24 * 3600 * 30 - 1), st.booleans())
def test_start_timecodes_are_exact(frame: int, drop: bool) -> None:
    rate = FrameRate(30000, 1001)
    start = Timecode.from_frame(frame % 2_589_408, rate, drop)
    reference = round(start.seconds_since_midnight * 48_000)
    data = plain(bext(reference), ixml({"TIMECODE_RATE": "30000/1001", "TIMECODE_FLAG": "DF" if drop else "NDF"}))
    facts = facts_of(data)
    assert facts.start_timecode == start
    assert facts.start_timecode.drop_frame == drop
    assert facts.diagnostics == ()


# The index


def test_pcm_is_indexed_by_the_second() -> None:
    sound = np.random.default_rng(3).integers(0, 256, 48_000 * 6 * 2 + 60, np.uint8).tobytes()
    data = riff(bext(0), fmt(), chunk(b"data", sound))
    index = opened(data).index()
    (track,) = index.audio
    assert (index.video, index.frames, index.rate) == (None, 0, None)
    assert (track.sample_rate, track.channels, track.frame_bytes, track.codec) == (48_000, 2, 6, "pcm_s24le")
    assert track.packets.times.tolist() == [0, 48_000, 96_000]
    assert (track.packets.end, track.packets.timescale) == (96_010, 48_000)
    places = zip(track.packets.offsets.tolist(), track.packets.sizes.tolist(), strict=True)
    assert b"".join(data[offset : offset + size] for offset, size in places) == sound


class Endless(ByteSource):
    """A header, and zeros without end behind it, as a sparse file has them."""

    def __init__(self, head: bytes, size: int) -> None:
        self.name, self.size, self._head = "sparse.wav", size, head

    def read_into(self, offset: int, buffer: memoryview) -> int:
        view = self._bounded(offset, buffer)
        here = self._head[offset : offset + len(view)]
        view[:] = here + bytes(len(view) - len(here))
        return len(view)


def test_the_index_stays_small_whatever_the_header_says() -> None:
    head = riff(fmt(1, 8, rate=1), chunk(b"data", b"", 0xFFFFFFFF))
    index = WaveFile.open(Endless(head, 1 << 50)).index()
    packets = index.audio[0].packets
    assert len(packets) <= 1 << 20
    assert packets.end == int(packets.sizes.sum()) == (1 << 50) - len(head)


# Against others


@pytest.mark.skipif(which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize(
    ("codec", "more"), [("pcm_s16le", []), ("pcm_f32le", ["-rf64", "always"]), ("pcm_s24le", ["-ac", "6"])]
)
def test_what_ffmpeg_writes(tmp_path: Path, codec: str, more: list[str]) -> None:
    path = tmp_path / "a.wav"
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "sine=duration=0.5:sample_rate=48000",
        "-c:a",
        codec,
        *more,
    ]
    tags = ["-write_bext", "1", "-metadata", "time_reference=172800000", "-metadata", "origination_date=2024-05-06"]
    subprocess.run([*command, *tags, "-metadata", "origination_time=07:08:09", str(path)], check=True)
    with FileSource(path) as source:
        facts = WaveFile.open(source).facts(rate=24)
    assert (facts.codec, facts.audio[0].samples, str(facts.start_timecode)) == (codec, 24_000, "01:00:00:00")
    assert facts.created == "2024-05-06T07:08:09"
    assert facts.diagnostics == ()


def test_libav_reads_our_samples_the_same() -> None:
    import io

    import av

    data = wave()
    with av.open(io.BytesIO(data), format="wav") as theirs:
        stream = theirs.streams.audio[0]
        assert stream.duration == facts_of(data).audio[0].samples


@settings(max_examples=60)
@given(st.binary(max_size=120))
def test_any_bytes_are_answered(tail: bytes) -> None:
    for head in (b"RIFF\0\0\0\0WAVE", b"RF64\xff\xff\xff\xffWAVE", riff(fmt())):
        try:
            file = opened(head + tail)
        except FilmArchiveError:
            continue
        file.facts(rate=25)
        file.index()
