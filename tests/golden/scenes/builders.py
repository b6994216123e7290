"""Engines and builders: how they are found and booted, and what is said if they are not."""

from __future__ import annotations

import json
import os
import tempfile
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import docker.errors

from tests.golden import machine
from tests.golden.machine import VERSION
from tests.golden.made_up import BUILT, engine, lines
from tests.golden.scene import Scene, Subject
from warmbuild.builder import engine as engine_module
from warmbuild.builder import handover
from warmbuild.builder.private_directory import Private
from warmbuild.mounts import Mounts

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWN: Final = "--driver=docker-container"
_TCP: Final = {"DOCKER_HOST": "tcp://docker:2376"}
_MIRRORS: Final = "--buildkit-image-mirrors=mirror.example.com/buildkit:v0.34.2"
_PULLING: Final = "#1 pulling image moby/buildkit:v0.34.2"
_UNPULLED: Final = lines(_PULLING, "ERROR: Error response from daemon: toomanyrequests: wait")
_HANGS: Final = "#1 pulling image moby/buildkit:v0.34.2\n"
_NODE: Final = lines(
    *("Name:   warmbuild-0a1b2c3d", "Driver: docker-container", "", "Nodes:"),
    *("Name:      warmbuild-0a1b2c3d0", "Platforms: linux/amd64"),
)
_EMULATED: Final = ("--qemu-platforms=arm64", _OWN)


def _raises(error: Exception) -> Any:  # noqa: ANN401 (stands for docker's function)
    return mock.Mock(side_effect=error)


def _binfmt(code: int, output: str, **configured: object) -> Any:  # noqa: ANN401 (a client)
    """Return an engine on which binfmt ends so."""
    container = "containers.create.return_value"
    return engine(
        **{
            f"{container}.wait.return_value": {"StatusCode": code},
            f"{container}.logs.return_value": output.encode(),
        },
        **configured,
    )


