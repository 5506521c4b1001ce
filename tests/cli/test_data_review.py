"""The command serves the file's records, keeps decisions beside it and goes on where it stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import httpx
import pytest

from cornucopia.cli.data_review import run
from cornucopia.core.errors import DataError

pytest.importorskip("fastapi")


def test_serve_decide_stop_and_go_on(tmp_path):
    data = tmp_path / "数据.jsonl"
    data.write_text('{"instruction": "问一", "output": "答一"}\n{"instruction": "问二", "output": "答二"}\n', "utf-8")
    for number in range(2):
        command = [sys.executable, "-m", "cornucopia", "data", "review", str(data), "--port", "18931"]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)
        try:
            said = server.stderr.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+", said)
            assert address, said
            with httpx.Client(base_url=address[0], trust_env=False, timeout=20) as client:
                token = re.search(r'name="token" content="([^"]+)"', client.get("/").text)[1]
                client.headers["x-token"] = token
                assert client.get("/api/queue").json() == list(range(number, 2))
                client.post("/api/decisions", json={"number": number, "verdict": "accept"}).raise_for_status()
        finally:
            server.send_signal(signal.SIGINT)
            out, rest = server.communicate(timeout=30)
        assert server.returncode == 0, rest
        assert f"已审 {number + 1} / 2 条" in rest + out
        assert "Traceback" not in rest


def test_documents_that_are_none(tmp_path):
    data = tmp_path / "a.jsonl"
    data.write_text('{"instruction": "问一", "output": "答一"}\n', "utf-8")
    with pytest.raises(DataError, match="找不到原文"):
        run([str(data), "--documents", str(tmp_path / "none.jsonl")])
    with pytest.raises(DataError, match="不是 data read"):
        run([str(data), "--documents", str(data)])
