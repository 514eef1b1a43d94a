"""Verifying: every object, node and commit read again and compared with its digest, all at once or a share a night."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from film_archive.core.digest import blake3_of
from film_archive.core.errors import Damaged, FilmArchiveError, Unreachable, UsageError
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.versioning.commits import history, read_commit
from film_archive.versioning.contents import prove as prove_blob
from film_archive.versioning.entries import Entry
from film_archive.versioning.metadata import ObjectKind
from film_archive.versioning.node_store import Nodes
from film_archive.versioning.nodes import decode, node_problem
from film_archive.versioning.opened import OpenRepository
from film_archive.versioning.packs import read_pack
from film_archive.versioning.reading import Bytes, prove
from film_archive.versioning.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Record):
    """Something that is not what it should be."""

    path: str
    """The path, commit, node or content that it is about."""
    what: str
    """What is wrong, one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified(Record):
    """What a verification found."""

    ok: bool
    """Whether nothing is damaged or missing from the repository itself."""
    part: str
    """Which share of the contents was read: "1/1" for all."""
    commits: int
    """Commits that were read."""
    nodes: int
    """Nodes of trees that were read."""
    contents: int
    """Contents that were read and compared."""
    bytes: int
    """Of all contents that were read."""
    borrowed: int
    """Files of branches whose bytes lie in archives."""
    proven: int
    """Of those, the ones that were read and compared now."""
    offline: tuple[Problem, ...]
    """Of those, the ones whose archive is not at hand."""
    problems: tuple[Problem, ...]
    """Everything that is damaged or missing."""


class Share:
    """A part of all contents: `3/30` is the third of thirty, by their address."""

    def __init__(self, text: str = "1/1") -> None:
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count) <= 100_000):
            raise UsageError(f"{text!r} is not a part; write it like 3/30.")
        self.text = f"{int(number)}/{int(count)}"
        self._number, self.count = int(number) - 1, int(count)

    def has(self, address: bytes) -> bool:
        return int.from_bytes(address[:8], "big") % self.count == self._number


