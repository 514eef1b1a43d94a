"""Contents in a bucket against bare obstore, on the same server: the one that AWS_ENDPOINT_URL names, or a radosgw in memory.

Ours reads a file once, computes BLAKE3 and XXH3-128 of it and stores it under its address, where there is nothing yet; bare
obstore sends the file. Bar: at least 90 % of bare obstore, so a ratio of times of at most 1.11.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

import obstore
from obstore.store import S3Store as BareStore
from tests.servers.buckets import bucket_server

from benchmarks.measuring import Side, compare, fill, room
from film_archive.core.digest import read_ahead
from film_archive.core.source import FileSource
from film_archive.storage.objects import Bucket
from film_archive.versioning.stores.s3 import S3Store, together

_SIZE = 400_000_000
_MANY = 48
_MIDDLE = 2 << 20


def run(folder: Path, runs: int) -> None:
    with contextlib.ExitStack() as stack:
        bucket = os.environ.get("FILM_ARCHIVE_BENCHMARK_BUCKET", "")
        if not bucket:
            server = stack.enter_context(bucket_server())
            os.environ.update(server.environment())
            bucket = server.bucket()
        _large(folder, bucket, runs)
        _many(folder, bucket, runs)


def _bare(bucket: str) -> BareStore:
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    return BareStore(bucket, config={"endpoint": endpoint}, client_options={"allow_http": endpoint.startswith("http:")})


def _large(folder: Path, bucket: str, runs: int) -> None:
    path = folder / "clip.mov"
    fill(path, room(folder, _SIZE))
    bare = _bare(bucket)
    store = S3Store(Bucket(f"s3://{bucket}/ours"))
    digests: dict[str, str] = {}

    def put_ours() -> None:
        with FileSource(path) as source:
            digests.update(store.put(source))
        store.settle()

    def put_bare() -> None:
        obstore.put(bare, "bare", path, chunk_size=16 << 20)

    def clear() -> None:
        for thing in list(store.stored()):
            store.remove(thing.address)
        obstore.delete(bare, "bare")

    print(f"one file of {path.stat().st_size / 1e6:.0f} MB, up")
    compare(Side("put and settle", put_ours, clear), Side("obstore.put", put_bare, clear), runs=runs)
    put_ours()
    put_bare()

    def get_ours() -> None:
        with store.source(digests["blake3"], "it") as source:
            for _ in read_ahead(source):
                pass

    def get_bare() -> None:
        for _ in obstore.get(bare, "bare").stream(min_chunk_size=8 << 20):
            pass

    print("the same, down")
    compare(Side("a source read to its end", get_ours), Side("obstore.get, streamed", get_bare), runs=runs)
    clear()


def _many(folder: Path, bucket: str, runs: int) -> None:
    paths = [folder / f"{number}.exr" for number in range(_MANY)]
    for path in paths:
        fill(path, _MIDDLE)
    bare = _bare(bucket)
    place = ""

    def elsewhere() -> None:
        nonlocal place
        place = secrets.token_hex(4)

    def put_ours() -> None:
        store = S3Store(Bucket(f"s3://{bucket}/{place}"))
        for path in paths:
            with FileSource(path) as source:
                store.put(source)
        store.settle()

    def put_bare() -> None:
        works: list[Callable[[], object]] = [
            partial(obstore.put, bare, f"{place}/{path.name}", path, use_multipart=False) for path in paths
        ]
        together(works)

    print(f"{_MANY} files of {_MIDDLE / 1e6:.1f} MB, up")
    compare(Side("put and settle", put_ours, elsewhere), Side("obstore.put in threads", put_bare, elsewhere), runs=runs)
