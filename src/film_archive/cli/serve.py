"""`serve ROOT…`: archives and media over HTTP, with the review page."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from film_archive.cli.output import print_json, say


def register(app: typer.Typer) -> None:
    app.command("serve")(serve)


def serve(
    root: list[Path] = typer.Argument(..., help="Folders (all archives and files below them), or single archives."),
    host: str = typer.Option("127.0.0.1", "--host", help="The address; any but this machine's own needs a token."),
    port: int = typer.Option(8000, "--port", min=0, max=65535, help="The port; 0 is any that is free."),
    workers: int = typer.Option(1, "--workers", min=1, max=64, help="Processes that share the port."),
    token: str | None = typer.Option(
        None, "--token", envvar="FILM_ARCHIVE_TOKEN", help="What clients have to show; the environment hides it."
    ),
    tokens: Path | None = typer.Option(
        None, "--tokens", help="A file of tokens with less than all rights, a line each: TOKEN read|jobs [ROOT…]."
    ),
    cert: Path | None = typer.Option(None, "--cert", help="The certificate (PEM) for TLS."),
    key: Path | None = typer.Option(None, "--key", help="The certificate's key (PEM, without a password)."),
    root_path: str = typer.Option("", "--root-path", help="What addresses begin with, behind a proxy: /archive."),
    follow_links: bool = typer.Option(False, "--follow-links", help="Serve what symbolic links lead to, too."),
    catalog: str | None = typer.Option(
        None, "--catalog", metavar="FILE|URL", help="The production's catalog, to be searched by who may see all that is served."
    ),
    access_log: bool = typer.Option(False, "--access-log", help="Write a line for each answer to stderr."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document once it listens, and nothing after it."),
) -> int:
    """Serve archives to players, browsers and scripts, without unpacking them. Ctrl-C ends it.

    Stopping is how a server ends, so Ctrl-C and SIGTERM are status 0 once transfers have ended (ten seconds are given).
    Told a second time, transfers are broken off, and the status is 130.
    """
    from film_archive.core.source import printable
    from film_archive.server.running import GRACE, Serving, Settings, run_server

    def listening(address: str) -> None:
        if json:
            shown = tuple(map(printable, root))
            guarded = token is not None or tokens is not None
            print_json(Serving(address=address, roots=shown, workers=workers, needs_token=guarded).to_json())
            return
        say(f"Serving {', '.join(map(str, root))} at {address}")
        if token is not None or tokens is not None:
            say("The page asks for the token; scripts send it as “Authorization: Bearer TOKEN”.")
        say("Ctrl-C stops it.")
        sys.stdout.flush()

    def stopping() -> None:
        print(f"Stopping; transfers have {GRACE} seconds to end, Ctrl-C again breaks them off.", file=sys.stderr)

    settings = Settings(
        roots=tuple(root),
        host=host,
        port=port,
        workers=workers,
        token=token,
        tokens=tokens,
        certificate=cert,
        key=key,
        root_path=root_path.rstrip("/"),
        follow_links=follow_links,
        catalog=catalog,
        access_log=access_log,
    )
    ended_well = run_server(settings, on_listening=listening, on_stopping=stopping)
    return 0 if ended_well else 130
