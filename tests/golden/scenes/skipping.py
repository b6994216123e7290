"""What a run says that may take an image of an earlier build."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from tests.golden import made_up
from tests.golden.machine import Keeping, built, refusal
from tests.golden.made_up import HOME, lines, vertex
from tests.golden.scene import Scene, Subject
from warmbuild.builder import engine_calls
from warmbuild.commands import skipping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import tzinfo

_BASE: Final = f"docker.io/library/alpine:3.22@{made_up.digest('alpine')}"
_BUILT: Final = lines(
    vertex(f"[1/3] FROM {_BASE}"),
    vertex("[2/3] COPY . /srv"),
    vertex("[3/3] RUN make"),
    vertex("exporting cache to registry", manifest=made_up.digest("cache")),
)
_ONBUILD: Final = lines(
    vertex(f"[1/4] FROM {_BASE}"),
    vertex("[2/4] ONBUILD COPY . /all"),
    vertex("[3/4] COPY . /srv"),
    vertex("[4/4] RUN make"),
    vertex("exporting cache to registry", manifest=made_up.digest("cache")),
)
_FILES: Final = {
    "Dockerfile": "FROM alpine:3.22\nCOPY . /srv\nRUN make\nCMD srv\n",
    ".dockerignore": "Dockerfile\n",
    "main.c": "int main() {}",
}
_EDITED: Final = "FROM alpine:3.22\nCOPY . /srv\nRUN make all\nCMD srv\n"
_HUB: Final = "registry-1.docker.io/v2/library/alpine/manifests/3.22"
_IMAGE: Final = json.dumps({"config": {"digest": made_up.digest("config")}})
_DIGEST: Final = f"sha256:{hashlib.sha256(_IMAGE.encode()).hexdigest()}"
_METADATA: Final = json.dumps({"containerimage.digest": _DIGEST})
# A remote builder's platform is not known before.
_FLAGS: Final = ("--driver=docker-container", "--cache-export=after")
_ON: Final = "--skip-unchanged=true"

# By title: the flags and files of the second build.
_BUILDS: Final[dict[str, tuple[tuple[str, ...], dict[str, str]]]] = {
    "nothing that has changed": ((), {}),
    "a new tag of an unchanged image": (("--tags=one,two",), {}),
    "a file that is edited": ((), {"main.c": "int main() { return 1; }"}),
    "an instruction that is edited": ((), {"Dockerfile": _EDITED}),
    "a command that is edited": ((), {"Dockerfile": f"{_FILES['Dockerfile']}CMD other\n"}),
    "an instruction less": ((), {"Dockerfile": "FROM alpine:3.22\nCOPY . /srv\nCMD srv\n"}),
    "a label": (("--labels=a=b",), {}),
    "a step that takes what a server has then": (
        (),
        {"Dockerfile": f"{_FILES['Dockerfile']}ADD https://example.com/a /a\n"},
    ),
    "another repository": (("--image=ghcr.io/me/app,ghcr.io/me/more",), {}),
    "a question": (("--call=check",), {}),
    "an image that is not pushed": (("--push=false",), {}),
    "an image that the engine gets": (("--load=true",), {}),
    "another output": (("--outputs=type=local,dest=out",), {}),
    "a builder that stays": (("--cleanup=false",), {}),
    "no cache": (("--no-cache=true",), {}),
    "a cache of the user's own": (("--cache-from=ghcr.io/me/other",), {}),
    "a cache that is off": (("--cache=off",), {}),
    "a stage of its own context": (("--build-contexts=alpine:3.22=/job",), {}),
    "a builder with a name": (("--builder=mine",), {}),
    "a context that is elsewhere": (("--context=https://github.com/me/other.git",), {}),
    "a time that is no number": (
        ("--build-args=SOURCE_DATE_EPOCH=context",),
        {"Dockerfile": f"{_FILES['Dockerfile']}WORKDIR /srv\n"},
    ),
    "another escape character": ((), {"Dockerfile": f"# escape=`\n{_FILES['Dockerfile']}"}),
    "a variable that may replace images": ((), {}),
    "an argument that moves the base": (("--build-args=BUILDKIT_SYNTAX=me/other",), {}),
}
# What nobody can know before a build, by a line of the Dockerfile.
_UNKNOWN: Final = {
    "the bracket of a pattern": "COPY [a-c]* /srv",
    "files at a variable": "COPY $TARGETSTAGE /srv",
    "a mount that may be written": "RUN --mount=type=bind,target=/srv,rw true",
    "a mount of another type": "RUN --mount=type=odd,target=/srv true",
    "files of no image": "COPY --from=UPPER /srv /srv",
    "files of another context": "COPY --from=more /srv /srv",
    "a base in a variable": "FROM $TARGETSTAGE",
    "a base by the builder's processor": "FROM base-$BUILDARCH",
    "a base that has instructions for others": "FROM scratch AS a\nONBUILD RUN b\nFROM a\nRUN c",
    "a file of git": "ADD --keep-git-dir=true https://example.com/a.git /srv",
}


def _registries() -> Keeping:
    headers = {"Docker-Content-Digest": made_up.digest("alpine")}
    return Keeping(
        {
            f"HEAD {_HUB}": (200, headers, ""),
            f"GET {HOME}/manifests/{_DIGEST}": (200, {}, _IMAGE),
            **made_up.cache("cache-feature"),
        }
    )


def _said(
    *flags: str,
    first: tuple[str, ...] = (),
    change: Callable[[Keeping], object] = lambda _: None,
    built_first: str = _BUILT,
    **parts: Any,  # noqa: ANN401 (of the machine)
) -> str:
    """Return what a build says of skipping, and in the end, after another build."""
    registries = _registries()
    parts = {
        "buildx": {"build": built_first, "metadata": _METADATA},
        "registries": registries,
        "files": _FILES,
    } | parts
    with mock.patch.object(engine_calls, "platform", return_value="linux/amd64"):
        built(*_FLAGS, *first, **(parts | {"files": _FILES, "env": {}}))
        change(registries)
        said = built(*_FLAGS, *flags, _ON, **parts)
    shown = [line for line in said.splitlines() if line.startswith(("skip-unchanged", "the rec"))]
    if any("nothing is built" in line for line in shown):
        return said
    return "\n".join(shown)


def _lost(registries: Keeping) -> None:
    del registries[f"GET {HOME}/manifests/{_DIGEST}"]


def _without_record(registries: Keeping) -> None:
    for address in [one for one in registries if one.endswith("---record")]:
        del registries[address]


def _refusing(registries: Keeping) -> None:
    registries[f"PUT {HOME}/manifests/cache-other"] = refusal(403, "DENIED", "no")


def _unrecorded(registries: Keeping) -> None:
    for address in [one for one in registries if one.endswith("---record")]:
        registries[address] = (200, {}, "{}")


def _next_week(zone: tzinfo) -> datetime:
    return datetime.now(zone) + timedelta(days=8)


def _scenes() -> Iterator[Scene]:
    for title, (flags, files) in _BUILDS.items():
        env = {"EXPERIMENTAL_BUILDKIT_SOURCE_POLICY": "/p"} if "replace images" in title else {}
        yield Scene(title=title, said=_said(*flags, files=_FILES | files, env=env))
    for title, line in _UNKNOWN.items():
        files = _FILES | {"Dockerfile": f"{_FILES['Dockerfile']}{line}\n"}
        yield Scene(title=title, said=_said("--build-contexts=more=/job", files=files))
    yield Scene(title="an image that was not pushed", said=_said(first=("--push=false",)))
    yield Scene(title="an image without a digest", said=_said(buildx={"build": _BUILT}))
    yield Scene(title="an image that the registry has lost", said=_said(change=_lost))
    yield Scene(title="no record", said=_said(change=_without_record))
    other = ("--branch=other", "--cache-fallback=feature")
    yield Scene(title="an image of another branch", said=_said(*other))
    yield Scene(title="a cache that cannot be handed on", said=_said(*other, change=_refusing))
    with mock.patch.object(skipping, "datetime", mock.Mock(now=_next_week)):
        yield Scene(title="an image that is too old", said=_said("--cache-max-age=7d"))
    yield Scene(title="a record that is none", said=_said(change=_unrecorded))
    yield Scene(title="a base image with steps of its own", said=_said(built_first=_ONBUILD))


SUBJECT = Subject(
    name="skipping", about="What is said of images that need no build.", scenes=_scenes
)
