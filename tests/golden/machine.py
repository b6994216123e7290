"""A made-up machine: a command of warmbuild runs on it, and what it prints comes back as text.

Commands go in by `cli.main`, so that a scene knows inputs, the environment and files, and nothing
of how warmbuild is made. buildx is a script, registries and the engine are made up, time passes
only while somebody sleeps.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest import mock
from urllib.parse import unquote

import docker
import docker.errors
import responses

from tests.golden import adapters
from warmbuild import __version__, cli
from warmbuild.commands import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import requests

    # Status, headers and body; or what is raised instead of an answer.
    Reply = tuple[int, dict[str, str], str] | Exception
    # What is answered to `METHOD host/path`, one after the other; a star stands for the rest.
    Replies = Mapping[str, Reply | list[Reply]]
    # Called with the current directory before a command runs.
    Prepare = Callable[[Path], object]
    # What a command prints, with its exit code if that is not 0.
    Said = str | tuple[int, str]

DOCKERFILE: Final = "FROM alpine:3.22\nRUN apk add curl\n"
VERSION: Final = "github.com/docker/buildx v0.38.2 0a1b2c3"
# A remote daemon: a builder that needs no engine.
# A daemon that serves only this job, so that untrusted code may use it as well.
REMOTE: Final = (
    *("--driver=remote", "--endpoint=tcp://build.example.com:1234"),
    "--untrusted-builder=endpoint: tcp://build.example.com:1234",
)
# Exit code of a command that does not end.
HANGS: Final = -1
# Exit code of a command that the kernel kills.
KILLED: Final = -9
# A run that may push and write a cache.
_RUN: Final = (
    *("image=ghcr.io/me/app", "push=true", "cache=read-write"),
    *("branch=feature", "default-branch=main"),
)
# Prints the file of its command, of the second call that of `build.2` if there is one, ends with
# the code in its `.code`, by SIGKILL or not at all, and leaves the file `metadata` where it is told
# to.
_BUILDX: Final = """#!/bin/sh
said=${0%/*/*}/said
command=$1
case "$*" in *--print*) command=print;; esac
number=1
while [ -e "$said/$command.$number.done" ]; do number=$((number + 1)); done
: > "$said/$command.$number.done"
while [ $# -gt 0 ]; do
    [ "$1" = --metadata-file ] && [ -e "$said/metadata" ] && /bin/cp "$said/metadata" "$2"
    shift
done
file=$said/$command.$number
[ -e "$file" ] || file=$said/$command
code=0
[ -e "$file" ] && /bin/cat "$file"
[ -e "$file.code" ] && read code < "$file.code"
[ "$code" = -1 ] && exec /bin/sleep 60
[ "$code" = -9 ] && kill -9 $$
exit $code
"""
_NORMALIZED: Final = (
    (re.compile(r"warmbuild-[0-9a-z_]{8}\b"), "warmbuild-0a1b2c3d"),
    (re.compile(r"warmbuild-kept-[0-9a-f]{8}\b"), "warmbuild-kept-0a1b2c3d"),
    (re.compile(r"section_(start|end):\d+:\S+?(?=[\[\r\n]|$)"), r"section_\1:0:step"),
    (re.compile(re.escape(f"warmbuild {__version__} (Python ") + r"[^)]*\)"), "warmbuild V (…)"),
    (re.compile(r"(sha256:[0-9a-f]{8})[0-9a-f]{56}\b"), r"\1…"),
    # A record has a salt.
    (re.compile(r"(the record beside .*@sha256:)[0-9a-f]{8}"), r"\1"),
    (re.compile(r'"time": "[-0-9]{10}T[:.0-9]{12}Z"'), '"time": "2026-01-02T03:04:05.678Z"'),
    (re.compile(r" on \d{4}-\d\d-\d\d \d\d:\d\d UTC"), " on 2026-01-02 03:04 UTC"),
    (re.compile(r"\x1b"), r"\\e"),
    (re.compile(r"\r"), r"\\r"),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
)
# Commands, progress, headlines, and the rows of the plan that have a line of their own later.
_KEPT_OUT: Final = re.compile(
    r"\+ docker buildx|#\d+ |== warmbuild: "
    r"|(run|image|push|target|builder|warning) {2,}|cache (read {2}|write )\S"
)
# How much later a thread is that watches, in seconds.
_LATE: Final = 1000.0


_SLEEP: Final = time.sleep
_MONOTONIC: Final = time.monotonic


class _Clock:
    """Time that passes only while somebody sleeps; if `hurried`, fast for threads that watch.

    It is that of warmbuild alone: whoever else asks is told the true time.
    """

    def __init__(self, *, hurried: bool) -> None:
        self.now = 0.0
        self.hurried = hurried

    def monotonic(self) -> float:
        if not _is_asked_by_warmbuild():
            return _MONOTONIC()
        is_main = threading.current_thread() is threading.main_thread()
        return self.now + _LATE * (self.hurried and not is_main)

    def sleep(self, seconds: float) -> None:
        if _is_asked_by_warmbuild():
            self.now += seconds
        else:
            _SLEEP(seconds)


def _is_asked_by_warmbuild() -> bool:
    """Say whether the caller of the caller is a module of warmbuild."""
    name = sys._getframe(2).f_globals.get("__name__", "")  # noqa: SLF001 (there is no other way)
    return str(name).startswith("warmbuild.")


class Keeping(dict[str, "Reply | list[Reply]"]):
    """Replies of registries that keep the blobs and manifests that they are given."""

    def kept(
        self, request: requests.PreparedRequest, address: str, found: Reply | list[Reply]
    ) -> Reply | list[Reply]:
        """Keep what a request brings, and return the answer to it."""
        body = request.body if isinstance(request.body, bytes) else b""
        host, _, rest = address.partition("/blobs/uploads/")
        if request.method == "PUT" and rest:
            name = unquote((request.url or "").rpartition("digest=")[2])
            self[f"GET {host}/blobs/{name}"] = (200, {}, body)  # type: ignore[assignment]  # bytes
        elif request.method == "PUT":
            headers = {"Docker-Content-Digest": f"sha256:{hashlib.sha256(body).hexdigest()}"}
            self[f"GET {address}"] = (200, headers, body.decode())
        elif request.method == "HEAD":
            there = self.get(f"GET {address}")
            return (*there[:2], "") if isinstance(there, tuple) else found
        return found


class Interrupted(dict[str, str]):
    """An environment that raises an error once the form of the log has been read from it."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error, self.is_read = error, False

    def __iter__(self) -> Iterator[str]:
        if self.is_read:
            raise self.error
        self.is_read = True
        return super().__iter__()


def run(
    *argv: str,
    env: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    buildx: Mapping[str, Said] | None = None,
    registries: Replies | None = None,
    engine: Callable[..., object] | None = None,
    hurried: bool = False,
    prepare: Prepare = str,
    shown: tuple[str, ...] = (),
) -> str:
    """Run a command line and return what it prints.

    `files` are those of the current directory, `buildx` what it prints by command, `registries`
    what they answer, and `engine` makes a client of the engine. `prepare` is called with the
    current directory before, and the files `shown` are printed after.
    """
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="golden-"))).resolve()
        job = root / "job"
        for name in ("job", "tmp", "bin", "said", "home"):
            (root / name).mkdir()
        for name, text in (files or {}).items():
            _write(job / name, text)
        if buildx is not None:
            _install(root, buildx)
        prepare(job)
        stack.enter_context(contextlib.chdir(job))
        passing = _Clock(hurried=hurried)
        ours: tuple[tuple[object, str, object], ...] = (
            (time, "monotonic", passing.monotonic),
            (time, "sleep", passing.sleep),
            (clock, "_begun", passing.monotonic),
            (tempfile, "tempdir", str(root / "tmp")),
            (docker, "from_env", engine or _no_engine),
        )
        for target, name, value in ours:
            stack.enter_context(mock.patch.object(target, name, value))
        for place, stand_in in adapters.PATCHED.items():
            stack.enter_context(mock.patch(place, stand_in))
        own = {"COLUMNS": "9999", "NO_COLOR": "1", "PATH": f"{root / 'bin'}:{os.environ['PATH']}"}
        stack.enter_context(mock.patch.dict(os.environ, own))
        stack.enter_context(answering(registries or {}))
        said = stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(redirect_stderr(said))
        base = {"PATH": str(root / "bin"), "HOME": str(root / "home")}
        base |= {"DOCKER_HOST": "unix:///machine/docker.sock"}
        given = env if isinstance(env, Interrupted) else base | dict(env or {})
        with contextlib.suppress(SystemExit):
            cli.main(argv, given)
        texts = [said.getvalue()]
        for name in shown:
            texts += [f"-- {name}\n", (job / name).read_text(encoding="utf-8")]
        return _normalized("".join(texts), root)


def built(*argv: str, **parts: Any) -> str:  # noqa: ANN401 (of `run`)
    """Run a build, and return its log without plan, progress and commands.

    It is a run that may push and write a cache, with a remote builder unless one is named.
    """
    flags = [flag.partition("=")[0] for flag in argv]
    defaults = [] if {"--driver", "--builder"} & {*flags} else [*REMOTE]
    defaults += [f"--{name}" for name in _RUN if f"--{name.partition('=')[0]}" not in flags]
    parts["files"] = {"Dockerfile": DOCKERFILE} | dict(parts.get("files", {}))
    parts["buildx"] = {"version": VERSION} | dict(parts.get("buildx", {}))
    lines = run("build", *defaults, *argv, **parts).splitlines()
    return "\n".join(line for line in lines if not _KEPT_OUT.match(line))


def explained(*argv: str, **parts: Any) -> str:  # noqa: ANN401 (of `run`)
    """Run `explain` as such a build would run, and return all that it prints."""
    flags = [flag.partition("=")[0] for flag in argv]
    defaults = [] if {"--driver", "--builder"} & {*flags} else [*REMOTE]
    defaults += [f"--{name}" for name in _RUN if f"--{name.partition('=')[0]}" not in flags]
    return run("explain", *defaults, *argv, **parts)


def unusual(said: str, usual: str) -> str:
    """Return the lines that are not in the usual text."""
    known = usual.splitlines()
    return "\n".join(line for line in said.splitlines() if line not in known)


def refusal(
    status: int, code: str = "", message: str = "", headers: dict[str, str] | None = None
) -> Reply:
    """Return a registry's refusal."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}) if code else ""
    return status, headers or {}, body


def program(name: str, text: str) -> Prepare:
    """Return what makes a shell script of this name, to be called with the current directory."""

    def make(job: Path) -> None:
        path = job.parent / "bin" / name
        _write(path, f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    return make


@contextlib.contextmanager
def late(program: str) -> Iterator[None]:
    """Have commands not end in time that have this word among their arguments."""
    communicate = subprocess.Popen.communicate

    def stands_in(child: Any, *given: Any, **named: Any) -> tuple[bytes, bytes]:  # noqa: ANN401 (Popen's)
        output: tuple[bytes, bytes] = communicate(child, *given, **named)
        if (timeout := named.get("timeout")) and program in child.args:
            raise subprocess.TimeoutExpired(child.args, timeout, output[0])
        return output

    with mock.patch.object(subprocess.Popen, "communicate", stands_in):
        yield


def _normalized(text: str, root: Path) -> str:
    """Return a text without what differs from run to run."""
    text = text.replace(str(root / "job"), "/job").replace(str(root), "/machine")
    for pattern, instead in _NORMALIZED:
        text = pattern.sub(instead, text)
    return text


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _install(root: Path, said: Mapping[str, Said]) -> None:
    path = root / "bin" / "buildx"
    _write(path, _BUILDX)
    path.chmod(0o755)
    for command, answer in said.items():
        code, text = answer if isinstance(answer, tuple) else (0, answer)
        _write(root / "said" / command, f"{text}\n" if text else "")
        _write(root / "said" / f"{command}.code", f"{code}\n")


def _no_engine(**_options: object) -> object:
    raise docker.errors.DockerException("connection refused")


@contextlib.contextmanager
def answering(replies: Replies) -> Iterator[None]:
    """Have servers that answer so."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        count: dict[str, int] = {}

        def answer(request: requests.PreparedRequest) -> Reply:
            address = re.sub(r"^https?://", "", request.url or "").partition("?")[0]
            key = f"{request.method} {address}"
            wild = (one for one in replies if one.endswith("*") and key.startswith(one[:-1]))
            found = replies.get(key) or replies.get(next(wild, "")) or _unknown(request, address)
            if isinstance(replies, Keeping):
                found = replies.kept(request, address, found)
            if isinstance(found, list):
                number = count[key] = count.get(key, -1) + 1
                return found[min(number, len(found) - 1)]
            return found

        for method in ("GET", "HEAD", "DELETE", "PATCH", "POST", "PUT"):
            mocked.add_callback(method, re.compile(r"https?://.*"), answer)
        yield


def _unknown(request: requests.PreparedRequest, address: str) -> Reply:
    """Answer as a registry that is empty, and takes what it gets, such as records."""
    if address.endswith("/v2/"):
        return 200, {}, "{}"
    if request.method == "POST":
        return 202, {"Location": f"{request.url}1"}, ""
    if request.method == "PUT":
        return 201, {}, ""
    return refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")
