"""What records beside caches say of builds."""

from __future__ import annotations

import errno
import json
import os
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from tests.golden import made_up
from tests.golden.machine import Keeping, built
from tests.golden.made_up import HOME, lines, vertex
from tests.golden.scene import Scene, Subject
from warmbuild.builder import engine_calls
from warmbuild.commands import material, recording
from warmbuild.project import context_files, git_modes
from warmbuild.project.git_index import Tracked
from warmbuild.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.golden.machine import Reply

_BASE: Final = f"docker.io/library/alpine:3.22@{made_up.digest('alpine')}"
_BUILT: Final = lines(
    vertex(f"[1/3] FROM {_BASE}"),
    vertex("[2/3] COPY . /srv"),
    vertex("[3/3] RUN make"),
    vertex("exporting cache to registry", manifest=made_up.digest("cache")),
)
_DOCKERFILE: Final = "FROM alpine:3.22\nCOPY . /srv\nRUN make\n"
_LONG: Final = _DOCKERFILE + "".join(f"RUN {'true ' * at}\n" for at in (40, 1, 2))
_STAGES: Final = "FROM alpine:3.22 AS a\nCOPY main.c /\nFROM alpine:3.22\nCOPY --from=a /b /b\n"
_FILES: Final = {"Dockerfile": _DOCKERFILE, "main.c": "int main() {}"}
_HUB: Final = "registry-1.docker.io/v2/library/alpine/manifests/3.22"
_RECORD: Final = f"{HOME}/manifests/cache-feature---record"
_FRESH: Final = ("--driver=docker-container", "--cache-export=after")
_SAYS: Final = ("forecast", "skip-unchanged", "the record", "no record")
# By title: what differs from the build whose record is there.
_FORECASTS: Final[dict[str, tuple[tuple[str, ...], dict[str, Any]]]] = {
    "a file that is edited": (_FRESH, {"files": {"main.c": "int main() { return 1; }"}}),
    "nothing that changes": (_FRESH, {}),
    "a builder that may have the steps": ((), {"files": {"main.c": "int main() { return 1; }"}}),
    "a step that takes what a server has then": (
        _FRESH,
        {"files": {"Dockerfile": f"{_DOCKERFILE}ADD https://example.com/a /a\n"}},
    ),
    "a step that copies what a stage makes anew": (
        _FRESH,
        {"files": {"Dockerfile": _STAGES, "main.c": "int main() { return 1; }"}, "first": _STAGES},
    ),
    "more steps than are named": (
        _FRESH,
        {"files": {"Dockerfile": _LONG}},
    ),
}


def _registries(more: Mapping[str, Reply] | None = None) -> Keeping:
    """Return registries that have the cache of the branch, and the base image."""
    headers = {"Docker-Content-Digest": made_up.digest("alpine")}
    return Keeping(
        {f"HEAD {_HUB}": (200, headers, ""), **made_up.cache("cache-feature"), **(more or {})}
    )


def _said(*flags: str, registries: Keeping, files: Mapping[str, str]) -> str:
    """Return what a build says of records."""
    said = built(*flags, buildx={"build": _BUILT}, registries=registries, files=files)
    return "\n".join(line for line in said.splitlines() if line.startswith(_SAYS))


def _after(*flags: str, files: Mapping[str, str] | None = None, first: str = _DOCKERFILE) -> str:
    """Return what a build says after another one, from which it may differ."""
    registries, before = _registries(), _FILES | {"Dockerfile": first}
    built(*_FRESH, buildx={"build": _BUILT}, registries=registries, files=before)
    return _said(*flags, registries=registries, files=before | dict(files or {}))


def _without(target: object, name: str, stand_in: object) -> str:
    """Return what a build says that may take an image, with something in the place of another."""
    with (
        mock.patch.object(target, name, stand_in),
        mock.patch.object(engine_calls, "platform", return_value="linux/amd64"),
    ):
        return _after(*_FRESH, "--skip-unchanged")


def _image(layers: Sequence[str], steps: Sequence[str]) -> tuple[str, dict[str, Reply]]:
    """Return an image's digest, and the replies of a registry that has it."""
    config = json.dumps({"history": [{"created_by": step} for step in steps]})
    described = {"digest": made_up.digest(config)}
    listed = [{"digest": made_up.digest(layer)} for layer in layers]
    body = json.dumps({"config": described, "layers": listed})
    replies: dict[str, Reply] = {
        f"GET {HOME}/manifests/{made_up.digest(body)}": (200, {}, body),
        f"GET {HOME}/blobs/{made_up.digest(config)}": (200, {}, config),
    }
    return made_up.digest(body), replies


def _differing() -> str:
    """Return what a build says whose image has other layers than that of a build of the same."""
    steps = ["COPY . /srv # buildkit", "RUN /bin/sh -c make # buildkit"]
    first, replies = _image(["base", "files", "made"], steps)
    second, more = _image(["base", "files", "made anew", "another"], steps)
    registries = _registries(replies | more)
    said = ""
    for digest in (first, second):
        metadata = json.dumps({"containerimage.digest": digest})
        buildx = {"build": _BUILT, "metadata": metadata}
        said = built(*_FRESH, "--reproducible", buildx=buildx, registries=registries, files=_FILES)
    lines = [line for line in said.splitlines() if line.startswith("not reproducible")]
    return re.sub(r"\d{4}-\d\d-\d\d at \d\d:\d\d", "2026-01-01 at 00:00", "\n".join(lines))


def _scenes() -> Iterator[Scene]:
    for title, (flags, parts) in _FORECASTS.items():
        yield Scene(title=title, said=_after(*flags, **parts))
    refused = mock.Mock(side_effect=OSError(errno.EACCES, os.strerror(errno.EACCES)))
    yield Scene(title="a context nobody may read", said=_without(context_files, "entries", refused))
    yield Scene(title="a context of many files", said=_without(context_files, "MOST", 1))
    module = Tracked("module", 0o160000, b"", 0, 0, 0, 0)
    with mock.patch.object(git_modes, "committed", return_value={"module": module}):
        said = _without(material, "is_remote", lambda _: True)
    yield Scene(title="a commit with a submodule", said=said)
    # Digests are asked for by their names, records by their places.
    late = SimpleNamespace(
        at_once=lambda jobs, _: {key: job() for key, job in jobs.items() if isinstance(key, str)}
    )
    yield Scene(title="records that come too late", said=_without(recording, "signals", late))
    yield Scene(title="a large record", said=_without(record, "packed", lambda _: None))
    with mock.patch.object(engine_calls, "platform", return_value="linux/amd64"):
        yield Scene(title="layers that differ", said=_differing())


SUBJECT = Subject(name="forecasts", about="What is said before a build.", scenes=_scenes)
