"""Scenes: what warmbuild says of one thing, under a title."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

DIRECTORY: Final = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What warmbuild says."""

    title: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A golden file."""

    name: str
    about: str
    """First line of the file."""
    scenes: Callable[[], Iterable[Scene]]

    @property
    def path(self) -> Path:
        """The file."""
        return DIRECTORY / f"{self.name}.txt"

    def text(self) -> str:
        """Return what the file has to hold; raises ValueError if a title is there twice."""
        scenes = tuple(self.scenes())
        titles = [scene.title for scene in scenes]
        twice = {title for title in titles if titles.count(title) > 1}
        if twice:
            raise ValueError(f"{self.name} has more than one scene {min(twice)!r}")
        return "\n".join([f"{self.about} Written by `make golden`.\n", *_shown(scenes)])


def _shown(scenes: Iterable[Scene]) -> Iterator[str]:
    for scene in scenes:
        yield f"{scene.title}\n{indent(scene.said.strip(chr(10)) or '(nothing)', '    ')}\n"
