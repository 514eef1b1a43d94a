"""ASC MHL: the hash lists by which whoever gets a folder proves that its files are what they were.

Written through the ASC's reference implementation, from digests that are known already: nothing is read twice. A new
generation is made beside the folder's history and put into it file by file, the chain last, so that at each instant the
history is a whole one. Source: ASC MHL specification 2.0.
"""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film_archive import __version__
from film_archive.core import files
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, from_os_error
from film_archive.core.folders import AtomicFolder
from film_archive.core.source import printable

FOLDER = "ascmhl"
_CHAIN = "ascmhl_chain.xml"
_TOOL = "film-archive"
_LARGEST = 1 << 28


@dataclass(frozen=True, slots=True)
class Proven:
    """A file of the folder whose content is known."""

    path: str
    """Relative to the folder, with "/"."""
    size: int
    mtime_ns: int
    xxh128: str
    """XXH3-128, hex."""


def write_generation(
    folder: Path, proven: Iterable[Proven], *, ignore: Sequence[str] = (), comment: str | None = None
) -> Path | None:
    """Add a generation that lists these files to a folder's ASC MHL history, or begin the history; returns the list's path.

    Files that the history lists already, with the same digest, are not listed again; None where that leaves none.
    `ignore` are patterns of files that no list is to name. Raises Damaged where the history does not hold, or where a file
    is not what an earlier generation says; nothing is then written.
    """
    from ascmhl import errors
    from ascmhl import ignore as ignoring

    history = folder.resolve() / FOLDER  # the library finds files by absolute paths only
    staged = files.temporary_name(history, "work")
    root = staged / history.parent.name
    try:
        files.remove_tree(staged)
        root.mkdir(parents=True)
        known = _copied(history, root / FOLDER)
        try:
            _commit(root, proven, ignoring.MHLIgnoreSpec(new_pattern_list=list(ignore)), comment)
        except (errors.NoMHLChainException, errors.ModifiedMHLManifestFileException) as error:
            raise Damaged(f"The ASC MHL history of {printable(folder)} does not hold: {error}.") from error
        except errors.MissingMHLManifestException as error:
            raise Damaged(f"The ASC MHL history of {printable(folder)} lacks a hash list: {error}.") from error
        made = sorted(path.name for path in (root / FOLDER).glob("*.mhl") if path.name not in known)
        if not made:
            return None
        _put(root / FOLDER, history, made)
        return history / made[-1]
    except OSError as error:
        raise from_os_error(error, f"write the ASC MHL history of {printable(folder)}") from error
    finally:
        files.remove_tree(staged)


def _commit(root: Path, proven: Iterable[Proven], ignore: Any, comment: str | None) -> None:
    from ascmhl.generator import MHLGenerationCreationSession
    from ascmhl.hashlist import MHLCreatorInfo, MHLProcess, MHLProcessInfo, MHLTool
    from ascmhl.history import MHLHistory
    from ascmhl.utils import datetime_now_isostring

    before = MHLHistory.load_from_path(str(root))
    session, count = MHLGenerationCreationSession(before, ignore), 0
    for each in proven:
        listed = before.find_first_hash_entry_for_path(each.path, KEY)
        if listed is not None and listed.hash_string != each.xxh128:
            raise Damaged(f"{each.path} is not what its ASC MHL history says; it was changed since. No list was written.")
        if listed is None:
            modified = datetime.datetime.fromtimestamp(each.mtime_ns // 1_000_000_000)
            session.append_file_hash(str(root / each.path), each.size, modified, KEY, each.xxh128)
            count += 1
    if not count:
        return
    creator, process = MHLCreatorInfo(), MHLProcessInfo()
    creator.tool = MHLTool(_TOOL, __version__)
    creator.creation_date = datetime_now_isostring()
    creator.host_name = platform.node()
    creator.comment = comment
    process.process = MHLProcess("transfer")
    session.commit(creator, process)


def _copied(history: Path, target: Path) -> frozenset[str]:
    """Copy a history to where the next generation is made; what a killed run left without a link in the chain is removed."""
    if not history.is_dir():
        return frozenset()
    target.mkdir()
    chain = history / _CHAIN
    listed = chain.read_bytes() if chain.exists() else b""
    names = []
    for path in sorted(history.iterdir()):
        if path.name == _CHAIN or not path.is_file() or path.stat().st_size > _LARGEST:
            continue
        data = path.read_bytes()
        if path.name.encode() not in listed and f">{_TOOL}</tool>".encode() in data:
            files.remove(path)
            continue
        (target / path.name).write_bytes(data)
        names.append(path.name)
    if listed:
        (target / _CHAIN).write_bytes(listed)
    return frozenset(names)


def _put(made: Path, history: Path, lists: Sequence[str]) -> None:
    if not history.is_dir():
        with AtomicFolder(history) as new:
            for name in (*lists, _CHAIN):
                files.write_atomically(new.path / name, (made / name).read_bytes())
            new.commit()
        return
    for name in lists:
        files.write_atomically(history / name, (made / name).read_bytes())
    files.write_atomically(history / _CHAIN, (made / _CHAIN).read_bytes(), replace=True)
