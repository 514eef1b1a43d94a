"""Ceph's radosgw as Debian has it: a whole cluster in memory (a monitor, one store, the gateway), up in a few seconds."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import signal
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.servers.running import answers, folder, free_port, run, running, wait

KEY, SECRET = "film-archive-tests", "a-secret-that-must-not-be-seen"
_PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph-authtool", "monmaptool", "ceph")
# One copy of everything in memory, few placement groups, and no pauses between decisions: those make up most of a start.
_CONF = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon}]
public addr = 127.0.0.1
ms bind msgr1 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {place}/keyring
run dir = {place}/run
admin socket = {place}/run/$name.$pid.asok
log file = {place}/$name.log
mon cluster log file = {place}/cluster.log
crash dir = {place}/run
pid file =
paxos propose interval = 0.02
paxos min wait = 0.01
mon tick interval = 1
mon allow pool size one = true
mon data avail crit = 1
mon data avail warn = 1
mon max pg per osd = 10000
osd objectstore = memstore
memstore device bytes = 6442450944
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd op num shards = 2
osd op num threads per shard = 2
[mon.a]
mon data = {place}/mon
[osd.0]
osd data = {place}/osd
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{gateway} tcp_nodelay=1
rgw data = {place}/rgw
rgw thread pool size = 64
rgw enable usage log = false
rgw run sync thread = false
"""
_KEYS = {
    "mon.": ["mon", "allow *"],
    "client.admin": ["mon", "allow *", "osd", "allow *"],
    "client.rgw": ["mon", "allow rwx", "osd", "allow rwx"],
    "osd.0": ["mon", "allow profile osd", "osd", "allow *"],
}


@dataclass(frozen=True, slots=True)
class BucketServer:
    """A running server that speaks S3."""

    endpoint: str

    def bucket(self) -> str:
        """The name of a new bucket."""
        import obstore
        from obstore.store import S3Store

        name = f"test-{secrets.token_hex(6)}"
        made = S3Store(
            name, endpoint=self.endpoint, access_key_id=KEY, secret_access_key=SECRET, client_options={"allow_http": True}
        )
        address = obstore.sign(made, "PUT", "", timedelta(minutes=1))
        with urllib.request.urlopen(urllib.request.Request(address, method="PUT"), timeout=60) as answer:
            assert answer.status == 200
        return name

    def environment(self) -> dict[str, str]:
        """What a user sets to be let in."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
        }


@contextmanager
def bucket_server() -> Iterator[BucketServer]:
    """Start a server; skips where a part of it is not installed. What it keeps is nobody's, so it is ended by SIGKILL."""
    pytest.importorskip("obstore")
    if any(shutil.which(name) is None for name in _PROGRAMS):
        pytest.skip("Ceph's radosgw is not installed; tools/install-debian.sh does it")
    with folder("ceph") as place, contextlib.ExitStack() as stack:
        yield _started(place, stack)


def _started(place: Path, stack: contextlib.ExitStack) -> BucketServer:
    gateway, mon, fsid, osd = free_port(), free_port(), str(uuid.uuid4()), str(uuid.uuid4())
    for name in ("mon", "osd", "rgw", "run"):
        (place / name).mkdir()
    conf = place / "ceph.conf"
    conf.write_text(_CONF.format(fsid=fsid, mon=mon, gateway=gateway, place=place))
    keyring, monmap = place / "keyring", place / "monmap"
    run(["ceph-authtool", "-C", keyring])
    for name, caps in _KEYS.items():
        words = [word for at in range(0, len(caps), 2) for word in ("--cap", caps[at], caps[at + 1])]
        run(["ceph-authtool", keyring, "--gen-key", "-n", name, *words])
    run(["monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{mon}]", monmap])
    run(["ceph-mon", "-c", conf, "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring])
    stack.enter_context(running(["ceph-mon", "-c", conf, "-i", "a", "-f"], place, "ceph-mon", signal.SIGKILL))
    run(["ceph", "-c", conf, "--connect-timeout", "60", "osd", "new", osd])
    run(["ceph-osd", "-c", conf, "-i", "0", "--mkfs", "--osd-uuid", osd])
    stack.enter_context(running(["ceph-osd", "-c", conf, "-i", "0", "-f"], place, "ceph-osd", signal.SIGKILL))
    process = stack.enter_context(
        running(["radosgw", "-c", conf, "-n", "client.rgw", "-f"], place, "radosgw", signal.SIGKILL)
    )
    who = ["--uid", "tests", "--display-name", "tests", "--access-key", KEY, "--secret-key", SECRET]
    run(["radosgw-admin", "-c", conf, "user", "create", *who])
    wait(lambda: answers(gateway) and _speaks(gateway), "radosgw", process)
    return BucketServer(f"http://127.0.0.1:{gateway}")


def _speaks(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
