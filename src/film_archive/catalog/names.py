"""Names of files as text that every database can hold and search, whatever bytes they are made of."""

from __future__ import annotations

import re

_MARK = "\x1a"
_ESCAPED = re.compile(r"\x1a([0-9a-f]{2})")


def to_text(name: str) -> str:
    """A name as the system gives it (bytes that are no UTF-8 as surrogates), as text that is UTF-8."""
    if name.isascii() and _MARK not in name:
        return name
    return "".join(
        f"{_MARK}{ord(sign) & 0xFF:02x}" if sign == _MARK or 0xDC80 <= ord(sign) <= 0xDCFF else sign for sign in name
    )


def from_text(text: str) -> str:
    """The name again."""
    if _MARK not in text:
        return text
    return _ESCAPED.sub(lambda found: _plain(int(found[1], 16)), text)


def _plain(byte: int) -> str:
    return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)
