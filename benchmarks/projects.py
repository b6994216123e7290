"""The projects whose history is replayed: their files, and the effect of each kind of change."""

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
    """An additional line in the file of an area; a new file begins with `head`.

    Each area has its own file, so that branches merge. `{area}` is the last part of the branch, and
    `{number}` is different each time.
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
    """Replacements of text in files, as (path, old, new); `{number}` is different each time."""

    texts: tuple[tuple[str, str, str], ...]

    def apply(self, place: Path, area: str, number: int) -> None:  # noqa: ARG002
        """Change the project in `place`.

        Raises ValueError if a file lacks the old text: the example has changed.
        """
        for name, old, new in self.texts:
            path = place / name
            text = path.read_text(encoding="utf-8")
            if old not in text:
                raise ValueError(f"{name} has no {old!r}")
            following = new.replace("{number}", str(number))
            path.write_text(text.replace(old, following), encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Files, the effect of each kind of change, and the build argument for the commit, if any.

    Without `files`, the files are those of the example with this name.
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

GO_BUMP: Final = Swap(
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
        "dependency": GO_BUMP,
        "dockerfile": Swap(
            texts=(("Dockerfile", "go mod download", "go mod download && go mod verify"),)
        ),
    },
    commit_argument="GIT_COMMIT",
)

_NODE_CI: Final = Project(
    name="node-ci",
    changes={
        "source": Line(path="src/{area}.js", line="export const release{number} = {number};"),
        "template": Line(path="src/{area}_page.js", line="export const page{number} = {number};"),
        "tests": Line(path="test/{area}.test.js", line="// {number}"),
        "readme": _README,
        "dependency": Swap(
            texts=(
                ("package.json", '"ms": "2.1.3"', '"ms": "2.1.2"'),
                ("package-lock.json", '"ms": "2.1.3"', '"ms": "2.1.2"'),
                ("package-lock.json", '"version": "2.1.3"', '"version": "2.1.2"'),
                (
                    "package-lock.json",
                    "6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==",
                    "sGkPx+VjMtmA6MX27oA4FBFELFCZZ4S4XqeGOXCv68tT+jb3vk/RyaKWP0PTKyWtmLSM0b+adUTEvbs1PEaH2w==",
                ),
            )
        ),
        "dockerfile": Swap(texts=(("Dockerfile", "npm ci", "npm ci --no-audit"),)),
    },
)

# Built like flask, but quick. As with real tools, no step gives the same result twice.
TINY: Final = Project(
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
    project.name: project for project in (_FLASK, _GO_SERVER, _NODE_CI, TINY)
}
