"""The shelf as one page that opens from a disk, without a server and without the tapes: search, folders, clips, a pick list.

Up to 200,000 files it is one file. Above, it is a folder with the page and one data file a cartridge, which the page fetches
when it needs them; that too works from a disk.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from film_archive.archive.reader import open_archive
from film_archive.catalog.cartridges import Cartridges, KnownCartridge
from film_archive.catalog.catalog import Catalog
from film_archive.core import files
from film_archive.core.digest import KEY
from film_archive.core.errors import FilmArchiveError, NotFound, Refused
from film_archive.core.folders import AtomicFolder
from film_archive.core.job import Failure
from film_archive.core.member import Role
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.tape.formats import GENERATIONS, MEDIA
from film_archive.workflows.tape_finding import FoundOnTape
from film_archive.workflows.tape_shelf import all_on_tape, now_text

MOST_IN_ONE = 200_000
_LARGEST_PICTURE = 64 << 10
_DATA = "<!--DATA-->"
_ESCAPES = (
    *((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026")),
    *((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029")),
)
_LOAD_AND_LOCATE = 80
"""Seconds that a cartridge takes before its first byte, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfPage(Record):
    """A page that was written."""

    page: str
    """The file to open."""
    cartridges: int
    """The cartridges it is about."""
    files: int
    """How many files, or which."""
    thumbnails: int
    """Clips with a picture."""
    parts: int
    """Data files beside the page; 0 where it is one file."""
    failed: tuple[Failure, ...]
    """Archives whose pictures could not be read."""


def write_page(
    catalog: Catalog, target: Path, *, title: str = "Tape shelf", pictures: Sequence[Path] = (), most: int = MOST_IN_ONE
) -> ShelfPage:
    """Write the page to `target`, or, where it would have more than `most` files, a folder of that name without its ending.

    `pictures` are archives whose posters stand beside clips of the same content. Replaces the page that was there; raises
    NotFound where the catalog knows no cartridge, Refused where a folder of the name holds something else.
    """
    known = Cartridges(catalog).all()
    if not known:
        raise NotFound(f"The catalog {catalog.name} knows no cartridge; `tape catalog --rebuild` enters those of the shelf.")
    thumbnails, failed = _thumbnails(pictures)
    rows: dict[str, list[FoundOnTape]] = {each.row.barcode: [] for each in known}
    for one in all_on_tape(catalog):
        rows.setdefault(one.barcode, []).append(one)
    count = sum(map(len, rows.values()))
    template = resources.files("film_archive.tape").joinpath("shelf.html").read_text("utf-8")
    header = {"title": title, "made": now_text(), "thumbnails": _used(thumbnails, rows)}
    if count <= most:
        script = b"<script>" + b"".join(_inline(known, rows, header)) + b"</script>"
        page = template.encode().replace(_DATA.encode(), script)
        files.write_atomically(target, page, replace=True)
        page_at, parts = target, 0
    else:
        page_at, parts = _write_folder(target.with_suffix(""), template, known, rows, header)
    return ShelfPage(
        page=str(page_at), cartridges=len(known), files=count, thumbnails=len(header["thumbnails"]), parts=parts,
        failed=tuple(failed),
    )  # fmt: skip


def _described(each: KnownCartridge, data: str = "") -> dict[str, Any]:
    medium = MEDIA.get(each.row.barcode[6:])
    speed = GENERATIONS[medium.format].speed if medium is not None else 300_000_000
    return {
        "barcode": each.row.barcode, "set": each.row.tape_id, "number": each.row.number, "copy": each.row.copy,
        "files": each.row.files, "bytes": each.row.size, "location": each.place, "uuid": each.row.uuid, "speed": speed,
        "seconds": _LOAD_AND_LOCATE, "data": data,
    }  # fmt: skip


def _rows_script(number: int, rows: Sequence[FoundOnTape]) -> bytes:
    values = [
        [one.path, one.size, one.digest, one.modified, one.start_timecode, one.frames, one.frame_rate, one.reel, one.verified]
        for one in rows
    ]
    return b"shelfRows(%d,%b);\n" % (number, _safe(values))


def _safe(value: Any) -> bytes:
    """JSON that may stand in a script of a page, whatever names it has in it."""
    encoded = to_json(value, inf_nan_mode="null", serialize_unknown=True)
    for sign, escape in _ESCAPES:
        encoded = encoded.replace(sign, escape)
    return encoded


def _inline(
    known: Sequence[KnownCartridge], rows: dict[str, list[FoundOnTape]], header: dict[str, Any]
) -> Iterator[bytes]:
    for number, each in enumerate(known):
        yield _rows_script(number, rows[each.row.barcode])
    yield b"begin(%b);" % _safe({**header, "cartridges": [_described(each) for each in known]})


def _write_folder(
    folder: Path,
    template: str,
    known: Sequence[KnownCartridge],
    rows: dict[str, list[FoundOnTape]],
    header: dict[str, Any],
) -> tuple[Path, int]:
    if folder.exists() and not (folder / "index.html").is_file() and any(folder.iterdir()):
        raise Refused(f"{printable(folder)} has something else in it; name another place for the page.")
    if folder.exists():
        files.remove_tree(folder)
    with AtomicFolder(folder) as made:
        (made.path / "data").mkdir()
        described = []
        for number, each in enumerate(known):
            name = f"data/{number:05}.js"
            (made.path / name).write_bytes(_rows_script(number, rows[each.row.barcode]))
            described.append(_described(each, name))
        script = b"<script>begin(%b);</script>" % _safe({**header, "cartridges": described})
        (made.path / "index.html").write_bytes(template.encode().replace(_DATA.encode(), script))
        made.commit()
    return folder / "index.html", len(known)


def _thumbnails(archives: Sequence[Path]) -> tuple[dict[str, str], list[Failure]]:
    """XXH3-128 → a picture as a data URL, from the posters of archives."""
    found: dict[str, str] = {}
    failed: list[Failure] = []
    for path in archives:
        try:
            with open_archive(path) as archive:
                posters = {one.of: one for one in archive.members() if one.role == Role.POSTER and one.of}
                for member in archive.originals():
                    poster = posters.get(member.path)
                    key = member.digests.get(KEY)
                    if poster is not None and key is not None and poster.size <= _LARGEST_PICTURE:
                        data = base64.b64encode(archive.read(poster.path)).decode("ascii")
                        found[key] = f"data:image/jpeg;base64,{data}"
        except FilmArchiveError as error:
            failed.append(Failure.of(printable(path), error))
    return found, failed


def _used(thumbnails: dict[str, str], rows: dict[str, list[FoundOnTape]]) -> dict[str, str]:
    wanted = {one.digest for found in rows.values() for one in found if one.digest is not None}
    return {digest: picture for digest, picture in thumbnails.items() if digest in wanted}
