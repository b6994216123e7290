"""A repository of git that is served over HTTP to who has a token, as GitHub does it."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def committed(place: Path) -> str:
    """Commit all there is in a directory, and return the commit."""

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=lab", "-c", "user.email=lab@example.com"]
        done = subprocess.run(  # noqa: S603 (a list of arguments, no shell)
            ["git", *identity, *arguments],  # noqa: S607 (where it lies differs)
            cwd=place,
            stdout=subprocess.PIPE,
            check=True,
        )
        return done.stdout.decode().strip()

    git("init", "--quiet", "--initial-branch=main")
    git("add", "--all")
    git("commit", "--quiet", "--message=all")
    # GitHub gives out any commit it has.
    git("config", "uploadpack.allowAnySHA1InWant", "true")
    return git("rev-parse", "HEAD")


@dataclass(slots=True)
class GitServer:
    """A git server that asks for a token; `users` are those who had one."""

    url: str
    users: set[tuple[str, str]]


class GitRequests(BaseHTTPRequestHandler):
    """Answers as git does over HTTP, once it is told who asks."""

    root: Path
    users: set[tuple[str, str]]
    is_public: bool

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
        """Say nothing."""

    def _answer(self, body: bytes) -> None:
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            user, _, password = base64.b64decode(encoded).decode().partition(":")
            self.users.add((user, password))
        elif not self.is_public:
            self._send(401, [("WWW-Authenticate", 'Basic realm="git"')], b"")
            return
        path, _, query = self.path.partition("?")
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "http-backend"],  # noqa: S607 (where it lies differs)
            input=body,
            stdout=subprocess.PIPE,
            check=True,
            env={
                "PATH": os.environ["PATH"],
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROJECT_ROOT": str(self.root),
                "PATH_INFO": path.removeprefix("/octo-org/shop.git"),
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        status = int(headers.pop("Status", "200").split()[0])
        self._send(status, headers.items(), content)

    def _send(self, status: int, headers: Iterable[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(content)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def served(
    repository: Path, *, is_public: bool = False, address: str = "127.0.0.1"
) -> Iterator[GitServer]:
    """Serve a repository as `octo-org/shop.git` over HTTP, at an address of this machine."""
    users: set[tuple[str, str]] = set()
    own = {"root": repository / ".git", "users": users, "is_public": is_public}
    answers = type("Answers", (GitRequests,), own)
    with ThreadingHTTPServer((address, 0), answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield GitServer(url=f"http://{address}:{server.server_address[1]}", users=users)
        finally:
            server.shutdown()
            thread.join()
