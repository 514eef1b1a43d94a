"""The application asked in this process: the right bytes, the right documents, and nothing that is not listed."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, unquote

import pytest

httpx = pytest.importorskip("httpx")
pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.archive.folder import FolderWriter
from film_archive.archive.writer import ZipWriter
from film_archive.core.errors import NotFound, ShortRead, UsageError
from film_archive.core.source import FileSource, MemorySource
from film_archive.core.timecode import FrameRate
from film_archive.server.app import create_app
from film_archive.server.holdings import Media
from film_archive.server.media import MediaApplication
from film_archive.server.sending import CHUNK
from film_archive.streaming.ranges import Representation
from tests.server.clients import ask, call
from tests.streaming.archives import facts_of, index_of, make_archive, make_foreign_zip, pattern

CLIP = pattern(700_000)
PROXY = pattern(20_000, 3)
PLAIN = pattern(5_000, 4)
TEXT = b"a line of a report\n" * 5_000
RATE = FrameRate(24000, 1001)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    (folder / "day 1").mkdir()
    make_archive(
        folder / "day 1" / "project.zip",
        {"footage/a.mov": CLIP, "footage/é b#1.mov": PLAIN, "page.html": b"<script>alert(1)</script>"},
        indexes={"footage/a.mov": index_of([range(12), range(12, 24)], rate=RATE)},
        media={"footage/a.mov": facts_of("01:00:00:00", RATE, 24)},
        proxies={
            "footage/a.mov": ("preview", PROXY, {"width": 854, "height": 480, "bit_rate": 1_500_000, "frames": 24})
        },
    )
    make_foreign_zip(folder / "foreign.zip", {"a.mov": CLIP, "report.txt": TEXT})
    (folder / "plain.mov").write_bytes(PLAIN)
    (folder / "empty.bin").write_bytes(b"")
    (folder / ".DS_Store").write_bytes(b"junk")
    make_folder_archive(folder / "in place")
    return folder


def make_folder_archive(folder: Path) -> Path:
    (folder / "footage").mkdir(parents=True)
    (folder / "footage" / "b.mov").write_bytes(CLIP)
    with FolderWriter.create(folder) as writer:
        with FileSource(folder / "footage" / "b.mov") as source:
            writer.add("footage/b.mov", source, identity="b")
        writer.finish()
    return folder


@pytest.fixture(scope="module")
def app(root: Path) -> Any:
    return create_app([root])


MEMBER = "/media/day%201/project.zip/footage/a.mov"
SOURCES = [
    ("/media/plain.mov", PLAIN),
    (MEMBER, CLIP),
    ("/media/day 1/project.zip/footage/" + quote("é b#1.mov"), PLAIN),
    ("/media/day%201/project.zip/.film-archive/proxies/footage/a.mov/preview.mp4", PROXY),
    ("/media/foreign.zip/report.txt", TEXT),
    ("/media/in%20place/footage/b.mov", CLIP),
    ("/media/empty.bin", b""),
]


# Media bytes


@pytest.mark.parametrize(("path", "data"), SOURCES)
def test_bytes_of_files_and_members(app: Any, path: str, data: bytes) -> None:
    answer = ask(app, path)
    assert answer.status_code == 200
    assert answer.content == data
    assert answer.headers["accept-ranges"] == "bytes"
    assert int(answer.headers["content-length"]) == len(data)
    assert answer.headers["etag"].startswith('"')
    head = ask(app, path, "HEAD", {"Range": "bytes=0-4"})
    assert (head.status_code, head.content) == (200, b"")
    assert dict(head.headers) == dict(answer.headers)


@settings(max_examples=60)
@given(
    source=st.sampled_from([source for source in SOURCES if source[1]]),
    parts=st.lists(st.tuples(st.integers(0, 720_000), st.integers(0, 400_000)), min_size=1, max_size=4),
)
def test_random_ranges_are_the_same_bytes(
    app: Any, source: tuple[str, bytes], parts: list[tuple[int, int]]
) -> None:
    path, data = source
    header = "bytes=" + ",".join(f"{first}-{first + more}" for first, more in parts)
    answer = ask(app, path, fields={"Range": header})
    wanted = set().union(*(range(first, min(first + more + 1, len(data))) for first, more in parts))
    if not wanted:
        assert answer.status_code == 416
        assert answer.headers["content-range"] == f"bytes */{len(data)}"
        return
    assert answer.status_code == 206
    assert len(answer.content) == int(answer.headers["content-length"])
    got = parts_of(answer)
    assert sum(len(part) for _, part in got) == len(wanted)
    for first, part in got:
        assert part == data[first : first + len(part)]
        assert first in wanted
        assert first + len(part) - 1 in wanted


def parts_of(answer: Any) -> list[tuple[int, bytes]]:
    """(first byte, bytes) of each part of a 206."""
    if "content-range" in answer.headers:
        return [(first_byte(answer.headers["content-range"]), answer.content)]
    boundary = answer.headers["content-type"].partition("boundary=")[2].encode()
    found, rest = [], answer.content
    while not rest.startswith(b"\r\n--" + boundary + b"--"):
        head, _, rest = rest.partition(b"\r\n\r\n")
        place = head.rpartition(b"Content-Range: ")[2].decode()
        first, last = map(int, place.removeprefix("bytes ").partition("/")[0].split("-"))
        found.append((first, rest[: last + 1 - first]))
        rest = rest[last + 1 - first :]
    return found


def first_byte(content_range: str) -> int:
    return int(content_range.removeprefix("bytes ").partition("-")[0])


def test_conditions_reach_the_answer(app: Any) -> None:
    first = ask(app, MEMBER)
    tag, date = first.headers["etag"], first.headers["last-modified"]
    for fields, status in [
        ({"If-None-Match": tag}, 304),
        ({"If-Modified-Since": date}, 304),
        ({"If-Match": '"other"'}, 412),
        ({"If-Unmodified-Since": "Mon, 01 Jan 1979 00:00:00 GMT"}, 412),
        ({"If-Range": tag, "Range": "bytes=0-4"}, 206),
        ({"If-Range": '"other"', "Range": "bytes=0-4"}, 200),
        ({"If-Range": date, "Range": "bytes=0-4"}, 206),
        ({"Range": "bytes=700000-"}, 416),
        ({"Range": "frames=0-4"}, 200),
    ]:
        assert ask(app, MEMBER, fields=fields).status_code == status, fields


def test_tags_are_digests_of_members_and_change_with_files(app: Any, root: Path) -> None:
    members = ask(app, "/api/v1/archives/day 1/project.zip/members").json()["members"]
    digest = next(member["digests"]["xxh128"] for member in members if member["path"] == "footage/a.mov")
    assert ask(app, MEMBER).headers["etag"] == f'"{digest}"'
    file = root / "changing.mov"
    file.write_bytes(b"one")
    before = ask(app, "/media/changing.mov")
    file.write_bytes(b"two")
    os.utime(file, ns=(1, file.stat().st_mtime_ns + 1))
    after = ask(app, "/media/changing.mov")
    assert (before.content, after.content) == (b"one", b"two")
    assert before.headers["etag"] != after.headers["etag"]
    file.unlink()


def test_only_get_and_head(app: Any) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        answer = ask(app, MEMBER, method)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD"


def test_a_member_that_is_a_page_runs_nothing(app: Any) -> None:
    answer = ask(app, "/media/day 1/project.zip/page.html")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-security-policy"].startswith("sandbox;")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_client_that_goes_away_is_read_nothing_more_for(tmp_path: Path) -> None:
    source = CountedSource(bytes(40 * CHUNK))
    app = media_application(source)
    sent = asyncio.run(call(app, "/media/x", disconnect_after=3))
    assert len(sent) <= 4, "the head and three chunks at most"
    assert source.read <= 6 * CHUNK


def test_a_cold_read_stalls_nobody_else() -> None:
    source = CountedSource(b"x" * 10)
    source.gate.clear()
    app = media_application(source)

    async def run() -> None:
        cold = asyncio.create_task(call(app, "/media/x"))
        await asyncio.sleep(0.05)
        assert not cold.done()
        assert (await call(app, "/media/nothing"))[0]["status"] == 404
        source.gate.set()
        assert (await cold)[-1]["body"] == b"x" * 10

    asyncio.run(run())


def test_an_answer_that_cannot_be_completed_does_not_look_complete() -> None:
    source = CountedSource(bytes(4 * CHUNK), ends_at=2 * CHUNK + 5)
    sent = asyncio.run(call(media_application(source), "/media/x"))
    assert sent[0]["status"] == 200
    assert all(message.get("more_body", True) for message in sent)
    assert sum(len(message.get("body", b"")) for message in sent) == 2 * CHUNK


class CountedSource(MemorySource):
    """Counts what is read; waits while its gate is shut; may end too early."""

    def __init__(self, data: bytes, ends_at: int | None = None) -> None:
        super().__init__(data)
        self.read = 0
        self.gate = threading.Event()
        self.gate.set()
        self._ends_at = ends_at

    def read_into(self, offset: int, buffer: memoryview) -> int:
        assert self.gate.wait(20)
        if self._ends_at is not None and offset + len(buffer) > self._ends_at:
            raise ShortRead("the file has shrunk")
        self.read += len(buffer)
        return super().read_into(offset, buffer)


def media_application(source: MemorySource) -> MediaApplication:
    """The media plane over one source, at /media/x."""

    def media(path: str) -> Media:
        if path != "x":
            raise NotFound("There is nothing.")
        return Media(source, Representation(size=source.size, etag=None, last_modified=None))

    holdings: Any = SimpleNamespace(media=media, public=str, seen_with=lambda access: holdings)
    return MediaApplication(holdings, ThreadPoolExecutor(4))


def test_many_at_once(app: Any) -> None:
    async def run() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

            async def one(number: int) -> None:
                path, data = SOURCES[number % 6]
                answer = await client.get(path, headers={"Range": f"bytes={number * 50}-"})
                assert answer.content == data[number * 50 :]

            await asyncio.gather(*(one(number) for number in range(60)))

    asyncio.run(run())


# What is not listed is not there


@pytest.fixture
def guarded(tmp_path: Path) -> tuple[Path, Path]:
    """(ROOT, a secret beside it)."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "folder" / "file.txt").write_text("open")
    make_archive(root / "a.zip", {"a.txt": b"open", "sub/b.txt": b"open"})
    return root, tmp_path / "secret.txt"


