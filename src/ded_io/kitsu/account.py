"""Where a Kitsu is and who logs in there. Secrets come from the environment (`ded_io.config`) and are shown nowhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from film_archive.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Account:
    """A Kitsu and who logs in: with a bot's token, or else with e-mail and password.

    Raises UsageError for a host that is no address, or that has a password in it (it would be shown and kept).
    """

    host: str
    """As in https://kitsu.studio.com/api; without `/api` it is looked for."""
    token: str | None = field(default=None, repr=False)
    email: str | None = None
    password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.host)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # what urlsplit and `port` raise
            sound = False
        if not sound or not self.host.isprintable() or " " in self.host:
            raise UsageError("KITSU_HOST is not the address of a server; write it like https://kitsu.studio.com/api.")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise UsageError(
                "KITSU_HOST has more than an address in it; who logs in stands in KITSU_TOKEN, or KITSU_EMAIL and KITSU_PASSWORD."
            )
        object.__setattr__(self, "host", self.host.rstrip("/"))

    def require_login(self) -> None:
        """Raise UsageError where there is nothing to log in with."""
        if not self.token and not (self.email and self.password):
            raise UsageError(
                "Nobody can log in to Kitsu: set KITSU_TOKEN (of a bot), or KITSU_EMAIL and KITSU_PASSWORD."
            )
