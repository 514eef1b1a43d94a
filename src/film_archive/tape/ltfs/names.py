"""What may stand as a name on tape, and how names and texts stand in an index's XML.

LTFS Format Specification 2.4, 7.4: UTF-8 in Unicode's form C, at most 255 code points, no `/`; what XML can't hold, and
a colon, is written as `%XX` in an element that says `percentencoded="true"`.
"""

from __future__ import annotations

import re
import unicodedata

from film_archive.core.errors import NotSupported
from film_archive.core.source import printable

LONGEST = 255
"""Code points of a name. Most disks take 255 bytes, so not every name on tape can be restored under its own name."""

_FORBIDDEN = re.compile("[/\0\x1f\ud800-\udfff\ufffe\uffff]")
_NEEDS_ESCAPES = re.compile(r"[&<>\r]")
_NEEDS_PERCENT = re.compile(r"[\x01-\x1f:]|^ | $")
_CONTROLS = re.compile(r"[\x01-\x1f]|^ | $")
_PERCENT = re.compile(r"[\x00-\x1f:%]|^ | $")
_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def tape_name(name: str) -> str:
    """The form in which a name stands on tape; raises NotSupported, saying why, where it can't stand there."""
    stored = unicodedata.normalize("NFC", name)
    why = None
    if stored in ("", ".", ".."):
        why = "it is no name"
    elif len(stored) > LONGEST:
        why = f"it has {len(stored)} signs, and LTFS takes {LONGEST}"
    elif found := _FORBIDDEN.search(stored):
        sign = ord(found[0])
        why = "it is not UTF-8" if 0xD800 <= sign < 0xE000 else f"LTFS names have no U+{sign:04X}"
    if why is not None:
        raise NotSupported(f"The name {printable(name)!r} can't be on tape: {why}.")
    return stored


def is_xml_text(text: str) -> bool:
    """Whether XML can hold this text as it is."""
    return _NOT_IN_XML.search(text) is None


def escape(text: str) -> str:
    """Text between tags. A carriage return would be read as a line feed if it stood there as it is."""
    if _NEEDS_ESCAPES.search(text) is None:
        return text
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def name_element(tag: str, name: str) -> str:
    """A name, key or link target as an element. Blanks at its ends are encoded too: readers drop them."""
    # The reference reads a slash in an encoded link's target as "_": a target is encoded only where XML forces it.
    if (_CONTROLS if tag == "symlink" else _NEEDS_PERCENT).search(name) is None:
        return f"<{tag}>{escape(name)}</{tag}>"
    encoded = _PERCENT.sub(lambda sign: "".join(f"%{byte:02X}" for byte in sign[0].encode()), name)
    return f'<{tag} percentencoded="true">{escape(encoded)}</{tag}>'


def percent_decoded(text: str) -> str:
    """A name that is marked as encoded; what would decode to `/`, NUL, 1F or no UTF-8 stays as it is written."""

    def decoded(run: re.Match[str]) -> str:
        octets = bytes.fromhex(run[0].replace("%", ""))
        try:
            plain = octets.decode("utf-8")
        except UnicodeDecodeError:
            return run[0]
        return "".join(f"%{ord(sign):02X}" if sign in "/\0\x1f" else sign for sign in plain)

    return _ENCODED.sub(decoded, text)
