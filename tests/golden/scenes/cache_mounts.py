"""What is said of cache mounts, before a build and after it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from tests.golden import machine, made_up
from tests.golden.machine import HANGS, Keeping, built
from tests.golden.made_up import HOME, lines, vertex
from tests.golden.scene import Scene, Subject
from warmbuild.commands import mount_search
from warmbuild.project.cache_mount import CacheMount
from warmbuild.record import gains, record
from warmbuild.record.gains import Gain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.golden.machine import Reply, Said

_NPM: Final = CacheMount(identity="npm")
# Upon nothing, so that no image is unpacked meanwhile.
_DOCKERFILE: Final = "FROM scratch\nRUN --mount=type=cache,id=npm,target=/npm make\n"
_STEP: Final = lines(
    vertex("[stage-0 1/1] RUN --mount=type=cache,id=npm,target=/npm make"),
    vertex("exporting cache to registry", manifest=made_up.digest("cache")),
)
_QUICK: Final = _STEP.replace("00:00:02", "00:00:01")
_FRESH: Final = ("--driver=docker-container", "--cache-export=with")
_KEPT: Final = f"GET {HOME}/manifests/cache-feature---mount-{_NPM.name}"
_PROGRAMS: Final = ("sh", "find", "sort", "comm", "cut", "sed", "xargs", "cat", "rm", "ldd")
_SAYS: Final = (
    "8 more",
    "cache mount",
    "the cache mount",
    "warning: cache-mounts",
    "  mounts",
    "  cache m",
)


def _kept(size: int = 98_000_000, layers: int = 1) -> dict[str, Reply]:
    """Return the reply of a registry that keeps a mount."""
    found = {
        "annotations": {"warmbuild.mount": str(size)},
        "config": {"digest": made_up.digest("{}")},
        "layers": [{"size": 5}] * layers,
    }
    config = f"GET {HOME}/blobs/{made_up.digest('{}')}"
    return {_KEPT: (200, {}, json.dumps(found)), config: (200, {}, "{}")}


def _looked(size: int, new: int, *, changed: bool = True) -> str:
    text = f"warmbuild-mount {_NPM.name} {size} {new} {changed:d} 1\n"
    return vertex("[tools 2/2] RUN look", log=text)


def _tools(tar: str = "tar (GNU tar) 1.35") -> machine.Prepare:
    """Return what installs the programs that steps of our own run."""

    def install(job: Path) -> None:
        for name in _PROGRAMS:
            machine.program(name, "")(job)
        if tar:
            machine.program("tar", f"echo '{tar}'")(job)

    return install


def _said(
    *flags: str,
    buildx: Mapping[str, Said] | None = None,
    more: Mapping[str, Reply] | None = None,
    file: str = _DOCKERFILE,
    **parts: Any,  # noqa: ANN401 (of a run)
) -> str:
    """Return what a build says of its mounts."""
    registries = Keeping({**made_up.cache("cache-feature"), **(more or {})})
    log = built(
        *(flags or _FRESH),
        buildx={"build": _STEP, **(buildx or {})},
        registries=registries,
        files={"Dockerfile": file},
        **{"prepare": _tools(), **parts},
    )
    return "\n".join(line for line in log.splitlines() if line.startswith(_SAYS))


def _known(known: Gain) -> str:
    """Return what a build says that knows so much of its step."""
    file = _DOCKERFILE

    def with_gain(content: bytes) -> record.Record:
        found = unpacked(content)
        step = next(step for step in found.recipe.steps if step.line == 2)
        return record.replace(found, gains={gains.key(step): known})  # type: ignore[attr-defined]

    unpacked = record.unpacked
    registries = Keeping(made_up.cache("cache-feature"))
    parts: dict[str, Any] = {"registries": registries, "prepare": _tools()}
    built(*_FRESH, buildx={"build": _STEP}, files={"Dockerfile": file}, **parts)
    with mock.patch.object(record, "unpacked", with_gain):
        log = built(
            *_FRESH,
            buildx={"build": _STEP},
            files={"Dockerfile": file, "new": "file"},
            **parts,
        )
    return "\n".join(line for line in log.splitlines() if line.startswith(_SAYS))


def _planned() -> str:
    """Return what a plan says that asks the registry."""
    given = ("--image=ghcr.io/me/app", "--branch=feature", "--default-branch=main", *_FRESH)
    files = {"Dockerfile": _DOCKERFILE}
    replies = {**made_up.cache("cache-feature"), **_kept()}
    said = machine.run("plan", "--probe", *given, files=files, registries=replies)
    return "\n".join(line for line in said.splitlines() if line.startswith(_SAYS))


def _scenes() -> Iterator[Scene]:
    yield Scene(title="a plan", said=_planned())
    restored = {"build.2": _STEP}
    look = {"build.2": _looked(98_000_000, 98_000_000)}
    yield Scene(title="a first build", said=_said(buildx=look))
    again = {**restored, "build.3": _looked(98_000_000, 655_000)}
    yield Scene(title="a build that finds its mount", said=_said(buildx=again, more=_kept()))
    same = {**restored, "build.3": _looked(98_000_000, 20_480, changed=False)}
    yield Scene(title="a mount that stays the same", said=_said(buildx=same, more=_kept()))
    empty = {"build.2": _looked(0, 0, changed=False)}
    yield Scene(title="an empty mount", said=_said(buildx=empty))
    large = {"build.2": _looked(1_200_000_000, 1_200_000_000)}
    yield Scene(title="a mount that has grown too large", said=_said(buildx=large))
    yield Scene(title="one that was too large before", said=_said(more=_kept(2_000_000_000)))
    broken: dict[str, Reply] = {_KEPT: (200, {}, "{}")}
    yield Scene(title="something else in its place", said=_said(more=broken))
    refused = {_KEPT: machine.refusal(403, "DENIED", "no")}
    yield Scene(title="a mount nobody may read", said=_said(more=refused))
    fails = {"build.1": (1, vertex("[1/2] RUN restore", error="exit code: 2"))}
    yield Scene(title="a restore that fails", said=_said(buildx=fails, more=_kept()))
    hangs: dict[str, Said] = {"build.1": (HANGS, "")}
    yield Scene(title="a restore that hangs", said=_said(buildx=hangs, more=_kept(), hurried=True))
    failing: dict[str, Said] = {"build.2": (1, "ERROR: failed to solve: it is gone")}
    yield Scene(title="a look that fails", said=_said(buildx=failing))
    unsaved: dict[str, Said] = {**look, "build.3": (1, "ERROR: failed to solve: push denied")}
    yield Scene(title="a save that fails", said=_said(buildx=unsaved))
    yield Scene(title="without tar", said=_said(prepare=_tools(""), buildx=look))
    yield Scene(title="another tar", said=_said(prepare=_tools("bsdtar 3.7"), buildx=look))
    late = SimpleNamespace(at_once=lambda _jobs, _seconds: {})
    with mock.patch.object(mount_search, "signals", late):
        yield Scene(title="a registry that takes too long", said=_said(more=_kept()))
    build = _DOCKERFILE.replace("scratch", "scratch AS build")
    filtered = (*_FRESH, "--no-cache-filters=build")
    yield Scene(title="a stage without the cache", said=_said(*filtered, file=build, more=_kept()))
    ours = _DOCKERFILE.replace("id=npm", "id=warmbuild-notes")
    yield Scene(title="the ID of our own mount", said=_said(file=ours))
    many = "".join(f"--mount=type=cache,id=a{number},target=/a{number} " for number in range(40))
    yield Scene(title="many mounts", said=_said(file=f"FROM scratch\nRUN {many}make\n"))
    odd = _DOCKERFILE.replace("id=npm", "id=n¡pm")
    yield Scene(title="an odd ID", said=_said(file=odd))
    named = (*_FRESH, "--cache-mounts=pip")
    yield Scene(title="an ID that no step has", said=_said(*named))
    yield Scene(title="a quick step", said=_known(Gain(bare=1.2)))
    yield Scene(title="mounts that do not pay", said=_known(Gain(bare=20.0, losses=3)))
    others = {
        "another backend": (*_FRESH, "--cache-backend=inline"),
        "a builder that stays": ("--builder=mine",),
        "without the cache": (*_FRESH, "--no-cache"),
        "switched off": (*_FRESH, "--cache-mounts=off"),
        "no cache at all": (*_FRESH, "--cache=off"),
    }
    for title, flags in others.items():
        yield Scene(title=title, said=_said(*flags))


SUBJECT = Subject(name="cache_mounts", about="What is said of cache mounts.", scenes=_scenes)