_BOOTS: Final[dict[str, tuple[tuple[str, ...], dict[str, Any]]]] = {
    "no engine": ((_OWN,), {"buildx": {"create": (1, "ERROR: cannot connect")}}),
    "an engine that this user may not use": (
        (_OWN,),
        {
            "buildx": {"create": (1, "ERROR: cannot connect")},
            "engine": _raises(docker.errors.DockerException("PermissionError(13, 'denied')")),
        },
    ),
    "an engine without certificates": (
        (_OWN,),
        {
            "buildx": {"create": (1, "ERROR: cannot connect")},
            "env": {**_TCP, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs/client"},
            "engine": _raises(docker.errors.TLSParameterError("Path to a certificate")),
        },
    ),
    "an engine whose certificates cannot be read": (
        (_OWN,),
        {
            "env": {**_TCP, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs/client"},
            "engine": engine(),
        },
    ),
    "an engine that boots beside the job": (
        (_OWN,),
        {"env": {"DOCKER_HOST": "tcp://docker:2375"}, "engine": engine()},
    ),
    "a driver docker whose engine says nothing of its images": (
        ("--driver=docker",),
        {"engine": engine(**{"info.side_effect": docker.errors.APIError("500 Server Error")})},
    ),
    "a driver docker without the containerd image store": (
        ("--driver=docker",),
        {"engine": engine(**{"info.return_value": {}})},
    ),
    "the same, cache-backend=s3": (
        (
            *("--driver=docker", "--cache-backend=s3"),
            *("--cache-options=bucket=b", "--cache-options=region=r"),
        ),
        {"engine": engine(**{"info.return_value": {}})},
    ),
    "the same, cache-to": (
        ("--driver=docker", "--cache-to=type=registry,ref=ghcr.io/me/app:c"),
        {"engine": engine(**{"info.return_value": {}})},
    ),
    "the same, two platforms": (
        ("--driver=docker", "--platforms=linux/amd64,linux/arm64"),
        {"engine": engine(**{"info.return_value": {}})},
    ),
    "a buildx that is too old": (
        (),
        {"buildx": {"version": "github.com/docker/buildx v0.14.0 0a1b2c3"}},
    ),
    "another version than the one asked for": (("--version=0.30.0",), {}),
    "a buildx that says no version, and one asked for": (
        ("--version=0.30.0",),
        {"buildx": {"version": "github.com/docker/buildx"}},
    ),
    "a remote daemon that does not answer": (
        (),
        {"buildx": {"create": (1, "ERROR: failed to list workers: Unavailable")}},
    ),
    "two remote daemons that do not answer": (
        ("--append=- endpoint: tcp://b:1",),
        {"buildx": {"create.2": (1, "ERROR: failed to list workers: Unavailable")}},
    ),
    "a first node that cannot be made": (
        ("--append=- endpoint: tcp://b:1",),
        {"buildx": {"create": (1, "ERROR: invalid endpoint")}},
    ),
    "a BuildKit image that cannot be pulled": (
        (_OWN,),
        {"buildx": {"create": (1, _UNPULLED)}, "engine": engine()},
    ),
    "a builder that does not start with lazy": (
        (_OWN, "--lazy=true"),
        {
            "buildx": {"create.1": (1, lines(_PULLING, "#1 creating container a", "ERROR: no"))},
            "engine": engine(),
        },
    ),
    "a BuildKit image that can be pulled later": (
        (_OWN,),
        {"buildx": {"create.1": (1, _UNPULLED)}, "engine": engine()},
    ),
    "a mirror of the BuildKit image": (
        (_OWN, _MIRRORS),
        {
            "buildx": {
                "create.1": (1, _UNPULLED),
                "create": "#1 pulling image mirror.example.com/buildkit:v0.34.2",
            },
            "engine": engine(),
        },
    ),
    "the engine's own copy of the BuildKit image": (
        (_OWN,),
        {
            "buildx": {
                "create": lines(_PULLING, "#1 using local image moby/buildkit:v0.34.2"),
            },
            "engine": engine(),
        },
    ),
    "a disk that is full": (
        (_OWN,),
        {"buildx": {"create": (1, "ERROR: no space left on device")}, "engine": engine()},
    ),
    "a daemon that does not start": (
        (_OWN,),
        {
            "buildx": {"create": (1, lines("#1 creating container x", "ERROR: exit code 1"))},
            "engine": engine(),
        },
    ),
    "two platforms for an engine without the containerd image store": (
        ("--platforms=linux/amd64,linux/arm64", "--load=true"),
        {"engine": engine(**{"info.return_value": {}})},
    ),
    "certificates for a driver that takes none": (
        (_OWN,),
        {"env": {"BUILDER_NODE_0_AUTH_TLS_CACERT": "x"}, "engine": engine()},
    ),
    "certificates for nodes that take none": (
        ("--driver=remote", "--endpoint=unix:///a.sock", "--append=- endpoint: tcp://b:1"),
        {"env": {f"BUILDER_NODE_{number}_AUTH_TLS_CACERT": "x" for number in (0, 2)}},
    ),
    "a builder that is there": (
        ("--builder=mine", _OWN),
        {"engine": engine()},
    ),
    "a temporary directory that is gone": (
        (),
        {"prepare": lambda job: (job.parent / "tmp").rmdir()},
    ),
    "emulation that no node needs": (
        ("--qemu-platforms=amd64", _OWN),
        {"buildx": {"inspect": _NODE}, "engine": engine()},
    ),
    "emulation": (
        _EMULATED,
        {
            "buildx": {"inspect": _NODE},
            "engine": _binfmt(0, '{"supported": ["linux/amd64", "linux/arm64"]}'),
        },
    ),
    "emulation after a reset": (
        (*_EMULATED, "--reset"),
        {
            "buildx": {"inspect": _NODE},
            "engine": _binfmt(0, '{"supported": ["linux/amd64", "linux/arm64"]}'),
        },
    ),
    "emulation for a remote daemon": (
        ("--qemu-platforms=arm64",),
        {"buildx": {"inspect": _NODE.replace("docker-container", "remote")}},
    ),
    "emulation that does not know the platform": (
        _EMULATED,
        {"buildx": {"inspect": _NODE}, "engine": _binfmt(0, '{"supported": ["linux/amd64"]}')},
    ),
    "emulation that emulates nothing": (
        _EMULATED,
        {"buildx": {"inspect": _NODE}, "engine": _binfmt(0, '{"supported": []}')},
    ),
    "emulation by an image that fails": (
        _EMULATED,
        {"buildx": {"inspect": _NODE}, "engine": _binfmt(1, "error: operation not permitted")},
    ),
    "emulation by an image that says nothing": (
        _EMULATED,
        {"buildx": {"inspect": _NODE}, "engine": _binfmt(0, "")},
    ),
    "emulation by an image that cannot be run": (
        _EMULATED,
        {
            "buildx": {"inspect": _NODE},
            "engine": engine(
                **{"containers.create.side_effect": docker.errors.APIError("privileged")}
            ),
        },
    ),
}


def _scenes() -> Iterator[Scene]:
    files = {"Dockerfile": machine.DOCKERFILE}
    said = machine.run("build", "--image=ghcr.io/me/app", files=files)
    yield Scene(title="no buildx", said=said)
    files = {"compose.yaml": "services: {web: {build: .}}\n"}
    said = machine.run("plan", "--compose-files=compose.yaml", files=files)
    yield Scene(title="no buildx, and a plan of compose files", said=said)
    usual = machine.built(buildx={"build": BUILT})
    for title, (flags, parts) in _BOOTS.items():
        yield Scene(title=title, said=machine.unusual(_booted(*flags, **parts), usual))
    with machine.late("create"):
        said = _booted(_OWN, buildx={"create": _PULLING}, engine=engine())
        yield Scene(title="a builder that takes too long", said=machine.unusual(said, usual))
    with mock.patch.object(Private, "is_full", return_value=True):
        said = _booted(_OWN, buildx={"create": (1, "ERROR: disk")}, engine=engine())
    yield Scene(title="a temporary directory that is full", said=machine.unusual(said, usual))
    gone = mock.patch.object(tempfile, "gettempdir", side_effect=FileNotFoundError(2, "None found"))
    try:
        said = _booted(_OWN, engine=engine(), prepare=lambda _job: gone.start())
    finally:
        gone.stop()
    yield Scene(title="no temporary directory", said=machine.unusual(said, usual))
    yield from _staying()
    with mock.patch.object(tempfile, "gettempdir", os.getcwd):
        said = _booted(_OWN, engine=engine())
    yield Scene(title="none but the working directory", said=machine.unusual(said, usual))


def _staying() -> Iterator[Scene]:
    """Yield what is said of a builder that stays, by where its run takes place."""
    node = {"Endpoint": "unix:///var/run/docker.sock"}
    of_run = {"Endpoint": engine_module.CONTEXT}
    several = "--append=- endpoint: tcp://b:1"
    for title, record, in_container, flags, env in (
        ("a builder that stays", node, False, (), {}),
        ("one that stays in a place without directories", node, False, (), {"HOME": "/dev/null"}),
        ("one that stays with certificates of the run", of_run, False, (), {}),
        ("one that stays beside a container", node, True, ("--use=true",), {}),
        ("one of two nodes that stays beside a container", node, True, (several,), {}),
    ):
        text = json.dumps({"Name": "mine", "Nodes": [record]})
        with (
            mock.patch.object(handover, "read_text", return_value=text),
            mock.patch.object(Mounts, "hold", return_value=not in_container),
        ):
            given = ("--builder=mine", "--cleanup=false", _OWN, *flags)
            said = _booted(*given, engine=engine(), env=env)
        usual = _booted("--builder=mine", _OWN, engine=engine())
        yield Scene(title=title, said=machine.unusual(said, usual))


def _booted(*flags: str, **parts: Any) -> str:  # noqa: ANN401 (of `built`)
    parts["buildx"] = {"version": VERSION, "build": BUILT} | parts.get("buildx", {})
    return machine.built(*flags, **parts)


SUBJECT = Subject(name="builders", about="Engines, builders and emulation.", scenes=_scenes)
