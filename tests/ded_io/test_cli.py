"""The command line of the plate ingest, and `setup_check.py`, as processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ded_io import cli, doctor
from ded_io.arguments import parser
from film_archive import __version__

ROOT = Path(__file__).resolve().parents[2]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.run(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"ded-io {__version__}\n"


def test_doctor_prints_a_line_a_check(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCIO", raising=False)
    assert cli.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert all(line.startswith("[OK] ") for line in lines)


def test_doctor_json_is_one_document(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCIO", raising=False)
    assert cli.main(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1
    assert document["ok"] is True
    assert [check["name"] for check in document["checks"]] == [check.name for check in doctor.examine()]


def test_doctor_fails_where_something_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "MODULES", ("no_such_module_here",))
    assert cli.main(["doctor"]) == 5
    assert "[MISSING] no_such_module_here" in capsys.readouterr().out
    assert cli.main(["doctor", "--json"]) == 5
    assert json.loads(capsys.readouterr().out)["ok"] is False


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--sequence", "sht"], 2, "One of --source, --batch and --pull is needed, and none of them was given"),
        (["--source", "a", "--batch", "b"], 2, "--source and --batch were given"),
        (["--source", "a.mov", "--shot", "100"], 2, "A shot needs --sequence, --in, --out, too"),
        (["--pull", "cut.edl", "--sequence", "sht"], 2, "--pull needs --media"),
        (["--pull", "cut.edl", "--media", "."], 2, "--pull needs --sequence"),
        (["--batch", "b", "--timecode", "01:00:00:00"], 2, "--timecode has no effect with --batch; it belongs to --source"),
        (["--batch", "b", "--in", "3"], 2, "--in has no effect with --batch"),
        (["--pull", "cut.edl", "--notes", "x"], 2, "--notes has no effect with --pull"),
        (["--source", "a.mov", "--media", "."], 2, "--media has no effect with --source; it belongs to --pull"),
        (
            ["--source", "a.mov", "--sequence", "s", "--shot", "1", "--in", "1", "--out", "2", "--contact-sheet", "a.gif"],
            2,
            "is written as .jpg",
        ),
        (["--batch", "none.json"], 3, "none.json"),
        (["--batch", "none.json", "--config", "none-either.json"], 3, "none-either.json"),
        (["--batch", "none.json", "--squeeze", "wide"], 2, "--squeeze: 'wide' is not a squeeze"),
        (["--batch", "none.json", "--jobs", "0"], 2, "--jobs: 0 is not a whole number from 1"),
    ],
)
def test_arguments_that_make_no_ingest(
    arguments: list[str],
    status: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert says in shown.err
    assert "Traceback" not in shown.err
    assert list(tmp_path.iterdir()) == []


def test_the_page_of_flags_has_every_flag() -> None:
    page = (ROOT / "docs" / "CLI_DOCUMENTATION.md").read_text("utf-8")
    flags = {action.option_strings[-1] for action in parser()._actions}
    assert flags == set(re.findall(r"^\| `(--[\w-]+)", page, re.MULTILINE))


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    with pytest.raises(SystemExit) as ended:
        cli.main(["no-such-verb"])
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


def test_setup_check_is_the_doctor() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    environment.pop("OCIO", None)
    done = subprocess.run(
        [sys.executable, ROOT / "setup_check.py"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[3] == "[OK] All imports successful"


def test_setup_check_names_what_to_do_where_nothing_is_installed() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", ROOT / "setup_check.py"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "pip install -e ." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_hides_no_status() -> None:
    """As with `| head -1`: no traceback, and the status is the verb's own."""
    for arguments in ("--version", "--help", "verify nowhere"):
        command = f"{sys.executable} -c 'from ded_io.cli import run; run()' {arguments}"
        alone = subprocess.run(["bash", "-c", command], capture_output=True, check=False, timeout=60)
        piped = subprocess.run(["bash", "-c", f"set -o pipefail; {command} | true"], capture_output=True, check=False, timeout=60)
        assert (piped.returncode, piped.stderr) == (alone.returncode, alone.stderr)
