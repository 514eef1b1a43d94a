"""Files of an index that are written as they usually are: each read by one regular expression instead of sixty XML events.

A fast path, and nothing else: what is the least unusual is left to the parser of `index_reader.py`, and
`tests/tape/ltfs/test_index.py` holds both ways equal on damaged and odd indexes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from film_archive.tape.ltfs.times import known_second
from film_archive.tape.ltfs.tree import ROOT_UID, TapeAttribute, TapeExtent, TapeFile, Times

_LONGEST = 1 << 20
"""Bytes of a file's element that are waited for; what is longer is not looked at as a whole."""
_SECOND = 1_000_000_000

_TIME = rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z)"
_NUMBER = rb"(\d{1,18})"
# XML has no U+FFFE and U+FFFF. Possessive, so that what does not match is given up at once.
_VALUE = rb"(?:[^<>&\x00-\x1f\xef]++|\xef(?!\xbf[\xbe\xbf]))*+"
_NAME = rb"(?:[^<>&/\x00-\x1f\xef]++|\xef(?!\xbf[\xbe\xbf]))++"
_KEY = rb"[\x20-\x25\x27-\x3b\x3d\x3f-\x7e]+"
_ATTRIBUTE = rb'\s*<xattr>\s*<key>%b</key>\s*<value(?: type="text")?>%b</value>\s*</xattr>'
_USUAL_ATTRIBUTE = re.compile(_ATTRIBUTE % (rb"(" + _KEY + rb")", rb"(" + _VALUE + rb")"))
_USUAL_FILE = re.compile(
    rb"<file>\s*<name>(%b)</name>\s*<length>%b</length>\s*<readonly>(true|false)</readonly>\s*"
    rb"<creationtime>%b</creationtime>\s*<changetime>%b</changetime>\s*<modifytime>%b</modifytime>\s*"
    rb"<accesstime>%b</accesstime>\s*<backuptime>%b</backuptime>\s*<fileuid>%b</fileuid>\s*"
    rb"(?:<extendedattributes>((?:%b)*)\s*</extendedattributes>\s*)?"
    rb"(?:<extentinfo>\s*<extent>\s*<fileoffset>%b</fileoffset>\s*<partition>([a-z])</partition>\s*"
    rb"<startblock>%b</startblock>\s*<byteoffset>%b</byteoffset>\s*<bytecount>%b</bytecount>\s*"
    rb"</extent>\s*</extentinfo>\s*)?</file>"
    % (
        *(_NAME, _NUMBER, _TIME, _TIME, _TIME, _TIME, _TIME, _NUMBER),
        _ATTRIBUTE % (_KEY, _VALUE),
        *(_NUMBER, _NUMBER, _NUMBER, _NUMBER),
    )
)


def without_usual_files(
    chunks: Iterable[bytes], take: Callable[[str, TapeFile], bool], in_contents: Callable[[], bool]
) -> Iterator[bytes]:
    """What is left of an index for its parser: all but the usual files that `take` takes (name, file).

    What is handed on is parsed before this goes on, so `take` and `in_contents` (whether the parser stands among files of a
    folder) know where the parser is. Comments, sections and instructions, in which something might only look like a file,
    end this for good.
    """
    waiting = b""
    chunks = iter(chunks)
    declared = len(b"<?xml")
    for chunk in chunks:
        waiting += chunk
        beginning = declared if waiting.startswith(b"<?xml") else 0
        if b"<!" in waiting or b"<?" in waiting[beginning:]:
            yield waiting
            yield from chunks
            return
        position = 0
        while True:
            begin = waiting.find(b"<file>", position)
            if begin < 0:
                end = max(position, len(waiting) - 5)  # "<file" might be continued
                if end > position:
                    yield waiting[position:end]
                waiting = waiting[end:]
                break
            if begin > position and not (waiting[position:begin] == b"\n" and in_contents()):
                yield waiting[position:begin]
            usual = _USUAL_FILE.match(waiting, begin)
            found = None if usual is None else _file(usual)
            if usual is not None and found is not None and take(*found):
                position = usual.end()
                continue
            end = waiting.find(b"</file>", begin) + len(b"</file>")
            if end < len(b"</file>"):
                waiting = waiting[begin:]
                break
            yield waiting[begin:end]
            position = end
        if len(waiting) > _LONGEST:
            yield waiting
            yield from chunks
            return
    yield waiting


def _file(usual: re.Match[bytes]) -> tuple[str, TapeFile] | None:
    """The name and the file, or None where there is anything to say about it."""
    try:
        name = usual[1].decode("utf-8")
        attributes = tuple(
            TapeAttribute(key.decode("ascii"), value) for key, value in _USUAL_ATTRIBUTE.findall(usual[10] or b"")
        )
        b"".join(value for _, value in attributes).decode("utf-8")
    except UnicodeDecodeError:
        return None
    if not name.isascii():
        name = unicodedata.normalize("NFC", name)
    times = []
    for text in usual.group(4, 5, 6, 7, 8):
        second = known_second(text[:20].decode("ascii"))
        if second is None:
            return None
        times.append(second * _SECOND + int(text[20:29]))
    length, uid = int(usual[2]), int(usual[9])
    extents: tuple[TapeExtent, ...] = ()
    if usual[11] is not None:
        offset, block, within, count = map(int, usual.group(11, 13, 14, 15))
        extents = (TapeExtent(offset, usual[12].decode("ascii"), block, within, count),)
    if uid <= ROOT_UID or name in (".", "..") or (extents and extents[0].file_end > length):
        return None
    return name, TapeFile(uid, length, Times(*times), extents, attributes, usual[3] == b"true")
