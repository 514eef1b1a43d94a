"""Reduced pictures against FFmpeg's full decode, averaged over boxes."""

from __future__ import annotations

import numpy as np
import pytest

from film_archive.media import prores
from film_archive.media.prores import ReducedDecoder, ReducedFrame
from tests.media.prores.frames import FOURCC, Coding, Plane, box, boxed, decoded_whole, packet, psnr

if not prores.available():
    pytest.skip(f"{prores.engine()}: python setup.py build_ext --inplace builds it", allow_module_level=True)

SCANS = ("progressive", "tff", "bff")
SIZES = ((1, 1), (2, 2), (3, 5), (16, 16), (17, 33), (33, 49), (47, 479), (130, 70), (854, 33), (200, 1080), (64, 481))


def reduced(coded: bytes, reduction: int, pixel_format: str) -> ReducedFrame:
    width, height = int.from_bytes(coded[16:18], "big"), int.from_bytes(coded[18:20], "big")
    frame = ReducedDecoder(width, height, reduction, pixel_format).decode(coded)
    assert not frame.corrupt
    return frame


def formats(coding: Coding) -> list[str]:
    return [name for name, kind in prores.PIXEL_FORMATS.items() if coding.chroma_444 or kind.shift_x]


# The first N positions of each block, inversely transformed in full and averaged over boxes: the slow, obvious way

PROGRESSIVE_SCAN = """
 0  1  8  9  2  3 10 11   16 17 24 25 18 19 26 27
 4  5 12 20 13  6  7 14   21 28 29 22 15 23 30 31
32 33 40 48 41 34 35 42   49 56 57 50 43 36 37 44
51 58 59 52 45 38 39 46   53 60 61 54 47 55 62 63"""
INTERLACED_SCAN = """
 0  8  1  9 16 24 17 25    2 10  3 11 18 26 19 27
32 40 33 34 41 48 56 49   42 35 43 50 57 58 51 59
 4 12  5  6 13 20 28 21   14  7 15 22 29 36 44 37
30 23 31 38 45 52 60 53   46 39 47 54 61 62 55 63"""

LUMA = {"progressive": (1, 4, 16), "tff": (6, 8, 32)}
"""How many positions are decoded at 1/8, 1/4 and 1/2."""
CHROMA = {
    "progressive": {"22": (1, 4, 16), "20": (1, 2, 8), "44": (1, 4, 16), "42": (1, 3, 12), "40": (1, 1, 4)},
    "tff": {"22": (6, 8, 32), "20": (1, 4, 16), "44": (6, 8, 32), "42": (6, 6, 29), "40": (1, 6, 8)},
}
"""From 4:2:2 to 4:2:0 ("20"), and so on."""

_k = np.arange(8)
DCT = np.sqrt(np.where(_k == 0, 1, 2) / 8)[:, None] * np.cos((2 * _k[None, :] + 1) * _k[:, None] * np.pi / 16)


