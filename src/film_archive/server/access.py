"""Who may do what: tokens, the rights they give, and the ROOTs they open.

A client shows a token as `Authorization: Bearer TOKEN`, or as the password of Basic authorization (any user name), which
players can put into an address. The page shows it once and gets a cookie, since a `<video>` can send no header; the
cookie is made from the token, does not contain it, and is good for all workers. Tokens are never taken from a query.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
import stat
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from film_archive.core.errors import Refused, UsageError, from_os_error
from film_archive.core.source import printable

_WRITTEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""A bearer token (RFC 6750, 2.1)."""
_LARGEST_FILE = 1 << 20


class Right(StrEnum):
    """What a token lets its bearer do; `JOBS` includes `READ`."""

    READ = "read"
    JOBS = "jobs"
    """Also start extraction jobs and cancel them."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a request may do. `roots` are ROOTs' names; None is all of them."""

    right: Right
    roots: frozenset[str] | None = None
    owner: str = ""
    """Tells one token's jobs from another's; nothing about the token can be found out from it."""

    def opens(self, label: str) -> bool:
        return self.roots is None or label in self.roots


EVERYTHING = Access(Right.JOBS)


class Token:
    """A secret that a client has to show, and what it gives; compared in constant time.

    Raises UsageError where it can't be a token.
    """

    def __init__(self, secret: str, right: Right = Right.JOBS, roots: Collection[str] | None = None) -> None:
        if _WRITTEN.fullmatch(secret) is None:
            raise UsageError("A token is one word of letters, digits and - . _ ~ + /; give a long random one.")
        self.secret = secret.encode()
        session = hmac.new(self.secret, b"film-archive session", sha256).hexdigest()
        owner = hmac.new(self.secret, b"film-archive owner", sha256).hexdigest()[:16]
        self.access = Access(right, None if roots is None else frozenset(roots), owner)
        self.cookie_name = f"film_archive_{session[:8]}"
        """Cookies are shared by all ports of a host; so each token's has its own name."""
        self.cookie_value = session[8:]


@dataclass(frozen=True, slots=True)
class Grant:
    """A token as it was given, before anything is made of it; goes to workers through a pipe. Never shown."""

    secret: str = field(repr=False)
    right: Right = Right.JOBS
    roots: tuple[str, ...] | None = None


class Guard:
    """All tokens of a server. Without any, everybody may do everything."""

    def __init__(self, grants: Sequence[Grant] = ()) -> None:
        self._tokens = [Token(grant.secret, grant.right, grant.roots) for grant in grants]
        if len({token.secret for token in self._tokens}) < len(self._tokens):
            raise UsageError("A token was given twice; each has its own rights, so each needs its own word.")

    def __bool__(self) -> bool:
        return bool(self._tokens)

    def access(self, authorization: str | None, cookie: str | None) -> Access | None:
        """What a request with these fields may do; None where it shows no token."""
        if not self._tokens:
            return EVERYTHING
        token = self.token(authorization, cookie)
        return None if token is None else token.access

    def token(self, authorization: str | None, cookie: str | None) -> Token | None:
        """The token that is shown. All are compared, so that the time tells nothing."""
        found = None
        shown = _shown(authorization)
        cookies = _cookies(cookie)
        for token in self._tokens:
            if shown is not None and hmac.compare_digest(shown, token.secret):
                found = token
            given = cookies.get(token.cookie_name)
            if given is not None and hmac.compare_digest(given.value.encode(), token.cookie_value.encode()):
                found = found or token
        return found


def _shown(authorization: str | None) -> bytes | None:
    """The secret of an Authorization field."""
    scheme, _, rest = (authorization or "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip().encode("latin-1")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return None
    return None


def _cookies(field: str | None) -> SimpleCookie:
    try:
        return SimpleCookie(field or "")
    except CookieError:
        return SimpleCookie()


def read_grants(path: Path) -> tuple[Grant, ...]:
    """The tokens of a file: on each line TOKEN RIGHT [ROOT…], “#” begins a comment.

    RIGHT is “read” or “jobs”; ROOTs are names of served folders, none means all. Raises UsageError where a line is
    wrong, Refused where others may read the file.
    """
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise Refused(f"{printable(path)} holds tokens and others may read it; `chmod 600` it.")
            text = file.read(_LARGEST_FILE).decode("utf-8")
    except OSError as error:
        raise from_os_error(error, f"read the tokens of {printable(path)}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{printable(path)} is no file of tokens: it is not text.") from error
    grants = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) < 2 or words[1] not in list(Right):
            raise UsageError(f"Line {number} of {printable(path)} is not TOKEN read|jobs [ROOT…].")
        grants.append(Grant(words[0], Right(words[1]), tuple(words[2:]) or None))
    if not grants:
        raise UsageError(f"{printable(path)} has no token.")
    return tuple(grants)


def require_roots(grants: Iterable[Grant], labels: Collection[str]) -> None:
    """A token for a ROOT that is not served is a slip, and would open nothing; raises UsageError."""
    for grant in grants:
        for root in grant.roots or ():
            if root not in labels:
                served = ", ".join(map(printable, labels))
                raise UsageError(f"A token is for {printable(root)}, and what is served is called {served}.")
