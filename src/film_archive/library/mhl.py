"""ASC MHL histories of cards, through `ascmhl`, its reference implementation: the generation that a card's copy gets, with
digests of its folders and the history that the card came with; and reading what a history says.

Digests are given, never computed again. A history appears whole or not at all. (`chain_of_custody.py` adds to one that is
there.)
"""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film_archive import __version__
from film_archive.core import files
from film_archive.core.copying import verified_copy
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, NotFound, from_os_error
from film_archive.core.folders import AtomicFolder
from film_archive.core.source import FileSource, printable

FOLDER = "ascmhl"
_FORMATS = ("md5", "sha1", "xxh128", "xxh3", "xxh64", "c4")
"""What ASC MHL has elements for."""


@dataclass(frozen=True, slots=True)
class MhlFile:
    """A file of a generation."""

    path: str
    """From the history's root, with slashes."""
    size: int
    mtime_ns: int
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MhlEntry:
    """What a history says of a file."""

    path: str
    size: int | None
    digests: Mapping[str, str]


def can_hold(path: str) -> bool:
    """Whether XML can have a path: it is text, without control signs."""
    return all(sign >= " " and not "\ud800" <= sign <= "\udfff" and sign not in "\ufffe\uffff" for sign in path)


def has_history(root: Path) -> bool:
    return (root / FOLDER).is_dir()


def write_generation(
    root: Path, name: str, members: Sequence[MhlFile], folders: Mapping[str, int], *, origin: Path | None = None
) -> Path:
    """Write the next generation of a folder's history: of `root`, called `name`; returns where the generation is.

    `folders` are the folders' paths and times; digests of folders are made from the files'. `origin` is the folder whose
    history this one continues; that is copied first. Raises Damaged where a digest is not what the history says.
    """
    from ascmhl.generator import MHLGenerationCreationSession
    from ascmhl.hashlist import MHLProcess, MHLProcessInfo
    from ascmhl.history import MHLHistory

    place = root / FOLDER
    with AtomicFolder(place) as made:
        history = MHLHistory()
        if origin is not None and has_history(origin):
            history = _loaded(origin)
            history.child_histories, history.child_history_mappings = [], {}
            _copy_history(origin / FOLDER, made.path)
        else:
            history.chain = _no_chain()
        history.asc_mhl_path = os.fspath(made.path)
        history.chain.file_path = os.fspath(made.path / "ascmhl_chain.xml")
        session = MHLGenerationCreationSession(history)
        for member in members:
            _append(session, root, member)
        _append_folders(session, root, members, folders)
        process = MHLProcessInfo()
        process.process = MHLProcess("transfer")
        number = history.latest_generation_number() + 1
        process.hashlist_custom_basename = f"{number:04d}_{name}"
        session.commit(_creator(), process)
        written = Path(history.hash_lists[-1].file_path).name
        for path in made.path.iterdir():
            _sync(path)
        made.commit()
    return place / written


def read_history(root: Path) -> Iterator[MhlEntry]:
    """What a folder's history says of its files, the first digest of each kind; raises Damaged where its chain is broken."""
    history = _loaded(root)
    found: dict[str, dict[str, str]] = {}
    sizes: dict[str, int | None] = {}
    for hash_list in history.hash_lists:
        for media in hash_list.media_hashes:
            if media.is_directory:
                continue
            known = found.setdefault(media.path, {})
            sizes[media.path] = media.file_size
            for entry in media.hash_entries:
                if entry.action != "failed":
                    known.setdefault(entry.hash_format, entry.hash_string)
    for path, digests in found.items():
        yield MhlEntry(path, sizes[path], digests)


def formats_of(root: Path) -> tuple[str, ...]:
    """The digests that a folder's history has, so that they can be computed along; none without a history."""
    if not has_history(root):
        return ()
    names = {name for entry in read_history(root) for name in entry.digests}
    return tuple(name for name in _FORMATS if name in names)


def _loaded(root: Path) -> Any:
    from ascmhl.history import MHLHistory

    place = root / FOLDER
    if not place.is_dir():
        raise NotFound(f"There is no ASC MHL history in {printable(root)}.")
    try:
        return MHLHistory.load_from_path(os.fspath(root))
    except OSError as error:
        raise from_os_error(error, f"read the ASC MHL history of {printable(root)}") from error
    except Exception as error:  # ascmhl's own errors have a `message`; lxml raises whatever damaged XML leads it to
        message = getattr(error, "message", None)
        if message:
            raise Damaged(f"The ASC MHL history of {printable(root)} does not hold: {message}.") from error
        raise Damaged(f"The ASC MHL history of {printable(root)} can't be read ({type(error).__name__}: {error}).") from error


def _no_chain() -> Any:
    from ascmhl.chain import MHLChain

    return MHLChain("")


def _copy_history(origin: Path, target: Path) -> None:
    for path in sorted(origin.iterdir()):
        if path.is_file() and not path.name.startswith("._"):
            with FileSource(path) as source:
                verified_copy(source, target / path.name, like=source.status)


def _append(session: Any, root: Path, member: MhlFile) -> None:
    modified, now = _local(member.mtime_ns), datetime.datetime.now()
    # One by one: ascmhl 1.2's way to give several at once puts a class where an entry belongs.
    good = True
    for name in _FORMATS:
        if name in member.digests:
            path, value = os.fspath(root / member.path), member.digests[name]
            good &= session.append_file_hash(path, member.size, modified, name, value, hash_date=now)
    if not good:
        raise Damaged(
            f"{printable(member.path)} is not what the ASC MHL history that came with it says; nothing was given its name."
        )


def _append_folders(session: Any, root: Path, members: Sequence[MhlFile], folders: Mapping[str, int]) -> None:
    """Digests of folders over those of the files in them (ASC MHL 2.0: content and structure hashes)."""
    from ascmhl.hasher import DirectoryHashContext

    contexts = {path: DirectoryHashContext(KEY) for path in ("", *folders)}
    for member in members:
        contexts[member.path.rpartition("/")[0]].append_file_hash(member.path, member.digests[KEY])
    for path in sorted(contexts, key=lambda path: (-path.count("/") - bool(path), path)):
        content, structure = contexts[path].final_content_hash_str(), contexts[path].final_structure_hash_str()
        if path:
            contexts[path.rpartition("/")[0]].append_directory_hashes(path, content, structure)
        time = folders[path] if path else (root.stat().st_mtime_ns)
        session.append_multiple_format_directory_hashes(
            os.fspath(root / path) if path else os.fspath(root), _local(time), {KEY: content}, {KEY: structure}
        )


def _creator() -> Any:
    from ascmhl.hashlist import MHLCreatorInfo, MHLTool
    from ascmhl.utils import datetime_now_isostring

    made = MHLCreatorInfo()
    made.tool = MHLTool("film-archive", __version__)
    made.creation_date = datetime_now_isostring()
    made.host_name = platform.node() or "unknown"
    return made


def _local(time_ns: int) -> datetime.datetime:
    """Local time, as ascmhl takes it; to the second."""
    epoch = datetime.datetime(1970, 1, 1)
    try:
        return datetime.datetime.fromtimestamp(time_ns // 1_000_000_000)
    except (OverflowError, ValueError, OSError):
        return epoch


def _sync(path: Path) -> None:
    with files.explaining(f"make {printable(path)} durable"):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            files.sync(descriptor)
        finally:
            os.close(descriptor)
