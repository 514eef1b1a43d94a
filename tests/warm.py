"""The console scripts for tests that start many commands: real processes, in which what they import is there already.

`programs` writes them into a folder for PATH. Each asks a process that has everything loaded to fork; the fork gets the
arguments, the environment, the working directory and the very stdin, stdout and stderr of who asked, runs the script's
function to the interpreter's own end, and its status becomes that of who asked. Signals are not passed on: what a test
stops or kills it starts as a process of its own. Where there is no Linux the scripts start an interpreter each.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = {"film-archive": "film_archive.cli.main:run", "ded-io": "ded_io.cli:run"}
"""What pyproject.toml says."""

_LOADED = ("opentimelineio", "sqlalchemy.dialects.sqlite", "pydantic.type_adapter")
"""What our modules import where they use it. Nothing that starts a thread at once may be here: a fork has none but its own."""

_ASK = """#!{python} -IS
import array, json, os, sys, _socket
asked = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
asked.connect({address!r})
wanted = json.dumps([{entry!r}, sys.argv, os.getcwd(), dict(os.environ)]).encode()
ours = array.array("i", [0, 1, 2])
asked.sendmsg([len(wanted).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, ours)])
asked.sendall(wanted)
answer = asked.recv(4)
status = int.from_bytes(answer, "big", signed=True) if len(answer) == 4 else 99
os.kill(os.getpid(), -status) if status < 0 else os._exit(status)
"""
_START = "#!{python}\nfrom {module} import {function}\n{function}()\n"


def programs(folder: Path) -> None:
    """Write the console scripts under test into a folder, and beside them a `python` that is this one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, entry in SCRIPTS.items():
        module, function = entry.split(":")
        if sys.platform == "linux":
            text = _ASK.format(python=sys.executable, address=_server(), entry=entry)
        else:
            text = _START.format(python=sys.executable, module=module, function=function)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "python").symlink_to(sys.executable)


@cache
def _server() -> str:
    """The address of the process that forks; it lives as long as this one."""
    address = os.path.join(tempfile.mkdtemp(prefix="warm-"), "s")  # the system allows 107 bytes
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        process = subprocess.Popen(
            [sys.executable, "-c", f"from tests.warm import serve; serve({listening.fileno()})"],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
                "OPENBLAS_NUM_THREADS": "1",  # numpy's, which begin when it is imported
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[listening.fileno()],
        )

    def end() -> None:
        process.communicate()
        os.unlink(address)
        os.rmdir(os.path.dirname(address))

    atexit.register(end)
    return address


def serve(number: int) -> None:
    """Fork for each who asks at a listening socket, until stdin ends; returns (or exits) in the forks too."""
    for name in (*_modules(), *_LOADED):
        importlib.import_module(name)
    assert len(os.listdir("/proc/self/task")) == 1
    gc.freeze()  # the forks leave it alone
    listening = socket.socket(fileno=number)
    while True:
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        ready, _, _ = select.select([listening, 0], [], [])
        if 0 in ready:
            return
        asked, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _answer(asked)
        asked.close()


def _modules() -> Iterator[str]:
    """What the command line may load, now or later."""
    for name in ("film_archive", "ded_io"):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.startswith("film_archive.testing."):
                yield module.name


def _answer(asked: socket.socket) -> None:
    """Run what is wanted in a fork, and tell its status."""
    length, descriptors, _, _ = socket.recv_fds(asked, 4, 3)
    with asked.makefile("rb") as rest:
        entry, arguments, folder, environment = json.loads(rest.read(int.from_bytes(length, "big")))
    child = os.fork()
    if child:
        for descriptor in descriptors:
            os.close(descriptor)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        asked.sendall(status.to_bytes(4, "big", signed=True))
        os._exit(0)
    asked.close()
    for place, descriptor in enumerate(descriptors):
        os.dup2(descriptor, place)
        os.close(descriptor)
    sys.stdin = os.fdopen(0)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w")
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", buffering=1, errors="backslashreplace")
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    sys.argv = arguments
    module, function = entry.split(":")
    getattr(importlib.import_module(module), function)()
    sys.exit()