def keep(plane: Plane, positions: int, scan: str) -> Plane:
    """A picture of whole blocks, with only the first scan positions of each left."""
    order = [int(word) for word in (PROGRESSIVE_SCAN if scan == "progressive" else INTERLACED_SCAN).split()]
    mask = np.zeros(64)
    mask[order[:positions]] = 1
    lines, samples = plane.shape
    blocks = plane.reshape(lines // 8, 8, samples // 8, 8).transpose(0, 2, 1, 3)
    kept = DCT.T @ (DCT @ blocks @ DCT.T * mask.reshape(8, 8)) @ DCT
    return kept.transpose(0, 2, 1, 3).reshape(lines, samples)


def keep_frame(plane: Plane, positions: int, scan: str) -> Plane:
    if scan == "progressive":
        return keep(plane, positions, scan)
    kept = np.empty_like(plane)
    kept[::2], kept[1::2] = keep(plane[::2], positions, scan), keep(plane[1::2], positions, scan)
    return kept


def exact(coded: bytes, reduction: int, pixel_format: str) -> list[Plane]:
    """What the decoder is to give, before rounding; of whole macroblocks."""
    full, bits = decoded_whole(coded)
    kind = prores.PIXEL_FORMATS[pixel_format]
    scan = "tff" if coded[20] & 0b1100 else "progressive"
    place = prores.REDUCTIONS.index(reduction)
    chroma_444 = coded[20] >> 6 == 3
    chroma = CHROMA[scan][("4" if chroma_444 else "2") + "420"[kind.shift_x + kind.shift_y]][place]
    boxes = reduction << kind.shift_y, reduction << kind.shift_x if chroma_444 else reduction
    return [
        box(keep_frame(plane, count, scan), high, wide) * 2.0 ** (kind.bits - bits)
        for plane, count, (high, wide) in zip(
            full, (LUMA[scan][place], chroma, chroma), ((reduction, reduction), boxes, boxes), strict=True
        )
    ]


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("profile", ["hq", "4444"])
def test_it_is_the_box_filter_of_what_is_decoded(profile: str, size: tuple[int, int], scan: str) -> None:
    hold_to_boxes(Coding(*size, profile, scan, moving=True))


@pytest.mark.parametrize("scan", ["progressive", "tff"])
@pytest.mark.parametrize("profile", ["proxy", "hq", "4444"])
def test_another_coder_is_decoded_alike(profile: str, scan: str) -> None:
    hold_to_boxes(Coding(130, 70, profile, scan, moving=True, encoder="prores_aw"))


def hold_to_boxes(coding: Coding) -> None:
    width, height, scan = coding.width, coding.height, coding.scan
    coded = packet(coding)
    own_bits = 12 if coding.chroma_444 else 10
    for reduction in prores.REDUCTIONS:
        for name in formats(coding):
            kind = prores.PIXEL_FORMATS[name]
            frame = reduced(coded, reduction, name)
            sizes = (-(-height // reduction), -(-width // reduction))
            chroma = (-(-sizes[0] // (1 << kind.shift_y)), -(-sizes[1] // (1 << kind.shift_x)))
            for ours, theirs, wanted in zip(frame.planes, exact(coded, reduction, name), (sizes, chroma, chroma), strict=True):
                assert ours.shape == wanted
                if scan != "progressive" and height % 32 == 1:  # the bottom field has no line in its last macroblocks,
                    ours = ours[: (height - 1) // reduction >> (ours.shape == chroma) * kind.shift_y]  # FFmpeg codes them
                # half a step of the result, and what the full decode's own rounding leaves in these coefficients
                full_step = 2.0 ** (kind.bits - own_bits)
                ends = 4 * full_step, (2**own_bits - 5) * full_step  # where the full decode clips
                error = ours.clip(*ends) - theirs[: ours.shape[0], : ours.shape[1]].clip(*ends)
                assert np.abs(error).max(initial=0) < 0.5 + full_step * 1.1, (reduction, name)
                if error.size > 100:
                    assert abs(error.mean()) < 0.3 + full_step * 0.35, (reduction, name)


# Against the exact box filter


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("profile", FOURCC)
@pytest.mark.parametrize("content", ["scene", "gradient", "flat"])
def test_soft_pictures_come_close(profile: str, scan: str, content: str) -> None:
    coding = Coding(130, 70, profile, scan, content)
    coded = packet(coding)
    for reduction in prores.REDUCTIONS:
        for name in formats(coding):
            bits = prores.PIXEL_FORMATS[name].bits
            for ours, exact in zip(reduced(coded, reduction, name).planes, boxed(coded, reduction, name), strict=True):
                assert ours.shape == exact.shape
                assert psnr(ours, exact, bits) > 50, (reduction, name)


@pytest.mark.parametrize("content", ["scene", "noise", "extremes", "text", "gradient"])
@pytest.mark.parametrize("profile", FOURCC)
def test_an_eighth_is_exact(profile: str, content: str) -> None:
    """A block's mean is what its first coefficient says, so only rounding is left, and clipping in the full decode."""
    coded = packet(Coding(128, 96, profile, "progressive", content))
    for name in ("yuv420p", "yuv422p10le"):
        bits = prores.PIXEL_FORMATS[name].bits
        for ours, exact in zip(reduced(coded, 8, name).planes, boxed(coded, 8, name), strict=True):
            if content in ("scene", "gradient"):
                assert np.abs(ours - exact).max() < 0.5 + 2.0 ** (bits - 10) * 0.3, name
                assert psnr(ours, exact, bits) > (54 if bits == 8 else 65), name
            else:
                assert psnr(ours, exact, bits) > 40, name


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize(("content", "least"), [("noise", 24), ("extremes", 18), ("text", 22)])
def test_hard_pictures_stay_themselves(content: str, scan: str, least: float) -> None:
    """What is left out is noise and edges finer than the result's samples; what is shown is not another picture."""
    coded = packet(Coding(128, 96, "hq", scan, content))
    for reduction in prores.REDUCTIONS:
        for ours, exact in zip(reduced(coded, reduction, "yuv422p").planes, boxed(coded, reduction, "yuv422p"), strict=True):
            assert psnr(ours, exact, 8) > least, reduction
            assert abs(float(ours.mean()) - float(exact.mean())) < 1


def test_fields_are_where_they_belong() -> None:
    """Fields of different moments are averaged line by line; with their order taken the wrong way round they would differ."""
    for scan in ("tff", "bff"):
        coded = packet(Coding(128, 128, "hq", scan, "scene", moving=True))
        other = bytearray(coded)
        other[20] ^= 0b1100  # top and bottom field change places
        for reduction in (4, 2):
            ours, exact = reduced(coded, reduction, "yuv422p").planes[0], boxed(coded, reduction, "yuv422p")[0]
            swapped = reduced(bytes(other), reduction, "yuv422p").planes[0]
            assert psnr(ours, exact, 8) > 45
            assert psnr(swapped, boxed(bytes(other), reduction, "yuv422p")[0], 8) > 45


@pytest.mark.parametrize("macroblocks", [1, 2, 4, 8])
@pytest.mark.parametrize("width", [16, 48, 112, 240, 250, 496])
def test_slices_of_all_widths_tell_the_same(width: int, macroblocks: int) -> None:
    for scan in ("progressive", "tff"):
        coded = packet(Coding(width, 40, "hq", scan, macroblocks=macroblocks))
        for reduction in prores.REDUCTIONS:
            for ours, exact in zip(reduced(coded, reduction, "yuv420p").planes, boxed(coded, reduction, "yuv420p"), strict=True):
                assert psnr(ours, exact, 8) > 46


def test_fields_may_have_slices_of_different_widths() -> None:
    """Each picture's header says how wide its slices are."""
    narrow, wide = (packet(Coding(176, 64, "hq", "tff", macroblocks=count)) for count in (2, 8))
    pictures = []
    for coded in (narrow, wide):
        place = 8 + int.from_bytes(coded[8:10], "big")
        length = int.from_bytes(coded[place + 1 : place + 5], "big")
        pictures.append((coded[place : place + length], coded[place + length :]))
    mixed = wide[: 8 + int.from_bytes(wide[8:10], "big")] + pictures[0][0] + pictures[1][1]
    for reduction in prores.REDUCTIONS:
        for ours, exact in zip(reduced(mixed, reduction, "yuv420p").planes, boxed(mixed, reduction, "yuv420p"), strict=True):
            assert psnr(ours, exact, 8) > 46


def with_matrices(coded: bytes, luma: bytes | None, chroma: bytes | None) -> bytes:
    """The frame with other matrices in its header."""
    header = int.from_bytes(coded[8:10], "big")
    fields = bytearray(coded[10:28])
    fields[17] = fields[17] & ~3 | (luma is not None) << 1 | (chroma is not None)
    head = bytes(fields) + (luma or b"") + (chroma or b"")
    rest = coded[8 + header :]
    size = 8 + 2 + len(head) + len(rest)
    return size.to_bytes(4, "big") + b"icpf" + (2 + len(head)).to_bytes(2, "big") + head + rest


def test_quantisation_matrices() -> None:
    steep = bytes(min(63, 4 + 3 * (i // 8) + 2 * (i % 8)) for i in range(64))
    flat = bytes([7]) * 64
    plain = packet(Coding(96, 64, "standard", "progressive", "scene", matrix="default"))
    seen = set()
    for luma in (None, steep, flat):
        for chroma in (None, steep, flat):
            coded = with_matrices(plain, luma, chroma)
            for reduction in (4, 2):
                planes = reduced(coded, reduction, "yuv422p10le").planes
                seen.add((reduction, b"".join(plane.tobytes() for plane in planes)))
                for ours, exact in zip(planes, boxed(coded, reduction, "yuv422p10le"), strict=True):
                    assert psnr(ours, exact, 10) > 34
    assert len(seen) == 2 * 7  # where only luma is given it counts for chroma too, so two pairs are alike


def test_coarse_quantisers() -> None:
    """An index above 128 counts in steps of four."""
    coded = bytearray(packet(Coding(64, 16, "proxy", "progressive", "grey", macroblocks=1)))
    picture = 8 + int.from_bytes(coded[8:10], "big")
    place = picture + 8 + 2 * 4
    for number, index in enumerate((2, 127, 128, 130)):
        coded[place + 1] = index
        place += int.from_bytes(coded[picture + 8 + 2 * number :][:2], "big")
    for name in ("yuv422p", "yuv422p10le"):
        for ours, theirs in zip(reduced(bytes(coded), 8, name).planes, boxed(bytes(coded), 8, name), strict=True):
            assert np.abs(ours - theirs).max() <= 0.5 + (name == "yuv422p10le") / 2
            assert len(np.unique(theirs)) > 1


@pytest.mark.parametrize("bits", [8, 16])
def test_alpha_is_left_out(bits: int) -> None:
    opaque, seen_through = (packet(Coding(112, 48, "4444", alpha=alpha)) for alpha in (0, bits))
    assert seen_through[25] & 15
    for ours, exact in zip(reduced(seen_through, 4, "yuv444p12le").planes, boxed(opaque, 4, "yuv444p12le"), strict=True):
        assert psnr(ours, exact, 12) > 45


def test_values_keep_clear_of_the_ends() -> None:
    """The codes that mark timing in video signals never come out: 0 and 255, and their kin of more bits."""
    coded = packet(Coding(128, 96, "hq", "progressive", "extremes"))
    for name, (bits, *_) in prores.PIXEL_FORMATS.items():
        if "444" in name:
            continue
        for plane in reduced(coded, 2, name).planes[:1]:
            least = 1 if bits == 8 else 4
            assert plane.min() >= least
            assert plane.max() <= 2**bits - 1 - least
            assert plane.min() < 2 * least + 2**bits // 20  # and they are used
            assert plane.max() > 2**bits - 2 * least - 2**bits // 20


def test_plain_instructions_give_the_same_bytes() -> None:
    from film_archive.media.prores import _reduced

    for profile in ("hq", "4444"):
        for scan in SCANS[:2]:
            coding = Coding(250, 96, profile, scan, "scene")
            coded = packet(coding)
            for reduction in prores.REDUCTIONS:
                for name in formats(coding):
                    decoder = ReducedDecoder(250, 96, reduction, name)
                    ours = decoder.decode(coded)
                    plain = [np.zeros_like(plane) for plane in ours.planes]
                    lines = [plane.strides[0] for plane in plain]
                    _reduced.decode(coded, 250, 96, reduction, *prores.PIXEL_FORMATS[name], plain, lines, True)
                    for one, other in zip(ours.planes, plain, strict=True):
                        assert np.array_equal(one, other)
