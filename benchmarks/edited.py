"""The projects of `make bench-edit`: their files, and how the next build of each differs.

`mounted.py` has those with cache mounts.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from projects import EXAMPLES, TINY, Line, Swap

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from commits import Touched

# A build of CI: the first of all, an unchanged one, one after an edit of a source line, one after
# a dependency was added or has another version, and those of a sequence of commits.
Kind = Literal["first", "unchanged", "edit", "dependency added", "dependency change", "commits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bump:
    """The next version of a package in a file of requirements, in a circle."""

    path: str
    package: str
    versions: tuple[str, ...]

    def apply(self, place: Path, area: str, number: int) -> None:  # noqa: ARG002
        """Change the project in `place`."""
        path = place / self.path
        text = path.read_text(encoding="utf-8")
        pinned = re.compile(rf"^{re.escape(self.package)}==(.*)$", re.MULTILINE)
        found = pinned.search(text)
        if not found:
            raise ValueError(f"{self.path} does not pin {self.package}")
        following = (self.versions.index(found[1]) + 1) % len(self.versions)
        line = f"{self.package}=={self.versions[following]}"
        path.write_text(pinned.sub(line, text), encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A project and the builds that are measured.

    Its files are those of an example, if it has one, with `setup` applied, and `files`. `edit` and
    `dependency` make an edit and another dependency, and `touches` what a commit does.
    """

    name: str
    kinds: tuple[Kind, ...]
    example: str = ""
    setup: Swap | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    edit: Line | None = None
    dependency: Swap | None = None
    touches: Mapping[Touched, Line | Bump] = field(default_factory=dict)
    mounts: tuple[str, ...] = ()
    """Targets of the cache mounts, which are their IDs, too."""

    def lay_out(self, place: Path) -> None:
        """Write the project, without any change, in place of what is there."""
        shutil.rmtree(place, ignore_errors=True)
        if self.example:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(EXAMPLES / self.example, place, ignore=ignored)
        if self.setup:
            self.setup.apply(place, "", 0)
        for path, text in self.files.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(text, encoding="utf-8")

    def change(self, place: Path, kind: Kind, number: int) -> None:
        """Make the change of a kind; `number` makes it another one than all before."""
        if kind == "edit" and self.edit:
            self.edit.apply(place, "", number)
        if kind in {"dependency added", "dependency change"} and self.dependency:
            self.dependency.apply(place, "", number)

    def commit(self, place: Path, touched: tuple[Touched, ...], number: int) -> None:
        """Change what a commit touches."""
        for kind in touched:
            self.touches[kind].apply(place, "", number)


_EDITS: Final[tuple[Kind, ...]] = ("unchanged", "edit")

_FLASK: Final = Edited(
    name="flask",
    example="flask",
    kinds=_EDITS,
    edit=Line(path="app/__init__.py", line="RELEASE = {number}"),
)
_GO_SERVER: Final = Edited(
    name="go-server",
    example="go-server",
    kinds=_EDITS,
    edit=Line(path="main.go", line="func init() { println({number}) }"),
)
_NODE_CI: Final = Edited(
    name="node-ci",
    example="node-ci",
    kinds=_EDITS,
    edit=Line(path="src/releases.js", line="export const release = {number};"),
)

# The scenarios that https://github.com/isac322/buildkit-state (7140c0629f8d) measures for Python:
# a first build, a second one without a change, and one after `arrow` was added to the dependencies.
# As there, a first stage compiles dependencies that have no wheel, and the last stage installs all
# wheels. Its own packages are those of Python 3.11; these are fewer, for Python 3.13.
_COMPILED: Final = Edited(
    name="compiled",
    kinds=("first", "unchanged", "dependency added"),
    dependency=Swap(
        texts=(
            (
                "pyproject.toml",
                '    "ujson==5.11.0",\n',
                # Without a number, the builder that stays has it from the second round on.
                '    "ujson==5.11.0",\n    "arrow==1.3.0",  # {number}\n',
            ),
        )
    ),
    files={
        "Dockerfile": """\
FROM python:3.13-slim AS build
RUN apt-get update \\
    && apt-get install -y --no-install-recommends g++ python3-dev \\
    && rm -rf /var/lib/apt/lists/*
WORKDIR /shop
COPY pyproject.toml .
COPY shop shop
RUN pip wheel --no-cache-dir --no-binary=ujson,httptools --wheel-dir=/wheels .

FROM python:3.13-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \\
    pip install --no-cache-dir --no-index --find-links=/wheels shop
ENTRYPOINT ["python3", "-m", "shop"]
""",
        ".dockerignore": ".git\nDockerfile\n",
        "pyproject.toml": """\
[build-system]
requires = ["flit_core>=3.12,<4"]
build-backend = "flit_core.buildapi"

[project]
name = "shop"
version = "1.0"
description = "A shop."
dependencies = [
    "fastapi==0.121.3",
    "httptools==0.7.1",
    "pandas==2.3.3",
    "ujson==5.11.0",
    "uvicorn==0.38.0",
]
""",
        "shop/__init__.py": '"""A shop."""\n',
        "shop/__main__.py": "import fastapi, httptools, pandas, ujson\n",
    },
)

# A service with some 400 MB of dependencies, unpacked, and with the commits of another project.
_MODULES: Final = 60
_LARGE: Final = Edited(
    name="large",
    kinds=("commits",),
    touches={
        "source": Line(path="shop/module_7.py", line="RELEASE = {number}"),
        "tests": Line(path="tests/test_module_7.py", line="RELEASE = {number}"),
        "docs": Line(path="docs/changes.md", line="- {number}"),
        "ci": Line(path=".github/workflows/ci.yml", line="# {number}"),
        "dependency": Bump(
            path="requirements.txt",
            package="click",
            versions=("8.1.7", "8.1.8", "8.2.0", "8.2.1", "8.3.0", "8.3.1"),
        ),
        "dockerfile": Line(path="Dockerfile", line='LABEL release="{number}"'),
    },
    files={
        "Dockerfile": """\
FROM python:3.13-slim
WORKDIR /srv
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
CMD ["python3", "-m", "shop"]
""",
        # As in restic's own, no docs and no CI. It keeps .git, so that each commit changes
        # the context there; it is left out here, as `docker init` recommends.
        ".dockerignore": "*\n!requirements.txt\n!shop\n!tests\n",
        "README.md": "# Shop\n",
        "requirements.txt": """\
click==8.1.7
numpy==2.3.5
pandas==2.3.3
pyarrow==22.0.0
scikit-learn==1.7.2
scipy==1.16.3
""",
        "docs/changes.md": "# Changes\n",
        ".github/workflows/ci.yml": "on: push\n",
        "shop/__init__.py": '"""A shop."""\n',
        **{f"shop/module_{n}.py": f"NUMBER = {n}\n" * 40 for n in range(_MODULES)},
        **{f"tests/test_module_{n}.py": f"NUMBER = {n}\n" * 40 for n in range(_MODULES)},
    },
)

# For the tests of the benchmark itself.
_TINY: Final = Edited(
    name="tiny",
    kinds=_EDITS,
    edit=Line(path="source.txt", line="{number}"),
    files=TINY.files,
)

PROJECTS: Final[Mapping[str, Edited]] = {
    project.name: project for project in (_FLASK, _GO_SERVER, _NODE_CI, _COMPILED, _LARGE, _TINY)
}
