"""A model hub on 127.0.0.1 for tests: Hugging Face's and ModelScope's REST interfaces, with faults on demand.

Large files are redirected to a second server on another port (another origin), as the real hubs do.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

PAGE = "<!doctype html><title>上网认证</title><p>请先登录</p>".encode()


class FakeHub:
    """Repositories in memory; `requests` records (server, path, headers)."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.commit = "c0ffee" * 6 + "c0ff"
        self.large = 1000  # bytes from which a file is "LFS"
        self.cut: dict[str, int] = {}  # file -> bytes sent before the connection breaks, once
        self.slow: dict[str, float] = {}  # file -> seconds between blocks
        self.corrupt: set[str] = set()
        self.gated: set[str] = set()
        self.busy = 0  # next requests answered 503
        self.ignore_range = False
        self.prefix = ""  # path below which the hub lies
        self.fault: dict[str, str] = {}  # file, or "listing" -> how it is answered: see Handler.faulty
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.main = _Server(("127.0.0.1", 0), _handler(self, "main"))
        self.store = _Server(("127.0.0.1", 0), _handler(self, "store"))
        for server in (self.main, self.store):
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.main.server_port}"
        self.store_url = f"http://127.0.0.1:{self.store.server_port}"

    def close(self) -> None:
        for server in (self.main, self.store):
            server.shutdown()
            server.server_close()

    def asked(self, server: str, name: str) -> list[dict[str, str]]:
        """Headers of the requests for a file."""
        return [headers for where, path, headers in self.requests if where == server and name in path]


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of the tests."""


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _handler(hub: FakeHub, server: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            hub.requests.append((server, self.path, dict(self.headers)))
            url = urlsplit(self.path)
            words = [unquote(word) for word in url.path.removeprefix(hub.prefix).strip("/").split("/")]
            if hub.busy > 0:
                hub.busy -= 1
                return self.reply(503, b"busy")
            name = parse_qs(url.query).get("FilePath", [words[-1]])[0]
            listing = words[0] == "api" and words[-1] != "repo"
            fault = hub.fault.get("listing" if listing else name)
            if fault and (server == "store" or words[0] == "api"):
                return self.faulty(fault, b"" if listing else self.stored(words)[name])
            if server == "store":
                return self.content("/".join(words[:2]), "/".join(words[2:]))
            if words[0] == "datasets":
                words = words[1:]
            if words[:2] in (["api", "models"], ["api", "datasets"]):
                return self.hf_listing("/".join(words[2:4]), words[5])
            if words[:3] in (["api", "v1", "models"], ["api", "v1", "datasets"]):
                return self.modelscope("/".join(words[3:5]), words[5:], parse_qs(url.query))
            if len(words) > 4 and words[2] == "resolve":
                return self.resolve("/".join(words[:2]), "/".join(words[4:]))
            return self.reply(404, b"")

        def stored(self, words: list[str]) -> dict[str, bytes]:
            return hub.repos["/".join(words[3:5] if words[0] == "api" else words[:2])]

        def faulty(self, fault: str, data: bytes) -> None:
            start = int(self.headers.get("Range", "bytes=0-")[6:].rstrip("-"))
            rest = {"Content-Length": str(len(data) - start or 5000)}
            span = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
            status = 206 if start else 200
            if fault.isdigit():
                return self.reply(int(fault), b"no")
            if fault == "wait":
                return self.reply(429, b"", {"Retry-After": "3600"})
            if fault == "loop":
                return self.reply(302, b"", {"Location": self.path})
            if fault == "page":
                return self.reply(200, PAGE, {"Content-Type": "text/html; charset=utf-8"})
            if fault == "page 403":
                return self.reply(403, PAGE, {"Content-Type": "text/html"})
            if fault == "bad token":
                return self.reply(401, b"{}", {"X-Error-Message": "Invalid credentials in Authorization header"})
            if fault == "empty":
                return self.reply(status, b"", span)
            if fault == "short":
                return self.reply(200, data[:700])
            if fault == "slices":
                part = {"Content-Range": f"bytes {start}-{start}/{len(data)}"}
                return self.reply(206, data[start : start + 1], part)
            if fault == "other offset":
                return self.reply(206, data[7:], {"Content-Range": f"bytes 7-{len(data) - 1}/{len(data)}"})
            if fault == "gzip":
                return self.reply(200, gzip.compress(data), {"Content-Encoding": "gzip"})
            if fault == "wrong json":
                return self.reply(200, b'{"siblings": "none", "Data": {"Files": [3]}}')
            self.close_connection = True
            if fault == "slow headers":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
                return self.dribble()
            self.send_response(status)
            for key, value in {**span, **({} if fault in ("unsized page", "unsized end") else rest)}.items():
                self.send_header(key, value)
            self.send_header("Content-Type", "text/html" if fault == "unsized page" else "text/plain")
            self.end_headers()
            self.wfile.write({"unsized page": PAGE, "unsized end": data[:900]}.get(fault, b"x"))
            if fault == "trickle":
                self.dribble()

        def dribble(self) -> None:
            for _ in range(400):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)

        def hf_listing(self, repo: str, revision: str) -> None:
            if repo not in hub.repos:
                return self.reply(401, b"{}", {"X-Error-Code": "RepoNotFound"})
            if revision not in ("main", hub.commit):
                return self.reply(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            items = []
            for name, data in hub.repos[repo].items():
                blob = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
                item: dict[str, object] = {"rfilename": name, "size": len(data), "blobId": blob}
                if len(data) >= hub.large:
                    item["lfs"] = {"sha256": _sha(data), "size": len(data), "pointerSize": 135}
                items.append(item)
            return self.reply(200, json.dumps({"id": repo, "sha": hub.commit, "siblings": items}).encode())

        def modelscope(self, repo: str, rest: list[str], query: dict[str, list[str]]) -> None:
            if repo not in hub.repos:
                return self.reply(404, '{"Code": 10010205001, "Success": false, "Message": "无模型"}'.encode())
            if rest == ["repo"]:
                return self.content(repo, query["FilePath"][0])
            files = [{"Path": "sub", "Type": "tree", "Size": 0}]
            for name, data in hub.repos[repo].items():
                files.append(
                    {
                        "Path": name,
                        "Name": name.split("/")[-1],
                        "Type": "blob",
                        "Size": len(data),
                        "Sha256": _sha(data),
                        "Revision": "abc",
                    }
                )
            return self.reply(200, json.dumps({"Code": 200, "Success": True, "Data": {"Files": files}}).encode())

        def resolve(self, repo: str, name: str) -> None:
            if repo in hub.gated:
                return self.reply(401, b"", {"X-Error-Code": "GatedRepo"})
            data = hub.repos[repo][name]
            if len(data) >= hub.large:
                head = {"Location": f"{hub.store_url}/{repo}/{name}?sig=secret", "X-Linked-Etag": f'"{_sha(data)}"'}
                return self.reply(302, b"", head)
            return self.content(repo, name)

        def content(self, repo: str, name: str) -> None:
            data = hub.repos[repo][name]
            if name in hub.corrupt:
                data = bytes([data[0] ^ 1]) + data[1:]
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-") or 0)
            if hub.ignore_range:
                start = 0
            if start and start >= len(data):
                return self.reply(416, b"")
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            self.send(name, data[start:])

        def send(self, name: str, data: bytes) -> None:
            cut = hub.cut.pop(name, None)
            for at in range(0, len(data), 65536):
                self.wfile.write(data[at : at + 65536] if cut is None else data[at : min(at + 65536, cut)])
                time.sleep(hub.slow.get(name, 0))
                if cut is not None and at + 65536 >= cut:
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return

        def reply(self, status: int, body: bytes, head: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for key, value in {**(head or {}), "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

    return Handler
