"""Reading a list of any format: which one it is, by what is in it.

The name's extension only decides where the content does not.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from pathlib import Path

from film_archive.core.errors import Damaged, NotFound, NotSupported, from_os_error
from film_archive.core.source import kind_of, printable
from film_archive.core.timecode import RateLike
from film_archive.editorial.adapters import read_aaf, read_fcp7
from film_archive.editorial.ale import looks_like_ale, read_ale
from film_archive.editorial.edl import looks_like_edl, read_edl
from film_archive.editorial.event import EditList
from film_archive.editorial.fcpxml import read_fcpxml
from film_archive.editorial.otio_events import read_otio
from film_archive.editorial.pull_list import looks_like_pull_list, read_pull_list
from film_archive.editorial.text import decode

LARGEST = 1 << 28
"""Bytes of a list that are read."""
_START = 1 << 16
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_CONTENT = "content.otio"


def read_list(path: str | os.PathLike[str], rate: RateLike | None = None) -> EditList:
    """Read an EDL, ALE, FCPXML (also the bundle), CSV, OTIO, OTIOZ, OTIOD, AAF or Final Cut Pro 7 XML.

    `rate` is for formats that do not carry one, and overrules the list's own for its record side. Raises NotFound,
    NotSupported (with what to install), Damaged; an EDL, ALE or CSV is never refused for what is in it.
    """
    path = Path(path)
    name = printable(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return _read_folder(path, name, rate)
        if not stat.S_ISREG(mode):  # opening a pipe would wait for somebody to write into it
            raise NotSupported(f"{name} is {kind_of(mode)} and no list.")
        with path.open("rb") as file:
            if file.read(4) == b"PK\x03\x04":
                return read_otio(_bundled(path, name), name, rate)
            file.seek(0)
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise from_os_error(error, f"read {name}") from error
    return read_list_bytes(data, name, rate)


def read_list_bytes(data: bytes, name: str, rate: RateLike | None = None) -> EditList:
    """As `read_list`, of a list's bytes; `name` is what errors call it, and its extension a hint."""
    if len(data) > LARGEST:
        raise NotSupported(f"{name} is larger than the {LARGEST} bytes that a list may have.")
    if data.startswith(_OLE):
        return read_aaf(data, name, rate)
    text = decode(data[:_START])[0].removeprefix("\ufeff").lstrip("\0 \t\r\n")
    if text.startswith("<"):
        return read_fcp7(data, name, rate) if "<xmeml" in text else read_fcpxml(data, name, rate)
    if text.startswith("{"):
        return read_otio(data, name, rate)
    if looks_like_ale(text):
        return read_ale(data, rate)
    extension = Path(name).suffix.casefold()
    if extension == ".ale":
        return read_ale(data, rate)
    if extension in (".csv", ".tsv") or (
        extension != ".edl" and not looks_like_edl(text) and looks_like_pull_list(text)
    ):
        return read_pull_list(data, rate)
    return read_edl(data)


def _read_folder(path: Path, name: str, rate: RateLike | None) -> EditList:
    for inside, read in ((_CONTENT, read_otio), ("Info.fcpxml", read_fcpxml)):
        document = path / inside
        if document.is_file():
            with document.open("rb") as file:
                data = file.read(LARGEST + 1)
            if len(data) > LARGEST:
                raise NotSupported(f"{name} is larger than the {LARGEST} bytes that a list may have.")
            return read(data, name, rate)
    raise NotFound(
        f"{name} is a folder without a timeline: neither {_CONTENT} (.otiod) nor Info.fcpxml (.fcpxmld) is in it."
    )


def _bundled(path: Path, name: str) -> bytes:
    """The timeline in an `.otioz`, whatever case its name is in."""
    try:
        with zipfile.ZipFile(path) as bundle:
            content = next((each for each in bundle.infolist() if each.filename.casefold() == _CONTENT), None)
            if content is None:
                raise NotSupported(f"{name} is a zip without {_CONTENT}; it is no list.")
            if content.file_size > LARGEST:
                raise NotSupported(f"{_CONTENT} in {name} is larger than the {LARGEST} bytes that a list may have.")
            with bundle.open(content) as file:
                return file.read(LARGEST)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError) as error:
        raise Damaged(f"{name} can't be read as a bundle: {error}.") from error
