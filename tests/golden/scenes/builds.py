"""Whole builds: what the log, the summary and the outputs say of steps and caches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import docker.errors
import requests

from tests.golden import machine, made_up
from tests.golden.machine import refusal
from tests.golden.made_up import BUILT, CACHED, EXPORT, HOME, STEP, digest, lines, vertex
from tests.golden.scene import Scene, Subject
from warmbuild.builder.private_directory import Private

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.golden.machine import Reply

_WITH: Final = "--cache-export=with"
_PUSHED: Final = vertex("pushing ghcr.io/me/app:feature with docker")
_OF_ENGINE: Final = "ERROR: failed to build: Error response from daemon:"
_EXPORTING: Final = "exporting cache to registry"
_IMPORTED: Final = vertex("importing cache manifest from ghcr.io/me/app:cache-feature")
_METADATA: Final = (
    f'{{"containerimage.digest": "{digest("image")}", '
    f'"containerimage.config.digest": "{digest("config")}"}}'
)
_OWN: Final = made_up.cache("cache-feature")
_BOTH: Final = _OWN | made_up.cache("cache-main")
# The cache is another one once it was written.
_KEPT: Final[dict[str, Reply | list[Reply]]] = {
    **_OWN,
    **made_up.cache("new"),
    f"GET {HOME}/manifests/cache-feature": [
        _OWN[f"GET {HOME}/manifests/cache-feature"],
        made_up.cache("new")[f"GET {HOME}/manifests/new"],
    ],
}
_HISTORY: Final = f"PUT {HOME}/manifests/cache-feature---1"
_UPLOAD: Final = f"POST {HOME}/blobs/uploads/"
_MERGED: Final[dict[str, Reply | list[Reply]]] = {
    **_BOTH,
    _UPLOAD: (202, {"Location": f"/{HOME.partition('/')[2]}/blobs/uploads/1"}, ""),
    f"PUT {HOME}/blobs/uploads/1": (201, {}, ""),
    f"PUT {HOME}/manifests/*": (201, {}, ""),
}
_NODES: Final = (
    *("--platforms=linux/amd64,linux/arm64", "--cache-history=1"),
    "--append=- endpoint: tcp://b:1",
)
_LARGE: Final = made_up.cache("cache-feature", records=4200) | made_up.cache(
    "cache-main", records=4200
)
_LONG: Final = lines(
    _IMPORTED,
    vertex("[build 1/2] COPY . .", cached=True),
    vertex(f"[build 2/2] RUN {'make && ' * 20}true | tee log"),
    vertex(_EXPORTING, error="error writing manifest: 403 Forbidden: denied: no"),
)
_INSPECTED: Final = """Name:   warmbuild-0a1b2c3d
Driver: remote

