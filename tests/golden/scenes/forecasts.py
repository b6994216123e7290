"""What records beside caches say of builds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.golden import made_up
from tests.golden.machine import Keeping, built
from tests.golden.made_up import HOME, lines, vertex
from tests.golden.scene import Scene, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.golden.machine import Reply

_BASE: Final = f"docker.io/library/alpine:3.22@{made_up.digest('alpine')}"
_BUILT: Final = lines(
    vertex(f"[1/3] FROM {_BASE}"),
    vertex("[2/3] COPY . /srv"),
    vertex("[3/3] RUN make"),
    vertex("exporting cache to registry", manifest=made_up.digest("cache")),
)
_DOCKERFILE: Final = "FROM alpine:3.22\nCOPY . /srv\nRUN make\n"
_LONG: Final = "FROM alpine:3.22\n" + "".join(f"RUN {'true ' * at}\n" for at in (1, 2, 3, 40))
_FILES: Final = {"Dockerfile": _DOCKERFILE, "main.c": "int main() {}"}
_HUB: Final = "registry-1.docker.io/v2/library/alpine/manifests/3.22"
_RECORD: Final = f"{HOME}/manifests/cache-feature---record"
_FRESH: Final = ("--driver=docker-container", "--cache-export=after")
_SAYS: Final = ("forecast", "skip-unchanged", "the record")
# By title: what differs from the build whose record is there.
_FORECASTS: Final[dict[str, tuple[tuple[str, ...], dict[str, Any]]]] = {
    "a file that is edited": (_FRESH, {"files": {"main.c": "int main() { return 1; }"}}),
    "nothing that changes": (_FRESH, {}),
    "a builder that may have the steps": ((), {"files": {"main.c": "int main() { return 1; }"}}),
    "a step that takes what a server has then": (
        _FRESH,
        {"files": {"Dockerfile": f"{_DOCKERFILE}ADD https://example.com/a /a\n"}},
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


def _after(*flags: str, files: Mapping[str, str] | None = None) -> str:
    """Return what a build says after another one, from which it may differ."""
    registries = _registries()
    built(*_FRESH, buildx={"build": _BUILT}, registries=registries, files=_FILES)
    return _said(*flags, registries=registries, files=_FILES | dict(files or {}))


def _scenes() -> Iterator[Scene]:
    for title, (flags, parts) in _FORECASTS.items():
        yield Scene(title=title, said=_after(*flags, **parts))


SUBJECT = Subject(name="forecasts", about="What is said before a build.", scenes=_scenes)
