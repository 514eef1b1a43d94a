"""A bucket of an object store that speaks S3, through obstore: whole objects, ranges of them, uploads in parts, listing.

Credentials and region are the environment's and the machine's, as for other programs (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_SESSION_TOKEN, AWS_REGION, roles of containers and instances). Requests that fail are repeated, with growing pauses, for two
minutes; so each of them may arrive twice. What a server reports is turned into our errors here and nowhere else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

import obstore
from obstore import exceptions
from obstore.store import S3Store

from film_archive.core import places
from film_archive.core.errors import FilmArchiveError, NotFound, Refused, Unreachable, UsageError

_PART = 16 << 20
"""Bytes of a part of an upload, at least."""
_PARTS = 9000
"""So many parts at most: S3 takes 10,000 (Amazon S3 User Guide, "Multipart upload limits")."""
_AT_ONCE = 6
_SCHEME = "s3"
_RETRIES = 8
_RETRYING = timedelta(minutes=2)
_REQUEST = timedelta(minutes=10)
"""For one request with its bytes: several parts share a slow line."""


class Stored(NamedTuple):
    """An object of a bucket."""

    key: str
    size: int
    modified: float
    """Seconds since 1970."""


class Bucket:
    """The objects below a prefix of a bucket. Threads may use one at once."""

    def __init__(self, address: str, *, endpoint: str = "") -> None:
        """`address` is s3://BUCKET/PREFIX; `endpoint` the server's URL, else AWS_ENDPOINT_URL says it, else it is Amazon's.

        Nothing is asked of the server. Raises UsageError for what is no address.
        """
        bucket, self._prefix = bucket_and_prefix(address)
        self.name = f"{_SCHEME}://{bucket}" + (f"/{self._prefix}" if self._prefix else "")
        server = endpoint or places.bucket_endpoint()
        if server and urlsplit(server).scheme not in ("http", "https"):
            raise UsageError(f"{server!r} is not the address of a server; write it like https://s3.example.com.")
        try:
            self._store = S3Store(
                bucket,
                prefix=self._prefix or None,
                client_options={"allow_http": server.startswith("http:"), "timeout": _REQUEST},
                retry_config={"max_retries": _RETRIES, "retry_timeout": _RETRYING},
                config={"endpoint": server} if server else None,
            )
        except exceptions.BaseError as error:
            raise UsageError(f"{self.name} can't be opened: {_reason(error)}.") from error

    def put_new(self, key: str, data: bytes) -> bool:
        """Store an object unless there is one under this key: whether it was stored by this call, as far as can be known."""
        with self._explained(f"store {key}"):
            try:
                obstore.put(self._store, key, data, mode="create", use_multipart=False)
            except exceptions.AlreadyExistsError:
                return False
        return True

    def upload(self, key: str, blocks: Iterable[bytes], size: int) -> None:
        """Store an object of about `size` bytes in parts; it is there when all are. What `blocks` raises ends it."""
        part = max(_PART, -(-size // _PARTS))
        with self._explained(f"store {key}"):
            obstore.put(self._store, key, iter(blocks), use_multipart=True, chunk_size=part, max_concurrency=_AT_ONCE)

    def find(self, key: str) -> Stored | None:
        """What is known of an object; None where there is none."""
        with self._explained(f"look for {key}"):
            try:
                found = obstore.head(self._store, key)
            except FileNotFoundError:
                return None
        return Stored(key, found["size"], found["last_modified"].timestamp())

    def read(self, key: str) -> bytes | None:
        """A small object's bytes; None where there is none."""
        with self._explained(f"read {key}"):
            try:
                return bytes(obstore.get(self._store, key).bytes())
            except FileNotFoundError as error:
                self._require_bucket(error)
                return None

    def read_range(self, key: str, start: int, length: int) -> memoryview:
        """Bytes of an object, fewer only at its end; raises NotFound where there is none."""
        with self._explained(f"read {key}"):
            try:
                return memoryview(obstore.get_range(self._store, key, start=start, length=length))
            except exceptions.GenericError as error:
                if "416 Range Not Satisfiable" in str(error):  # it begins behind the end
                    return memoryview(b"")
                raise

    def list(self, prefix: str) -> Iterator[Stored]:
        """All objects whose keys begin with a prefix that ends in "/", by key."""
        listed = obstore.list(self._store, prefix, chunk_size=1000)
        while True:
            with self._explained("list what is there"):
                found = next(listed, None)
            if found is None:
                return
            for one in found:
                yield Stored(self._own(one["path"]), one["size"], one["last_modified"].timestamp())

    def remove(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        with self._explained(f"remove {key}"), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, key)

    def _own(self, path: str) -> str:
        return path.removeprefix(f"{self._prefix}/") if self._prefix else path

    @contextlib.contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """Turn what obstore raises into our errors; `doing` completes "Could not …"."""
        try:
            yield
        except FilmArchiveError:
            raise
        except FileNotFoundError as error:
            self._require_bucket(error)
            raise NotFound(f"Could not {doing} in {self.name}: it is not there.") from error
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            raise Refused(
                f"Could not {doing} in {self.name}: the server refuses it ({_reason(error)}); look at AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY and what they allow."
            ) from error
        except exceptions.BaseError as error:
            raise Unreachable(f"Could not {doing} in {self.name} ({_reason(error)}); try again.") from error

    def _require_bucket(self, error: Exception) -> None:
        if "NoSuchBucket" in str(error):
            raise NotFound(f"There is no bucket for {self.name}; make it first, or look at the endpoint.") from error


def bucket_and_prefix(address: str) -> tuple[str, str]:
    """What s3://BUCKET/PREFIX names; raises UsageError."""
    parts = urlsplit(address)
    prefix = parts.path.strip("/")
    if parts.scheme != _SCHEME or not parts.netloc or parts.query or parts.fragment or "@" in parts.netloc:
        raise UsageError(f"{address!r} is not a place for contents; write it like s3://BUCKET/PREFIX.")
    if any(part in ("", ".", "..") for part in prefix.split("/")) and prefix:
        raise UsageError(f"{address!r} has a part that is empty or made of dots; write it like s3://BUCKET/PREFIX.")
    return parts.netloc, prefix


def _reason(error: BaseException) -> str:
    """The first line, without the details for who mends the library."""
    line = str(error).partition("\n")[0]
    code = _between(line, "<Code>", "</Code>")
    return f"{line.partition(': <?xml')[0]}{f', {code}' if code else ''}".rstrip(". ")


def _between(text: str, before: str, after: str) -> str:
    return text.partition(before)[2].partition(after)[0]
