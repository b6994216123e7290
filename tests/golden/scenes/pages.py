"""The report of a run as a page: what it says, row by row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tests import reports
from tests.golden import adapters, machine
from tests.golden.made_up import BUILT, HOME, cache, lines, vertex
from tests.golden.page_text import page_text
from tests.golden.scene import Scene, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE: Final = "report.html"
# Rows of a table that is cut; the first ten show what they are like.
_MORE: Final = re.compile(r"^build RUN \d{2,} new .*\n", re.MULTILINE)
_FAILED: Final = lines(
    vertex("importing cache manifest from ghcr.io/me/app:cache-feature"),
    vertex("[build 1/3] COPY . .", cached=True),
    vertex("[build 2/3] RUN make", error="exit code: 2", log="cc: not found\n"),
    "Dockerfile:3",
    "--------------------",
    "ERROR: failed to solve: exit code: 2",
)


def _scenes() -> Iterator[Scene]:
    builds = {
        "a build": (0, BUILT),
        "a build that fails": (1, _FAILED),
    }
    for title, build in builds.items():
        said = machine.run(
            *("build", *machine.REMOTE, "--image=ghcr.io/me/app", "--branch=feature"),
            f"--report-file={_FILE}",
            files={"Dockerfile": machine.DOCKERFILE},
            buildx={"version": machine.VERSION, "build": build},
            registries=cache("cache-feature", home=HOME),
            shown=(_FILE,),
        )
        yield Scene(title=title, said=page_text(said.partition(f"-- {_FILE}\n")[2]))
    for title, done in reports.UNUSUAL.items():
        yield Scene(title=title, said=_MORE.sub("", page_text(adapters.page(done))))


SUBJECT: Final = Subject(
    name="pages", about="The report of a run as a page, as text.", scenes=_scenes
)
