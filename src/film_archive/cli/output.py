"""What verbs print: lines for people, or one JSON document; progress goes to stderr."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from film_archive.core.errors import FilmArchiveError
from film_archive.core.wording import size_text as size_text  # verbs say sizes as they say all else

SCHEMA_VERSION = 1
"""Of the documents that `--json` prints."""


def print_json(document: Mapping[str, Any]) -> None:
    """One document on stdout."""
    from pydantic_core import to_json

    sys.stdout.buffer.write(to_json({"schema_version": SCHEMA_VERSION, **document}, indent=2) + b"\n")
    sys.stdout.buffer.flush()


def print_json_list(key: str, records: Iterable[Mapping[str, Any]], **more: Any) -> FilmArchiveError | None:
    """One document with a long list in it, written as it comes.

    An error that comes up in the middle ends the list, stands in the document as others do, and is returned.
    """
    from pydantic_core import to_json

    write = sys.stdout.buffer.write
    write(to_json({"schema_version": SCHEMA_VERSION, **more})[:-1] + b',"%s":[' % key.encode())
    separator = b"\n"
    failure: FilmArchiveError | None = None
    try:
        for record in records:
            write(separator + to_json(record))
            separator = b",\n"
    except FilmArchiveError as error:
        failure = error
    write(b"\n]")
    if failure is not None:
        write(b',"error":' + to_json({"status": failure.exit_status, "message": str(failure)}))
    write(b"}\n")
    sys.stdout.buffer.flush()
    return failure


def say(text: str = "") -> None:
    """A line for people, on stdout; what a file's name could do to a terminal is shown instead of done."""
    print(shown(text, sys.stdout))


def print_error(name: str, sentence: str, status: int, wants_json: bool = False) -> int:
    """An error: a sentence on stderr, and with `--json` also as the document; returns the status."""
    print(shown(f"{name}: {sentence}", sys.stderr), file=sys.stderr)
    if wants_json:
        try:
            print_json({"error": {"status": status, "message": _encodable(sentence)}})
        except OSError:  # what can't be printed to may be what went wrong; stderr has the sentence
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes at its end
    return status


def shown(text: str, stream: TextIO) -> str:
    """Text with control signs, and what the stream's encoding does not have, as escapes."""
    text = _encodable(text, stream.encoding or "utf-8")
    if text.isprintable():
        return text
    return "".join(sign if _is_harmless(sign) else sign.encode("unicode_escape").decode() for sign in text)


def _is_harmless(sign: str) -> bool:
    return sign.isprintable() or sign == "\u200d" or unicodedata.category(sign) == "Zs"  # the joiner in emoji, spaces


def _encodable(text: str, encoding: str = "utf-8") -> str:
    """Text that the encoding has; bytes of a name that are no UTF-8 become the escapes that `printable` makes of them."""
    if text.isascii():
        return text
    try:
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a surrogate pair, from JSON for instance
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def table(rows: Iterable[Iterable[object]], right: Iterable[int] = ()) -> None:
    """Columns as wide as they need to be; those in `right` are aligned right."""
    cells = [tuple(map(str, row)) for row in rows]
    if not cells:
        return
    aligned = set(right)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    line = "  ".join(f"{{:{'>' if number in aligned else '<'}{width}}}" for number, width in enumerate(widths)).format
    print("\n".join(shown(line(*row).rstrip(), sys.stdout) for row in cells))
