"""Starting programs: what they print, and that nothing of them is left."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from film_archive.core import programs
from film_archive.core.errors import NotFound, NotSupported, ProgramFailed, Refused


def python(code: str, *arguments: str, **options: object) -> programs.Completed:
    return programs.run([sys.executable, "-c", code, *arguments], **{"timeout": 60, **options})  # type: ignore[arg-type]


def test_output_and_messages() -> None:
    done = python(
        "import sys; print('out'); print('note', file=sys.stderr); print('err', file=sys.stderr); sys.exit(3)"
    )
    assert (done.status, done.output, done.messages) == (3, b"out\n", b"note\nerr\n")
    assert (done.text, done.last_message) == ("out\n", "err")
    with pytest.raises(ProgramFailed, match=r"^python[\d.]* failed with status 3: err$"):
        done.require_success()


def test_success() -> None:
    done = python("print('fine')")
    assert done.require_success() is done
    assert done.last_message == "fine"
    assert python("").last_message == ""


def test_a_program_that_a_signal_ends() -> None:
    done = python("import os; os.kill(os.getpid(), 9)")
    assert done.status == -9
    with pytest.raises(ProgramFailed, match=r"was ended by signal 9\.$"):
        done.require_success()


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_input_is_given_while_output_is_read(size: int) -> None:
    data = os.urandom(size)
    done = python("import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)", data=data)
    assert done.output == data


def test_a_program_that_does_not_read_its_input() -> None:
    assert python("print('done')", data=bytes(5_000_000)).output == b"done\n"


def test_arguments_are_never_a_shells() -> None:
    odd = "a b; echo $HOME `id` > x 'ä' \udce9"
    assert python("import os, sys; os.write(1, os.fsencode(sys.argv[1]))", odd).output == os.fsencode(odd)


def test_folder_and_variables(tmp_path: Path) -> None:
    code = "import os; print(os.getcwd(), os.environ['ONE'], 'PATH' in os.environ)"
    done = python(code, folder=tmp_path, variables={"ONE": "1"})
    assert done.text.split() == [str(tmp_path.resolve()), "1", "True"]


def test_programs_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotSupported, match="no-such-program is not installed"):
        programs.run(["no-such-program"], timeout=5)
    with pytest.raises(NotFound):
        python("", folder=tmp_path / "nowhere")
    script = tmp_path / "script"
    script.write_text("x")
    with pytest.raises(Refused, match="Permission denied"):
        programs.run([script], timeout=5)
    assert programs.find("no-such-program") is None
    with pytest.raises(NotSupported, match="no-such-program is not installed; install it"):
        programs.require("no-such-program", "install it")


def test_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert programs.find("program") == programs.require("program", "") == program


def test_of_many_messages_the_last_are_kept() -> None:
    done = python("import sys\nfor n in range(100000): print(n, file=sys.stderr)")
    assert len(done.messages) == 1 << 16
    assert done.last_message == "99999"


SLEEPER = """
import os, signal, subprocess, sys, time
if sys.argv[2:] == ["stubborn"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1] + ".new", "w").write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)
"""


def pids(path: Path) -> list[int]:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, "the program did not begin"
        time.sleep(0.01)
    return [int(word) for word in path.read_text().split()]


def assert_gone(numbers: list[int]) -> None:
    assert len(numbers) == 2
    deadline = time.monotonic() + 60
    for number in numbers:
        while True:
            try:
                os.kill(number, 0)
            except ProcessLookupError:
                break
            stat = Path(f"/proc/{number}/stat")
            if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":
                break
            assert time.monotonic() < deadline, f"{number} is still there"
            time.sleep(0.01)


def test_a_time_limit_ends_the_whole_group(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match=r"did not finish in 2 s and was stopped"):
        python(SLEEPER, str(tmp_path / "pids"), timeout=2)
    assert_gone(pids(tmp_path / "pids"))


def test_a_program_that_ignores_being_asked_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_GRACE", 0.2)
    with pytest.raises(ProgramFailed):
        python(SLEEPER, str(tmp_path / "pids"), "stubborn", timeout=2)
    assert_gone(pids(tmp_path / "pids"))


def test_ctrl_c_ends_the_whole_group(tmp_path: Path) -> None:
    def press() -> None:
        pids(tmp_path / "pids")
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        python(SLEEPER, str(tmp_path / "pids"))
    presser.join()
    assert_gone(pids(tmp_path / "pids"))


def test_too_much_output_ends_it() -> None:
    with pytest.raises(ProgramFailed, match="printed more than 100000 bytes"):
        python("while True: print('x' * 1000)", most_output=100_000)


def test_output_that_is_closed_before_the_end() -> None:
    code = "import os, time; os.write(1, b'x'); os.close(1); os.close(2); time.sleep(0.3); os._exit(4)"
    done = python(code)
    assert (done.status, done.output) == (4, b"x")
    with pytest.raises(ProgramFailed, match="did not finish"):
        python("import os, time; os.close(0); os.close(1); os.close(2); time.sleep(600)", timeout=1)


def test_a_program_left_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    code = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
"""
    done = python(code)
    os.kill(int(done.output), signal.SIGKILL)
    assert done.status == 0


def test_nothing_stays_open() -> None:
    if not Path("/dev/fd").is_dir():
        pytest.skip("no /dev/fd to count open files in")
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        python("print(1)")
        with pytest.raises(ProgramFailed):
            python("import time; time.sleep(60)", timeout=0.05)
    assert len(os.listdir("/dev/fd")) == before
