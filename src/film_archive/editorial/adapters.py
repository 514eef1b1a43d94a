"""AAF and Final Cut Pro 7 XML, through OpenTimelineIO's adapters: an optional extra, `pip install film-archive[aaf]`.

The adapter's timeline is taken as the JSON that OpenTimelineIO writes, so that all timelines are read in one place.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace

from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported
from film_archive.core.timecode import RateLike
from film_archive.core.xml import parse_xml
from film_archive.editorial.event import EditList
from film_archive.editorial.otio_events import read_otio

_XML_MAXIMUM = 1 << 28


@dataclass(frozen=True, slots=True)
class _Adapter:
    name: str
    """In OpenTimelineIO."""
    package: str
    called: str


_AAF = _Adapter("AAF", "otio-aaf-adapter", "an AAF")
_FCP7 = _Adapter("fcp_xml", "otio-fcp-adapter", "Final Cut Pro 7 XML")


def read_aaf(data: bytes, name: str, rate: RateLike | None = None) -> EditList:
    """The events of an AAF composition. Raises NotSupported without the adapter, Damaged where it can't read the file."""
    with tempfile.NamedTemporaryFile(suffix=".aaf") as file:  # the adapter reads files only
        file.write(data)
        file.flush()
        text = _read(_AAF, name, path=file.name)
    return replace(read_otio(text, name, rate), format="aaf")


def read_fcp7(data: bytes, name: str, rate: RateLike | None = None) -> EditList:
    """The events of a sequence as Final Cut Pro 7, Premiere and Resolve write it. Raises as `read_aaf` does."""
    root = parse_xml(data, name, maximum=_XML_MAXIMUM, document_types=("xmeml",))  # refuses what the adapter would not
    if root.tag != "xmeml":
        raise Damaged(f"{name} is no Final Cut Pro 7 XML: its root is {root.tag[:60]}.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Damaged(f"{name} is XML in another encoding than UTF-8, which the adapter does not read.") from None
    return replace(read_otio(_read(_FCP7, name, text=text), name, rate), format="fcp7xml")


def _read(adapter: _Adapter, name: str, *, path: str | None = None, text: str | None = None) -> bytes:
    """The timeline that an adapter reads, as OpenTimelineIO's JSON."""
    import opentimelineio

    if adapter.name not in opentimelineio.adapters.available_adapter_names():
        raise NotSupported(
            f"{name} is {adapter.called}; to read it install the extra: pip install 'film-archive[aaf]' ({adapter.package})."
        )
    try:
        if path is not None:
            timeline = opentimelineio.adapters.read_from_file(path, adapter.name)
        else:
            timeline = opentimelineio.adapters.read_from_string(text, adapter.name)
        document: str = timeline.to_json_string()
    except FilmArchiveError:
        raise
    except (Exception, RecursionError) as error:  # adapters raise whatever their parsers run into
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise Damaged(f"{name} can't be read as {adapter.called} ({adapter.package}: {reason}).") from error
    return document.encode()
