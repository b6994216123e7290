from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.recorded import FILES, Project, changed, stored
from warmbuild.project.entry import Entry
from warmbuild.record import comparing, record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.record.miss import Saving

NODE = "FROM alpine:3\nCOPY . .\nRUN npm ci\nRUN make\n"


def saving(
    then: Project, now: Project, *lines: int, seconds: Mapping[int, float] | float = 38.0
) -> Saving | None:
    """Return what would have saved the steps of these lines, which took so many seconds."""
    ran = dict(now.ran(*lines))
    for step in now.steps:
        took = seconds if isinstance(seconds, float) else seconds.get(step.line, 0.0)
        key = step.stage, step.position
        ran[key] = replace(ran[key], seconds=took)
    (miss,) = comparing.misses(now.build, [now.against(then.record())], ran)
    return miss.saving


def text(
    then: Project, now: Project, *lines: int, seconds: Mapping[int, float] | float = 38.0
) -> str:
    found = saving(then, now, *lines, seconds=seconds)
    return found.text if found else ""


def project(dockerfile: str, **files: bytes | None) -> Project:
    return Project(text=dockerfile, files=changed(**files))


def test_a_file_that_images_rarely_need() -> None:
    then, now = Project(text=NODE), project(NODE, readme=b"2")
    took = {2: 0.2, 3: 38.0, 4: 0.5}
    found = saving(then, now, 2, 3, 4, seconds=took)
    assert found
    assert found.seconds == 38.0
    assert found.text == (
        "COPY . . on line 2 was invalidated by README.md alone: add it to .dockerignore, unless "
        "the image needs it, and line 3 (38 s) stays cached"
    )
    both = Project(text=NODE, files={**now.files, "docs/a.txt": Entry("file", 0o644, b"")})
    assert text(then, both, 2, 3, 4) == (
        "COPY . . on line 2 was invalidated by README.md and docs/a.txt alone: add them to "
        ".dockerignore, unless the image needs them, and lines 2 to 4 (114 s) stay cached"
    )


RARE = ("LICENSE", "x/CHANGELOG.rst", ".github/workflows/ci.yml", "compose.yaml", "Dockerfile")
NEEDED = ("package-lock.json", "src/main", "Makefile", "data.txt", "mydocs", "xcompose.yaml")


@pytest.mark.parametrize("name", [*RARE, *NEEDED])
def test_which_files_are_rarely_needed(name: str) -> None:
    now = Project(text=NODE, files={**FILES, name: Entry("file", 0o644, b"")})
    assert ("to .dockerignore" in text(Project(text=NODE), now, 2)) is (name in RARE)


NAMED = {
    "another step": f"{NODE}COPY README.md /\n",
    "a pattern": f"{NODE}COPY *.md /\n",
    "its directory": "FROM alpine:3\nCOPY README.md src ./\nRUN npm ci\nRUN make\n",
}


@pytest.mark.parametrize("dockerfile", NAMED.values(), ids=NAMED)
def test_no_file_that_the_dockerfile_names_is_to_be_ignored(dockerfile: str) -> None:
    assert ".dockerignore" not in text(
        Project(text=dockerfile), project(dockerfile, readme=b"2"), 2, 3, 4
    )


def test_no_file_that_is_gone_is_to_be_ignored() -> None:
    assert text(Project(text=NODE), project(NODE, readme=None), 2) == ""


def test_nothing_is_said_of_files_that_the_record_has_too() -> None:
    now = project(NODE, a=b"2")
    then = stored(replace(Project(text=NODE).record(), files=record.marks(now.content)))
    (miss,) = comparing.misses(now.build, [now.against(then)], now.ran(2, 3, 4))
    assert miss.saving is None


def test_many_files_are_not_to_be_ignored_one_by_one() -> None:
    docs = {f"docs/{number}.md": Entry("file", 0o644, b"") for number in range(4)}
    now = Project(text=NODE, files={**FILES, **docs})
    assert ".dockerignore" not in text(Project(text=NODE), now, 2, 3, 4)


def test_only_steps_that_are_as_before_would_be_kept() -> None:
    now = project(NODE.replace("RUN make", "RUN made"), readme=b"2")
    found = text(Project(text=NODE), now, 2, 3, 4, seconds={3: 2.0, 4: 99.0})
    assert found.endswith("line 3 (2 s) stays cached")
    assert text(Project(text=NODE), now, 2, 3, 4, seconds={2: 0.9, 4: 99.0}) == ""


def test_an_install_above_the_sources() -> None:
    then, now = Project(text=NODE), project(NODE, a=b"2", readme=b"2")
    assert text(then, now, 2, 3, 4, seconds={2: 0.1, 3: 38.0, 4: 20.0}) == (
        "COPY . . on line 2 is above npm ci on line 3: copy what that reads, run it, and then copy "
        "the rest, and line 3 (38 s) stays cached"
    )
    assert text(then, project(NODE, **{"package.json": b"2"}), 2, 3, 4) == ""
    assert text(then, project(NODE, **{"src/tool.config.js": b"2"}), 2, 3, 4) == ""


