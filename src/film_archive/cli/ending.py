"""What becomes of an error: one sentence and an exit status. What parsed the command line is not known here."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

from film_archive.cli.output import print_error
from film_archive.core.errors import FilmArchiveError, StorageError, from_os_error, is_interrupt
from film_archive.core.process import stopped_status

_CONTINUED = (
    *("create", "add", "unpack", "proxy", "pull", "offload", "library", "bundle read"),
    *("tape write", "tape restore", "tape migrate", "tape verify"),
)
_STOPPED = "Stopped; what was finished is kept, and the same command continues."
_STOPPED_FOR_GOOD = "Stopped; nothing unfinished was left."
_STOPPED_IN = {
    "demo": "Stopped; what was made so far stays in the demo's folder: remove it, or name another one.",
    "repair": "Stopped; no member was touched, and the same command mends the rest.",
}


def status_of(work: Callable[[], object], name: str, arguments: Sequence[str], *, debug: bool = False) -> int:
    """Do a verb's work; returns the exit status."""
    wants_json = "--json" in arguments
    try:
        status = work()
    except KeyboardInterrupt:
        return print_error(name, _stopped(arguments), stopped_status(), wants_json)
    except FilmArchiveError as error:
        if debug:
            traceback.print_exc()
        return print_error(name, str(error), error.exit_status, wants_json)
    except (BrokenPipeError, SystemExit):  # not stdout or stderr (see `outlets`); SystemExit is what typer makes of it
        sentence = "A pipe was closed by whoever read it before all was written; nothing is known to be finished, run it again."
        return print_error(name, sentence, StorageError.exit_status, wants_json)
    except OSError as error:
        if debug:
            traceback.print_exc()
        explained = from_os_error(error, f"work on {error.filename}" if error.filename else "go on")
        return print_error(name, str(explained), explained.exit_status, wants_json)
    except Exception as error:  # noqa: BLE001  the last resort: a fault of ours is said, not shown as a traceback
        if is_interrupt(error):
            return print_error(name, _stopped(arguments), stopped_status(), wants_json)
        if debug:
            traceback.print_exc()
        sentence = (
            f"A fault of {name}: {type(error).__name__}: {error}. Please report it with what "
            "FILM_ARCHIVE_DEBUG=1 in front of the same command prints."
        )
        return print_error(name, sentence, 1, wants_json)
    if status == 130:  # which is what newer typers make of Ctrl-C
        return print_error(name, _stopped(arguments), stopped_status(), wants_json)
    return status if isinstance(status, int) else 0


def _stopped(arguments: Sequence[str]) -> str:
    """What is said after Ctrl-C: whether something waits to be continued."""
    verb = " ".join(arguments[:2]) if arguments[:1] in (["bundle"], ["tape"]) else "".join(arguments[:1])
    return _STOPPED if verb in _CONTINUED else _STOPPED_IN.get(verb, _STOPPED_FOR_GOOD)
