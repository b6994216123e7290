"""Why steps run, and what would have kept them cached."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tests.golden import machine, made_up
from tests.golden.machine import Keeping, built
from tests.golden.made_up import lines, vertex
from tests.golden.scene import Scene, Subject
from tests.recorded import APP, DIGESTS, FILES, Project, changed, stored
from warmbuild.project.entry import Entry
from warmbuild.record import comparing, record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from warmbuild.record.record import Record

_NODE: Final = "FROM alpine:3\nCOPY . .\nRUN npm ci\nRUN make\n"
_ARGUMENT: Final = "FROM alpine:3\nARG V\nENV W=$V\nRUN a\nRUN b\n"
_STAGES: Final = "FROM alpine:3 AS a\nRUN a\nFROM alpine:3\nCOPY --from=a / /\n"
_FRESH: Final = ("--driver=docker-container", "--cache-export=after")
_MOVED: Final = dict.fromkeys(DIGESTS, f"sha256:{'f' * 64}")


def _edited(before: str, after: str) -> tuple[Project, Project]:
    return Project(text=f"FROM alpine:3\n{before}\n"), Project(text=f"FROM alpine:3\n{after}\n")


def _files(text: str = APP, **files: bytes | int | str | None) -> tuple[Project, Project]:
    return Project(text=text), Project(text=text, files=changed(**files))


def _with(version: str, text: str = _ARGUMENT) -> Project:
    return Project(text=text, arguments={"V": version, "W": version} if version else {})


# By title: what was built, what is, and the lines of the steps that run.
_CHANGES: Final[dict[str, tuple[tuple[Project, Project], tuple[int, ...]]]] = {
    "a file that changed": (_files(a=b"2"), (6, 7)),
    "files that came": (
        (
            Project(),
            Project(files={**FILES, **{f"src/{one}": FILES["README.md"] for one in "bcdefg"}}),
        ),
        (6, 7),
    ),
    "a file that went": ((Project(), Project(files=changed(readme=None))), (6, 7)),
    "a mode": (_files(a=0o755), (6, 7)),
    "the target of a link": (_files(link=b"2"), (6, 7)),
    "a file that is excluded": (
        (Project(), Project(files=changed(readme=None), ignored=("*.md",))),
        (6,),
    ),
    "a file that is no longer excluded": (
        (Project(files=changed(readme=None), ignored=("*.md",)), Project()),
        (6,),
    ),
    "a file that images rarely need": (_files(_NODE, readme=b"2"), (2, 3, 4)),
    "sources above an install": (_files(_NODE, a=b"2"), (2, 3, 4)),
    "sources above an install of packages": (
        _files(_NODE.replace("npm ci", "apk add git"), a=b"2"),
        (2, 3, 4),
    ),
    "an argument": (
        (_with("1", "FROM alpine:3\nARG V\nRUN a\n"), _with("2", "FROM alpine:3\nARG V\nRUN a\n")),
        (3,),
    ),
    "an argument and its variable": ((_with("1"), _with("2")), (4, 5)),
    "a new argument": ((_with(""), _with("1")), (4,)),
    "an argument that is gone": ((_with("1"), _with("")), (4,)),
    "a base image": ((Project(), Project(digests=_MOVED)), (3,)),
    "another base image": ((Project(), Project(text=APP.replace("alpine:3", "debian"))), (3,)),
    "an image that is copied from": (
        (
            Project(text="FROM scratch\nCOPY --from=tool:1 / /\n"),
            Project(text="FROM scratch\nCOPY --from=tool:1 / /\n", digests=_MOVED),
        ),
        (2,),
    ),
    "an edit": (_edited("RUN a", "RUN b"), (2,)),
    "a long edit": (_edited("RUN a", f"RUN {'x' * 100}"), (2,)),
    "an edit of a heredoc": (_edited("RUN <<E\na\nE", "RUN <<E\nb\nE"), (2,)),
    "a new instruction": (_edited("RUN a", "RUN b\nRUN a"), (2,)),
    "an instruction that was removed": (_edited("RUN a\nRUN b", "RUN b"), (2,)),
    "an instruction that was moved": (_edited("RUN a\nRUN b", "RUN b\nRUN a"), (2,)),
    "the directory": (_edited("WORKDIR /a\nRUN a", "WORKDIR /b\nRUN a"), (3,)),
    "the user": (_edited("USER a\nRUN a", "USER b\nRUN a"), (3,)),
    "the shell": (_edited('SHELL ["a"]\nRUN a', 'SHELL ["b"]\nRUN a'), (3,)),
    "a setting": ((Project(), Project(further={"add-hosts": "1"})), (5,)),
    "a stage that ran": (
        (Project(text=_STAGES), Project(text=_STAGES.replace("RUN a", "RUN b"))),
        (2, 4),
    ),
    "a stage that a stage is built on": (
        _files("FROM alpine:3 AS a\nCOPY src /\nFROM a\nRUN b\n", a=b"2"),
        (2, 4),
    ),
    "a platform": ((Project(), Project(platforms=("linux/amd64", "linux/arm64"))), (3,)),
    "the platform of a FROM": (
        (Project(), Project(text=APP.replace("FROM", "FROM --platform=linux/s390x"))),
        (3,),
    ),
    "a new stage": (
        (
            Project(text="FROM alpine:3 AS b\nRUN b\n"),
            Project(text=_STAGES.replace("FROM alpine:3\n", "FROM alpine:3 AS b\n")),
        ),
        (2,),
    ),
    "another target": (
        (Project(text=_STAGES, target="a"), Project(text=_STAGES, target="1")),
        (4,),
    ),
    "a step that the cache has lost": ((Project(), Project()), (5,)),
    "a cache of mode min": (
        (Project(text=_STAGES, mode="min"), Project(text=_STAGES, mode="min")),
        (2,),
    ),
    "names that others wrote": (
        (Project(), Project(files={**FILES, "a\x1b[2J\u202eb\n": Entry("file", 0o644, b"")})),
        (6,),
    ),
}
# Steps that nobody can know before they run.
_UNKNOWN: Final = (
    "ADD https://example.com/a /",
    "COPY --parents src /",
    "COPY sr[c] /",
    "COPY src/link /",
    "COPY $A-$1 /",
    "COPY --from=more / /",
    "COPY --from=:1 / /",
    "COPY --from=none / /",
    "RUN --mount=target=/src,rw a",
    "RUN --mount=type=other a",
)


def _miss(then: Record, now: Project, *ran: int, filtered: tuple[str, ...] = ()) -> str:
    """Return why the first steps ran, if those of these lines did."""
    steps = now.ran(*ran)
    against = [now.against(then)]
    found = comparing.misses(now.build, against, steps, ignored=filtered)
    rows = [(f"{miss.place}: {miss.why}", miss.saving) for miss in found]
    return "\n".join(
        line for why, saving in rows for line in (why, *([saving.text] if saving else []))
    )


def _changes() -> Iterator[Scene]:
    for title, ((then, now), ran) in _CHANGES.items():
        yield Scene(title=title, said=_miss(then.record(), now, *ran))
    now = Project(files=changed(a=b"2"))
    same = stored(replace(Project().record(), files=record.marks(now.content)))
    yield Scene(title="files of which the record has no more", said=_miss(same, now, 6))
    yield Scene(
        title="a stage that is not to be cached",
        said=_miss(Project(text=_STAGES).record(), Project(text=_STAGES), 2, filtered=("a",)),
    )
    made = Project().record()
    steps = tuple(replace(step, key="") for step in made.recipe.steps)
    bare = replace(made, recipe=replace(made.recipe, steps=steps))
    yield Scene(title="what nothing explains", said=_miss(bare, Project(), 5))
    unknown = Project(digests={}).record()
    yield Scene(title="a record that does not know", said=_miss(unknown, Project(), 4))
    told = comparing.misses(now.build, [], now.ran(5))
    yield Scene(title="no record", said=told[0].why)


def _unknown() -> Iterator[Scene]:
    for step in _UNKNOWN:
        project = Project(text=f"FROM alpine:3\n{step}\n", contexts=("more",))
        yield Scene(title=step, said=_miss(project.record(), project, 2))
    for start in ("FROM $A", "FROM more"):
        project = Project(text=f"{start}\nRUN a\n", contexts=("more",))
        yield Scene(title=start, said=_miss(project.record(), project, 2))
    away = Project(text="FROM alpine:3\nCOPY a /\n", is_here=False)
    yield Scene(title="a context that is not here", said=_miss(away.record(), away, 2))


def _of_record(**members: object) -> bytes:
    return gzip.compress(json.dumps({"format": 1, **members}).encode())


def _unusable() -> Iterator[Scene]:
    texts = {
        "nothing that is packed": b"no record",
        "a record that is too large": bytes(record.MOST_PACKED + 1),
        "a record that is cut off": gzip.compress(b"{}")[:-4],
        "a record of a later version": gzip.compress(b'{"format": 99}'),
        "a record of too many steps": gzip.compress(
            b'{"format": 1, "steps": [' + b"{}," * 3000 + b"{}]}"
        ),
        "a record of a step with too many parts": _of_record(
            salt="00",
            made="2026-01-01",
            steps=[{"parts": dict.fromkeys(map(str, range(20_001)), "")}],
        ),
        "a record with too many folded directories": _of_record(
            files={"": {f"{number}/": "" for number in range(1_001)}}
        ),
        "a record without a salt": _of_record(),
        "a record of too many steps with mounts": _of_record(
            salt="00", made="2026-01-01", mounts={str(number): {} for number in range(3001)}
        ),
        "a record with a long salt": _of_record(salt="00" * 65, made="2026-01-01"),
    }
    for title, content in texts.items():
        try:
            record.unpacked(content)
        except ValueError as error:
            yield Scene(title=title, said=str(error))


_BASE: Final = f"docker.io/library/alpine:3.22@{made_up.digest('alpine')}"
_BUILT: Final = lines(
    vertex(f"[1/3] FROM {_BASE}"),
    vertex("[2/3] COPY . /srv"),
    vertex("[3/3] RUN make"),
    vertex("exporting cache to registry", manifest=made_up.digest("cache")),
)
_PROJECT: Final = {
    "Dockerfile": "FROM alpine:3.22\nCOPY . /srv\nRUN make\n",
    "README.md": "one",
}
_EDITED: Final = {**_PROJECT, "README.md": "two"}


def _registries() -> Keeping:
    """Return registries that have the caches of two branches, and the base image."""
    hub = "HEAD registry-1.docker.io/v2/library/alpine/manifests/3.22"
    headers = {"Docker-Content-Digest": made_up.digest("alpine")}
    caches = made_up.cache("cache-feature") | made_up.cache("cache-main", layer="other")
    return Keeping({hub: (200, headers, ""), **caches})


def _explained(*flags: str, registries: Keeping, files: Mapping[str, str] = _EDITED) -> str:
    said = machine.explained(*flags, registries=registries, files=files)
    said = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "2026-01-01 00:00 UTC", said)
    return re.sub(r'"made": ".*"', '"made": "2026-01-01T00:00:00+00:00"', said)


def _commands() -> Iterator[Scene]:
    kept = _registries()
    build = {"buildx": {"build": _BUILT}, "registries": kept, "files": _PROJECT}
    yield Scene(title="explain, before there is a record", said=_explained(registries=kept))
    built(*_FRESH, **build)
    yield Scene(title="explain", said=_explained(*_FRESH, registries=kept))
    yield Scene(title="explain --format json", said=_explained("--format=json", registries=kept))
    yield Scene(
        title="explain --against main",
        said=_explained("--branch=", "--against=main", registries=kept),
    )
    both = ("--branch=feature", "--against=main")
    yield Scene(title=f"explain {' '.join(both)}", said=_explained(*both, registries=kept))
    kept.update(made_up.cache("cache-feature", layer="new"))
    yield Scene(title="explain, after others wrote the cache", said=_explained(registries=kept))
    apart = _registries()
    for branch in ("feature", "main"):
        # Neither has the other's record.
        own = Keeping(apart)
        built("--branch", branch, *_FRESH, **{**build, "registries": own})
        apart.update({key: own[key] for key in own if branch in key or "/blobs/" in key})
    title = "explain of builds that have not read each other's record"
    yield Scene(title=title, said=_explained(*both, registries=apart))
    yield Scene(title="explain without a cache", said=_explained("--cache=off", registries=kept))


def _scenes() -> Iterator[Scene]:
    yield from _changes()
    yield from _unknown()
    yield from _unusable()
    yield from _commands()


SUBJECT = Subject(name="misses", about="Why steps run, by records.", scenes=_scenes)
