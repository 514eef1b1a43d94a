"""A session with a Kitsu server: `gazu`'s client with time limits, its answers as rows, its errors as ours.

What `gazu` leaves to its callers is settled here and only here: it waits for ever (a time limit on every request), takes
answers like 503 for success, follows redirects that turn a POST into a GET, lets `~/.netrc` replace the token, keeps a
client and a cache for the whole process (a client of our own; `gazu.client`'s calls, which are not cached), and lets
errors of `requests` through.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import gazu
import requests
from gazu import client as raw
from gazu import exception as told
from requests.adapters import HTTPAdapter

from ded_io.kitsu.account import Account
from film_archive.core.errors import FilmArchiveError, NotFound, Refused, StorageError, from_os_error
from film_archive.core.source import printable

_KNOWN_TO_GAZU = frozenset({400, 401, 403, 404, 405, 413, 422, 500, 502})
_SENTENCE = 300


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds after which a server is given up."""

    connect: float = 5.0
    answer: float = 60.0
    upload: float = 900.0
    """Of a preview, which many servers process before they answer."""


@dataclass(frozen=True, slots=True)
class Row:
    """A thing that Kitsu has: its id and its fields as Kitsu names them."""

    id: str
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, answer: object) -> Row:
        """What an answer says; raises StorageError where it is no row."""
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str) or not answer["id"]:
            raise StorageError("Kitsu's answer is no row of its database; look whether KITSU_HOST is right.")
        return cls(answer["id"], answer)

    def text(self, key: str) -> str:
        """A field as text; "" where it is null or no text."""
        value = self.fields.get(key)
        return value if isinstance(value, str) else ""

    @property
    def data(self) -> Mapping[str, Any]:
        """The free field that most rows have."""
        value = self.fields.get("data")
        return value if isinstance(value, dict) else {}

    def differing(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the wanted fields that are not as wanted; of `data` all that is to be there, old and new."""
        found: dict[str, Any] = {}
        for key, value in wanted.items():
            if key == "data":
                merged = {**self.data, **value}
                if merged != self.data:
                    found[key] = merged
            elif self.fields.get(key) != value:
                found[key] = value
        return found


class Session:
    """Requests to one server as one person. Not for several threads at a time; leaving the block closes it."""

    def __init__(self, host: str, client: raw.KitsuClient, version: str) -> None:
        self.host = host
        self.version = version
        """Of the server."""
        self.person = ""
        self.role = ""
        """"admin", "manager", "supervisor", "user", "client" or "vendor"."""
        self._client = client

    def rows(self, path: str, **where: str) -> tuple[Row, ...]:
        """All rows that match."""
        with self._asking(f"list {path}"):
            answer = raw.fetch_all(path, params=dict(where), client=self._client)
            if not isinstance(answer, list):
                raise TypeError("no list")
        return tuple(map(Row.of, answer))

    def first(self, path: str, **where: str) -> Row | None:
        """The first row that matches, or None."""
        found = self.rows(path, **where)
        return found[0] if found else None

    def row(self, path: str, identity: str) -> Row:
        """One row by its id; raises NotFound."""
        with self._asking(f"look at {path}"):
            return Row.of(raw.fetch_one(path, identity, client=self._client))

    def create(self, path: str, fields: Mapping[str, Any], what: str) -> Row:
        """POST to a path; `what` completes "Kitsu does not let you …" as in "make the shot 010"."""
        with self._asking(what):
            return Row.of(raw.post(path, dict(fields), client=self._client))

    def update(self, path: str, fields: Mapping[str, Any], what: str) -> Row:
        """PUT to a path."""
        with self._asking(what):
            return Row.of(raw.put(path, dict(fields), client=self._client))

    def remove(self, path: str, what: str) -> None:
        """DELETE a path."""
        with self._asking(what):
            raw.delete(path, client=self._client)

    def upload(self, path: str, file: Path, what: str) -> Row:
        """POST a file; returns what it became."""
        with self._asking(what):
            return Row.of(raw.upload(path, str(file), client=self._client))

    def is_alive(self) -> bool:
        """Whether the server still answers at all."""
        try:
            with self._asking("say its version"):
                raw.get("", client=self._client)
        except StorageError:
            return False
        return True

    def log_in(self, account: Account) -> None:
        """Become somebody; raises Refused where the server does not know them."""
        account.require_login()
        with self._asking("log in"):
            if account.token:
                gazu.set_token(account.token, client=self._client)  # type: ignore[no-untyped-call]  # gazu's own has no types
            else:
                gazu.log_in(account.email, account.password, client=self._client)  # type: ignore[no-untyped-call]  # as above
            user = raw.get_current_user(client=self._client)
            first, last = user.get("first_name") or "", user.get("last_name") or ""
            self.person, self.role = f"{first} {last}".strip(), str(user.get("role") or "")

    @contextlib.contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        try:
            yield
        except FilmArchiveError:
            raise
        except told.GazuException as error:
            raise _translated(error, self.host, what) from error
        except (requests.RequestException, OSError) as error:
            raise _failed(error, self.host, what) from error
        except (
            TypeError,
            ValueError,
            LookupError,
            AttributeError,
            RecursionError,
        ) as error:  # JSON that is none of Kitsu's
            raise _strange(self.host, what) from error

    def close(self) -> None:
        self._client.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(account: Account, limits: Limits | None = None) -> Session:
    """Find the server's API and log in.

    Raises StorageError where no Kitsu answers in time, Refused where it does not let this account in, UsageError where there
    is nothing to log in with.
    """
    account.require_login()
    session = find(account.host, limits or Limits())
    try:
        session.log_in(account)
    except BaseException:
        session.close()
        raise
    return session


def find(host: str, limits: Limits) -> Session:
    """A session that is not logged in. The API is at the address itself, or below it at `/api`, where Kitsu's pages are."""
    addresses = [host] if host.endswith("/api") else [host, f"{host}/api"]
    failure: FilmArchiveError | None = None
    for address in addresses:
        session = Session(address, _client(address, limits), "")
        try:
            with session._asking("say its version"):
                answer = raw.get("", client=session._client)
                if not isinstance(answer["version"], str) or "api" not in answer:
                    raise ValueError("another service's answer")
                session.version = answer["version"]
        except FilmArchiveError as error:
            session.close()
            failure = failure or error
            if isinstance(error.__cause__, requests.ConnectionError | requests.Timeout):
                break  # nothing else will be there
        except BaseException:
            session.close()
            raise
        else:
            return session
    assert failure is not None
    raise failure


def _client(host: str, limits: Limits) -> raw.KitsuClient:
    client = raw.create_client(host)
    adapter = _Limited(limits)
    client.session.mount("http://", adapter)
    client.session.mount("https://", adapter)
    client.session.max_redirects = 0
    client.session.auth = _leave_as_it_is
    return client


def _leave_as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An authentication that adds nothing, so that none is taken from ~/.netrc in place of the token."""
    return request


class _Limited(HTTPAdapter):
    """Gives up after a while, and takes no failure for success."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        super().__init__()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        uploads = str(request.headers.get("Content-Type", "")).startswith("multipart/")
        limit = self._limits.upload if uploads else self._limits.answer
        response = super().send(request, stream, (self._limits.connect, limit), verify, cert, proxies)
        if response.status_code >= 400 and response.status_code not in _KNOWN_TO_GAZU:
            response.close()
            raise requests.HTTPError(f"it answered {response.status_code} {response.reason}", response=response)
        return response


# Errors


def _translated(error: told.GazuException, host: str, what: str) -> FilmArchiveError:
    """One of `gazu`'s errors; its last argument is the server's own sentence where it gave one."""
    said = _said(error)
    match error:
        case told.AuthFailedException() | told.NotAuthenticatedException():
            if "OTP" in said.upper():
                return Refused(
                    f"Kitsu at {host} wants a second factor ({said}), which only people have; use a bot's KITSU_TOKEN."
                )
            return Refused(
                f"Kitsu at {host} does not know who asks, or no longer ({said}); "
                "look at KITSU_TOKEN, or KITSU_EMAIL and KITSU_PASSWORD."
            )
        case told.ValidationException() if what == "log in":  # what a garbled token is
            return Refused(f"Kitsu at {host} does not take the token ({said}); look at KITSU_TOKEN.")
        case told.NotAllowedException():
            return Refused(
                f"Kitsu at {host} does not let this account {what}; give it the role manager and put it into the "
                "production's team, or let an administrator run `ded-io kitsu setup`."
            )
        case told.RouteNotFoundException():
            return NotFound(f"Kitsu at {host} could not {what}: there is no such thing.")
        case told.ServerErrorException() | told.MethodNotAllowedException():
            kind = type(error).__name__.removesuffix("Exception")
            return StorageError(f"Kitsu at {host} failed to {what} ({kind}: {said}); try again later.")
        case _:
            return Refused(f"Kitsu at {host} refused to {what}: {said}.")


def broke_inside(error: FilmArchiveError) -> bool:
    """Whether a server that is there and answers failed at this one request (status 500)."""
    return isinstance(error.__cause__, told.ServerErrorException)


def _said(error: Exception) -> str:
    text = str(error.args[-1]) if error.args else type(error).__name__
    inner = re.search(r"'([^']+)'\)$", text)  # of an error that gazu has put into another one as text
    if inner is not None:
        text = inner[1]
    return printable(" ".join(text.split()))[:_SENTENCE].rstrip(".")


def _failed(error: Exception, host: str, what: str) -> FilmArchiveError:
    """The network, or a file that is to be uploaded."""
    match error:
        case requests.TooManyRedirects():
            location = (
                error.response.headers.get("Location", "elsewhere") if error.response is not None else "elsewhere"
            )
            where = printable(location)[:_SENTENCE]
            return StorageError(f"{host} sends us on to {where}; set KITSU_HOST to where Kitsu really is.")
        case requests.ConnectTimeout() | requests.ConnectionError() if not isinstance(error, requests.ReadTimeout):
            return StorageError(f"Kitsu at {host} can't be reached ({_reason(error)}); try again when it is there.")
        case requests.Timeout():
            return StorageError(f"Kitsu at {host} was asked to {what} and did not answer in time; try again later.")
        case requests.JSONDecodeError():
            return _strange(host, what)
        case requests.RequestException():
            return StorageError(f"Kitsu at {host} could not {what}: {_said(error)}; try again later.")
        case OSError():
            return from_os_error(error, f"upload {printable(error.filename or 'the preview')}")
        case _:
            return StorageError(f"Kitsu at {host} could not {what}: {_said(error)}.")


def _strange(host: str, what: str) -> StorageError:
    return StorageError(
        f"{host} does not answer as a Kitsu does when asked to {what}; look whether KITSU_HOST is right."
    )


def _reason(error: Exception) -> str:
    """The innermost cause in a few words: `requests` wraps it in three layers of addresses and object names."""
    inner: BaseException = error
    while (deeper := inner.__cause__ or inner.__context__) is not None:
        inner = deeper
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror.lower()
    return type(inner).__name__
