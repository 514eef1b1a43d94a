"""Reading XML that somebody else wrote: sidecars of cameras, iXML of sound recorders.

A document type declaration is refused, since that is where entities are declared that grow to gigabytes or name other
files; size and depth are bounded.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from film_archive.core.errors import Damaged, NotSupported

MAXIMUM = 1 << 24
_DEEPEST = 200


class _Builder(TreeBuilder):
    """Elements under their local names: every vendor changes its namespace with the version."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._depth = 0

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise NotSupported(f"{self._name} declares a document type ({name}), which is not read from strangers.")

    def start(self, tag: str, attributes: dict[str, str], /) -> Element:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Damaged(f"{self._name} is nested more than {_DEEPEST} deep, which no honest document is.")
        return super().start(tag.rpartition("}")[2], attributes)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag.rpartition("}")[2])


def parse_xml(data: bytes, name: str, *, maximum: int = MAXIMUM) -> Element:
    """The root element of a document, namespaces taken off; `name` is what errors call it.

    Raises Damaged where it is not XML, or longer than `maximum` bytes; NotSupported where it declares a document type.
    """
    if len(data) > maximum:
        raise Damaged(f"{name} has {len(data)} bytes of XML, more than the {maximum} that are read.")
    builder = _Builder(name)
    parser = XMLParser(target=builder)
    try:
        wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        parser.feed(data if wide else data.strip(b"\0 \t\r\n"))  # iXML chunks are often filled up with zeros
        return parser.close()
    except (ParseError, ValueError, LookupError) as error:
        if isinstance(error, Damaged | NotSupported):
            raise
        raise Damaged(f"{name} is not readable as XML: {error}.") from error


def text_of(element: Element, path: str) -> str | None:
    """The text of the first element at a path below, without blanks around it; None where there is none."""
    return (element.findtext(path) or "").strip() or None
