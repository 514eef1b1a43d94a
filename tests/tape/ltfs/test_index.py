"""Indexes: whatever is written is read the same; what others wrote, old versions, oddities, and hostile XML."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported
from film_archive.tape.ltfs.index import Index, encode_index, in_records, size_in_index
from film_archive.tape.ltfs.index_reader import _Reader, read_index
from film_archive.tape.ltfs.tree import (
    Location,
    TapeAttribute,
    TapeExtent,
    TapeFile,
    TapeFolder,
    Times,
    Tree,
    pack,
    unpack,
)
from tests.tape.making import NOW

UUID = "a8f9cb21-3434-4951-a1d0-40c233ffcac2"

SIGNS = st.characters(exclude_categories=["Cs"], exclude_characters="\0/\x1f\ufffe\uffff")
USUAL = st.sampled_from(["clip.mov", "a b", "é", "日本", "a:b", "%41", "&<>", " x "])
NAMES = st.one_of(USUAL, st.text(SIGNS, min_size=1, max_size=12))
PARTS = NAMES.filter(lambda name: name not in (".", ".."))
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
MOMENTS = st.one_of(st.integers(0, 2 * 10**18), st.just(NOW))
TIMES = st.builds(Times, MOMENTS, MOMENTS, MOMENTS, MOMENTS, MOMENTS)
KEYS = st.one_of(st.sampled_from(["ltfs.hash.sha256sum", "acme.x", "a:b"]), st.text(SIGNS, min_size=1, max_size=8))
VALUES = st.one_of(st.binary(max_size=20), st.text(max_size=10).map(lambda text: text.encode("utf-8", "surrogatepass")))
ATTRIBUTES = st.lists(st.builds(TapeAttribute, KEYS, VALUES), max_size=3).map(tuple)


@st.composite
def extents(draw: st.DrawFn) -> tuple[tuple[TapeExtent, ...], int]:
    found, end = [], 0
    for _ in range(draw(st.integers(0, 3))):
        begin = end + draw(st.integers(0, 1000))
        count = draw(st.integers(1, 1 << 40))
        letter, block, offset = draw(st.tuples(st.sampled_from("ab"), st.integers(4, 1 << 40), st.integers(0, 4095)))
        found.append(TapeExtent(begin, letter, block, offset, count))
        end = begin + count
    return tuple(found), end + draw(st.integers(0, 5))


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    tree = Tree(TapeFolder(1, draw(TIMES), draw(ATTRIBUTES), draw(st.booleans())))
    for path in draw(st.lists(PATHS, max_size=6)):
        kind = draw(st.sampled_from(["file", "file", "folder", "link"]))
        try:
            if kind == "folder":
                tree.add_folder(path, draw(TIMES), attributes=draw(ATTRIBUTES))
                continue
            places, length = draw(extents()) if kind == "file" else ((), 0)
            target = draw(PATHS) if kind == "link" else None
            tree.add_file(
                path,
                TapeFile(tree.next_uid(), length, draw(TIMES), places, draw(ATTRIBUTES), draw(st.booleans()), target),
            )
        except FilmArchiveError:
            continue  # the path is taken, or no path on tape
    return tree


def everything(index: Index) -> tuple[object, ...]:
    return (*list(index.tree.walk()), index.tree.root.folder, index.tree.highest_uid, index.volume_name, index.comment)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees(), st.sampled_from(["", "Show Ü", "a:b"]), st.sampled_from(["", "comment <&>"]), st.integers(1, 4000))
def test_an_index_is_read_as_it_was_written(tree: Tree, name: str, comment: str, size: int) -> None:
    index = Index(UUID, 7, NOW, tree, name, Location("b", 9), Location("b", 5), comment)
    data = b"".join(encode_index(index))
    for reading in (read_index(in_records([data], size)), _Reader("plain", fast=False).read([data])):
        assert everything(reading) == everything(index)
        assert (reading.generation, reading.updated, reading.location, reading.previous) == (
            *(7, NOW, Location("b", 9), Location("b", 5)),
        )
        assert (reading.tree.files, reading.tree.folders) == (tree.files, tree.folders)
        assert reading.problems == ()
        assert b"".join(encode_index(reading)) == data


PIECES = (
    *(b"<!--", b"-->", b"<file>", b"</file>", b"\n", b"<x>", b"</x>", b"&#65;", b"<![CDATA[", b"]]>", b" ", b"<?p x?>"),
    *(b"\xff", b""),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees(), st.data())
def test_the_fast_path_equals_the_plain_one(tree: Tree, data: st.DataObject) -> None:
    """On damaged and odd indexes too, however they come in pieces."""
    text = b"".join(encode_index(Index(UUID, 7, NOW, tree, location=Location("b", 9))))
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(40, len(text)))
        piece = data.draw(st.sampled_from(PIECES))
        cut = data.draw(st.sampled_from([0, 0, 1, 7]))
        text = text[:place] + piece + text[place + cut :]
    size = data.draw(st.sampled_from([1, 7, 50, 100_000]))
    results = []
    for fast in (True, False):
        try:
            found = _Reader("index", fast=fast).read(text[place : place + size] for place in range(0, len(text), size))
            results.append((everything(found), sorted(found.problems, key=str), found.unknown))
        except (Damaged, NotSupported) as error:
            results.append(type(error))
    assert results[0] == results[1]


@settings(deadline=None)
@given(trees())
def test_the_size_in_an_index_is_not_less_than_it_is(tree: Tree) -> None:
    bare = Index(UUID, 7, NOW, Tree(TapeFolder(1, Times.all_of(NOW))), location=Location("b", 9))
    empty = len(b"".join(encode_index(bare)))
    whole = len(b"".join(encode_index(Index(UUID, 7, NOW, tree, location=Location("b", 9)))))
    told = sum(size_in_index(path.rpartition("/")[2], entry) for path, entry in tree.walk())
    assert whole - empty <= told + size_in_index("", tree.root.folder) + 40


@settings(deadline=None)
@given(st.lists(st.binary(max_size=50)), st.integers(1, 40))
def test_records_are_full_but_the_last(chunks: list[bytes], size: int) -> None:
    records = list(in_records(chunks, size))
    assert b"".join(records) == b"".join(chunks)
    assert all(len(record) == size for record in records[:-1])
    assert all(records)


def test_files_are_packed_and_unpacked() -> None:
    file = TapeFile(
        *(5, 6, Times(1, 2, 3, 4, 5), (TapeExtent(0, "b", 7, 0, 6),), (TapeAttribute("k", b"\0"),), True, None, True, ("<x/>",))
    )
    assert unpack(pack(file)) == file


# What others write

TIME = "2026-11-20T14:52:07.821817063Z"
FIVE = "".join(
    f"<{tag}>{TIME}</{tag}>" for tag in ("creationtime", "changetime", "modifytime", "accesstime", "backuptime")
)
FOUR = FIVE.replace(f"<backuptime>{TIME}</backuptime>", "")


NUMBER_1 = "<fileuid>1</fileuid>"


def document(
    contents: str, *, version: str = "2.4.0", head: str = "", times: str = FIVE, root: str = NUMBER_1
) -> bytes:
    highest = "<highestfileuid>9</highestfileuid>" if root else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ltfsindex version="{version}"><creator>Other</creator>'
        f"<volumeuuid>{UUID}</volumeuuid><generationnumber>3</generationnumber><updatetime>{TIME}</updatetime>"
        "<location><partition>a</partition><startblock>5</startblock></location>"
        f"<allowpolicyupdate>true</allowpolicyupdate>{highest}{head}"
        f"<directory><name>V</name><readonly>false</readonly>{times}{root}<contents>{contents}</contents></directory></ltfsindex>"
    ).encode()


def a_file(*, name: str = "f", uid: int = 2, length: int = 5, more: str = "", times: str = FIVE) -> str:
    return (
        f"<file><name>{name}</name><length>{length}</length><readonly>false</readonly>{times}<fileuid>{uid}</fileuid>{more}</file>"
    )


EXTENT = (
    "<extent><fileoffset>0</fileoffset><partition>b</partition><startblock>7</startblock><byteoffset>0</byteoffset>"
    "<bytecount>5</bytecount></extent>"
)


ATTRIBUTE = "<extendedattributes><xattr><key>k</key><value>v</value></xattr></extendedattributes>"


def test_version_1_has_no_numbers_of_files_no_backup_times_and_no_file_offsets() -> None:
    extents = EXTENT.replace("<fileoffset>0</fileoffset>", "")
    file = (
        f"<file><name>f</name><length>10</length><readonly>0</readonly>{FOUR}"
        f"<extentinfo>{extents}{extents.replace('>7<', '>8<')}</extentinfo></file>"
    )
    folder = f"<directory><name>d</name><readonly>1</readonly>{FOUR}<contents>{file}</contents></directory>"
    index = read_index([document(folder + file, version="1.0", times=FOUR, root="")])
    assert index.problems == ()
    found = dict(index.tree.walk())
    assert [extent.file_offset for extent in found["f"].extents] == [0, 5]  # type: ignore[union-attr]
    assert sorted(entry.uid for entry in found.values()) == [2, 3, 4]
    assert found["d"].readonly
    assert index.tree.highest_uid == 4
    again = read_index(encode_index(index))
    assert everything(again) == everything(index)
    assert again.version == "2.4.0"


@pytest.mark.parametrize("version", ["1.0", "1.0.0", "2.0.0", "2.1.0", "2.2.0", "2.3.0", "2.4.0", "2.5.0", "2.5.1", "2.99.99"])
def test_versions_that_are_read(version: str) -> None:
    old = version.startswith("1")
    data = document("", version=version, times=FOUR, root="") if old else document(a_file(), version=version)
    assert read_index([data]).problems == ()


@pytest.mark.parametrize("version", ["", "2", "2.4", "3.0.0", "0.9.0", "2.4.0.1", "two", "2.100.0"])
def test_versions_that_are_not(version: str) -> None:
    with pytest.raises(NotSupported, match="version"):
        read_index([document("", version=version)])


def test_elements_in_any_order() -> None:
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><ltfsindex version="2.4.0"><directory><contents><file>'
        f"<extentinfo>{EXTENT}</extentinfo><fileuid>2</fileuid>{FIVE}<readonly>false</readonly><length>5</length><name>f</name></file></contents>"
        f"<fileuid>1</fileuid>{FIVE}<readonly>false</readonly><name>V</name></directory>"
        "<highestfileuid>2</highestfileuid><allowpolicyupdate>1</allowpolicyupdate>"
        "<location><startblock>5</startblock><partition>a</partition></location>"
        f"<updatetime>{TIME}</updatetime><generationnumber>3</generationnumber><volumeuuid>{UUID}</volumeuuid>"
        "<creator>Other</creator></ltfsindex>"
    )
    index = read_index([text.encode()])
    assert index.problems == ()
    assert (index.volume_name, index.location) == ("V", Location("a", 5))
    assert index.tree.file("f").extents[0].byte_count == 5


def test_what_is_not_known_is_kept() -> None:
    unknown = '<acme:x xmlns:acme="http://acme" a="&lt;1"><y>t&amp;<z></z></y></acme:x>'
    criteria = "<indexpartitioncriteria><size>1048576</size><name>*.xml</name></indexpartitioncriteria>"
    policy = f"<dataplacementpolicy>{criteria}</dataplacementpolicy>"
    inside = (
        f"<directory><name>d</name><readonly>false</readonly>{FIVE}<fileuid>3</fileuid>{unknown}"
        "<contents></contents></directory>"
    )
    index = read_index([document(a_file(more=unknown) + inside, head=unknown + policy)])
    assert index.problems == ()
    assert (index.unknown, index.policy) == ((unknown,), policy)
    assert index.tree.file("f").unknown == (unknown,)
    written = b"".join(encode_index(index)).decode()
    assert written.count(unknown) == 3
    assert policy in written
    assert everything(read_index([written.encode()])) == everything(index)


def test_names_that_are_equal_in_form_c() -> None:
    index = read_index([document(a_file(name="é") + a_file(name="e\u0301", uid=3))])
    assert [path for path, _ in index.tree.walk()] == ["é", "é (2)"]
    assert "twice" in index.problems[0].what


def test_names_that_are_paths() -> None:
    encoded = '<name percentencoded="true">%2e%2e</name>'
    data = document(a_file(name="a/b") + a_file(uid=3).replace("<name>f</name>", encoded))
    index = read_index([data])
    assert [path for path, _ in index.tree.walk()] == ["a_b", "_.."]
    assert len(index.problems) == 2


@pytest.mark.parametrize(
    ("contents", "what"),
    [
        (a_file(uid=1), "belongs to something else"),
        (a_file() + a_file(name="g"), "belongs to something else"),
        (a_file(uid=12), "highest file number"),
        (a_file().replace("<fileuid>2</fileuid>", ""), "no <fileuid>"),
        (a_file().replace("<readonly>false</readonly>", ""), "no <readonly>"),
        (a_file().replace("<readonly>false<", "<readonly>perhaps<"), "neither true nor false"),
        (a_file(times=FOUR), "no <backuptime>"),
        (a_file(times=FIVE.replace(".821817063Z", "Z", 1)), "nine digits"),
        (a_file(times=FIVE.replace("2026-11", "2026-13", 1)), "is no time"),
        (a_file(length=4, more=f"<extentinfo>{EXTENT}</extentinfo>"), "length says 4"),
        (a_file(length=10, more=f"<extentinfo>{EXTENT}{EXTENT}</extentinfo>"), "overlap"),
        (a_file(more=f"<symlink>x</symlink><extentinfo>{EXTENT}</extentinfo>"), "link and has bytes"),
        (a_file(more="text"), "text between"),
        (a_file().replace("<length>", '<length unit="b">'), "attributes that are not known"),
    ],
)
def test_what_is_against_the_format_is_told(contents: str, what: str) -> None:
    index = read_index([document(contents)])
    assert any(what in problem.what for problem in index.problems), index.problems
    uids = [entry.uid for _, entry in index.tree.walk()]
    assert len(set(uids)) == len(uids)
    assert 1 not in uids
    assert index.tree.highest_uid >= max(uids)
    assert read_index(encode_index(index)).tree.files == index.tree.files


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 4096,
        b"x" * 4096,
        b'<?xml version="1.0" encoding="UTF-8"?>',
        document("").replace(b"</ltfsindex>", b""),
        document("")[:-30],
        document("").replace(b"UTF-8", b"UTF-16"),
        document("").replace(b' encoding="UTF-8"', b""),
        document("").replace(b"<generationnumber>3", b"<generationnumber>-3"),
        document("").replace(b"<generationnumber>3", b"<generationnumber>99999999999999999999"),
        document("").replace(b"<generationnumber>3", "<generationnumber>٣".encode()),
        document("").replace(b"<location>", b"<x>").replace(b"</location>", b"</x>"),
        document("").replace(UUID.encode(), b"nothing"),
        document(a_file().replace("<name>f</name>", "")),
        document(a_file().replace("<name>f</name>", "<name></name>")),
        document(a_file().replace("<name>f</name>", "<name>f</name><name>g</name>")),
        document(a_file().replace("<name>f</name>", "<name><b>f</b></name>")),
        document(a_file().replace("<length>5</length>", "")),
        document(a_file().replace("<length>5</length>", "<length>1e9</length>")),
        document(a_file(more=f"<extentinfo>{EXTENT.replace('>b<', '>B<')}</extentinfo>")),
        document(a_file(more=f"<extentinfo>{EXTENT.replace('<bytecount>5</bytecount>', '')}</extentinfo>")),
        document(a_file(more=ATTRIBUTE.replace("<value>v", "<value type='base64'>?"))),
        document("", head="<location><partition>a</partition><startblock>5</startblock></location>"),
        b'<?xml version="1.0" encoding="UTF-8"?><ltfsincrementalindex version="2.5.0"/>',
        document("").replace(b"<ltfsindex", b'<!DOCTYPE a [<!ENTITY b "c">]><ltfsindex'),
        document("<directory><contents>" * 2100 + "</contents></directory>" * 2100),
        document("", head="<x>" * 5000 + "</x>" * 5000),
        document(a_file(name="n" * (2 << 20))),
    ],
    ids=lambda data: f"{len(data)}-{data[-40:-12]!r}",
)
def test_what_is_no_index(data: bytes) -> None:
    with pytest.raises((Damaged, NotSupported)):
        read_index(data[place : place + 65536] for place in range(0, len(data), 65536))


def test_an_entity_bomb() -> None:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    declaration = f'<!DOCTYPE x [<!ENTITY a0 "ha">{entities}]>'.encode()
    bomb = document(a_file(name="&a11;")).replace(b"<ltfsindex", declaration + b"<ltfsindex", 1)
    with pytest.raises(Damaged, match="document type"):
        read_index([bomb])


def test_deep_folders_are_read_and_written() -> None:
    begin = f"<directory><name>d</name><readonly>false</readonly>{FIVE}<contents>"
    data = document(begin * 1000 + "</contents></directory>" * 1000)
    index = read_index([data])
    assert index.tree.folders == 1000
    assert read_index(encode_index(index)).tree.folders == 1000


def test_problems_are_counted_when_they_are_many() -> None:
    index = read_index([document("".join(a_file(name=f"f{number}", uid=1) for number in range(1500)))])
    assert len(index.problems) == 1001
    assert re.match("500 more", index.problems[-1].what)


def test_text_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expat hands long text over in pieces."""
    value = "x" * 100_000
    attribute = f"<extendedattributes><xattr><key>k</key><value>{value}</value></xattr></extendedattributes>"
    data = document(a_file(more=attribute + "<odd/>"))

    def slowly() -> Iterator[bytes]:
        for place in range(0, len(data), 1000):
            yield data[place : place + 1000]

    assert read_index(slowly()).tree.file("f").attribute("k") == value.encode()
