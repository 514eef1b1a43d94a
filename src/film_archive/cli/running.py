"""Running a typer app: errors become one sentence and an exit status."""

from __future__ import annotations

import traceback
from typing import Any

import typer
import typer.core

from film_archive.cli.output import print_error
from film_archive.core.errors import FilmArchiveError, StorageError, from_os_error, is_interrupt
from film_archive.core.process import stopped_status

_ClickException: type[Exception] = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
"""What typer's parser raises; newer typers carry their own click, so its class is found through a public one."""

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


class Verbs(typer.core.TyperGroup):
    """Verbs, some of two words: `proxy attach` is another one than `proxy` with a file `attach` (which is `./attach`)."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        two = " ".join(args[:2])
        if len(args) > 1 and two in self.commands:
            return two, self.commands[two], args[2:]
        return super().resolve_command(ctx, args)


def run_app(app: Any, name: str, arguments: list[str], *, debug: bool = False) -> int:
    """Run an app; returns the exit status."""
    wants_json = "--json" in arguments
    command = typer.main.get_command(app)
    if any(argument == "" or (argument.startswith("--") and argument.endswith("=")) for argument in arguments):
        # To the system an empty path is the working directory, which nobody means who wrote "$CARD".
        return print_error(name, "One of the arguments is empty; name what is meant (\".\" is this folder).", 2, wants_json)
    try:
        status = command.main(args=arguments, prog_name=name, standalone_mode=False)
    except _ClickException as error:
        shown: Any = error
        if wants_json:
            return print_error(name, shown.format_message(), 2, wants_json=True)
        shown.show()
        return 2
    except typer.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
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


def _stopped(arguments: list[str]) -> str:
    """What is said after Ctrl-C: whether something waits to be continued."""
    verb = " ".join(arguments[:2]) if arguments[:1] in (["bundle"], ["tape"]) else "".join(arguments[:1])
    return _STOPPED if verb in _CONTINUED else _STOPPED_IN.get(verb, _STOPPED_FOR_GOOD)

