"""What killed runs have left behind, and builders that jobs share."""

from __future__ import annotations

import fcntl
import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import docker.errors

from tests.golden import machine
from tests.golden.made_up import BUILT, engine
from tests.golden.scene import Scene, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.golden.machine import Prepare

_OURS: Final = "buildx_buildkit_warmbuild-0a1b2c3d0_state"
_THEN: Final = datetime.now(UTC) - timedelta(days=3, hours=1)
_CREATED: Final = {"Volumes": [{"Name": _OURS, "CreatedAt": _THEN.isoformat()}]}
_REFUSED: Final = docker.errors.APIError("403 Forbidden")
_NONE: Final[dict[str, object]] = {"api.volumes.return_value": {"Volumes": []}}
_MARKED: Final = ["WARMBUILD_TEMPORARY=true"]


def _engine(clients: int = 0, configured: dict[str, object] | None = None) -> Any:  # noqa: ANN401 (a client)
    """Return an engine with one builder, which has these clients."""
    container = {"Id": "c", "Config": {"Env": _MARKED}, "ExecIDs": ["e"] * clients}
    usual = {
        "api.volumes.return_value": _CREATED,
        "api.inspect_container.return_value": container,
        "api.exec_inspect.return_value": {"Running": True},
    }
    return engine(**(usual | (configured or {})))


_ENGINES: Final[dict[str, Any]] = {
    "no engine": None,
    "a clean machine": engine(**_NONE),
    "an engine that does not list volumes": engine(**{"api.volumes.side_effect": _REFUSED}),
    "an engine that does not report a builder": _engine(
        configured={"api.inspect_container.side_effect": _REFUSED}
    ),
    "an engine that removes no volume": _engine(
        configured={"api.remove_volume.side_effect": _REFUSED}
    ),
    "a builder": _engine(),
    "a builder with a client": _engine(clients=1),
    "a builder with two clients": _engine(clients=2),
}


def _directory(*, age: str = "3 days", mode: int = 0o700, lock: bool = True) -> Prepare:
    """Return what makes the private directory of a killed run."""
    seconds = {"3 days": 3 * 86_400 + 60, "2 hours": 7_260}[age]

    def make(job: Path) -> None:
        root = job.parent / "tmp" / "warmbuild-0a1b2c3d"
        root.mkdir()
        if lock:
            (root / "lock").touch()
        root.chmod(mode)
        then = time.time() - seconds
        os.utime(root, (then, then))

    return make


def _link(job: Path) -> None:
    (job.parent / "tmp" / "warmbuild-0a1b2c3d").symlink_to(job)


_DIRECTORIES: Final[dict[str, tuple[tuple[str, ...], Prepare]]] = {
    "a directory": ((), _directory()),
    "a directory, --dry-run": (("--dry-run",), _directory()),
    "a young directory": ((), _directory(age="2 hours")),
    "a young directory, --older-than=1h": (("--older-than=1h",), _directory(age="2 hours")),
    "a link": ((), _link),
    "a directory with access for others": ((), _directory(mode=0o755)),
    "a directory without a lock": ((), _directory(lock=False)),
}


def _scenes() -> Iterator[Scene]:
    clean = _ENGINES["a clean machine"]
    for title, found in _ENGINES.items():
        yield Scene(title=title, said=machine.run("cleanup", engine=found))
    for title, (flags, prepare) in _DIRECTORIES.items():
        said = machine.run("cleanup", *flags, engine=clean, prepare=prepare)
        yield Scene(title=title, said=said)
    with mock.patch.object(os, "geteuid", return_value=-1):
        said = machine.run("cleanup", engine=clean, prepare=_directory())
    yield Scene(title="a directory of another user", said=said)
    with mock.patch.object(fcntl, "flock", side_effect=BlockingIOError):
        said = machine.run("cleanup", engine=clean, prepare=_directory())
    yield Scene(title="a directory whose run goes on", said=said)
    yield Scene(title="--older-than=soon", said=machine.run("cleanup", "--older-than=soon"))
    yield from _builds()


def _builds() -> Iterator[Scene]:
    own = ("--driver=docker-container", "--builder=mine")
    buildx = {"build": BUILT}
    usual = machine.built(buildx=buildx)
    for title, client in (
        ("a build on a machine with a directory", _engine(configured=_NONE)),
        ("a build in a builder that another job uses", _engine(clients=1, configured=_NONE)),
    ):
        said = machine.built(*own, buildx=buildx, engine=client, prepare=_directory())
        yield Scene(title=title, said=machine.unusual(said, usual))
    refusing = _engine(configured=_NONE | {"api.remove_container.side_effect": _REFUSED})
    said = machine.built(*own, buildx=buildx, engine=refusing)
    yield Scene(title="a builder that cannot be removed", said=machine.unusual(said, usual))
    said = machine.run("plan", "--image=app", "--builder=warmbuild-0a1b2c3d")
    yield Scene(title="a builder with a name of warmbuild", said=said)


SUBJECT = Subject(
    name="leftovers", about="What killed runs leave, and builders that jobs share.", scenes=_scenes
)
