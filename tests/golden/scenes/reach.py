"""Registries that only the builder reaches, and the job's Docker configuration."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, Final

import requests

from tests.golden import machine
from tests.golden.adapters import engine_near, unreached
from tests.golden.made_up import BUILT
from tests.golden.scene import Scene, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_IMAGE: Final = "--image=localhost:5000/app"
_OWN: Final = ("--driver=docker-container", "--builder-state=disk")
_HOST: Final = (*_OWN, "--driver-opts=network=host")
_THERE: Final = "both are there"
_HISTORY: Final = "--cache-history=2"


def _nobody() -> Exception:
    failed = requests.ConnectionError("Connection aborted.")
    failed.__context__ = http.client.RemoteDisconnected("Remote end closed connection")
    return failed


_REGISTRIES: Final[dict[str, tuple[tuple[str, ...], dict[str, Any], dict[str, Any]]]] = {
    "a registry that the builder reaches": (_HOST, {}, {"says": _THERE}),
    "a builder with a network of its own": (
        _OWN,
        {"registries": {"GET localhost:5000/*": _nobody()}},
        {"says": _THERE},
    ),
    "an image without the programs": (_HOST, {}, {"says": ""}),
    "an engine that runs nothing in the builder": (
        _HOST,
        {},
        {"mute": "the engine refuses: authorization denied"},
    ),
    "an engine over SSH": (_HOST, {"env": {"DOCKER_HOST": "ssh://me@there"}}, {}),
    "an engine elsewhere": ((*_HOST, "--endpoint=tcp://b:1"), {}, {}),
    "a remote daemon": ((_HISTORY,), {}, {}),
    "an image that may be unchanged": ((*_HOST, "--skip-unchanged=true"), {}, {"says": _THERE}),
}


def _configured(content: object, *contexts: str) -> machine.Prepare:
    """Return what makes the user's Docker configuration with these contexts."""

    def make(job: Path) -> None:
        directory = job.parent / "home" / ".docker"
        for name in contexts:
            meta = directory / "contexts" / "meta" / name
            meta.mkdir(parents=True)
            (meta / "meta.json").write_text(json.dumps({"Name": name}), encoding="utf-8")
        directory.mkdir(exist_ok=True)
        path = directory / "config.json"
        if content is None:
            path.mkdir()
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            path.write_text(text, encoding="utf-8")

    return make


_PROXY: Final = {"proxies": {"default": {"httpProxy": "http://me:hunter2@proxy.example.com:1"}}}
_CONFIGURATIONS: Final[dict[str, tuple[tuple[str, ...], dict[str, Any]]]] = {
    "a configuration that is none": ((), {"prepare": _configured("foo_bar")}),
    "a configuration that cannot be read": ((), {"prepare": _configured(None)}),
    "a current context that was left behind": (
        (),
        {"prepare": _configured({"currentContext": "rootless"}), "env": {"DOCKER_HOST": ""}},
    ),
    "an endpoint that is nearly a context": (
        (*_OWN, "--endpoint=rotless"),
        {"prepare": _configured({}, "rootless")},
    ),
    "a proxy with a password, and untrusted code": (
        ("--push=false", "--cache=off"),
        {
            "prepare": _configured(_PROXY),
            "env": {"CI": "true", "GITLAB_CI": "true", "CI_PIPELINE_SOURCE": "unheard-of"},
        },
    ),
}


def _scenes() -> Iterator[Scene]:
    usual = machine.built(buildx={"build": BUILT})
    for title, (flags, parts, near) in _REGISTRIES.items():
        with engine_near(**near), unreached():
            said = machine.built(_IMAGE, *flags, buildx={"build": BUILT}, **parts)
        yield Scene(title=title, said=machine.unusual(said, usual))
    for title, (flags, parts) in _CONFIGURATIONS.items():
        said = machine.built(*flags, buildx={"build": BUILT}, **parts)
        yield Scene(title=title, said=machine.unusual(said, usual))


SUBJECT = Subject(
    name="reach",
    about="Registries that only the builder reaches, and the job's Docker configuration.",
    scenes=_scenes,
)
