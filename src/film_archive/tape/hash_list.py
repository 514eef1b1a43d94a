"""The ASC MHL history in a cartridge's root, from digests that are known: nothing is read for it.

Written through `ascmhl`, the ASC's reference implementation (ASC MHL specification 2.0), which works on folders: the history
that a cartridge has is laid out in a temporary one, and gets its next generation there.
"""

from __future__ import annotations

import datetime
import platform
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from film_archive import __version__
from film_archive.core import places
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, from_os_error

CHAIN = "ascmhl_chain.xml"
_FOLDER = "ascmhl"


@dataclass(frozen=True, slots=True)
class Listed:
    """A file as a generation lists it."""

    path: str
    size: int
    mtime_ns: int
    xxh128: str


def can_hold(path: str) -> bool:
    """Whether XML can have a path: it is text, without control signs."""
    return all(sign >= " " and not "\ud800" <= sign <= "\udfff" and sign not in "\ufffe\uffff" for sign in path)


def next_generation(history: Mapping[str, bytes], listed: Iterable[Listed], *, name: str, comment: str) -> dict[str, bytes]:
    """The files of a history with one generation more, by their names: the new list and the chain.

    `history` is what is there, by name. Raises Damaged where it does not hold, or a file is not what it says.
    """
    try:
        with tempfile.TemporaryDirectory(dir=places.temporary()) as folder:
            root = Path(folder).resolve() / name
            root.mkdir()
            if history:
                (root / _FOLDER).mkdir()
            for file, data in history.items():
                (root / _FOLDER / file).write_bytes(data)
            _commit(root, listed, comment)
            made = {path.name: path.read_bytes() for path in sorted((root / _FOLDER).iterdir()) if path.is_file()}
    except OSError as error:
        raise from_os_error(error, "make the ASC MHL of a cartridge") from error
    return {file: data for file, data in made.items() if history.get(file) != data}


def _commit(root: Path, listed: Iterable[Listed], comment: str) -> None:
    from ascmhl.generator import MHLGenerationCreationSession
    from ascmhl.hashlist import MHLCreatorInfo, MHLProcess, MHLProcessInfo, MHLTool
    from ascmhl.history import MHLHistory
    from ascmhl.utils import datetime_now_isostring

    history = MHLHistory.load_from_path(str(root))
    session = MHLGenerationCreationSession(history)
    now = datetime.datetime.now()
    for each in listed:
        modified = datetime.datetime.fromtimestamp(each.mtime_ns // 1_000_000_000)
        if not session.append_file_hash(str(root / each.path), each.size, modified, KEY, each.xxh128, hash_date=now):
            raise Damaged(f"{each.path} is not what the ASC MHL history of the cartridge says; no list was written.")
    creator, process = MHLCreatorInfo(), MHLProcessInfo()
    creator.tool = MHLTool("film-archive", __version__)
    creator.creation_date = datetime_now_isostring()
    creator.host_name = platform.node() or "unknown"
    creator.comment = comment
    process.process = MHLProcess("transfer")
    session.commit(creator, process)
