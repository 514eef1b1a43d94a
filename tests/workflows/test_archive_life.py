"""What stays through the whole life of an archive: where each payload lies, and what stands there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from film_archive.archive import draft
from film_archive.archive.entries import parts_of
from film_archive.archive.reader import ZipArchive, open_archive
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.ladder import parse_sizes
from film_archive.core.member import Role
from film_archive.proxy.recipe import Recipe
from film_archive.testing.media import ClipSpec, make_clip
from film_archive.workflows.checking import check
from film_archive.workflows.mending import repair
from film_archive.workflows.production import add_to_archive, create_archive
from film_archive.workflows.proxies import make_proxies
from tests.archive.making import Layout
from tests.workflows.making import write_tree

Payloads = dict[str, tuple[int, int, str]]


def payloads(archive: Path) -> Payloads:
    """Path → (offset, length, digest) of all that has bytes in the archive, files of sequences each by itself."""
    with open_archive(archive) as opened:
        return {
            part.path: (part.offset, part.size, part.digests[KEY])
            for member in opened.members()
            for part in parts_of(member)
            if part.offset is not None and part.size and part.role != Role.FOLDER
        }


def digest_at(archive: Path, offset: int, length: int) -> str:
    hasher = MultiHasher()
    with archive.open("rb") as file:
        file.seek(offset)
        hasher.update(file.read(length))
    return hasher.digests()[KEY]


@pytest.mark.parametrize("appends", [False, True], ids=["clone", "append"])
def test_no_payload_ever_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, appends: bool) -> None:
    """Created, added to with and without proxies, proxies made and made anew, mended in all three ways, added to again."""
    if appends:
        monkeypatch.setattr(draft, "clone_whole", lambda source, target: False)
    target = tmp_path / "archive.zip"
    first = write_tree(tmp_path / "first", {"notes.txt": b"notes", **{f"s.{n:04d}.dpx": b"frame %d" % n for n in range(4)}})
    clip = make_clip(ClipSpec(name="a", width=96, height=54, frames=6), first)
    second = write_tree(tmp_path / "second", {"more/b.bin": bytes(5000)})
    make_clip(ClipSpec(name="c", width=96, height=54, frames=6), second)
    third, fourth = (write_tree(tmp_path / name, {"d": name.encode() * 99}) for name in ("third", "fourth"))
    sizes = parse_sizes("64x36")

    def damage(kind: str) -> None:
        data, places = bytearray(target.read_bytes()), Layout(target)
        if kind == "header":
            data[places.data.index(clip.name.encode()) - 20] ^= 1
        elif kind == "directory":
            data[max(places.manifest) + 30] ^= 1
        else:
            data[min(places.manifest) + 50] ^= 1
        target.write_bytes(data)
        assert not check(target).ok
        assert repair(target).done

    steps = {
        "create": lambda: create_archive(target, [first], proxies=sizes),
        "add": lambda: add_to_archive(target, [third], proxies=()),
        "add with proxies": lambda: add_to_archive(target, [second], proxies=sizes),
        "another proxy": lambda: make_proxies([target], parse_sizes("48x26")),
        "proxies made anew": lambda: make_proxies([target], sizes, recipe=Recipe(preset="ultrafast")),
        "repaired header": lambda: damage("header"),
        "repaired directory": lambda: damage("directory"),
        "repaired manifest": lambda: damage("manifest"),
        "add again": lambda: add_to_archive(target, [fourth], proxies=()),
    }
    ever: Payloads = {}
    dropped: set[tuple[int, int, str]] = set()
    for name, step in steps.items():
        step()
        now = payloads(target)
        for path, payload in ever.items():
            if now.get(path) != payload:
                assert path.startswith(".film-archive/proxies/"), (name, path)
                dropped.add(payload)
        for path, payload in now.items():
            assert digest_at(target, payload[0], payload[1]) == payload[2], (name, path)
        for offset, length, digest in dropped:
            assert digest_at(target, offset, length) == digest, (name, "was dropped, and its bytes stay")
        ever = now
        assert check(target).ok, name
    assert dropped, "proxies were made anew"
    with ZipArchive(target) as archive:
        assert {"first/notes.txt", "first/s.0003.dpx", "second/c.mov", "fourth/d"} <= set(ever)
        assert archive.header is not None


def test_the_same_sources_give_the_same_archive(tmp_path: Path) -> None:
    """With clips, their frame indexes and proxies, a sequence and links; wherever they lie and however many workers there are."""
    made = []
    for name, workers in (("one", 1), ("two", 2)):
        folder = tmp_path / name
        folder.mkdir()
        if made:
            shutil.copytree(tmp_path / "one" / "card", folder / "card", symlinks=True)  # times and permissions with it
        else:
            card = write_tree(folder / "card", {"notes.txt": b"notes", **{f"s.{n:04d}.dpx": b"frame %d" % n for n in range(3)}})
            make_clip(ClipSpec(name="a", width=96, height=54, frames=30), card)
            (card / "link").symlink_to("notes.txt")
            (card / "broken.mov").write_bytes(b"no movie")
            (card / "short.mov").write_bytes((card / "a.mov").read_bytes()[:-3000])
        create_archive(folder / "archive.zip", [folder / "card"], proxies=parse_sizes("64x36"), workers=workers)
        made.append((folder / "archive.zip").read_bytes())
    assert made[0] == made[1]
    with open_archive(tmp_path / "one" / "archive.zip") as archive:
        assert str(tmp_path) not in "".join(str(member.to_json()) for member in archive.members())