def test_paths_do_not_leave_the_root(guarded: tuple[Path, Path]) -> None:
    root, secret = guarded
    app = create_app([root])
    ways = [
        "/media/../secret.txt",
        "/media/..%2fsecret.txt",
        "/media/%2e%2e/secret.txt",
        "/media/%2e%2e%2fsecret.txt",
        "/media/folder/../../secret.txt",
        "/media/folder/..%2f..%2fsecret.txt",
        "/media/folder/..\\..\\secret.txt",
        f"/media/{secret}",
        f"/media//{secret}",
        "/media/" + quote(str(secret), safe=""),
        "/media/a.zip/../../secret.txt",
        "/media/a.zip/..%2f..%2fsecret.txt",
        "/media/a.zip/" + quote(str(secret), safe=""),
        "/media/./folder/file.txt",
        "/media/folder//file.txt",
        "/media/folder/file.txt/",
        "/media/folder/file.txt%00",
        "/media/folder/file.txt%00.mov",
        "/media/folder/file.txt/more",
        "/media/folder",
        "/media/folder/",
        "/media/",
        "/media",
        "/media/a.zip/",
        "/media/a.zip/sub",
        "/media/a.zip//a.txt",
        "/page/../../../../etc/passwd",
        "/page/%2e%2e/%2e%2e/app.py",
        "/page/",
        "/..%2f..%2fapp.py",
        "/api/v1/archives/../../secret.txt",
        "/api/v1/archives/..%2f..%2foutside",
        "/api/v1/archives/" + quote(str(root.parent / "outside"), safe=""),
        "/api/v1/archives/a.zip/member?path=../secret.txt",
    ]
    for way in ways:
        for message in [asyncio.run(call(app, way)), asyncio.run(call(app, unquote(way)))]:
            assert message[0]["status"] == 404, way
            assert b"secret" not in b"".join(m.get("body", b"") for m in message).replace(b"secret.txt", b"")
    assert ask(app, "/media/folder/file.txt").text == "open"
    assert ask(app, "/media/a.zip/sub/b.txt").text == "open"


