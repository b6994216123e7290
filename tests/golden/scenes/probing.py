"""What registries and directories say of caches before a build, and what is made of it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

import requests

from tests.golden import machine, made_up
from tests.golden.machine import refusal
from tests.golden.made_up import HOME
from tests.golden.scene import Scene, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.golden.machine import Replies, Reply

_OWN: Final = f"GET {HOME}/manifests/cache-feature"
_MIB: Final = 1024 * 1024


def _reset() -> Exception:
    failed = requests.ConnectionError("Connection aborted.")
    failed.__context__ = ConnectionResetError(104, "Connection reset by peer")
    return failed


def _not_trusted() -> Exception:
    failed = ssl.SSLCertVerificationError(1, "certificate verify failed")
    failed.verify_message = "self-signed certificate"
    return failed


def _without_tls() -> Exception:
    failed = ssl.SSLError(1, "wrong version number")
    failed.reason = "WRONG_VERSION_NUMBER"
    return failed


_BOTH: Final = made_up.cache("cache-feature") | made_up.cache("cache-main")
_ANSWERS: Final[dict[str, Reply | list[Reply]]] = {
    "denied": refusal(403, "DENIED", "permission_denied: read_package"),
    "no login": refusal(401, "UNAUTHORIZED", "authentication required"),
    "an error without a body": refusal(400),
    "too many requests": refusal(429, "TOOMANYREQUESTS", "rate limit exceeded"),
    "an error of the server": refusal(503),
    "an error of the server that passes": [refusal(502), refusal(404)],
    "a connection that takes too long": requests.ConnectTimeout("timed out"),
    "an answer that takes too long": requests.ReadTimeout("timed out"),
    "a certificate that is not trusted": _not_trusted(),
    "no TLS": _without_tls(),
    "a connection that is reset": _reset(),
    "no connection": requests.ConnectionError("Name or service not known"),
    "content of another digest": (200, {"Docker-Content-Digest": made_up.digest("other")}, "{}"),
    "a redirect that leaves HTTPS": (302, {"Location": "http://cdn.example.com/"}, ""),
    "redirects without end": (302, {"Location": "/v2/me/app/manifests/cache-feature"}, ""),
    "a token service without HTTPS": (
        401,
        {"WWW-Authenticate": 'Bearer realm="http://auth.example.com/token"'},
        "",
    ),
}
_CACHES: Final[dict[str, tuple[Replies, tuple[str, ...]]]] = {
    "nothing is there": ({}, ()),
    "both caches are there": (_BOTH, ()),
    "both caches are there, cache-import=first": (_BOTH, ("--cache-import=first",)),
    "caches that contradict each other": (
        made_up.cache("cache-feature", layer="a") | made_up.cache("cache-main", layer="b"),
        (),
    ),
    "every cache is too old": (
        made_up.cache("cache-feature", days=5) | made_up.cache("cache-main", days=1),
        ("--cache-max-age=12h",),
    ),
    "a cache that is large to describe": (made_up.cache("cache-feature", padding=900_000), ()),
    "a manifest that is too large": (made_up.cache("cache-feature", padding=_MIB), ()),
    "a configuration that is too large": (made_up.cache("cache-feature", size=2 * _MIB), ()),
    "a configuration that is gone": (
        {name: reply for name, reply in _BOTH.items() if "blobs" not in name},
        (),
    ),
    "an image": (made_up.image("cache-feature"), ()),
    "an image, cache-backend=inline": (
        made_up.image("cache-feature"),
        ("--cache-backend=inline",),
    ),
    "no manifest": (made_up.manifest("cache-feature", "<html>"), ()),
}
_DIRECTORY: Final = ("--cache-backend=local", "--cache-dir=.cache")


def _scenes() -> Iterator[Scene]:
    for title, (replies, flags) in _CACHES.items():
        yield Scene(title=title, said=_probed(*flags, registries=replies))
    for title, reply in _ANSWERS.items():
        yield Scene(title=title, said=_probed(registries={_OWN: reply}))
    files = {".cache/cache-feature/index.json": "{}"}
    yield Scene(title="a directory without a cache", said=_probed(*_DIRECTORY, files=files))
    options = ("--cache-backend=s3", "--cache-options=bucket=b", "--cache-options=region=r")
    yield Scene(title="a backend that is not asked", said=_probed(*options))


def _probed(*flags: str, **parts: object) -> str:
    """Return notes and warnings of a plan that asks the registry."""
    told = ("--push", "--cache=read-write", "--branch=feature", "--default-branch=main")
    argv = ("plan", "--probe", "--image=ghcr.io/me/app", *told, *flags)
    said = machine.run(*argv, **parts)  # type: ignore[arg-type]
    return "\n".join(
        line
        for line in said.splitlines()
        if line.startswith(("note", "warning")) and not line.endswith("by the branch")
    )


SUBJECT = Subject(name="probing", about="What is found of caches before a build.", scenes=_scenes)
