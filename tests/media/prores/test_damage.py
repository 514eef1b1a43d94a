"""Frames that are cut short, flipped and forged: an error of ours, or a picture that says how much of it is bad."""

from __future__ import annotations

import numpy as np
import pytest

from film_archive.core.errors import Damaged, NotSupported, UsageError
from film_archive.media import prores
from film_archive.media.prores import ReducedDecoder, ReducedFrame
from tests.media.prores.frames import Coding, packet

if not prores.available():
    pytest.skip(f"{prores.engine()}: python setup.py build_ext --inplace builds it", allow_module_level=True)

NARROW = Coding(70, 36, "hq", macroblocks=1)
FIELDS = Coding(70, 36, "hq", "tff", macroblocks=2)
ALPHA = Coding(40, 20, "4444", "bff", macroblocks=1, alpha=8)


def attempt(coded: bytes, coding: Coding, reduction: int = 2, pixel_format: str = "yuv420p") -> ReducedFrame | None:
    """The picture, or None where the decoder refuses in one of our errors."""
    try:
        frame = ReducedDecoder(coding.width, coding.height, reduction, pixel_format).decode(coded)
    except (Damaged, NotSupported):
        return None
    assert frame.bad_slices <= frame.slices
    for plane in frame.planes:
        assert plane.min() >= 1  # every sample is written: 0 is no sample's value
    return frame


def slices_of(coded: bytes) -> list[tuple[int, int]]:
    """(start, end) of the slices of the first picture."""
    picture = 8 + int.from_bytes(coded[8:10], "big")
    table = picture + (coded[picture] >> 3)
    count = int.from_bytes(coded[picture + 5 : picture + 7], "big")
    place, found = table + 2 * count, []
    for number in range(count):
        end = place + int.from_bytes(coded[table + 2 * number : table + 2 * number + 2], "big")
        found.append((place, end))
        place = end
    return found


@pytest.mark.parametrize("coding", [NARROW, FIELDS, ALPHA])
def test_cut_at_every_byte(coding: Coding) -> None:
    coded = packet(coding)
    whole = attempt(coded, coding)
    assert whole is not None
    assert not whole.corrupt
    last_bad = whole.slices + 1
    for length in range(len(coded)):
        frame = attempt(coded[:length], coding, 8 if length % 2 else 2)
        if frame is None:
            assert last_bad > whole.slices, "a longer part of the frame gives no less"
        else:
            assert frame.bad_slices <= last_bad
            last_bad = frame.bad_slices
    assert last_bad == 1, "without its last byte, the last slice is not all there"


def test_cut_frame_shows_what_is_there() -> None:
    coded = packet(NARROW)
    spans = slices_of(coded)
    whole = attempt(coded, NARROW, 2, "yuv422p")
    assert whole is not None
    cut = attempt(coded[: spans[7][1]], NARROW, 2, "yuv422p")
    assert cut is not None
    assert (cut.slices, cut.bad_slices) == (15, 7)
    assert np.array_equal(cut.planes[0][:8], whole.planes[0][:8]), "the first row of five macroblocks"
    assert np.array_equal(cut.planes[0][8:16, :24], whole.planes[0][8:16, :24]), "and three of the second"
    assert (cut.planes[0][8:16, 24:] == 128).all()
    assert (cut.planes[1][8:] != whole.planes[1][8:]).any()


def test_second_field_that_is_missing_is_taken_from_the_first() -> None:
    coded = packet(FIELDS)
    first = slices_of(coded)[-1][1]
    cut = attempt(coded[:first], FIELDS, 4)
    whole = attempt(coded, FIELDS, 4)
    assert cut is not None
    assert whole is not None
    assert cut.bad_slices == cut.slices // 2
    assert np.abs(cut.planes[0].astype(int) - whole.planes[0]).max() < 40, "it is still the picture"
    assert (cut.planes[0] != 128).mean() > 0.9


def forged(coded: bytes, place: int, value: int) -> bytes:
    return coded[:place] + bytes([value]) + coded[place + 1 :]


@pytest.mark.parametrize(
    ("where", "value", "what"),
    [
        (0, 0x20, "header of 4 bytes"),
        (0, 0xF8, "header of 31 bytes that run into the data"),
        (1, 0, "quantiser 0"),
        (1, 225, "quantiser that is reserved"),
        (2, 0xFF, "more luma than there is"),
        (4, 0xFF, "more chroma than there is"),
    ],
)
def test_a_bad_slice_stays_alone(where: int, value: int, what: str) -> None:
    coded = packet(NARROW)
    start, _ = slices_of(coded)[6]
    whole, bad = attempt(coded, NARROW), attempt(forged(coded, start + where, value), NARROW)
    assert whole is not None
    assert bad is not None
    assert bad.bad_slices == 1, what
    changed = np.argwhere(whole.planes[0] != bad.planes[0])
    assert changed.min(0).tolist() >= [8, 8]
    assert changed.max(0).tolist() <= [15, 15]
    assert (bad.planes[0][8:16, 8:16] == 128).all()
    assert (bad.planes[1][4:8, 4:8] == 128).all()