def test_links_are_not_followed(guarded: tuple[Path, Path]) -> None:
    root, secret = guarded
    (root / "link.txt").symlink_to(secret)
    (root / "inner.txt").symlink_to(root / "folder" / "file.txt")
    (root / "way").symlink_to(secret.parent / "outside")
    (root / "loop").symlink_to(root / "loop")
    os.mkfifo(root / "pipe")
    app = create_app([root])
    for way in ("link.txt", "inner.txt", "way/secret.txt", "way", "loop", "loop/x", "pipe"):
        assert ask(app, f"/media/{way}").status_code == 404, way
    assert ask(app, "/api/v1/archives").json()["archives"] == [{"path": "a.zip", "form": "zip"}]


def test_a_folder_archive_does_not_lead_out_through_a_link(guarded: tuple[Path, Path]) -> None:
    root, secret = guarded
    folder = make_folder_archive(root / "in place")
    (folder / "footage" / "b.mov").unlink()
    (folder / "footage" / "b.mov").symlink_to(secret)
    outside = make_folder_archive(secret.parent / "elsewhere")
    (root / "fake").mkdir()
    (root / "fake" / ".film-archive").symlink_to(outside / ".film-archive")
    app = create_app([root])
    member = ask(app, "/api/v1/archives/in place/member", params={"path": "footage/b.mov"}).json()
    assert ask(app, member["url"]).status_code == 404
    assert ask(app, "/api/v1/archives/fake").status_code == 404
    assert [archive["path"] for archive in ask(app, "/api/v1/archives").json()["archives"]] == ["a.zip", "in place"]