INSTALLS = {
    "npm ci": True,
    "set -e && npm ci && npm cache clean --force": True,
    "npm ci && npm run build": False,
    "npm test": False,
    "uv sync": False,
    "uv sync --no-install-project": True,
    "poetry install --no-root": True,
    "poetry install": False,
    "cargo fetch": False,
    "go mod download": True,
    "pip install -r requirements.txt": True,
    "pip install .": False,
}


@pytest.mark.parametrize(("command", "expected"), INSTALLS.items(), ids=INSTALLS)
def test_which_installs_can_be_above_the_sources(command: str, *, expected: bool) -> None:
    dockerfile = NODE.replace("npm ci", command)
    found = text(Project(text=dockerfile), project(dockerfile, a=b"2"), 2, 3, 4)
    assert bool(found) is expected


def test_an_install_of_packages_that_it_names() -> None:
    dockerfile = NODE.replace("npm ci", "apt-get update && apt-get install -y git")
    now = project(dockerfile, **{"package.json": b"2"})
    assert text(Project(text=dockerfile), now, 2, 3, 4) == (
        "apt-get install on line 3 does not read the files of COPY . . on line 2: move it above "
        "them, and line 3 (38 s) stays cached"
    )


def test_an_install_that_changed_would_run() -> None:
    now = project(NODE.replace("npm ci", "npm install"), a=b"2")
    assert text(Project(text=NODE), now, 2, 3, 4) == ""


def test_a_bind_mount_is_not_copied() -> None:
    dockerfile = "FROM alpine:3\nRUN --mount=target=/src make\nRUN npm ci\n"
    now = project(dockerfile, a=b"2")
    assert text(Project(text=dockerfile), now, 2, 3) == ""
    assert "was invalidated by README.md alone" in text(
        Project(text=dockerfile), project(dockerfile, readme=b"2"), 2, 3
    )


ARG = "FROM alpine:3\nARG VERSION\nRUN a\nRUN b\nRUN c $VERSION\nRUN d\n"


def with_version(dockerfile: str, version: str) -> Project:
    return Project(text=dockerfile, arguments={"VERSION": version})


def value(dockerfile: str, *lines: int) -> str:
    return text(with_version(dockerfile, "1"), with_version(dockerfile, "2"), *lines)


def test_an_argument_that_is_set_early() -> None:
    assert value(ARG, 3, 4, 5, 6) == (
        "VERSION changes, which line 2 sets: set it below line 4, unless a program above that "
        "reads it, and lines 3 to 4 (76 s) stay cached"
    )


def test_a_variable_that_has_the_argument() -> None:
    dockerfile = ARG.replace("RUN a", "ENV VERSION=$VERSION\nRUN a")
    assert value(dockerfile, 4, 5, 6, 7) == (
        "VERSION changes, which lines 2 and 3 set: set it below line 5, unless a program above "
        "that reads it, and lines 4 to 5 (76 s) stay cached"
    )
    dockerfile = dockerfile.replace("ENV VERSION=", "ENV OTHER=")
    assert value(dockerfile, 4, 5, 6, 7).startswith(
        "OTHER and VERSION change, which lines 2 and 3 set: set them below line 5"
    )


EARLY = {
    "the step names it": "FROM alpine:3\nARG VERSION\nRUN a ${VERSION}\nRUN b\n",
    "a script names it": "FROM alpine:3\nARG VERSION\nRUN <<E\nprintenv VERSION\nE\nRUN b\n",
    "a label names it": "FROM alpine:3\nARG VERSION\nLABEL a=$VERSION\nRUN b\n",
    "a mount names it": (
        "FROM alpine:3\nARG VERSION\nRUN --mount=type=cache,id=$VERSION,target=/a b\n"
    ),
    "it is set with others": "FROM alpine:3\nARG VERSION OTHER=1\nRUN a\n",
    "another stage sets it": "FROM alpine:3 AS a\nARG VERSION\nFROM a\nRUN a\n",
}


@pytest.mark.parametrize("dockerfile", EARLY.values(), ids=EARLY)
def test_arguments_that_cannot_be_set_later(dockerfile: str) -> None:
    now = with_version(dockerfile, "2")
    first = next(one.line for one in now.steps)
    assert value(dockerfile, first) == ""


def test_an_argument_that_is_set_again() -> None:
    assert "set it below line 3" in value(
        "FROM alpine:3\nARG VERSION\nRUN a\nARG VERSION\nRUN b\n", 3, 5
    )


def test_what_is_saved_where_more_than_one_order_helps() -> None:
    dockerfile = NODE.replace("RUN make", "RUN apk add git")
    now = project(dockerfile, a=b"2")
    assert "apk add on line 4" in text(
        Project(text=dockerfile), now, 2, 3, 4, seconds={3: 2.0, 4: 30.0}
    )


def test_nothing_helps_against_an_edit() -> None:
    now = Project(text=NODE.replace("COPY . .", "COPY . /"))
    assert text(Project(text=NODE), now, 2, 3, 4) == ""


def test_names_with_braces() -> None:
    now = Project(text=NODE, files={**FILES, "docs/{0}{}": Entry("file", 0o644, b"")})
    assert "invalidated by docs/{0}{} alone" in text(Project(text=NODE), now, 2)
