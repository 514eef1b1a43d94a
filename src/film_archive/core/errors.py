"""The error tree, split by what a caller would do about it. Each class carries the exit status of the command line.

    FilmArchiveError                 1   only ever raised through a subclass
    ├── UsageError                   2   the request itself is wrong: mend the call
    │   ├── InvalidTimecode              a label that does not exist at this rate
    │   └── RateUnknown                  a rate has to be given
    ├── NotFound                     3   no such file, member, branch, cartridge
    ├── Refused                      4   would overwrite, is unsafe, is in use: nothing was changed
    ├── NotSupported                 5   understood, but this program or machine cannot do it
    │   └── NotMedia                     nothing here that a probe knows
    ├── StorageError                 6   the disk, the network or another program failed
    │   ├── NoSpace                      with the bytes that are missing
    │   ├── ShortRead                    a source ended before its size
    │   ├── Unreachable                  a server does not answer, or not as one that is well: nothing is said of what it keeps
    │   └── ProgramFailed                a program or process that we started failed, hung or died
    ├── OutOfRange                   7   a range or timecode outside the media
    │   └── TimecodeUnknown              the media has no start timecode: give one
    ├── Damaged                     11   content or structure is not what its digest or format says
    │   └── SourceChanged                a file changed while it was read
    └── PartlyDone                  12   some of it is done, and the report says what

Status 10 ("the answer is no") is an answer and not an error: verbs return it. 130 is that of a KeyboardInterrupt (143 where
SIGTERM brought it), which nothing here turns into another error. A message is one sentence: what happened, to what, in what
state things are now, and what to do.
"""

from __future__ import annotations

import errno


class FilmArchiveError(Exception):
    """Everything that this package raises on purpose."""

    exit_status = 1


class UsageError(FilmArchiveError, ValueError):
    exit_status = 2


class InvalidTimecode(UsageError):
    pass


class RateUnknown(UsageError):
    pass


class NotFound(FilmArchiveError, LookupError):
    exit_status = 3


class Refused(FilmArchiveError):
    exit_status = 4


class NotSupported(FilmArchiveError):
    exit_status = 5


class NotMedia(NotSupported):
    pass


class StorageError(FilmArchiveError, OSError):
    exit_status = 6


class NoSpace(StorageError):
    pass


class ShortRead(StorageError):
    pass


class Unreachable(StorageError):
    pass


class ProgramFailed(StorageError):
    pass


class OutOfRange(FilmArchiveError, ValueError):
    exit_status = 7


class TimecodeUnknown(OutOfRange):
    pass


class Damaged(FilmArchiveError):
    exit_status = 11


class SourceChanged(Damaged):
    pass


class PartlyDone(FilmArchiveError):
    exit_status = 12


_CLASSES: dict[int, type[FilmArchiveError]] = {
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR), NotFound),
    **dict.fromkeys(
        (
            *(errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.EBUSY),
            *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP),
        ),
        Refused,
    ),
    **dict.fromkeys((errno.ENAMETOOLONG, errno.EILSEQ, errno.EOPNOTSUPP), NotSupported),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), NoSpace),
}


def is_interrupt(error: BaseException) -> bool:
    """Whether an error is Ctrl-C: itself, or what it becomes where it comes within a lock that is taken in Python.

    Starting a thread waits in such a lock, which then is let go a second time and says so (threading.Condition).
    """
    if isinstance(error, KeyboardInterrupt):
        return True
    let_go_twice = type(error) is RuntimeError and str(error) in ("release unlocked lock", "cannot release un-acquired lock")
    return let_go_twice and isinstance(error.__context__, KeyboardInterrupt)


def from_os_error(error: OSError, doing: str) -> FilmArchiveError:
    """Turn what the system reports into our tree; `doing` is e.g. "read /footage/a.mov" and completes the sentence."""
    if isinstance(error, FilmArchiveError):
        return error
    reason = error.strerror or str(error)
    if error.errno == errno.ELOOP:
        reason = "its symbolic links lead in a circle; name the file or folder itself, or mend the links"
    if error.errno == errno.ENOENT:
        reason += "; look for its name, or whether its drive is mounted"
    return _CLASSES.get(error.errno or 0, StorageError)(f"Could not {doing}: {reason}.")