def test_what_is_swapped_for_a_link_after_it_was_listed(guarded: tuple[Path, Path]) -> None:
    root, secret = guarded
    app = create_app([root])
    assert ask(app, "/media/folder/file.txt").text == "open"
    (root / "folder" / "file.txt").unlink()
    (root / "folder" / "file.txt").symlink_to(secret)
    assert ask(app, "/media/folder/file.txt").status_code == 404
    (root / "folder").rename(root / "was")
    (root / "folder").symlink_to(secret.parent / "outside")
    assert ask(app, "/media/folder/secret.txt").status_code == 404


def test_changes_below_the_root_are_seen_at_once(guarded: tuple[Path, Path]) -> None:
    root, _ = guarded
    app = create_app([root])
    assert ask(app, "/media/folder/new.txt").status_code == 404
    (root / "folder" / "new.txt").write_text("one")
    assert ask(app, "/media/folder/new.txt").text == "one"
    (root / "other").write_text("two")
    (root / "other").replace(root / "folder" / "new.txt")
    assert ask(app, "/media/folder/new.txt").text == "two"
    (root / "folder" / "new.txt").unlink()
    assert ask(app, "/media/folder/new.txt").status_code == 404
    (root / "a.zip").unlink()
    make_archive(root / "a.zip", {"a.txt": b"other"})
    assert ask(app, "/media/a.zip/a.txt").text == "other"
    with ZipWriter.add_to(root / "a.zip") as writer:
        writer.add("c.txt", MemorySource(b"added"), identity="c")
        writer.finish()
    assert ask(app, "/media/a.zip/c.txt").text == "added"


def test_leftovers_and_unfinished_archives_are_not_shown(guarded: tuple[Path, Path]) -> None:
    root, _ = guarded
    (root / ".DS_Store").write_text("junk")
    (root / ".b.zip.film-archive-work").write_text("half")
    app = create_app([root])
    assert ask(app, "/media/.DS_Store").status_code == 404
    assert ask(app, "/media/.b.zip.film-archive-work").status_code == 404


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    name = os.fsdecode(b"take\xff 1.txt")
    (tmp_path / name).write_text("odd")
    (tmp_path / os.fsdecode(b"d\xe9")).mkdir()
    make_archive(tmp_path / os.fsdecode(b"d\xe9") / "a.zip", {"a.txt": b"inside"})
    app = create_app([tmp_path])
    archives = ask(app, "/api/v1/archives").json()["archives"]
    assert archives == [{"path": "d%E9/a.zip", "form": "zip"}]
    assert ask(app, "/media/" + quote("take%FF 1.txt")).text == "odd"
    members = ask(app, "/api/v1/archives/" + quote(archives[0]["path"]) + "/members", params={"role": "original"})
    assert ask(app, members.json()["members"][0]["url"]).text == "inside"


