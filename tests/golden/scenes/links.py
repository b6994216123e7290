"""What a build says of `link`, and of an edit that waited for layers."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from tests.golden import machine
from tests.golden.made_up import BUILT, lines, vertex
from tests.golden.scene import Scene, Subject
from tests.golden.scenes.ci_systems import github

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SRV: Final = "FROM a\nWORKDIR /srv\n"
_FLASK: Final = f"{_SRV}COPY . .\nCOPY --from=b /c /c\n"
_READS: Final = "FROM b AS d\nRUN e\nFROM b\nCOPY --link --from=d /f /f\n"
# By title: the Dockerfile, flags, and other files.
_CASES: Final[dict[str, tuple[str, tuple[str, ...], dict[str, str]]]] = {
    "steps that are linked": (_FLASK, (), {}),
    "a step that is linked": (f"{_SRV}COPY . .\n", (), {}),
    "no stage": ("FROM a\n", ("--target=b",), {}),
    "nothing is copied": (f"{_SRV}RUN make\n", (), {}),
    "a RUN follows": (f"{_SRV}COPY . .\nRUN make\n", (), {}),
    "an unknown frontend": (f"# syntax=me/own\n{_FLASK}", (), {}),
    "an old frontend": (f"# syntax=docker/dockerfile:1.3\n{_FLASK}", (), {}),
    "a FROM of several stages": ("FROM a AS b1\nFROM a AS b2\nFROM b$X\nCOPY . /c/\n", (), {}),
    "a context for a stage": ("FROM a AS b\nCOPY . /c/\n", ("--build-contexts=b=.",), {}),
    "triggers": ("FROM a AS b\nONBUILD RUN c\nFROM b\nCOPY . /d/\n", (), {}),
    "a stage that others read": (f"FROM a AS b\nCOPY . /c/\n{_READS}", (), {}),
    "a word on two lines": (f"{_SRV}CO\\\nPY . .\n", (), {}),
    "an unknown place": ("FROM a\nCOPY . .\n", (), {}),
    "a flag": (f"{_SRV}COPY --new . .\n", (), {}),
    "a mode": (f"{_SRV}COPY --chmod=700 . .\n", (), {}),
    "an owner": (f"{_SRV}COPY --chown=me . .\n", (), {}),
    "parents": (f"{_SRV}COPY --parents . .\n", (), {}),
    "an exception": (f"{_SRV}COPY --exclude=!a . .\n", (), {}),
    "the root": ("FROM a\nCOPY . /\n", (), {}),
    "an odd place": ("FROM a\nCOPY . /var/www/\n", (), {}),
    "an archive": ("FROM a\nADD a.tar /usr/local/\n", (), {}),
    "no slash": (f"{_SRV}COPY --from=b /c /srv\n", (), {}),
    "a directory of another user": ("FROM a\nUSER me\nWORKDIR /srv\nCOPY . .\n", (), {}),
    "a step with another owner": ("FROM a\nCOPY --chown=5 . /b/\nCOPY . /b/\n", (), {}),
    "a step to an unknown place": ("FROM a\nCOPY . $B\nCOPY . /c/\n", (), {}),
    "a step into the same directory": (
        "FROM a\nCOPY --from=b /c /srv/\nCOPY --from=b /d /srv/d/\n",
        (),
        {},
    ),
    "a RUN that names the directory": (f"{_SRV}RUN chmod 700 /srv\nCOPY . .\n", (), {}),
    "an output of files": (_FLASK, ("--outputs=type=tar,dest=a.tar",), {}),
    "an SBOM": (_FLASK, ("--sbom=true",), {}),
    "a policy": (_FLASK, (), {"Dockerfile.rego": ""}),
    "a .dockerignore that is a directory": (_FLASK, (), {"Dockerfile.dockerignore/a": ""}),
    "a context that is elsewhere": (_FLASK, ("--context=https://example.com/a.git",), {}),
}
_EDIT: Final = vertex("[3/4] COPY . .")
_LAYER: Final = vertex("[2/4] WORKDIR /srv", cached=True)


def _scenes() -> Iterator[Scene]:
    for title, (dockerfile, flags, files) in _CASES.items():
        said = machine.built(
            "--link",
            *flags,
            files={"Dockerfile": dockerfile} | files,
            buildx={"build": BUILT},
        )
        yield Scene(title=title, said=_of_links(said))
    env, files = github("a push to another branch")
    said = machine.built("--link", env=env, files=files, buildx={"build": BUILT})
    yield Scene(title="a commit that is not checked out", said=_of_links(said))
    files |= {".git/HEAD": f"{env['GITHUB_SHA']}\n", "Dockerfile": _FLASK}
    ignored = {"Dockerfile.dockerignore": "a"}
    for title, committed in (
        ("a Dockerfile that the job changed", {"Dockerfile": "FROM a\n"}),
        (
            "a .dockerignore that the job changed",
            {"Dockerfile": _FLASK, "Dockerfile.dockerignore": "b"},
        ),
    ):
        said = machine.built(
            "--link",
            env=env,
            files=files | ignored,
            prepare=_index(committed),
            buildx={"build": BUILT},
        )
        yield Scene(title=title, said=_of_links(said))
    said = machine.built(
        "--link",
        files={"Dockerfile": _FLASK},
        buildx={
            "build.1": (1, "ERROR: failed to solve: dockerfile parse error: unknown flag: link"),
            "build": BUILT,
        },
    )
    yield Scene(title="a builder that does not link", said=_of_links(said))
    unpacked = {
        "vertex": json.loads(_LAYER)["vertexes"][0]["digest"],
        "id": "extracting sha256:0a1b",
        "started": "2026-01-09T16:00:00Z",
        "completed": "2026-01-09T16:00:04.5Z",
    }
    build = lines(_LAYER, json.dumps({"statuses": [unpacked]}), _EDIT)
    said = machine.built(files={"Dockerfile": _FLASK}, buildx={"build": build})
    yield Scene(title="an edit that waited for layers", said=_of_links(said))


def _index(committed: dict[str, str]) -> machine.Prepare:
    """Return what writes git's index of a commit with these files."""
    entries = b""
    for name, text in committed.items():
        blob = hashlib.sha1(b"blob %d\0%b" % (len(text), text.encode())).digest()  # noqa: S324
        mode = (0o100644).to_bytes(4)
        entry = b"\0" * 24 + mode + b"\0" * 12 + blob + len(name).to_bytes(2) + name.encode()
        entries += entry + b"\0" * (8 - len(entry) % 8)
    data = b"DIRC" + b"\0\0\0\x02" + len(committed).to_bytes(4) + entries

    def write(job: Path) -> None:
        (job / ".git" / "index").write_bytes(data)

    return write


def _of_links(said: str) -> str:
    """Return the lines about links, but not those of progress and commands."""
    return "\n".join(
        line
        for line in said.splitlines()
        if "link" in line and not line.startswith(("+ ", "#")) and "/linked/" not in line
    )


SUBJECT = Subject(name="links", about="What is said of COPY --link.", scenes=_scenes)
