"""One server with a board, its runs and its state in folders of their own."""

from __future__ import annotations

import json

import pytest

from running_server import running

API = "/page/api/board/"


class Board:
    """The server, the folder of its runs and that of its state."""

    def __init__(self, served, folder):
        self.served, self.runs, self.state, self.url = served, folder / "runs", folder / "state", served.url

    def get(self, path, **query):
        return self.served.http.get(API + path, params=query)

    def post(self, path, body, **options):
        return self.served.post(API + path, body, **options)

    def upload(self, name, data, objective="sft", **headers):
        headers = {"content-type": "application/octet-stream", **headers}
        return self.served.http.post(
            API + "upload", params={"name": name, "objective": objective}, content=data, headers=headers
        )

    def run(self, name):
        return self.get("run", name=name).json()

    def made(self, name, **files):
        """A run's folder with these files."""
        folder = self.runs / name
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}", encoding="utf-8")
        for file, text in files.items():
            (folder / file.replace("__", ".")).write_bytes(text if isinstance(text, bytes) else text.encode())
        return folder


@pytest.fixture(scope="session")
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    with running(model=["nano"], state=str(folder / "state"), runs=str(folder / "runs"), max_upload_mb=0.2) as served:
        yield Board(served, folder)


@pytest.fixture(scope="session")
def rows():
    """The bytes of 24 questions and answers, a row without an answer and one that is no JSON."""
    made = [{"instruction": f"第{i}问：怎么退保", "output": "犹豫期内可以全额退保。"} for i in range(24)]
    return (
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in [*made, {"instruction": "缺"}]).encode()
        + b"{oops\n"
    )
