"""The calls of the engine's API that a run waits for, made without the docker SDK.

`engine` makes all others. The SDK takes 0.1 s to import, a tenth of a rebuild from the cache, and
no builder boots meanwhile. HTTP/1.0 is all that these calls need: the engine answers, and then ends
the connection.
"""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote, urlsplit

from warmbuild import lazy, untrusted_json
from warmbuild.builder import leftovers
from warmbuild.errors import EngineError
from warmbuild.frozen import frozen
from warmbuild.registry import docker_config

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
else:
    ssl = lazy.module("ssl")

_T = TypeVar("_T")

_SOCKET: Final = "/var/run/docker.sock"
_PORT: Final = 2375
_NEAR: Final = frozenset({"localhost", "127.0.0.1", "::1", "docker"})
# The largest answer that is read, in bytes.
_MOST: Final = 4 * 1024 * 1024
# How long the engine may take for an answer, in seconds.
_TIMEOUT: Final = 10.0
# How long an answer is waited for that a run can do without, in seconds.
_GLIMPSE: Final = 3.0
# How long an attached command may take to say something, in seconds.
_FIRST_WORD: Final = 3.0
# How long it may take to kill and remove a container, in seconds; a busy disk delays that.
REMOVAL_TIMEOUT: Final = 60.0
# What says that something is gone, or that another job is removing it. A volume that is in use has
# the status of the latter.
_TAKEN: Final = {"containers": (404, 409), "volumes": (404,)}
# How long a volume is tried again that a container which has just ended still holds, and the pause
# between, in seconds.
_HELD: Final = 2.0
_HELD_PAUSE: Final = 0.05
# How long an engine may be gone while it restarts, and the pause between two looks, in seconds.
RESTART: Final = 20.0
_GLANCE: Final = 0.05
# Lines that are read of a daemon's log, in which its usage has 80, and errors of it that are shown.
_LOG_LINES: Final = 200
_LAST_ERRORS: Final = 10
# The bytes that begin a frame of an attached command's output.
_FRAME: Final = 8
# The part of the time for the removal of a volume in which the engine has to list its volumes.
_TO_LIST: Final = 1 / 3
# A slow engine may not have begun to delete when the patience ends. So the patience grows by this
# many times what the list of volumes takes, up to the limit of any call.
_SLOW: Final = 20


@frozen
class Address:
    """Where an engine listens: at a socket of this machine, or at a port."""

    path: str = ""
    host: str = ""
    port: int = 0
    certificates: str = ""  # Directory of the client's certificates; empty without TLS
    verifies: bool = True  # Whether the engine's certificate is checked
    is_near: bool = False  # Whether it may run on this machine, and use the memory that is free


def address(env: Mapping[str, str]) -> Address | None:
    """Return where buildx finds the engine; None if only a Docker context or SSH leads there.

    A socket, the loopback interface and docker-in-docker are near. In a pod of Kubernetes the
    engine's container has a limit of its own, which this one cannot see.
    """
    found = _address(env)
    is_near = found is not None and (bool(found.path) or found.host in _NEAR)
    is_free = "KUBERNETES_SERVICE_HOST" not in env
    return replace(found, is_near=is_near and is_free) if found else None


@frozen
class Volume:
    """A volume of an engine."""

    name: str
    labels: Mapping[str, str]
    created: datetime


def _address(env: Mapping[str, str]) -> Address | None:
    given = env.get("DOCKER_HOST", "")
    if not given:
        context = env.get("DOCKER_CONTEXT") or docker_config.read_config(env).get("currentContext")
        is_default = context in (None, "", docker_config.DEFAULT_CONTEXT)
        return Address(path=_SOCKET) if is_default else None
    try:
        url = urlsplit(given)
        port = url.port or _PORT
    except ValueError:
        return None
    if url.scheme == "unix":
        return Address(path=url.path)
    if url.scheme != "tcp" or not url.hostname:
        return None
    return Address(
        host=url.hostname,
        port=port,
        certificates=env.get("DOCKER_CERT_PATH", ""),
        verifies=bool(env.get("DOCKER_TLS_VERIFY")),
    )


def once_there(call: Callable[[], _T], *, patience: float = RESTART) -> _T:
    """Return what a call of the engine does, which may be gone for a moment, as in a restart."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return call()
        except EngineError as error:
            if not _is_gone(error) or time.monotonic() > deadline:
                raise
        time.sleep(_GLANCE)


def _is_gone(error: BaseException | None) -> bool:
    """Return whether nothing listens at the engine's socket, or it hangs up."""
    while error is not None and not isinstance(error, (ConnectionError, FileNotFoundError)):
        error = error.__cause__ or error.__context__
    return error is not None


def listens(at: Address) -> bool:
    """Return whether something takes connections where an engine should be."""
    with suppress(OSError):
        connected(at, _GLIMPSE).close()
        return True
    return False


