"""What a plan says of `lazy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.golden import machine
from tests.golden.scene import Scene, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHAIN: Final = "FROM node:22 AS deps\nRUN npm ci\nFROM deps\nCOPY . .\n"
_BESIDE: Final = "FROM node:22 AS deps\nRUN npm ci\nFROM node:22\nCOPY --from=deps /b /b\n"
# By title: the Dockerfile and flags.
_CASES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "stages upon each other": (_CHAIN, ()),
    "a stage beside": (_BESIDE, ()),
    "a target that does not exist": (_CHAIN, ("--target=none",)),
    "a node for each platform": (
        _CHAIN,
        ("--platforms=linux/amd64,linux/arm64", "--append=- endpoint: ssh://arm"),
    ),
    "files alone": (_CHAIN, ("--outputs=type=local,dest=out",)),
    "the same digest each time": (_CHAIN, ("--reproducible",)),
}


def _scenes() -> Iterator[Scene]:
    for title, (dockerfile, flags) in _CASES.items():
        given = ("plan", "--image=ghcr.io/me/app", "--driver=docker-container", "--lazy", *flags)
        said = machine.run(*given, files={"Dockerfile": dockerfile})
        notes = [line for line in said.splitlines() if "lazy" in line]
        yield Scene(title=title, said="\n".join(notes))


SUBJECT = Subject(name="laziness", about="What is said of layers that stay packed.", scenes=_scenes)