def test_messages_do_not_name_this_machines_folders(guarded: tuple[Path, Path]) -> None:
    root, _ = guarded
    (root / "broken.zip").write_bytes(b"PK\3\4" + b"\0" * 100)
    app = create_app([root])
    for path in (
        "/media/absent",
        "/media/a.zip/absent",
        "/media/broken.zip/x",
        "/api/v1/archives/broken.zip",
        "/api/v1/archives/a.zip/member?path=absent",
        "/api/v1/archives/a.zip/frame?member=a.txt&frame=0",
    ):
        answer = ask(app, path)
        assert answer.status_code in (404, 422), path
        assert str(root.parent) not in answer.text
        assert answer.json()["error"]["status"] == answer.status_code


# ROOTs


def test_several_roots_are_told_apart_by_their_names(guarded: tuple[Path, Path], root: Path) -> None:
    first, _ = guarded
    app = create_app([first, root])
    paths = [archive["path"] for archive in ask(app, "/api/v1/archives").json()["archives"]]
    others = [f"{root.name}/{path}" for path in ("day 1/project.zip", "foreign.zip", "in place")]
    assert paths == ["root/a.zip", *others]
    assert ask(app, "/media/root/folder/file.txt").text == "open"
    assert ask(app, f"/media/{root.name}/day 1/project.zip/footage/a.mov").content == CLIP
    assert ask(app, "/media/folder/file.txt").status_code == 404
    assert ask(app, "/media/root").status_code == 404
    for path in paths:
        for member in ask(app, f"/api/v1/archives/{path}/members", params={"role": "original"}).json()["members"]:
            assert len(ask(app, member["url"]).content) == member["size"]
    with pytest.raises(UsageError, match="called root"):
        create_app([first, first])
    with pytest.raises(NotFound):
        create_app([first / "absent"])
    with pytest.raises(UsageError):
        create_app([])


def test_a_single_archive_as_root(guarded: tuple[Path, Path]) -> None:
    root, _ = guarded
    app = create_app([root / "a.zip"])
    assert ask(app, "/api/v1/archives").json()["archives"] == [{"path": "a.zip", "form": "zip"}]
    assert ask(app, "/media/a.zip/a.txt").text == "open"
    assert ask(app, "/media/folder/file.txt").status_code == 404


def test_a_folder_archive_as_root(tmp_path: Path) -> None:
    folder = make_folder_archive(tmp_path / "production")
    for roots in ([folder], [folder, make_folder_archive(tmp_path / "other")]):
        app = create_app(roots)
        assert ask(app, "/api/v1/archives").json()["archives"][0] == {"path": "production", "form": "folder"}
        members = ask(app, "/api/v1/archives/production/members", params={"role": "original"}).json()["members"]
        assert ask(app, members[0]["url"]).content == CLIP


# The API


def test_archives(app: Any) -> None:
    found = ask(app, "/api/v1/archives").json()
    assert found == {
        "archives": [
            {"path": "day 1/project.zip", "form": "zip"},
            {"path": "foreign.zip", "form": "zip"},
            {"path": "in place", "form": "folder"},
        ],
        "complete": True,
    }
    ours = ask(app, "/api/v1/archives/day 1/project.zip").json()
    assert (ours["foreign"], ours["generation"], ours["members"]) == (False, 1, 6)
    assert ask(app, "/api/v1/archives/foreign.zip").json()["foreign"] is True
    for absent in ("absent.zip", "plain.mov", "day 1", "day 1/project.zip/footage/a.mov"):
        assert ask(app, f"/api/v1/archives/{absent}").status_code == 404


