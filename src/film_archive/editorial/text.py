"""Lists' bytes as text and lines: which encoding, which line ends, what padding. Defined here and only here."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

PADDING = "\0\x1a \t\f\v"
"""What stands around a line and means nothing: blanks, and the NUL and ^Z with which old systems fill blocks up."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LOOKED_AT = 4096
_FILLED = re.compile(r"[^\n]+")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a list, without the padding around it; `number` counts from 1."""

    number: int
    text: str


def decode(data: bytes) -> tuple[str, str]:
    """A list's text without its byte order mark, and the encoding that it was read in. Never refuses.

    A mark decides; else UTF-16 where every other byte is NUL; else UTF-8; else Windows-1252, whose five unused bytes
    are read as Latin-1. What can't be decoded in a marked encoding becomes U+FFFD.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace"), encoding
    wide = _unmarked_wide(data)
    if wide is not None:
        return data.decode(wide, "replace"), wide
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252"), "cp1252"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def _unmarked_wide(data: bytes) -> str | None:
    """UTF-16 without a mark: nearly all bytes of one parity are NUL and nearly none of the other."""
    start = data[:_LOOKED_AT]
    if len(start) < 4:
        return None
    half = len(start) // 2
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if odd > half * 0.8 and even < half * 0.1:
        return "utf-16-le"
    if even > half * 0.8 and odd < half * 0.1:
        return "utf-16-be"
    return None


def lines(text: str) -> list[Line]:
    """The lines that are not blank; they end at CR, LF or CR LF, also where these are mixed."""
    text = _unified(text)
    found = []
    number, at = 1, 0
    for match in _FILLED.finditer(text):
        number += text.count("\n", at, match.start())
        at = match.start()
        line = match[0].strip(PADDING)
        if line:
            found.append(Line(number, line))
    return found


def all_lines(text: str) -> list[Line]:
    """Every line as it is, but for NUL and ^Z at its ends."""
    return [Line(number, line.strip("\0\x1a")) for number, line in enumerate(_unified(text).split("\n"), 1)]


def table_lines(text: str) -> list[Line]:
    """As `lines`, with the blanks around a line kept: in a table between tabs they are empty cells."""
    return [line for line in all_lines(text) if line.text.strip(PADDING)]


def _unified(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
