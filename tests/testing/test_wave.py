from __future__ import annotations

import json
import shutil
import struct
import subprocess
import wave
import xml.etree.ElementTree as ET
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from film_archive.core.errors import Refused, UsageError
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.testing.sound import SamplePosition, read_sample_position
from film_archive.testing.wave import WaveSpec, cached_wave, make_wave, wave_bytes

FILM = FrameRate(24_000, 1001)
SCENE = WaveSpec(
    name="12A-T03",
    channels=8,
    samples=5001,
    rate=FILM,
    start=Timecode.from_string("14:22:59:20", FILM),
    tape="SR07 & co",
    scene="12A",
    take="3",
)


def chunks(data: bytes) -> dict[bytes, bytes]:
    assert data[:4] + data[8:12] == b"RIFFWAVE"
    assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8
    found, place = {}, 12
    while place < len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        found[name] = data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
    return found


def test_time_reference_is_samples_since_midnight() -> None:
    label = SCENE.start
    assert label is not None
    reference = round(label.total_frames * 1001 / 24_000 * 48_000)
    bext = chunks(wave_bytes(SCENE))[b"bext"]
    assert struct.unpack_from("<QH", bext, 338) == (reference, 1)
    assert SCENE.time_reference == reference
    about = bext[:256].rstrip(b"\0").decode().split("\r\n")
    assert about == ["sSPEED=23.976", "sSCENE=12A", "sTAKE=3", "sTAPE=SR07 & co", ""]
    assert bext[320:338] == b"2024-06-1210:00:00"
    assert bext[602:] == b"A=PCM,F=48000,W=24,M=multichannel 8\r\n"


def test_ixml_says_the_same() -> None:
    root = ET.fromstring(chunks(wave_bytes(SCENE))[b"iXML"])
    speed = root.find("SPEED")
    assert speed is not None
    said = {child.tag: child.text for child in speed}
    high, low = (int(said[f"TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_{part}"] or 0) for part in ("HI", "LO"))
    assert (high << 32) + low == SCENE.time_reference
    assert (said["TIMECODE_RATE"], said["TIMECODE_FLAG"]) == ("24000/1001", "NDF")
    assert (root.findtext("TAPE"), root.findtext("SCENE"), root.findtext("TAKE")) == ("SR07 & co", "12A", "3")
    assert len(root.findall("TRACK_LIST/TRACK")) == 8


@pytest.mark.parametrize("bits", [16, 24, 32])
@pytest.mark.parametrize("channels", [1, 2, 7])
def test_the_samples_carry_their_positions(bits: int, channels: int) -> None:
    data = chunks(wave_bytes(WaveSpec(name="x", bits=bits, channels=channels, samples=999)))[b"data"]
    if bits == 32:
        samples = np.frombuffer(data, "<f4")
    elif bits == 16:
        samples = np.frombuffer(data, "<i2")
    else:
        triples = np.frombuffer(data, np.uint8).reshape(-1, 3)
        samples = np.column_stack((np.zeros(len(triples), np.uint8), triples)).view("<i4")[:, 0]
    columns = samples.reshape(999, channels)
    assert read_sample_position(columns[500:, channels - 1]) == SamplePosition(500, channels - 1)


def test_pythons_own_reader_reads_it() -> None:
    with wave.open(BytesIO(wave_bytes(WaveSpec(name="x", bits=16, samples=480)))) as opened:
        assert (opened.getnchannels(), opened.getframerate(), opened.getnframes()) == (2, 48_000, 480)


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
def test_ffprobe_reads_it(footage: Path) -> None:
    path = cached_wave(SCENE, footage)
    command = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", str(path)]
    said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert int(said["format"]["tags"]["time_reference"]) == SCENE.time_reference
    stream = said["streams"][0]
    assert (stream["codec_name"], stream["channels"], stream["duration_ts"]) == ("pcm_s24le", 8, 5001)


def test_without_timecode_there_is_no_bext(tmp_path: Path) -> None:
    found = chunks(make_wave(WaveSpec(name="plain", ixml=False, samples=10), tmp_path).read_bytes())
    assert set(found) == {b"fmt ", b"data"}
    with pytest.raises(Refused):
        make_wave(WaveSpec(name="plain", samples=10), tmp_path)
    with pytest.raises(UsageError):
        wave_bytes(WaveSpec(name="x", bits=20))