def test_members_page_by_page(app: Any) -> None:
    base = "/api/v1/archives/day 1/project.zip/members"
    everything = ask(app, base).json()
    assert everything["next"] is None
    found, offset = [], 0
    while offset is not None:
        page = ask(app, base, params={"offset": offset, "limit": 4}).json()
        found += page["members"]
        offset = page["next"]
    assert found == everything["members"]
    assert {member["role"] for member in found} == {"structure", "original", "frames", "proxy"}
    clip = next(member for member in found if member["path"] == "footage/a.mov")
    assert clip["media"]["start_timecode"] == "01:00:00:00"
    assert clip["proxies"][0]["frames"] == 24
    assert ask(app, clip["proxies"][0]["url"]).content == PROXY
    archive = ask(app, "/media/day 1/project.zip").content
    assert archive[clip["offset"] : clip["offset"] + clip["size"]] == CLIP
    assert ask(app, "/api/v1/archives/day 1/project.zip/member", params={"path": "footage/a.mov"}).json() == clip


def test_frames(app: Any) -> None:
    base = "/api/v1/archives/day 1/project.zip/frame"
    by_number = ask(app, base, params={"member": "footage/a.mov", "frame": 17}).json()
    assert by_number["timecode"] == "01:00:00:17"
    assert by_number["keyframe"] == 12
    assert Fraction(by_number["time"]) == Fraction(17 * 1001, 24000)
    assert ask(app, base, params={"member": "footage/a.mov", "timecode": "01:00:00:17"}).json() == by_number
    for params, status in [
        ({"member": "footage/a.mov", "frame": 24}, 422),
        ({"member": "footage/a.mov", "timecode": "00:59:59:00"}, 422),
        ({"member": "footage/a.mov", "timecode": "tomorrow"}, 422),
        ({"member": "footage/a.mov"}, 422),
        ({"member": "footage/a.mov", "frame": 1, "timecode": "01:00:00:01"}, 422),
        ({"member": "page.html", "frame": 0}, 422),
        ({"member": "page.html", "timecode": "01:00:00:00"}, 422),
        ({"member": "absent", "frame": 0}, 404),
    ]:
        assert ask(app, base, params=params).status_code == status, params


def test_wrong_requests_get_our_error_document(app: Any) -> None:
    base = "/api/v1/archives/foreign.zip"
    for path, method, status in [
        (f"{base}/members?limit=0", "GET", 422),
        (f"{base}/members?offset=x", "GET", 422),
        (f"{base}/member", "GET", 422),
        (f"{base}/frame?member=a.mov&frame=x", "GET", 422),
        (base, "DELETE", 405),
        ("/api/v1/session", "PUT", 405),
    ]:
        answer = ask(app, path, method)
        assert answer.status_code == answer.json()["error"]["status"] == status, path


def test_open_api(app: Any) -> None:
    document = ask(app, "/openapi.json").json()
    assert set(document["paths"]) == {
        "/healthz",
        "/metrics",
        "/api/v1/session",
        "/api/v1/archives",
        "/api/v1/archives/{archive}",
        "/api/v1/archives/{archive}/manifest",
        "/api/v1/archives/{archive}/members",
        "/api/v1/archives/{archive}/member",
        "/api/v1/archives/{archive}/frame",
        "/api/v1/archives/{archive}/proxies",
        "/api/v1/archives/{archive}/fragments",
        "/api/v1/jobs",
        "/api/v1/jobs/{job}",
        "/api/v1/jobs/{job}/cancel",
        "/api/v1/jobs/{job}/file",
        "/api/v1/catalog/search",
        "/api/v1/catalog/where",
        "/api/v1/lists",
    }
    operations = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(set(operations)) == len(operations)


def test_behind_a_proxy_addresses_begin_with_its_path(root: Path) -> None:
    app = create_app([root])

    async def run() -> None:
        transport = httpx.ASGITransport(app, root_path="/films")
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            members = (await client.get("/films/api/v1/archives/foreign.zip/members")).json()["members"]
            assert members[1]["url"] == "/films/media/foreign.zip/report.txt"
            assert (await client.get(members[1]["url"])).content == TEXT
            assert (await client.get("/films/")).status_code == 200

    asyncio.run(run())