def create_volume(
    at: Address, name: str, options: Mapping[str, str], labels: Mapping[str, str]
) -> None:
    """Create a volume of the driver local; raises EngineError if the engine refuses."""
    body = {"Name": name, "Driver": "local", "DriverOpts": options, "Labels": labels}
    _call(at, "POST", "/volumes/create", body)


def volumes(at: Address, label: str = "", *, timeout: float = _TIMEOUT) -> Sequence[Volume]:
    """Return the volumes of builders, or those with a label; raises EngineError."""
    wanted = {"label": [label]} if label else {"name": [leftovers.VOLUMES]}
    filters = quote(json.dumps(wanted))
    answer = _object(_call(at, "GET", f"/volumes?filters={filters}", timeout=timeout))
    # Go writes an empty list as null.
    found = [] if answer.get("Volumes", "") is None else answer.get("Volumes")
    return tuple(
        Volume(
            name=untrusted_json.text(one, "Name"),
            labels={
                key: value
                for key, value in untrusted_json.child(one, "Labels").items()
                if isinstance(value, str)
            },
            created=_time(untrusted_json.text(one, "CreatedAt")),
        )
        for one in _listed(found)
    )


def platform(at: Address) -> str:
    """Return the platform of an engine, such as linux/amd64; empty if it does not say all of it.

    Raises EngineError.
    """
    answer = _object(_call(at, "GET", "/version", timeout=_GLIMPSE))
    system, machine = (untrusted_json.text(answer, name) for name in ("Os", "Arch"))
    # An arm of 32 bits has variants.
    return f"{system}/{machine}" if system and machine not in {"", "arm"} else ""


def running(at: Address) -> frozenset[str]:
    """Return the names of the builders' containers that run; raises EngineError."""
    filters = quote(json.dumps({"name": [leftovers.VOLUMES]}))
    found = _call(at, "GET", f"/containers/json?filters={filters}")
    names = (str(name) for one in _listed(found) for name in untrusted_json.items(one, "Names"))
    return frozenset(name.removeprefix("/") for name in names)


def attached(at: Address, container: str, argv: Sequence[str]) -> socket.socket:
    """Run a command in a container; return the connection that is its input and output.

    The command's input ends with the connection. Raises EngineError if the engine refuses.
    """
    streams = {"AttachStdin": True, "AttachStdout": True, "Cmd": list(argv)}
    made = _call(at, "POST", f"/containers/{container}/exec", streams)
    identity = quote(untrusted_json.text(_object(made), "Id"), safe="")
    try:
        connection = connected(at, _TIMEOUT)
        connection.sendall(_request("POST", f"/exec/{identity}/start", {}))
    except OSError as error:
        raise EngineError(f"the engine does not answer: {error}") from error
    return connection


def said(connection: socket.socket, *, most: int, enough: str = "") -> str:
    """Return what an attached command prints, up to `enough`, its end, or about `most` bytes."""
    heard = _heard(connection, _FIRST_WORD, most=most, enough=enough.encode())
    _, _, framed = heard.partition(b"\r\n\r\n")
    return b"".join(unframed([framed])).decode(errors="replace")


def daemon_said(at: Address, builder: str) -> str:
    """Return the last errors of a builder's daemon, each once; nothing if the engine has none.

    buildx prints them too, but overwrites some while it does.
    """
    path = f"/containers/{leftovers.container(builder)}/logs?stderr=1&tail={_LOG_LINES}"
    try:
        status, content = _exchange(at, "GET", path)
    except EngineError:
        return ""
    said = b"".join(unframed([content])) if status == HTTPStatus.OK else b""
    lines = filter(str.strip, said.decode(errors="replace").splitlines())
    # A daemon that ends is started again, and then says the same.
    return "\n".join(tuple(dict.fromkeys(lines))[-_LAST_ERRORS:])


