"""H.264 as far as an index needs it: NAL units, parameter sets, whether a picture stands alone (ITU-T H.264, 7.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from film_archive.media.codecs import Codec, h264_codec

NAL_SLICE, NAL_IDR, NAL_PARAMETERS = 1, 5, 7
_HIGH_PROFILES = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))
_LONGEST_PARAMETERS = 1024


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """What a sequence parameter set says; the size is the cropped one of a whole frame."""

    codec: Codec
    width: int
    height: int
    frames_only: bool


class _Bits:
    """Bits of a NAL unit, most significant first; reading past the end gives ValueError."""

    def __init__(self, unit: bytes) -> None:
        plain = unit.replace(b"\0\0\3", b"\0\0")
        self._bits = int.from_bytes(plain, "big")
        self._left = len(plain) * 8

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("a parameter set is cut off")
        self._left -= count
        return self._bits >> self._left & ((1 << count) - 1)

    def number(self) -> int:
        """An Exp-Golomb number, ue(v)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise ValueError("a number in a parameter set is too long")
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """An Exp-Golomb number, se(v)."""
        value = self.number()
        return (value + 1) // 2 if value % 2 else -(value // 2)


def nal_units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, bytes behind the type byte) of the NAL units of a byte stream; nothing where it is none."""
    if data[:3] != b"\0\0\1" and data[:4] != b"\0\0\0\1":
        return
    place = data.find(b"\0\0\1")
    while 0 <= place < len(data) - 4:
        following = data.find(b"\0\0\1", place + 3)
        end = len(data) if following < 0 else following
        yield data[place + 3] & 0x1F, data[place + 4 : end]
        place = following


def sequence_parameters(unit: bytes) -> SequenceParameters | None:
    """A sequence parameter set from its bytes behind the NAL type; None where it is cut off or impossible."""
    try:
        return _sequence_parameters(_Bits(unit[:_LONGEST_PARAMETERS]))
    except ValueError:
        return None


def _sequence_parameters(bits: _Bits) -> SequenceParameters:
    profile, constraints, _level = bits.take(8), bits.take(8), bits.take(8)
    bits.number()
    chroma, depth = 1, 8
    if profile in _HIGH_PROFILES:
        chroma = bits.number()
        if chroma == 3:
            bits.take(1)
        depth = 8 + bits.number()
        bits.number()
        bits.take(1)
        if bits.take(1):
            for index in range(12 if chroma == 3 else 8):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    bits.number()
    order = bits.number()
    if order == 0:
        bits.number()
    elif order == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        for _ in range(min(bits.number(), 255)):
            bits.signed()
    bits.number()
    bits.take(1)
    width = 16 * (bits.number() + 1)
    lines = 16 * (bits.number() + 1)
    frames_only = bool(bits.take(1))
    fields = 1 if frames_only else 2
    if not frames_only:
        bits.take(1)
    bits.take(1)
    crop = [bits.number() for _ in range(4)] if bits.take(1) else [0, 0, 0, 0]
    across = 2 if chroma in (1, 2) else 1
    down = (2 if chroma == 1 else 1) * fields
    width -= across * (crop[0] + crop[1])
    height = lines * fields - down * (crop[2] + crop[3])
    if not (0 < width <= 65_536 and 0 < height <= 65_536 and depth <= 14):
        raise ValueError("a parameter set states an impossible size")
    return SequenceParameters(h264_codec(profile, constraints, depth), width, height, frames_only)


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def stands_alone(frame: bytes) -> bool | None:
    """Whether a picture is intra-coded, by its first slice; None where no slice is in these first bytes."""
    for kind, unit in nal_units(frame):
        if kind == NAL_IDR:
            return True
        if kind == NAL_SLICE:
            try:
                bits = _Bits(unit[:16])
                bits.number()
                return bits.number() in (2, 7)
            except ValueError:
                return None
    return None
