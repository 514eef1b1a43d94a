"""The error tree: what its docstring draws is what it is, and what the system reports lands in the right branch."""

from __future__ import annotations

import errno
import os
import pickle
import re
import threading

import pytest

from film_archive.core import errors
from film_archive.core.errors import (
    FilmArchiveError,
    NoSpace,
    NotFound,
    NotSupported,
    Refused,
    StorageError,
    from_os_error,
    is_interrupt,
)

CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, FilmArchiveError)]


def test_the_tree_is_as_drawn() -> None:
    drawn: dict[str, tuple[str, int]] = {}
    above, status = "", 0
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    (│   )?[├└]── (\w+)\s+(\d+)?", line)
        if match is None:
            continue
        if match[1] is None and match[3] is not None:
            above, status = match[2], int(match[3])
            drawn[match[2]] = ("FilmArchiveError", status)
        else:
            drawn[match[2]] = (above, status)
    real = {
        kind.__name__: (kind.__mro__[1].__name__, kind.exit_status) for kind in CLASSES if kind is not FilmArchiveError
    }
    assert drawn == real


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_is_its_sentence_and_survives_a_process_border(kind: type[FilmArchiveError]) -> None:
    error = kind("Could not do it.")
    assert str(error) == "Could not do it."
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (kind, "Could not do it.")
    assert str(kind()) == ""


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOENT, NotFound),
        (errno.ENOTDIR, NotFound),
        (errno.EEXIST, Refused),
        (errno.EACCES, Refused),
        (errno.EROFS, Refused),
        (errno.EISDIR, Refused),
        (errno.ENAMETOOLONG, NotSupported),
        (errno.ENOSPC, NoSpace),
        (errno.EDQUOT, NoSpace),
        (errno.EIO, StorageError),
        (errno.ESTALE, StorageError),
    ],
)
def test_what_the_system_reports(number: int, kind: type[FilmArchiveError]) -> None:
    error = from_os_error(OSError(number, os.strerror(number), "x"), "read x")
    assert type(error) is kind
    hint = "; look for its name, or whether its drive is mounted" if number == errno.ENOENT else ""
    assert str(error) == f"Could not read x: {os.strerror(number)}{hint}."


def test_a_circle_of_links_is_told_with_what_to_do() -> None:
    error = from_os_error(OSError(errno.ELOOP, os.strerror(errno.ELOOP), "x"), "read x")
    assert type(error) is Refused
    assert "links lead in a circle; name the file or folder itself, or mend the links" in str(error)


def test_errors_without_a_number_and_our_own() -> None:
    assert str(from_os_error(OSError("the cable fell out"), "read x")) == "Could not read x: the cable fell out."
    ours = NoSpace("5 bytes are missing.")
    assert from_os_error(ours, "read x") is ours


def in_a_lock(error: type[BaseException]) -> None:
    """What becomes of an error that comes while `Condition.wait` has let the lock go: leaving lets it go once more."""
    condition = threading.Condition(threading.Lock())
    with condition:
        condition.release()
        raise error


@pytest.mark.parametrize(("error", "stopped"), [(KeyboardInterrupt, True), (KeyError, False)])
def test_ctrl_c_is_known_by_what_a_lock_makes_of_it(error: type[BaseException], stopped: bool) -> None:
    with pytest.raises(RuntimeError) as raised:
        in_a_lock(error)
    assert is_interrupt(raised.value) is stopped
    assert is_interrupt(error()) is stopped
    assert not is_interrupt(RuntimeError("release unlocked lock"))