def unframed(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what is in frames as it arrives.

    Each frame begins with its stream and, in bytes 4 to 7, its size.
    """
    content, left = bytearray(), 0
    for part in parts:
        content += part
        while content and (left or len(content) >= _FRAME):
            if left:
                piece = bytes(content[:left])
                left -= len(piece)
                del content[: len(piece)]
                yield piece
            else:
                left = int.from_bytes(content[4:_FRAME])
                del content[:_FRAME]


def remove_builder(
    at: Address,
    name: str,
    *,
    patience: float,
    most: float = REMOVAL_TIMEOUT,
    restart: float = RESTART,
) -> None:
    """Remove the container and the volume of a builder; raises EngineError.

    Each may take the engine `most` seconds, which may be gone for `restart` seconds before. This
    does not wait longer than `patience` seconds for the files in the volume to be deleted.
    """
    container, volume = leftovers.container(name), leftovers.volume(name)
    once_there(partial(remove_container, at, container, patience=most), patience=restart)
    once_there(partial(remove_volume, at, volume, patience=patience, most=most), patience=restart)


def remove_container(at: Address, name: str, *, patience: float = REMOVAL_TIMEOUT) -> None:
    """Kill and remove a container, if it is there.

    Raises EngineError if the engine refuses; its cause is a TimeoutError if the engine does not
    answer within `patience` seconds.
    """
    _call(at, "DELETE", f"/containers/{name}?force=true", timeout=patience)


def remove_volume(
    at: Address, name: str, *, patience: float, most: float = REMOVAL_TIMEOUT
) -> bool:
    """Remove the volume of a builder; return whether the engine is done within `patience` seconds.

    The engine deletes one volume at a time. If the client disconnects, the engine finishes a
    deletion that has begun, and drops a deletion that has not. The volume of another builder may
    come first, so this waits longer if there are any, but for `most` seconds at most. The patience
    is longer if the engine is slow. Raises EngineError if the engine refuses, or does not answer in
    time.
    """
    begun = time.monotonic()
    try:
        there = {one.name for one in volumes(at, timeout=most * _TO_LIST)}
        if name not in there:
            return True
    except EngineError:
        # It may still delete the volume.
        there = set()
    asked = time.monotonic()
    is_alone = there == {name}
    slow = min(_TIMEOUT, patience + _SLOW * (asked - begun))
    limit = max(patience, slow) if is_alone else most
    while True:
        left = max(_HELD_PAUSE, begun + most - time.monotonic())
        try:
            _call(at, "DELETE", f"/volumes/{name}", timeout=min(limit, left))
        except EngineError as error:
            if is_alone and isinstance(error.__cause__, TimeoutError):
                return False
            if time.monotonic() >= min(asked + _HELD, begun + most):
                raise
            time.sleep(_HELD_PAUSE)
        else:
            return True


def _call(
    at: Address,
    method: str,
    path: str,
    body: Mapping[str, object] | None = None,
    *,
    timeout: float = _TIMEOUT,
) -> object:
    """Return the engine's answer, which is empty if there is nothing to delete.

    Raises EngineError; its cause is a TimeoutError if the engine does not answer in time.
    """
    status, content = _exchange(at, method, path, body, timeout=timeout)
    if method == "DELETE" and status in _TAKEN[path.split("/")[1]]:
        return {}
    try:
        found = untrusted_json.anything(content) if content.strip() else {}
    except ValueError:
        found = {}
    if not 200 <= status < 300:  # noqa: PLR2004 (the statuses of success)
        why = untrusted_json.text(_object(found), "message") or f"status {status}"
        raise EngineError(f"the engine refuses: {why}")
    return found


def _exchange(
    at: Address,
    method: str,
    path: str,
    body: Mapping[str, object] | None = None,
    *,
    timeout: float = _TIMEOUT,
) -> tuple[int, bytes]:
    """Return the status and the content of the engine's answer; raises EngineError as `_call`."""
    try:
        with connected(at, timeout) as connection:
            connection.sendall(_request(method, path, body))
            head, _, content = _answer(connection, timeout).partition(b"\r\n\r\n")
        if not head:
            raise ConnectionResetError("it closes the connection")
    except OSError as error:
        raise EngineError(f"the engine does not answer: {error}") from error
    words = head.split(maxsplit=2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0, content


def _listed(found: object) -> Iterator[Mapping[str, object]]:
    """Return the objects in a list; raises EngineError if it is none, which says nothing."""
    if not isinstance(found, list):
        raise EngineError("the engine does not answer with a list")
    return untrusted_json.objects(found)


def _object(found: object) -> Mapping[str, object]:
    return found if isinstance(found, dict) else {}


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return datetime.now(UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def connected(at: Address, timeout: float) -> socket.socket:
    """Connect to an engine; raises OSError."""
    if at.path:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        try:
            connection.connect(at.path)
        except OSError:
            connection.close()
            raise
        return connection
    plain = socket.create_connection((at.host, at.port), timeout)
    if not at.certificates:
        return plain
    directory = Path(at.certificates)
    try:
        context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
        context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
        if not at.verifies:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(plain, server_hostname=at.host)
    except OSError:
        plain.close()
        raise


def _request(method: str, path: str, body: Mapping[str, object] | None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    head = [f"{method} {path} HTTP/1.0", "Host: docker", f"Content-Length: {len(content)}"]
    head += ["Content-Type: application/json"] if content else []
    return "\r\n".join([*head, "", ""]).encode() + content


def _answer(connection: socket.socket, timeout: float) -> bytes:
    """Return all that an engine answers; raises TimeoutError if that is not over in time."""
    answer = bytearray()
    for part in _parts(connection, timeout):
        answer += part
        if len(answer) > _MOST:
            break
    return bytes(answer)


def _heard(connection: socket.socket, timeout: float, *, most: int, enough: bytes) -> bytes:
    heard = b""
    with suppress(OSError):
        for part in _parts(connection, timeout):
            heard += part
            if len(heard) >= most or (enough and enough in heard):
                break
    return heard


def _parts(connection: socket.socket, timeout: float) -> Iterator[bytes]:
    """Yield what arrives; raises TimeoutError once `timeout` seconds are over, whatever arrives."""
    end = time.monotonic() + timeout
    while True:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        connection.settimeout(left)
        part = connection.recv(64 * 1024)
        if not part:
            return
        yield part
