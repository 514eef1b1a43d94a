"""Exit statuses of a command that is told to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

CODE = """
import os, signal, sys
from film_archive.cli.main import run
def listing(*arguments, **options):
    os.kill(os.getpid(), int(sys.argv[1]))
    while True:
        signal.pause()
from film_archive.workflows import listing as module
module.list_members = listing
run(["ls", "--json", "."])
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_status_tells_the_signal(number: int, status: int) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", CODE, str(int(number))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False), done.stderr
    assert json.loads(done.stdout)["error"]["status"] == status
