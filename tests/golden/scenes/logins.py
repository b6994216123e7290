"""Logins: refused, missing, in helpers that fail, from AWS, and left behind."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import requests

from tests.golden import machine
from tests.golden.machine import refusal
from tests.golden.made_up import BUILT
from tests.golden.scene import Scene, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOGIN: Final = {"INPUT_USERNAME": "me", "INPUT_PASSWORD": "hunter2"}
_SCOPED: Final = _LOGIN | {"INPUT_SCOPE": "me/app@push"}
_V2: Final = "GET ghcr.io/v2/"
_ASKS: Final = {"WWW-Authenticate": 'Basic realm="r"'}
_REFUSED: Final = refusal(401, "UNAUTHORIZED", "authentication required", _ASKS)
_ECR: Final = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
_KEYS: Final = {"INPUT_USERNAME": "AKIA", "INPUT_PASSWORD": "hunter2", "INPUT_REGISTRY": _ECR}
_TO_ECR: Final = f"--image={_ECR}/app"


def _config(content: object, *helpers: tuple[str, str]) -> machine.Prepare:
    """Return what makes the user's Docker configuration, and credential helpers as scripts."""

    def make(job: Path) -> None:
        path = job.parent / "home" / ".docker" / "config.json"
        path.parent.mkdir()
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        for name, script in helpers:
            machine.program(f"docker-credential-{name}", script)(job)

    return make


def _in_the_way(job: Path) -> None:
    """Put a file where the directory of the Docker configuration would be."""
    (job.parent / "home" / ".docker").write_text("", encoding="utf-8")


_HELPERS: Final = {"credHelpers": {"ghcr.io": "vault"}}
_RUNS: Final[dict[str, tuple[tuple[str, ...], dict[str, Any]]]] = {
    "no user name": ((), {"env": {"INPUT_PASSWORD": "hunter2"}}),
    "a login that is refused": ((), {"env": _LOGIN, "registries": {_V2: _REFUSED}}),
    "a login that is forbidden": ((), {"env": _LOGIN, "registries": {_V2: refusal(403)}}),
    "a login with a scope, and no tokens": (
        (),
        {"env": _SCOPED, "registries": {_V2: _REFUSED}},
    ),
    "a registry that is out of order": (
        (),
        {"env": _LOGIN, "registries": {_V2: refusal(503, "UNAVAILABLE", "try later")}},
    ),
    "a registry that does not answer": (
        (),
        {"env": _LOGIN, "registries": {_V2: requests.ReadTimeout("timed out")}},
    ),
    "two registries that do not answer": (
        ("--image=r.io/me/app", "--image=ghcr.io/me/app"),
        {
            "env": {
                "INPUT_REGISTRY_AUTH": (
                    "- {registry: r.io, username: me, password: hunter2}\n"
                    "- {registry: ghcr.io, username: me, password: hunter2}\n"
                )
            },
            "registries": {
                _V2: requests.ConnectionError("Name or service not known"),
                "GET r.io/v2/": requests.ConnectionError("Name or service not known"),
            },
        },
    ),
    "another registry that does not answer": (
        (),
        {
            "env": {"INPUT_REGISTRY_AUTH": "- {registry: r.io, username: me, password: hunter2}\n"},
            "registries": {"GET r.io/v2/": requests.ConnectionError("Name or service not known")},
        },
    ),
    "helpers that are not installed": (
        ("--cache=off",),
        {"prepare": _config({"credsStore": "desktop", "credHelpers": {"r.io": "vault"}})},
    ),
    "the image's own helper that is not installed": ((), {"prepare": _config(_HELPERS)}),
    "a helper that fails": (
        (),
        {"prepare": _config(_HELPERS, ("vault", "echo the vault is locked; exit 1"))},
    ),
    "a helper that answers no JSON": (
        (),
        {"prepare": _config(_HELPERS, ("vault", "echo hello"))},
    ),
    "a helper that answers no login": (
        (),
        {"prepare": _config(_HELPERS, ("vault", "echo '{}'"))},
    ),
    "a helper that fails, for a cache": (
        ("--cache-repository=r.io/me/cache",),
        {
            "prepare": _config(
                {"credHelpers": {"r.io": "vault"}}, ("vault", "echo the vault is locked; exit 1")
            )
        },
    ),
    "a login to be left in what is no configuration": (
        ("--logout=false",),
        {"env": _LOGIN, "prepare": _config("hello")},
    ),
    "a login to be left with a helper that fails": (
        ("--logout=false",),
        {
            "env": _LOGIN,
            "prepare": _config(_HELPERS, ("vault", "echo the vault is locked; exit 1")),
        },
    ),
    "a login to be left where nothing can be written": (
        ("--logout=false",),
        {"env": _LOGIN, "prepare": _in_the_way},
    ),
}


def _scenes() -> Iterator[Scene]:
    usual = machine.built(buildx={"build": BUILT})
    for title, (flags, parts) in _RUNS.items():
        said = machine.built(*flags, buildx={"build": BUILT}, **parts)
        yield Scene(title=title, said=machine.unusual(said, usual))
    with machine.late("get"):
        said = machine.built(
            buildx={"build": BUILT}, prepare=_config(_HELPERS, ("vault", "echo hello"))
        )
    yield Scene(title="a helper that does not answer", said=machine.unusual(said, usual))
    for title, granted in (
        ("AWS, which is not asked without boto3", None),
        ("AWS that gives no token", {}),
        ("AWS that gives half a token", {"authorizationData": [{}]}),
    ):
        with _imported("boto3", None if granted is None else _aws(granted)):
            said = machine.built(_TO_ECR, env=_KEYS, buildx={"build": BUILT})
            yield Scene(title=title, said=machine.unusual(said, usual))
    with _imported("boto3", _aws({})):
        said = machine.built(env=_KEYS, buildx={"build": BUILT})
        yield Scene(title="AWS that gives no token for another registry", said=said)


@contextmanager
def _imported(name: str, module: Any) -> Iterator[None]:  # noqa: ANN401 (a module, or None)
    """Have a module imported as another one, or not at all, while the block runs."""
    missing = object()
    before: Any = sys.modules.get(name, missing)
    sys.modules[name] = module
    try:
        yield
    finally:
        if before is missing:
            del sys.modules[name]
        else:
            sys.modules[name] = before


def _aws(granted: object) -> mock.Mock:
    """Return a boto3 whose registries grant this."""
    boto3 = mock.Mock()
    boto3.Session.return_value.client.return_value.get_authorization_token.return_value = granted
    return boto3


SUBJECT = Subject(name="logins", about="Logins for registries.", scenes=_scenes)
