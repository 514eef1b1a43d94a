"""HEVC's own words, out of files that an encoder really made."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from film_archive.core.facts import ColorFacts
from film_archive.core.source import FileSource
from film_archive.media.bitstream.bits import UnreadableError
from film_archive.media.bitstream.h265 import h265_facts
from film_archive.media.mov import MovFile

VARIANTS = {
    "plain": "",
    "hdr": "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited",
    "full": "range=full:colorprim=bt709:transfer=bt709:colormatrix=bt709",
    "range alone": "range=full",
    "pyramid": "bframes=4:b-pyramid=1:ref=5:colorprim=smpte432:transfer=bt709:colormatrix=bt709:range=limited",
    "lists": "scaling-list=default:bframes=0:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc:range=limited",
    "layers": "temporal-layers=2:b-adapt=0:b-pyramid=1:bframes=3:sar=2:colorprim=bt709:transfer=bt709:colormatrix=bt709"
    ":range=limited",
}
EXPECTED = {
    "plain": ColorFacts(range="limited"),
    "hdr": ColorFacts(primaries="bt2020", transfer="smpte2084", matrix="bt2020nc", range="limited"),
    "full": ColorFacts(primaries="bt709", transfer="bt709", matrix="bt709", range="full"),
    "range alone": ColorFacts(range="full"),
    "pyramid": ColorFacts(primaries="smpte432", transfer="bt709", matrix="bt709", range="limited"),
    "lists": ColorFacts(primaries="bt2020", transfer="arib-std-b67", matrix="bt2020nc", range="limited"),
    "layers": ColorFacts(primaries="bt709", transfer="bt709", matrix="bt709", range="limited"),
}


def encoded(path: Path, params: str) -> bytes:
    """A clip of 20 frames without `colr`, and its `hvcC` body."""
    with av.open(str(path), "w", format="mp4", options={"write_colr": "0"}) as output:
        stream = output.add_stream("libx265", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p10le"
        stream.codec_tag = "hvc1"
        stream.options = {"preset": "ultrafast", "x265-params": "log-level=none:" + params}
        for number in range(20):
            picture = np.full((96, 128, 3), number * 11 % 256, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    data = path.read_bytes()
    place = data.index(b"hvcC")
    return data[place + 4 : place - 4 + int.from_bytes(data[place - 4 : place], "big")]


@pytest.mark.parametrize("name", VARIANTS)
def test_color_is_read_from_the_parameter_set(name: str, tmp_path: Path) -> None:
    record = encoded(tmp_path / "clip.mp4", VARIANTS[name])
    facts = h265_facts(record)
    assert (facts.codec.profile, facts.codec.bit_depth) == ("Main 10", 10)
    assert facts.color == EXPECTED[name]
    with FileSource(tmp_path / "clip.mp4") as source:
        assert MovFile.open(source).facts().color == EXPECTED[name]


def test_damage_costs_the_colour_at_most(tmp_path: Path) -> None:
    record = encoded(tmp_path / "clip.mp4", VARIANTS["pyramid"])
    for length in range(len(record)):
        try:
            assert h265_facts(record[:length]).codec.name == "h265"
        except UnreadableError:
            assert length < 19
    for place, bit in itertools.product(range(len(record)), range(8)):
        flipped = bytearray(record)
        flipped[place] ^= 1 << bit
        assert h265_facts(bytes(flipped)).codec.name == "h265"
