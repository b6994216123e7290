"""The projects whose life is replayed: their files, and what each kind of change does to them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLES: Final = Path(__file__).resolve().parents[1] / "examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line more in the file of an area, which begins with `head` where it is new.

    Areas have files of their own, so that branches merge. `{area}` is the branch's last part, and
    `{number}` is never the same.
    """

    path: str
    line: str
    head: str = ""

    def apply(self, place: Path, area: str, number: int) -> None:
        """Change the project in `place`."""
        path = place / self.path.format(area=area)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8") if path.exists() else self.head
        line = self.line.replace("{number}", str(number))
        path.write_text(f"{text}{line}\n", encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """Texts in files that are replaced, as (path, old, new)."""

    texts: tuple[tuple[str, str, str], ...]

    def apply(self, place: Path, area: str, number: int) -> None:  # noqa: ARG002
        """Change the project in `place`.

        Raises ValueError where there is no such text: the example is not what it was.
        """
        for name, old, new in self.texts:
            path = place / name
            text = path.read_text(encoding="utf-8")
            if old not in text:
                raise ValueError(f"{name} has no {old!r}")
            path.write_text(text.replace(old, new), encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Files, what each kind of change does, and the argument that gets the commit, if any.

    The files are those of the example of that name where none are given.
    """

    name: str
    changes: Mapping[str, Line | Swap]
    files: Mapping[str, str] = field(default_factory=dict)
    commit_argument: str = ""

    def lay_out(self, place: Path) -> None:
        """Write the project into an empty directory."""
        for path, text in self.files.items():
            (place / path).write_text(text, encoding="utf-8")
        if not self.files:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(EXAMPLES / self.name, place, ignore=ignored, dirs_exist_ok=True)


_README: Final = Line(path="README.md", line="- {number}")

_FLASK: Final = Project(
    name="flask",
    changes={
        "source": Line(path="app/{area}.py", line="RELEASE = {number}"),
        "template": Line(path="app/templates/{area}.html", line="<p>{number}</p>"),
        "tests": Line(path="tests/test_{area}.py", line="RELEASE = {number}"),
        "readme": _README,
        "dependency": Swap(texts=(("requirements.txt", "gunicorn==23.0.0", "gunicorn==25.3.0"),)),
        "dockerfile": Swap(
            texts=(
                ("Dockerfile", "--no-install-recommends curl", "--no-install-recommends curl wget"),
            )
        ),
    },
)

_GO_SERVER: Final = Project(
    name="go-server",
    changes={
        "source": Line(
            path="{area}.go", head="package main\n", line="func init() { println({number}) }"
        ),
        "template": Line(
            path="{area}_page.go", head="package main\n", line="func init() { println({number}) }"
        ),
        "tests": Line(path="{area}_test.go", head="package main\n", line="// {number}"),
        "readme": _README,
        "dependency": Swap(
            texts=(
                ("go.mod", "chi/v5 v5.2.3", "chi/v5 v5.2.5"),
                (
                    "go.sum",
                    "v5.2.3 h1:WQIt9uxdsAbgIYgid+BpYc+liqQZGMHRaUwp0JUcvdE=",
                    "v5.2.5 h1:Eg4myHZBjyvJmAFjFvWgrqDTXFyOzjj7YIm3L3mu6Ug=",
                ),
                (
                    "go.sum",
                    "v5.2.3/go.mod h1:L2yAIGWB3H+phAw1NxKwWM+7eUH/lU8pOMm5hHcoops=",
                    "v5.2.5/go.mod h1:X7Gx4mteadT3eDOMTsXzmI4/rwUpOwBHLpAfupzFJP0=",
                ),
            )
        ),
        "dockerfile": Swap(
            texts=(("Dockerfile", "go mod download", "go mod download && go mod verify"),)
        ),
    },
    commit_argument="GIT_COMMIT",
)

# Shaped like flask, and quick. No step of it gives the same result twice, as with real tools.
_TINY: Final = Project(
    name="tiny",
    changes={
        "source": Line(path="{area}.txt", line="{number}"),
        "template": Line(path="{area}.html", line="{number}"),
        "tests": Line(path="{area}.test", line="{number}"),
        "readme": _README,
        "dependency": Swap(texts=(("requirements.txt", "one", "two"),)),
        "dockerfile": Swap(texts=(("Dockerfile", "> /tools", "> /srv/tools"),)),
    },
    files={
        "Dockerfile": """\
FROM busybox:1.37
WORKDIR /srv
RUN cat /proc/sys/kernel/random/uuid > /tools
COPY requirements.txt .
RUN cat /proc/sys/kernel/random/uuid requirements.txt > installed
COPY . .
""",
        ".dockerignore": ".git\nDockerfile\nREADME.md\n",
        "README.md": "# Tiny\n",
        "requirements.txt": "one\n",
    },
)

PROJECTS: Final[Mapping[str, Project]] = {
    project.name: project for project in (_FLASK, _GO_SERVER, _TINY)
}
