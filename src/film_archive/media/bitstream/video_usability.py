"""The colour tags in the video usability information, which H.264 (E.1.1) and HEVC (E.2.1) begin alike."""

from __future__ import annotations

from film_archive.core.facts import ColorFacts
from film_archive.media.bitstream.bits import Bits
from film_archive.media.color_tags import color_facts

_EXTENDED_ASPECT = 255


def usability_color(bits: Bits) -> ColorFacts:
    """Read up to the colour description; what comes before it (aspect ratio, overscan) is passed over."""
    if bits.flag() and bits.take(8) == _EXTENDED_ASPECT:
        bits.take(32)
    if bits.flag():
        bits.take(1)
    if not bits.flag():
        return ColorFacts()
    bits.take(3)
    full = bits.flag()
    if not bits.flag():
        return ColorFacts(range="full" if full else "limited")
    return color_facts(bits.take(8), bits.take(8), bits.take(8), full)