def test_a_manifest_that_makes_no_sense_is_damage_and_nothing_worse(tmp_path: Path) -> None:
    folder = make_folder_archive(tmp_path / "mad")
    manifest = folder / ".film-archive" / "manifest.jsonl"
    head = manifest.read_text().splitlines()[0]
    lines = [
        {"size": 1.5},
        {"digests": ["a"]},
        {"digests": {"xxh128": 5}},
        {"offset": "far"},
        {"media": [1]},
        {"media": {"container": "mov", "frame_rate": "0/0"}},
        {"proxies": [{"size": "preview"}]},
        {"proxies": 5},
        {"raw_name": "zz"},
        {"packed_size": []},
        {"of": 5},
        {"sequence": {"count": "x"}},
    ]
    app = create_app([tmp_path])
    for line in lines:
        record = {"path": "footage/b.mov", "role": "original", "size": 5, **line}
        manifest.write_text(f"{head}\n{json.dumps(record)}\n")
        os.utime(manifest, ns=(1, manifest.stat().st_mtime_ns + 1))
        for query in ("members", "member?path=footage/b.mov", "frame?member=footage/b.mov&frame=0"):
            answer = ask(app, f"/api/v1/archives/mad/{query}")
            assert answer.status_code in (200, 422, 500), (line, query)
            if answer.status_code == 500:
                assert "error" in answer.json(), (line, query)
        assert ask(app, "/media/mad/footage/b.mov").content == CLIP


# Who may ask


TOKEN = "a-long.and_random~token+/=="


def test_with_a_token_nothing_is_told_without_it(root: Path) -> None:
    app = create_app([root], TOKEN)
    for path in ("/api/v1/archives", MEMBER, "/openapi.json", "/media", "/api/v1/absent", "/absent", "/docs"):
        answer = ask(app, path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
    for wrong in ("Bearer wrong", f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", TOKEN):
        assert ask(app, MEMBER, fields={"Authorization": wrong}).status_code == 401
    assert ask(app, "/api/v1/session", "POST").status_code == 401
    shown = {"Authorization": f"Bearer {TOKEN}"}
    assert ask(app, MEMBER, fields=shown).content == CLIP
    assert ask(app, "/api/v1/archives", fields=shown).status_code == 200
    for public in ("/", "/healthz", "/page/app.js"):
        assert ask(app, public).status_code == 200


def test_the_page_gets_a_cookie_for_the_token(root: Path) -> None:
    app = create_app([root], TOKEN)
    answer = ask(app, "/api/v1/session", "POST", {"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    pair = cookie.partition(";")[0]
    assert ask(app, MEMBER, fields={"Cookie": f"other=1; {pair}"}).content == CLIP
    for wrong in (pair[:-1], pair + "0", "other=1", 'a="', pair.partition("=")[0]):
        assert ask(app, MEMBER, fields={"Cookie": wrong}).status_code == 401
    other = create_app([root], "another-token")
    assert ask(other, MEMBER, fields={"Cookie": pair}).status_code == 401


def test_without_a_token_only_the_servers_own_names_are_answered(root: Path) -> None:
    app = create_app([root], hosts={"localhost", "[::1]"})
    assert ask(app, "/healthz", fields={"Host": "localhost:8000"}).status_code == 200
    assert ask(app, "/healthz", fields={"Host": "[::1]:8000"}).status_code == 200
    for host in ("evil.example", "localhost.evil.example", "evil.example:8000", "[::2]:8000"):
        answer = ask(app, MEMBER, fields={"Host": host})
        assert answer.status_code == 421
        assert json.loads(answer.text)["error"]["status"] == 421


# The page's own files


def test_the_page_and_its_files(app: Any) -> None:
    page = ask(app, "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "http://" not in page.text
    assert "https://" not in page.text
    script = ask(app, "/page/app.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert ask(app, "/page/app.js", fields={"If-None-Match": script.headers["etag"]}).status_code == 304
    assert ask(app, "/", "POST").status_code == 405
    assert ask(app, "/absent").status_code == 404
