"""The page of a shelf, opened from disk in Debian's Chromium: search, folders, pictures, the pick list; one file or a folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from film_archive.catalog.catalog import Catalog
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.tape.shelf import Shelf
from film_archive.testing.media import ClipSpec, cached_clip
from film_archive.workflows import tape_page, tape_shelf
from film_archive.workflows.production import create_archive
from film_archive.workflows.taping import apply_set, plan_set_of
from tests.server.reviewing import PATIENCE, chromium  # noqa: F401  a fixture
from tests.tape.sets import QUICK, WISHES, make_files

CLIPS = [
    ClipSpec(
        name=f"A001C00{number}", frames=24, reel="A001", start=Timecode.from_string(f"0{number}:00:00:00", FrameRate(24))
    )
    for number in (1, 2)
]


@dataclass
class Seen:
    """A page that was opened from disk, and what went wrong in it."""

    page: Any
    wrong: list[str]

    def rows(self) -> list[str]:
        return [str(text) for text in self.page.locator("#rows tr").all_inner_texts()]

    def told(self) -> str:
        return str(self.page.locator("#told").inner_text())

    def search(self, text: str, told: str) -> list[str]:
        self.page.fill("#search", text)
        self.page.wait_for_function("told => document.getElementById('told').textContent.startsWith(told)", arg=told)
        return self.rows()


@pytest.fixture
def seen(chromium: Any) -> Iterator[Seen]:  # noqa: F811  the fixture
    context = chromium.new_context(offline=True, viewport={"width": 1280, "height": 720})
    found = Seen(context.new_page(), [])
    found.page.set_default_timeout(PATIENCE * 1000)
    found.page.on("pageerror", lambda error: found.wrong.append(str(error)))
    found.page.on("console", lambda said: found.wrong.append(said.text) if said.type in ("error", "warning") else None)
    found.page.on("request", lambda request: found.wrong.extend([request.url] if request.url.startswith("http") else []))
    found.page.on("dialog", lambda dialog: found.wrong.append(dialog.message))
    yield found
    context.close()
    assert found.wrong == []


@pytest.fixture
def catalog(tmp_path: Path, footage: Path) -> Iterator[Catalog]:
    """Two copies of a day of clips and oddly named files, one in the vault; an archive of the day has their pictures."""
    day = make_files(tmp_path / "day", {"sound/T1.txt": 5, "<img src=x onerror=alert(1)>.txt": 9, "ünï ' \" &.txt": 3})
    for spec in CLIPS:
        shutil.copy2(cached_clip(spec, footage), day / f"{spec.name}.mov")
    create_archive(tmp_path / "day.zip", [day], proxies=("thumbnail",))
    shelf = Shelf(tmp_path / "shelf")
    with Catalog.open(tmp_path / "catalog.sqlite") as opened:
        plan = plan_set_of("FILM & <b>", [day], replace(WISHES, copies=2), shelf, opened)
        assert apply_set(plan, shelf, replace(QUICK, facts=True), catalog=opened).exit_status == 0
        tape_shelf.put_cartridges(opened, shelf, ["FA0002"], "vault", "shelf 3")
        yield opened


@pytest.mark.ci
@pytest.mark.parametrize("most", [200_000, 3], ids=["one file", "a folder"])
def test_a_shelf_is_browsed_without_its_tapes(seen: Seen, catalog: Catalog, tmp_path: Path, most: int) -> None:
    made = tape_page.write_page(catalog, tmp_path / "browse.html", title="Shelf <3>", pictures=[tmp_path / "day.zip"], most=most)
    assert (made.files, made.cartridges, made.thumbnails, made.parts) == (10, 2, 2, 0 if most > 10 else 2)
    page = seen.page
    page.goto(Path(made.page).as_uri())
    page.wait_for_function("document.querySelectorAll('#rows tr').length === 1")
    assert page.title() == page.locator("#title").inner_text() == "Shelf <3>"
    assert "vault" in page.locator("#cartridges").inner_text()
    assert "FILM & <b> 1, copy 2" in page.locator("#cartridges").inner_text()
    page.get_by_role("button", name="day/").click()
    page.wait_for_function("document.querySelectorAll('#rows tr').length === 9")  # a folder, and four files on two cartridges
    names = " ".join(seen.rows())
    assert "<img src=x onerror=alert(1)>.txt" in names
    assert "ünï ' \" &.txt" in names
    pictures = page.locator("#rows img")
    assert pictures.count() == 4
    assert pictures.evaluate_all("all => all.every((one) => one.complete && one.naturalWidth > 100)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=tmp_path / "shelf.png")
    [first, second] = seen.search("02:00:00:23", "2 found")
    assert "A001C002.mov" in first
    assert "02:00:00:00 · 24 frames" in first
    assert "FA0002L8" in second
    assert seen.search("02:00:01:00", "0 found") == []
    assert len(seen.search("a001 C001", "2 found")) == 2
    page.get_by_role("checkbox").nth(1).check()
    picked = page.locator("#picks").inner_text()
    assert "FA0002L8" in picked
    assert "1 files" not in picked
    assert "1 file ·" in picked
    assert "vault" in picked
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save as CSV").click()
    waiting.value.save_as(tmp_path / "picks.csv")
    lines = (tmp_path / "picks.csv").read_text("utf-8").splitlines()
    assert lines[0] == '"barcode","path","bytes","xxh128"'
    assert lines[1].startswith('"FA0002L8","day/A001C001.mov"')
    assert len(lines) == 2


@pytest.mark.nightly
def test_a_quarter_of_a_million_rows(seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The form for large shelves at its real size: nothing is loaded before it is asked for, and searching finds the last row."""
    with Catalog.open(tmp_path / "catalog.sqlite") as catalog:
        enter_rows(catalog, 3, 84_000)
        made = tape_page.write_page(catalog, tmp_path / "large.html")
    assert (made.files, made.parts) == (252_000, 3)
    page = seen.page
    page.goto(Path(made.page).as_uri())
    page.wait_for_function("document.querySelectorAll('#rows tr').length > 0")
    assert seen.search("clip 2 083999", "1 found") != []
    assert "500 are shown" in (seen.search("reel", "252000 found"), seen.told())[1]


def enter_rows(catalog: Catalog, cartridges: int, rows: int) -> None:
    from film_archive.catalog.cartridges import CartridgeRow
    from film_archive.tape.cataloguing import Seen as Entered
    from film_archive.tape.cataloguing import enter
    from film_archive.tape.ltfs.tree import TapeFile, Times

    for number in range(cartridges):
        serial = f"BIG00{number}"
        files = [
            (f"reel {place // 1000:03}/clip {number} {place:06}.dpx", TapeFile(place + 2, 100, Times.all_of(0)))
            for place in range(rows)
        ]
        row = CartridgeRow(f"big:{number}", serial, f"{serial}L9", "BIG", number + 1, 1, 1, 0, rows, rows * 100, None, "")
        enter(catalog, Entered(row, lambda its=files: its, None), "tape import")
