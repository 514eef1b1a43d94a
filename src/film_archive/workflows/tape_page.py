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

from film_archive.archive.reader import Archive, open_archive
from film_archive.catalog.cartridges import Cartridges, KnownCartridge
from film_archive.catalog.catalog import Catalog
from film_archive.core import files
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, Refused
from film_archive.core.folders import AtomicFolder
from film_archive.core.job import Failure
from film_archive.core.member import Member, Role
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.tape.formats import GENERATIONS, MEDIA
from film_archive.workflows.tape_finding import FoundOnTape
from film_archive.workflows.tape_shelf import all_on_tape, now_text

MOST_IN_ONE = 200_000
_TILES = 12
"""So many frames of a proxy are looked at for a picture of its clip."""
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
    rows: dict[str, list[FoundOnTape]] = {each.row.barcode: [] for each in known}
    for one in all_on_tape(catalog):
        rows.setdefault(one.barcode, []).append(one)
    count = sum(map(len, rows.values()))
    wanted = {one.digest for listed in rows.values() for one in listed if one.digest is not None}
    thumbnails, failed = _thumbnails(pictures, wanted)
    template = resources.files("film_archive.tape").joinpath("shelf.html").read_text("utf-8")
    header = {"title": title, "made": now_text(), "thumbnails": thumbnails}
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


def _thumbnails(archives: Sequence[Path], wanted: set[str]) -> tuple[dict[str, str], list[Failure]]:
    """XXH3-128 → a small picture as a data URL, of a frame of the smallest proxy that archives have of that content."""
    found: dict[str, str] = {}
    failed: list[Failure] = []
    for path in archives:
        try:
            with open_archive(path) as archive:
                proxies: dict[str, list[Member]] = {}
                for one in archive.members():
                    if one.role == Role.PROXY and one.of is not None:
                        proxies.setdefault(one.of, []).append(one)
                for member in archive.originals():
                    key = member.digests.get(KEY)
                    if key in wanted and key not in found and member.path in proxies:
                        smallest = min(proxies[member.path], key=lambda proxy: proxy.size)
                        found[key] = _picture(archive, smallest, member)
        except FilmArchiveError as error:
            failed.append(Failure.of(printable(path), error))
    return found, failed


def _picture(archive: Archive, proxy: Member, original: Member) -> str:
    """The frame of a proxy that shows most, as a data URL; raises Damaged where none can be decoded."""
    from film_archive.media.av.posters import best_frames, jpeg, tiles_of

    frames = 1 if original.media is None or original.media.frames is None else original.media.frames
    tiles = tiles_of(archive.source(proxy), frames, _TILES)
    if not tiles:
        raise Damaged(f"{proxy.path} of {archive.name} has no frame that can be decoded; make it again with `proxy`.")
    best = best_frames(tiles)[0]
    data = jpeg(next(tile.picture for tile in tiles if tile.number == best))
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')}"
