"""Running a typer app; what becomes of errors is in `ending.py`."""

from __future__ import annotations

from typing import Any

import typer
import typer.core

from film_archive.cli.ending import status_of
from film_archive.cli.output import print_error

_ClickException: type[Exception] = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
"""What typer's parser raises; newer typers carry their own click, so its class is found through a public one."""


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

    def work() -> object:
        try:
            return command.main(args=arguments, prog_name=name, standalone_mode=False)
        except _ClickException as error:
            shown: Any = error
            if wants_json:
                return print_error(name, shown.format_message(), 2, wants_json=True)
            shown.show()
            return 2
        except typer.Exit as error:
            return error.exit_code
        except typer.Abort:
            raise KeyboardInterrupt from None

    return status_of(work, name, arguments, debug=debug)
