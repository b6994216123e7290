"""A GitLab of this machine, with one merge request, its notes, and tokens of some users.

It answers as `lib/api/notes.rb` and GitLab's "Notes API" say: a job's token reads notes and writes
none, only maintainers change what others wrote, and pages are told by headers.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping

    # Status, headers and body.
    Answer = tuple[int, Mapping[str, str], bytes]

PROJECT, NUMBER = 12, 7
PATH = f"/projects/{PROJECT}/merge_requests/{NUMBER}"
BOT, MEMBER = 900, 42
TOKEN, MAINTAINERS_TOKEN, READERS_TOKEN = "glpat-hunter2", "glpat-maintainer", "glpat-reader"
JOB_TOKEN = "glcbt-hunter2"
_USERS = {TOKEN: BOT, MAINTAINERS_TOKEN: MEMBER, READERS_TOKEN: MEMBER}
_API = "/api/v4"


@dataclass(slots=True)
class Note:
    """A note; `changed` counts the writes before it."""

    number: int
    body: str
    author: int
    changed: int
    system: bool = False

    def shown(self) -> dict[str, object]:
        author = {"id": self.author, "username": f"user{self.author}"}
        return {"id": self.number, "body": self.body, "author": author, "system": self.system}


@dataclass(slots=True)
class GitLab:
    """The server; it remembers what it was asked, as `METHOD path` below the API."""

    url: str = ""
    notes: list[Note] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    # What it answers instead of what it should, by the beginning of a request.
    faults: dict[str, Callable[[], Answer]] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)
    _writes: int = 0

    @property
    def api(self) -> str:
        return self.url + _API

    def write(self, body: str, author: int = BOT, *, system: bool = False) -> Note:
        self._writes += 1
        self.notes.append(Note(1000 + self._writes, body, author, self._writes, system))
        return self.notes[-1]

    def hang(self) -> Answer:
        self.stopped.wait()
        return _json(200, [])

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        parts = urlsplit(target)
        path = parts.path.removeprefix(_API)
        self.asked.append(f"{method} {path}")
        self.headers.append({name.lower(): value for name, value in headers.items()})
        fault = next(
            (one for begin, one in self.faults.items() if self.asked[-1].startswith(begin)), None
        )
        if fault:
            return fault()
        bearer = headers.get("Authorization", "").removeprefix("Bearer ")
        is_job = headers.get("JOB-TOKEN") == JOB_TOKEN
        if path in ("/user", "/job"):
            known = {"/user": _USERS.get(bearer), "/job": MEMBER if is_job else None}[path]
            users = {"/user": {"id": known}, "/job": {"id": 1, "user": {"id": known}}}
            return _json(200, users[path]) if known else _refusal(401)
        found = re.fullmatch(rf"{PATH}/notes(?:/(\d+))?", path)
        if not (bearer in _USERS or (is_job and method == "GET")):
            return _refusal(401)
        if not found:
            return _refusal(404)
        if method == "GET":
            return self._page({name: values[0] for name, values in parse_qs(parts.query).items()})
        return self._written(int(found[1] or 0), json.loads(body)["body"], bearer)

    def _written(self, number: int, text: str, token: str) -> Answer:
        """Write a note, or change the one with this number, as the user of a token."""
        if token == READERS_TOKEN:
            return _refusal(403)
        if not number:
            return _json(201, self.write(text, _USERS[token]).shown())
        found = [one for one in self.notes if one.number == number]
        if not found:
            return _refusal(404)
        if _USERS[token] != found[0].author and token != MAINTAINERS_TOKEN:
            return _refusal(403)
        self._writes += 1
        found[0].body, found[0].changed = text, self._writes
        return _json(200, found[0].shown())

    def _page(self, query: Mapping[str, str]) -> Answer:
        key = "changed" if query.get("order_by") == "updated_at" else "number"
        ordered = sorted(
            self.notes, key=lambda note: getattr(note, key), reverse=query.get("sort") != "asc"
        )
        size, page = min(int(query.get("per_page", 20)), 100), int(query.get("page", 1))
        further = page + 1 if page * size < len(ordered) else ""
        shown = [note.shown() for note in ordered[(page - 1) * size : page * size]]
        return _json(200, shown, **{"X-Page": str(page), "X-Next-Page": str(further)})


def _json(status: int, value: object, **headers: str) -> Answer:
    return status, {"Content-Type": "application/json", **headers}, json.dumps(value).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up."""


def _refusal(status: int) -> Answer:
    return _json(status, {"message": f"{status} {HTTPStatus(status).phrase}"})


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[GitLab]:
    """Have a GitLab without a note."""
    gitlab = GitLab()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, content = gitlab.answer(
                self.command, self.path, dict(self.headers.items()), body
            )
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(content)

        do_POST = do_PUT = do_GET  # noqa: N815 (as http.server has it)

        def log_message(self, *_: object) -> None:
            pass

    with _Server(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        gitlab.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield gitlab
        finally:
            gitlab.stopped.set()
            server.shutdown()
            thread.join()