Nodes:
Name:      warmbuild-0a1b2c3d0
Endpoint:  tcp://build.example.com:1234
Status:    running
BuildKit version: v0.34.2
Platforms: linux/amd64, linux/arm64
"""
# A build that waits for its cache, and the engine that its builder is restarted on.
_WAITING: Final = {
    "an import that hangs": (
        vertex("importing cache manifest from ghcr.io/me/app:cache-feature", ended=False),
        made_up.engine(),
    ),
    "an export that hangs": (
        lines(STEP, vertex(_EXPORTING, ended=False)),
        made_up.engine(),
    ),
    "a push that hangs": (
        vertex("exporting to image", doing="pushing layers", ended=False),
        made_up.engine(),
    ),
    "an import that hangs, and a builder that cannot be restarted": (
        vertex("importing cache manifest from ghcr.io/me/app:cache-feature", ended=False),
        made_up.engine(
            **{"containers.get.side_effect": docker.errors.NotFound("no such container")}
        ),
    ),
    "an import that hangs, and a builder that stays down": (
        vertex("importing cache manifest from ghcr.io/me/app:cache-feature", ended=False),
        made_up.engine(**{"containers.get.return_value.exec_run.return_value.exit_code": 1}),
    ),
}
_FAILED_EXPORT: Final = lines(
    STEP, vertex(_EXPORTING, error="error writing manifest: 403 Forbidden: denied: no")
)
_PASSING_EXPORT: Final = lines(STEP, vertex(_EXPORTING, error="failed to push: 502 Bad Gateway"))
_PULLS: Final = "failed to copy: httpReadSeeker: failed open: could not fetch content descriptor"
_PROVENANCE: Final = "ERROR: Attestation is not supported for the docker driver."
_EXPORT_UNSUPPORTED: Final = "ERROR: Cache export is not supported for the docker driver."

_BUILDS: Final[dict[str, tuple[tuple[str, ...], dict[str, Any]]]] = {
    "a build that is all cached": (
        ("--driver=docker-container",),
        {"buildx": {"build": lines(_IMPORTED, CACHED)}, "registries": _OWN},
    ),
    "a build without steps": ((), {}),
    "the cache beside the image": ((_WITH,), {"buildx": {"build": BUILT}}),
    "a cache of five days": (
        ("--default-branch=feature",),
        {
            "buildx": {"build": lines(_IMPORTED, CACHED, EXPORT)},
            "registries": made_up.cache("cache-feature", days=5),
        },
    ),
    "a cache that BuildKit does not read": (
        (),
        {
            "buildx": {
                "build": lines(vertex("importing cache manifest from r.io/a:b", error="gone"), STEP)
            }
        },
    ),
    "a cache of each platform": (_NODES, {"buildx": {"build": BUILT}}),
    "stages of an inline cache": (
        ("--cache-backend=inline", "--cache-stages=build"),
        {"buildx": {"build": STEP, "build.2": (1, "ERROR: failed to solve: 502 Bad Gateway")}},
    ),
    "an export that is refused": ((_WITH,), {"buildx": {"build": _FAILED_EXPORT}}),
    "an export that is refused, with a warning of its own": (
        (),
        {"buildx": {"build": STEP, "build.2": _FAILED_EXPORT}},
    ),
    "an export that passes": (
        (_WITH,),
        {"buildx": {"build": _PASSING_EXPORT, "build.2": BUILT}},
    ),
    "an export that does not end": (
        (_WITH,),
        {"buildx": {"build": lines(STEP, vertex(_EXPORTING, ended=False))}},
    ),
    "an export that is refused, cache-strict=true": (
        (_WITH, "--cache-strict"),
        {"buildx": {"build": _FAILED_EXPORT}},
    ),
    "a builder that exports no cache": (
        (_WITH,),
        {"buildx": {"build": (1, _EXPORT_UNSUPPORTED), "build.2": STEP}},
    ),
    "a builder that makes no provenance": (
        ("--ci=github", "--context=."),
        {
            "env": {"GITHUB_REPOSITORY": "me/app", "GITHUB_REF": "refs/heads/feature"},
            "buildx": {"build": BUILT, "build.1": (1, _PROVENANCE)},
        },
    ),
    "a layer of a cache that is gone": (
        (),
        {
            "buildx": {"build.1": (1, f"ERROR: failed to solve: {_PULLS}"), "build": BUILT},
            "registries": _OWN,
        },
    ),
    "a step that cannot read a layer that is not unpacked": (
        ("--driver=docker-container", "--lazy=true"),
        {
            "buildx": {
                "build.1": (1, "ERROR: failed to solve: exec /bin/sh: input/output error"),
                "build": BUILT,
            },
            "engine": made_up.engine(),
            "registries": _OWN,
        },
    ),
    "a backend that fails": (
        ("--cache-backend=s3", "--cache-options=bucket=b", "--cache-options=region=r"),
        {
            "buildx": {
                "build": (1, "ERROR: failed to configure s3 cache importer: no credentials"),
                "build.2": STEP,
            }
        },
    ),
    "a push that passes": (
        (_WITH,),
        {
            "buildx": {
                "build": (
                    1,
                    vertex("exporting to image", error="failed to push: 502 Bad Gateway"),
                ),
                "build.2": STEP,
                "build.3": EXPORT,
            }
        },
    ),
    "a push that passes, without a cache": (
        ("--cache=off",),
        {
            "buildx": {
                "build": (
                    1,
                    vertex("exporting to image", error="failed to push: 502 Bad Gateway"),
                ),
                "build.2": STEP,
            }
        },
    ),
    "a push of the engine whose digest is asked for again": (
        ("--cache=off",),
        {
            "buildx": {
                "build": (1, lines(_PUSHED, f"{_OF_ENGINE} 502 Bad Gateway")),
                "build.2": STEP,
            }
        },
    ),
    "a push of the engine whose digest stays unknown": (
        ("--cache=off",),
        {"buildx": {"build": (1, lines(_PUSHED, f"{_OF_ENGINE} denied"))}},
    ),
    "a push that is refused": (
        (),
        {
            "buildx": {
                "build": (
                    1,
                    vertex("exporting to image", error="failed to push: 403 Forbidden"),
                )
            }
        },
    ),
    "a step that fails": (
        (),
        {
            "buildx": {
                "build": (
                    1,
                    lines(
                        vertex(
                            "[2/2] RUN apk add curl",
                            error='process "/bin/sh -c apk add curl" did not complete: exit code 1',
                            log="ERROR: unable to select packages:\n  curl (no such package)\n",
                        ),
                        "Dockerfile:2",
                        "--------------------",
                        "ERROR: failed to build: failed to solve: exit code: 1",
                    ),
                )
            }
        },
    ),
    "a program of another processor": (
        (),
        {
            "buildx": {
                "build": (
                    1,
                    vertex("[2/2] RUN make", error="exec /bin/sh: exec format error"),
                )
            }
        },
    ),
    "a program that is killed": (
        (),
        {"buildx": {"build": (1, vertex("[2/2] RUN make", error="exit code: 137"))}},
    ),
    "a base image whose registry is down for a moment": (
        (),
        {
            "buildx": {
                "build.1": (
                    1,
                    vertex(
                        "[internal] load metadata for docker.io/library/alpine:3.22",
                        error="failed to do request: connect: connection refused",
                    ),
                ),
                "build": BUILT,
            }
        },
    ),
    "a buildx that is killed": ((), {"buildx": {"build": (machine.KILLED, STEP)}}),
    "a buildx that is killed as it exports": (
        (),
        {"buildx": {"build.1": STEP, "build": (machine.KILLED, "")}},
    ),
    "a buildx that exports nothing and says nothing": (
        (),
        {"buildx": {"build.1": STEP, "build": (1, "")}},
    ),
    "a daemon that is killed": (
        (),
        {"buildx": {"build": (1, "ERROR: failed to solve: Unavailable: error reading: EOF")}},
    ),
    "a disk that is full": (
        (),
        {"buildx": {"build": (1, "ERROR: failed to solve: write: no space left on device")}},
    ),
    "an older generation that is kept": (
        ("--cache-history=2", _WITH),
        {
            "buildx": {"build": BUILT},
            "registries": _KEPT | {_HISTORY: (201, {}, "")},
        },
    ),
    "an older generation that is refused": (
        ("--cache-history=2", _WITH, "--cache-strict"),
        {"buildx": {"build": BUILT}, "registries": _KEPT | {_HISTORY: refusal(403, "DENIED")}},
    ),
    "an older generation for which there is no answer": (
        ("--cache-history=2", _WITH),
        {
            "buildx": {"build": BUILT},
            "registries": _KEPT | {_HISTORY: requests.ReadTimeout("timed out")},
        },
    ),
    "several caches that become one": (
        (),
        {
            "buildx": {"build": BUILT},
            "registries": _MERGED,
        },
    ),
    "several caches that have every step": (
        ("--driver=docker-container",),
        {"buildx": {"build": lines(_IMPORTED, CACHED)}, "registries": _MERGED},
    ),
    "several caches of which the nearest has every step": (
        (),
        {
            "buildx": {"build": lines(_IMPORTED, CACHED)},
            "registries": {
                **_OWN,
                f"GET {HOME}/manifests/cache-main": _OWN[f"GET {HOME}/manifests/cache-feature"],
            },
        },
    ),
    "several caches that this run may not write as one": (
        ("--cache=read-only",),
        {"buildx": {"build": STEP}, "registries": _BOTH},
    ),
    "several caches that are too large together": (
        (),
        {"buildx": {"build": STEP}, "registries": _LARGE},
    ),
    "several caches of which one is broken": (
        (),
        {
            "buildx": {"build": STEP},
            "registries": _OWN | made_up.cache("cache-main", link=7),
        },
    ),
    "several inline caches of which one is broken": (
        ("--cache-backend=inline",),
        {
            "buildx": {"build": STEP},
            "registries": made_up.inline_cache("cache-feature")
            | made_up.inline_cache("cache-main"),
        },
    ),
    "several inline caches with long steps": (
        ("--cache-backend=inline",),
        {
            "buildx": {"build": STEP},
            "registries": made_up.inline_cache("cache-feature", "x" * 600_000)
            | made_up.inline_cache("cache-main", "x" * 600_000),
        },
    ),
    "several caches whose upload is refused": (
        (),
        {
            "buildx": {"build": STEP},
            "registries": _BOTH | {_UPLOAD: refusal(403, "DENIED", "requested access is denied")},
        },
    ),
    "several caches whose upload gets no answer": (
        (),
        {
            "buildx": {"build": STEP},
            "registries": _BOTH | {_UPLOAD: requests.ReadTimeout("timed out")},
        },
    ),
    "several caches whose upload goes elsewhere": (
        (),
        {
            "buildx": {"build": STEP},
            "registries": _BOTH | {_UPLOAD: (202, {"Location": "https://a.b/c"}, "")},
        },
    ),
    "a check": (
        ("--call=check",),
        {"buildx": {"build": (1, lines("Check complete, 1 warning has been found!", ""))}},
    ),
    "warnings of BuildKit": (
        ("--cache=off",),
        {"buildx": {"build": lines(STEP, made_up.warning("FromAsCasing: 'as' and 'FROM'", 1))}},
    ),
    "a builder that is left behind": (
        ("--cache=off",),
        {"buildx": {"build": STEP, "rm": (1, "ERROR: no such builder")}},
    ),
}


def _scenes() -> Iterator[Scene]:
    usual = machine.built(buildx={"build": BUILT})
    yield Scene(title="a first build", said=usual)
    for title, (flags, parts) in _BUILDS.items():
        said = machine.built(*flags, **parts)
        yield Scene(title=title, said=machine.unusual(said, usual))
    for title, (waiting, engine) in _WAITING.items():
        said = machine.built(
            *("--driver=docker-container", "--cache-timeout=20s", "--push-timeout=20s", _WITH),
            buildx={"build": (machine.HANGS, waiting), "build.2": STEP},
            registries=_OWN,
            engine=engine,
            hurried=True,
        )
        yield Scene(title=title, said=machine.unusual(said, usual))
    with mock.patch.object(Private, "is_full", return_value=True):
        said = machine.built(buildx={"build": (1, "ERROR: no space left on device")})
    yield Scene(title="a temporary directory that is full", said=machine.unusual(said, usual))
    hanging = vertex("exporting to image", doing="pushing layers", ended=False)
    said = machine.built(
        "--push-timeout=20s", buildx={"build": (machine.HANGS, hanging)}, hurried=True
    )
    yield Scene(title="a push that hangs twice", said=machine.unusual(said, usual))
    yield Scene(title="the summary", said=_reported("summary.md", "--summary-file=summary.md"))
    yield Scene(title="the outputs", said=_reported("out.json", "--output-file=out.json"))


def _reported(name: str, flag: str) -> str:
    """Return a file that a build leaves behind."""
    said = machine.built(
        *(flag, "--cache-export=with", "--cache-max-age=1w"),
        buildx={"build": _LONG, "metadata": _METADATA, "inspect": _INSPECTED},
        registries=_OWN,
        shown=(name,),
    )
    return said.partition(f"-- {name}\n")[2]


SUBJECT = Subject(name="builds", about="Logs of builds.", scenes=_scenes)