class _Verifier:
    def __init__(self, repository: OpenRepository, share: Share, progress: Progress) -> None:
        self._repository = repository
        self._share = share
        self._progress = progress
        self.problems: list[Problem] = []
        self.offline: list[Problem] = []
        self.nodes = self.commits = self.contents = self.bytes = self.borrowed = self.proven = 0

    def note(self, path: str, error: FilmArchiveError | str) -> None:
        """A problem; but of what can't be asked nothing is known."""
        if isinstance(error, Unreachable):
            raise error
        self.problems.append(Problem(path=path, what=str(error)))

    def database(self) -> None:
        """Every row of `objects`: its address, and that it can be read."""
        for raw, kind, data in self._repository.database.stream("SELECT id, kind, data FROM objects"):
            address, body = bytes(raw), bytes(data)
            name = f"{'commit' if kind == ObjectKind.COMMIT else 'node'} {address.hex()[:16]}"
            try:
                if blake3_of(body) != address:
                    raise Damaged(f"The {name} is not what its address says; restore the repository's database from a copy.")
                if kind == ObjectKind.COMMIT:
                    self.commits += 1
                    read_commit(address.hex(), body)
                else:
                    self.nodes += 1
                    problem = node_problem(decode(body, f"The {name}"))
                    if problem is not None:
                        raise Damaged(f"The {name} is out of order: {problem}.")
            except FilmArchiveError as error:
                self.note(name, error)

    def structure(self) -> dict[bytes, Entry]:
        """Everything that refs lead to is there; blob → an entry that has it."""
        repository = self._repository
        objects = repository.objects()
        nodes = Nodes(objects)
        known: set[bytes] = set()
        wanted: dict[bytes, Entry] = {}
        for branch in repository.refs.all():
            try:
                for commit in history(objects, branch.head):
                    for address, level in Tree.load(nodes, commit.tree).addresses_but(known):
                        if level == 0:
                            for entry in nodes.leaf(address).entries:
                                self._wants(entry, wanted)
                        known.add(address)
            except FilmArchiveError as error:
                self.note(branch.name, error)
        for entry in repository.stages.all():
            self._wants(entry, wanted)
        return wanted

    def _wants(self, entry: Entry, wanted: dict[bytes, Entry]) -> None:
        if entry.blake3 is not None and entry.blake3 not in wanted:
            wanted[entry.blake3] = entry
            if self._repository.contents.find(entry.blake3) is None:
                self.note(entry.path, f"The content of {printable(entry.path)} is not in the repository.")

    def stored(self, wanted: dict[bytes, Entry]) -> None:
        """The bytes of this share's blobs, and the lists at the ends of packs."""
        packs: set[bytes] = set()
        [(total,)] = self._repository.database.execute("SELECT coalesce(sum(size), 0) FROM blobs")
        self._progress.expect(Phase.VERIFYING, int(total) // self._share.count)
        for blob in self._repository.contents.all():
            if not self._share.has(blob.address):
                continue
            entry = wanted.get(blob.address)
            name = blob.address.hex()[:16] if entry is None else printable(entry.path)
            try:
                if blob.place is not None and blob.place != blob.address and blob.place not in packs:
                    packs.add(blob.place)
                    with self._repository.store.source(blob.place.hex(), f"The pack {blob.place.hex()[:16]}") as pack:
                        read_pack(pack)
                with self._repository.contents.open(blob, name) as source:
                    prove_blob(source, blob.address, blob.key, on_bytes=self._progress.counting(Phase.VERIFYING))
            except FilmArchiveError as error:
                self.note(name, error)
            self.contents += 1
            self.bytes += blob.size

    def lent(self) -> None:
        """Borrowed bytes of branches: offline, another by now, or read and compared where this share has them."""
        seen: set[object] = set()
        with Bytes(self._repository) as found:
            for entry in self._borrowed():
                borrowed = entry.borrowed
                if borrowed in seen or borrowed is None or found.places.adopted(borrowed) is not None:
                    continue
                seen.add(borrowed)
                self.borrowed += 1
                try:
                    found.lender.archive(borrowed.archive_id)
                except FilmArchiveError as error:
                    self.offline.append(Problem(path=entry.path, what=str(error)))
                    continue
                try:
                    with found.source(entry) as source:
                        if self._share.has(blake3_of(f"{borrowed.archive_id}/{borrowed.member}".encode())):
                            prove(entry, source)
                            found.note_proven(entry, source)
                            self.proven += 1
                            self.bytes += entry.size
                except FilmArchiveError as error:
                    self.note(entry.path, error)

    def _borrowed(self) -> Iterator[Entry]:
        objects = self._repository.objects()
        nodes = Nodes(objects)
        known: set[bytes] = set()
        for branch in self._repository.refs.all():
            try:
                tree = self._repository.tree_of(objects, branch.head)
                for address, level in tree.addresses_but(known):
                    if level == 0:
                        yield from (entry for entry in nodes.leaf(address).entries if entry.archive is not None)
                    known.add(address)
            except FilmArchiveError:
                continue  # told by `structure`


def verify(repository: OpenRepository, *, part: str = "1/1", progress: Progress | None = None) -> Verified:
    """Read a repository again and compare; changes nothing but what is known to be proven."""
    share = Share(part)
    with repository.database.sharing():
        work = _Verifier(repository, share, progress or quiet())
        for problem in repository.database.problems():
            work.note(repository.database.name, f"The database is damaged ({problem}); restore it from a copy.")
        work.database()
        work.stored(work.structure())
        work.lent()
    return Verified(
        ok=not work.problems,
        part=share.text,
        commits=work.commits,
        nodes=work.nodes,
        contents=work.contents,
        bytes=work.bytes,
        borrowed=work.borrowed,
        proven=work.proven,
        offline=tuple(work.offline),
        problems=tuple(work.problems),
    )
