"""Reading XML that somebody else wrote: sidecars of cameras, iXML of sound recorders, edit lists.

A document type declaration is refused, since that is where entities are declared that grow to gigabytes or name other
files; formats whose documents always have an empty one (`<!DOCTYPE fcpxml>`) name it. Size and depth are bounded.
"""

from __future__ import annotations

from collections.abc import Collection
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from film_archive.core.errors import Damaged, NotSupported

MAXIMUM = 1 << 24
_DEEPEST = 200


def is_character(sign: str) -> bool:
    """Whether a sign may stand in an XML document at all (XML 1.0, production 2, Char)."""
    return sign in "\t\n\r" or "\x20" <= sign <= "\ud7ff" or "\ue000" <= sign <= "\ufffd" or sign >= "\U00010000"


class _Building:
    """Elements under their local names: every vendor changes its namespace with the version."""

    def __init__(self, name: str, document_types: Collection[str]) -> None:
        self._name = name
        self._types = document_types
        self._depth = 0
        self._builder = TreeBuilder()
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._builder.data
        self.parser.SkippedEntityHandler = self._entity

    def _doctype(self, name: str, system: str | None, public: str | None, declares: int) -> None:
        if declares or name not in self._types:
            raise NotSupported(f"{self._name} declares a document type ({name}), which is not read from strangers.")

    def _entity(self, name: str, is_parameter: bool) -> None:
        raise Damaged(f"{self._name} is not readable as XML: undefined entity {name}.")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Damaged(f"{self._name} is nested more than {_DEEPEST} deep, which no honest document is.")
        named = {name if "}" not in name else "{" + name: value for name, value in attributes.items()}
        self._builder.start(tag.rpartition("}")[2], named)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        self._builder.end(tag.rpartition("}")[2])

    def root(self) -> Element:
        return self._builder.close()


def parse_xml(data: bytes, name: str, *, maximum: int = MAXIMUM, document_types: Collection[str] = ()) -> Element:
    """The root element of a document, namespaces taken off; `name` is what errors call it.

    `document_types` are the names of those that the document may have, if they declare nothing. Raises Damaged where it
    is not XML, or longer than `maximum` bytes; NotSupported where it declares (another) document type.
    """
    if len(data) > maximum:
        raise Damaged(f"{name} has {len(data)} bytes of XML, more than the {maximum} that are read.")
    building = _Building(name, document_types)
    try:
        wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        building.parser.Parse(data if wide else data.strip(b"\0 \t\r\n"), True)  # iXML chunks are often filled up with zeros
        return building.root()
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, Damaged | NotSupported):
            raise
        raise Damaged(f"{name} is not readable as XML: {error}.") from error


def text_of(element: Element, path: str) -> str | None:
    """The text of the first element at a path below, without blanks around it; None where there is none."""
    return (element.findtext(path) or "").strip() or None
