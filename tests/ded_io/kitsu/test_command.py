"""`ded-io kitsu setup`, `ded-io kitsu sync` and the Kitsu line of `ded-io doctor`, as they are called."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ded_io import doctor
from ded_io.cli import main
from ded_io.kitsu import command
from ded_io.kitsu.account import Account
from tests.ded_io.kitsu.plates import plate
from tests.ded_io.kitsu.relay import Fault, always, relay
from tests.ded_io.kitsu.server import EMAIL, PASSWORD, KitsuServer


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Kitsu, and an outbox of the test's own."""
    for name in ("HOST", "TOKEN", "EMAIL", "PASSWORD", "PROJECT"):
        monkeypatch.delenv(f"KITSU_{name}", raising=False)
    monkeypatch.setenv("FILM_ARCHIVE_STATE", str(tmp_path / "state"))


@pytest.fixture
def logged_in(monkeypatch: pytest.MonkeyPatch, admin: Account) -> Account:
    monkeypatch.setenv("KITSU_HOST", admin.host + "/")
    monkeypatch.setenv("KITSU_TOKEN", admin.token or "")
    return admin


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_setup_and_sync(logged_in: Account, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kitsu", "setup", "--project", "Commanded", "--fps", "23.976", "--root", "/mnt/shots", "--json"]) == 0
    made = document(capsys)
    assert (made["schema_version"], made["project"]) == (1, "Commanded")
    assert main(["kitsu", "setup", "--project", "Commanded", "--fps", "23.976", "--root", "/mnt/shots"]) == 0
    assert str(made["project_id"]) in capsys.readouterr().out

    command.outbox().put(plate("Commanded"), logged_in.host)
    assert main(["kitsu", "sync", "--dry-run"]) == 0
    assert "sht100_pla_rawPlate_v001 of Commanded waits for" in capsys.readouterr().out
    assert main(["kitsu", "sync", "--json"]) == 0
    report = document(capsys)
    assert (report["waiting"], report["failures"]) == (0, [])
    assert main(["kitsu", "sync"]) == 0
    assert capsys.readouterr().out == "Nothing waits for this server.\n"
    assert main(["kitsu", "sync", "--dry-run", "--json"]) == 0
    assert document(capsys)["entries"] == []


def test_what_failed_waits_and_can_be_abandoned(logged_in: Account, capsys: pytest.CaptureFixture[str]) -> None:
    command.outbox().put(plate("x", project_id="00000000-0000-0000-0000-000000000000"), logged_in.host)
    assert main(["kitsu", "sync"]) == 3
    assert "1 publication left to register." in capsys.readouterr().out
    assert main(["kitsu", "sync", "--abandon", "other"]) == 3
    assert main(["kitsu", "sync", "--abandon", "sht100_pla_rawPlate_v001"]) == 0
    assert "Taken out" in capsys.readouterr().out
    assert main(["kitsu", "sync", "--dry-run"]) == 0
    assert capsys.readouterr().out == "Nothing waits.\n"


@pytest.mark.parametrize("verb", [["setup", "--project", "x"], ["sync"]])
def test_without_a_server_or_a_log_in(
    verb: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["kitsu", *verb, "--json"]) == 2
    found = capsys.readouterr()
    assert "KITSU_HOST" in found.err
    assert json.loads(found.out)["error"]["status"] == 2
    monkeypatch.setenv("KITSU_HOST", "https://kitsu.example.com")
    assert main(["kitsu", *verb]) == 2
    assert "KITSU_TOKEN" in capsys.readouterr().err


def test_setup_of_no_production(logged_in: Account, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kitsu", "setup"]) == 2
    assert "--project" in capsys.readouterr().err


def test_a_server_that_is_down(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("KITSU_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("KITSU_TOKEN", "x")
    command.outbox().put(plate("x"), "http://127.0.0.1:9")
    assert main(["kitsu", "sync"]) == 6
    assert "can't be reached" in capsys.readouterr().err
    assert len(command.outbox().read().pending) == 1


def test_no_secret_is_printed_logged_or_kept(
    kitsu: KitsuServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    for name, value in (("HOST", kitsu.host), ("EMAIL", EMAIL), ("PASSWORD", PASSWORD)):
        monkeypatch.setenv(f"KITSU_{name}", value)
    command.outbox().put(plate("Secret"), kitsu.host)
    assert main(["kitsu", "sync", "--json"]) == 0
    monkeypatch.setenv("KITSU_PASSWORD", "another-that-is-wrong")
    command.outbox().put(plate("Secret"), kitsu.host)
    assert main(["kitsu", "sync"]) == 4
    written = capsys.readouterr()
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in (PASSWORD, "another-that-is-wrong"):
        assert secret not in written.out + written.err + caplog.text
        assert secret.encode() not in kept


def test_the_seeds_script_is_the_verb(logged_in: Account) -> None:
    script = Path(__file__).resolve().parents[3] / "debug_scripts" / "setup_kitsu_file_tree.py"
    words = [sys.executable, str(script), "--project", "Scripted", "--root", "/mnt/shots", "--json"]
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        words, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "file_tree" in json.loads(done.stdout)["created"]


# The doctor


def test_doctor_without_kitsu() -> None:
    check = doctor.check_kitsu()
    assert (check.ok, str(check)) == (True, "[OK] Kitsu is not used (KITSU_HOST is not set)")


def test_doctor_logs_in(logged_in: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(doctor.check_kitsu()) == f"[OK] Kitsu 1.0.97 at {logged_in.host}, logged in as Super Admin (admin)"
    monkeypatch.setenv("KITSU_TOKEN", "garbage")
    check = doctor.check_kitsu()
    assert not check.ok
    assert "KITSU_TOKEN" in check.says


@pytest.mark.parametrize("fault", [Fault.MUTE, Fault.PAGE, Fault.ERROR])
def test_doctor_and_a_server_that_fails(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    with relay(meddle=always(fault)) as bad:
        monkeypatch.setenv("KITSU_HOST", bad.host)
        monkeypatch.setenv("KITSU_TOKEN", "x")
        check = doctor.check_kitsu(connect=5.0, answer=0.2)
    assert not check.ok
    assert bad.host in check.says


def test_doctor_and_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITSU_HOST", "kitsu.studio.com")
    check = doctor.check_kitsu()
    assert not check.ok
    assert "KITSU_HOST" in check.says
