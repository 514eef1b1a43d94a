"""The API's own description, tried by Schemathesis against a running server: nothing it can think of makes it fail."""

from __future__ import annotations

import json
import subprocess
import venv
from pathlib import Path

import pytest

pytest.importorskip("httpx")

from tests.server.conftest import Production
from tests.server.serving import Served

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance"
)


@pytest.mark.nightly
@pytest.mark.parametrize("known", [False, True], ids=["nothing known", "names of what is there"])
def test_no_request_makes_the_server_fail(production: Production, tmp_path: Path, known: bool) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "schemathesis>=4"], check=True, timeout=600)
    config = tmp_path / "schemathesis.toml"
    values = {"path.archive": production.archive, "query.member": production.member, "query.path": production.member}
    lines = [f"{json.dumps(name)} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    config.write_text("[parameters]\n" + "\n".join(lines if known else []) + "\n", "utf-8")
    server = Served(production.root, "h11_impl", work=tmp_path)
    try:
        address = f"http://127.0.0.1:{server.port}/openapi.json"
        command = [tmp_path / "venv" / "bin" / "schemathesis", "--config-file", config, "run", address, "--checks", CHECKS]
        done = subprocess.run(
            [*command, "-n", "100", "--phases", "examples,coverage,fuzzing"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6000:]
    finally:
        server.stop()
