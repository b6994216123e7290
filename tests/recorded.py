"""Projects, records of their builds, and what became of their steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from warmbuild.project import dockerfile
from warmbuild.project.entry import Entry
from warmbuild.record import recipe, record
from warmbuild.record.changed_files import Files
from warmbuild.record.content import Content
from warmbuild.record.differences import Against, Build
from warmbuild.record.predicting import Compared
from warmbuild.record.recipe import Given, Recipe, Step
from warmbuild.record.record import Ran, Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.record.cause import Cause

APP = """\
FROM alpine:3
ARG VERSION=1
WORKDIR /app
COPY package.json .
RUN npm ci
COPY . .
RUN make
"""
FILES: Mapping[str, Entry] = {
    "package.json": Entry("file", 0o644, b"{}"),
    "README.md": Entry("file", 0o644, b"readme"),
    "src": Entry("directory", 0o755, b""),
    "src/a.js": Entry("file", 0o644, b"a"),
    "src/link": Entry("link", 0, b"a.js"),
}
DIGESTS = {
    "docker.io/library/alpine:3": f"sha256:{'a' * 64}",
    "docker.io/library/debian:latest": f"sha256:{'d' * 64}",
    "docker.io/library/tool:1": f"sha256:{'7' * 64}",
}
REF = "registry.example/app:cache-main"


def changed(**files: bytes | int | str | None) -> Mapping[str, Entry]:
    """Return the files with another content, mode or target; None removes one."""
    found = dict(FILES)
    for name, value in files.items():
        path = {"readme": "README.md", "a": "src/a.js", "link": "src/link"}.get(name, name)
        old = found.pop(path, Entry("file", 0o644, b""))
        if isinstance(value, int):
            found[path] = old._replace(mode=value)
        elif value is not None:
            found[path] = old._replace(digest=value if isinstance(value, bytes) else value.encode())
    return found


def stored(made: Record) -> Record:
    """Return a record as it is read again."""
    packed = record.packed(made)
    assert packed
    return record.unpacked(packed)


@dataclass(frozen=True, kw_only=True)
class Project:
    """What is built."""

    text: str = APP
    files: Mapping[str, Entry] = field(default_factory=lambda: FILES)
    arguments: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=lambda: DIGESTS)
    platforms: tuple[str, ...] = ("linux/amd64",)
    target: str = ""
    ignored: tuple[str, ...] = ()
    further: Mapping[str, str] = field(default_factory=dict)
    mode: str = "max"
    contexts: tuple[str, ...] = ()
    is_here: bool = True  # whether the context is on this machine

    @property
    def file(self) -> dockerfile.Dockerfile:
        return dockerfile.parse(self.text, self.arguments)

    @property
    def content(self) -> Content:
        return Content(self.files)

    def recipe(self, salt: bytes = b"now") -> Recipe:
        built = dockerfile.built_stage(self.file, self.target)
        assert built
        given = Given(
            arguments=self.arguments,
            platforms=self.platforms,
            images=self.digests,
            content=self.content if self.is_here else None,
            contexts=frozenset(self.contexts),
            further=self.further,
        )
        return recipe.recipe(self.file, built, given, salt)

    @property
    def build(self) -> Build:
        return Build(
            recipe=self.recipe(),
            file=self.file,
            files=Files(marks=record.marks(self.content), ignored=self.ignored),
            images=self.digests,
            platforms=self.platforms,
            target=self.target,
        )

    def record(self) -> Record:
        """Return the record of a build of it, as it lies beside a cache."""
        made = Record(
            salt=b"then",
            made=datetime(2026, 1, 1, tzinfo=UTC),
            recipe=self.recipe(b"then"),
            ran={(one.stage, one.position): Ran(cached=False, seconds=9.0) for one in self.steps},
            files=record.marks(self.content),
            images=self.digests,
            stage=self.target,
            platforms=self.platforms,
            ignored=self.ignored,
            mode=self.mode,
        )
        return stored(made)

    @property
    def steps(self) -> Sequence[Step]:
        return self.recipe().steps

    def ran(self, *lines: int, seconds: float = 10.0) -> Mapping[tuple[str, int], Ran]:
        """Return what became of the steps if those of these lines ran."""
        return {
            (one.stage, one.position): Ran(cached=one.line not in lines, seconds=seconds)
            for one in self.steps
        }

    def against(self, then: Record, *, ref: str = REF, unread: Cause | None = None) -> Against:
        compared = Compared(record=then, now=self.recipe(then.salt))
        return Against(compared=compared, ref=ref, unread=unread)