def test_bad_codes_are_found() -> None:
    """Zeros without end where codes should be, and codes that run out of the slice's coefficients."""
    coded = packet(NARROW)
    start, end = slices_of(coded)[6]
    luma = int.from_bytes(coded[start + 2 : start + 4], "big")
    zeros = coded[: start + 6] + bytes(luma) + coded[start + 6 + luma :]
    frame = attempt(zeros, NARROW, 8)
    assert frame is not None
    assert frame.bad_slices == 1
    late = coded[: start + 16] + bytes(luma - 10) + coded[start + 6 + luma :]  # no means, then nothing
    for reduction in prores.REDUCTIONS:
        frame = attempt(late, NARROW, reduction)
        assert frame is not None
        assert frame.bad_slices == (reduction < 8)
    assert end - start > luma


def test_no_colour_is_grey() -> None:
    """A slice without chroma is what FFmpeg takes for a grey one, too."""
    coded = packet(Coding(16, 16, "hq", macroblocks=1))
    (start, end), place = slices_of(coded)[0], 8 + int.from_bytes(coded[8:10], "big")
    luma = int.from_bytes(coded[start + 2 : start + 4], "big")
    size = 6 + luma
    grey = bytearray(coded[: start + size])
    grey[start + 4 : start + 6] = bytes(2)
    grey[place + 8 : place + 10] = size.to_bytes(2, "big")
    grey[place + 1 : place + 5] = (10 + size).to_bytes(4, "big")
    frame = attempt(bytes(grey), Coding(16, 16))
    assert frame is not None
    assert not frame.corrupt
    assert (frame.planes[1] == 128).all()
    assert (frame.planes[2] == 128).all()
    assert end - start > size


@pytest.mark.parametrize("coding", [NARROW, FIELDS, ALPHA, Coding(33, 17, "standard", matrix="hq")])
def test_every_bit_of_the_headers(coding: Coding) -> None:
    coded = packet(coding)
    refused = shown = 0
    first, _ = slices_of(coded)[0]
    for place in range(first + 8):
        for bit in range(8):
            frame = attempt(forged(coded, place, coded[place] ^ 1 << bit), coding, (8, 4, 2)[bit % 3])
            refused += frame is None
            shown += frame is not None
    assert refused > 50
    assert shown > 50


@pytest.mark.parametrize("coding", [NARROW, FIELDS, ALPHA])
def test_bits_flipped_at_random(coding: Coding) -> None:
    coded = packet(coding)
    rng = np.random.default_rng(5)
    noticed = 0
    for _ in range(1500):
        flipped = np.frombuffer(coded, np.uint8).copy()
        for place in rng.integers(0, len(coded), rng.integers(1, 8)):
            flipped[place] ^= 1 << int(rng.integers(8))
        frame = attempt(flipped.tobytes(), coding, int(rng.choice([2, 4, 8])))
        noticed += frame is None or frame.corrupt
    assert noticed > 50


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (4, 0x00, "icpf"),
        (9, 19, "contradict"),
        (8, 0xFF, "within its header"),
        (11, 2, "version"),
        (17, 0x45, "another size"),
        (19, 0x25, "another size"),
        (20, 0x40, "reserves"),
        (20, 0x8C, "reserves"),
        (25, 0x03, "reserves"),
        (27, 0x03, "contradict"),
    ],
)
def test_what_is_wrong_is_said(place: int, value: int, words: str) -> None:
    coded = packet(Coding(70, 36, "standard", matrix="default"))
    with pytest.raises((Damaged, NotSupported), match=words):
        ReducedDecoder(70, 36, 2).decode(forged(coded, place, value))


def test_pictures_whose_sizes_contradict() -> None:
    coded = packet(NARROW)
    picture = 8 + int.from_bytes(coded[8:10], "big")
    for place, value, words in ((0, 0x38, "contradict"), (3, 0, "contradict"), (0, 0xFF, "contradict|within")):
        forgery = forged(coded, picture + place, value)
        if place == 3:
            forgery = forged(forgery, picture + 4, 20)
        if value == 0xFF:  # a header that runs past the end of what is there
            forgery = forgery[: picture + 9]
        with pytest.raises(Damaged, match=words):
            ReducedDecoder(70, 36, 2).decode(forgery)


def test_stuffing_and_wrong_frame_sizes_do_not_matter() -> None:
    coded = packet(NARROW)
    whole = attempt(coded, NARROW)
    assert whole is not None
    for other in (coded + bytes(1000), bytes(4) + coded[4:], b"\xff" * 4 + coded[4:]):
        frame = attempt(other, NARROW)
        assert frame is not None
        assert not frame.corrupt
        assert all(np.array_equal(a, b) for a, b in zip(frame.planes, whole.planes, strict=True))


def test_header_that_is_longer_than_its_fields() -> None:
    coded = packet(Coding(70, 36, "standard", matrix="default"))
    assert int.from_bytes(coded[8:10], "big") == 20
    longer = coded[:8] + (20 + 7).to_bytes(2, "big") + coded[10:28] + b"\xaa" * 7 + coded[28:]
    frame = attempt(longer, NARROW)
    assert frame is not None
    assert not frame.corrupt
    whole = attempt(coded, NARROW)
    assert whole is not None
    assert np.array_equal(frame.planes[0], whole.planes[0])


def test_largest_claims_cost_nothing() -> None:
    """A header that claims 65535 × 65535 is refused for want of a slice table, before anything is made for it."""
    coded = bytearray(packet(NARROW))
    coded[16:20] = b"\xff" * 4
    line = np.zeros(1, np.uint8)
    with pytest.raises(UsageError, match="room"):
        ReducedDecoder(65535, 65535, 8).decode(bytes(coded), [line] * 3, [8192] * 3)
