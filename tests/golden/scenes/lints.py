"""What the lints find: each rule with each of its reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.golden import machine
from tests.golden.made_up import lines, vertex
from tests.golden.scene import Scene, Subject
from tests.golden.scenes.ci_systems import github

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TOKEN: Final = "--build-args=NPM_TOKEN=s3cr3t-v4lue"
_GIT: Final = {".git/HEAD": "ref: refs/heads/main\n"}
_NPM: Final = "FROM node:22\nWORKDIR /app\n"
_STAGES: Final = (
    "FROM node:22 AS deps\nRUN npm ci\nFROM node:22 AS build\nRUN make\n"
    "FROM node:22\nCOPY --from=build /a /a\nCOPY --from=deps /b /b\n"
)
_ONE_STAGE: Final = "FROM node:22 AS build\nRUN make\nFROM node:22\nCOPY --from=build /a /a\n"
# By title: the Dockerfile, flags, and other files.
_CASES: Final[dict[str, tuple[str, tuple[str, ...], dict[str, str]]]] = {
    "a secret build argument": (f"{_NPM}ARG NPM_TOKEN\nRUN npm ci\n", (_TOKEN,), {}),
    "a secret build argument, in the provenance as well": (
        f"{_NPM}ARG NPM_TOKEN\nRUN npm ci\n",
        (_TOKEN, "--attests=type=provenance,mode=max"),
        {},
    ),
    "a secret build argument of another stage": (
        "FROM node:22 AS build\nARG NPM_TOKEN\nRUN npm ci\nFROM node:22\nCOPY --from=build /a /a\n",
        (_TOKEN,),
        {},
    ),
    "an early ARG": (
        f"{_NPM}ARG GIT_COMMIT\nRUN npm ci\n",
        ("--build-args=GIT_COMMIT=0a1b2c3d",),
        {},
    ),
    "an early COPY": (f"{_NPM}COPY . .\nRUN npm ci\n", (), {".dockerignore": ".git\n"}),
    ".git, and no .dockerignore": ("FROM node:22\nCOPY . .\n", (), _GIT),
    ".git, and a .dockerignore": ("FROM node:22\nCOPY . .\n", (), {**_GIT, ".dockerignore": "a\n"}),
    "no .git, and no .dockerignore": ("FROM node:22\nCOPY . .\n", (), {}),
    ".git, and a mount": (
        "FROM node:22\nRUN --mount=source=.,target=/a make\n",
        (),
        {**_GIT, ".dockerignore": "a\n"},
    ),
    "a mount, no .git, and no .dockerignore": (
        "FROM node:22\nRUN --mount=target=/a make\n",
        (),
        {},
    ),
    "a cache mount": (
        f"{_NPM}RUN --mount=type=cache,target=/a npm ci\n",
        ("--cache-backend=gha",),
        {},
    ),
    "a cache mount beside caches of one's own": (
        f"{_NPM}RUN --mount=type=cache,target=/a npm ci\n",
        ("--cache-from=r.io/a:b",),
        {},
    ),
    "a cache mount without a cache": (
        f"{_NPM}RUN --mount=type=cache,target=/a npm ci\n",
        ("--cache=off",),
        {},
    ),
    "cache mounts": (
        _NPM + 3 * "RUN --mount=type=cache,target=/a make\n",
        ("--cache-backend=gha",),
        {},
    ),
    "cache-mode=min": (_ONE_STAGE, ("--cache-mode=min",), {}),
    "cache-mode=min, two stages": (_STAGES, ("--cache-mode=min",), {}),
    "cache-backend=inline": (_ONE_STAGE, ("--cache-backend=inline",), {}),
    "cache-to: an inline cache": (_ONE_STAGE, ("--cache-to=type=inline",), {}),
    "cache-to: no mode": (_ONE_STAGE, ("--cache-to=type=registry,ref=r.io/a:c",), {}),
    "cache-to: mode=min": (_ONE_STAGE, ("--cache-to=type=registry,ref=r.io/a:c,mode=min",), {}),
    "the newest version of a program": ("FROM node:22\nRUN npm i -g npm@latest\n", (), {}),
    "the newest version of everything": ("FROM node:22\nRUN apt-get -y upgrade\n", (), {}),
    "cache-from alone": ("FROM node:22\n", ("--cache-from=type=gha",), {}),
}


def _scenes() -> Iterator[Scene]:
    for title, (dockerfile, flags, files) in _CASES.items():
        yield Scene(title=title, said=_found(dockerfile, *flags, files=files))
    said = _found("FROM node:22\nCOPY a.sh b.sh /\n", files=_GIT, prepare=tracked)
    yield Scene(title="a mode that git does not store", said=said)
    said = machine.built(
        files={"Dockerfile": f"{_NPM}COPY . .\nRUN npm ci\n", ".dockerignore": ".git\n"},
        buildx={"build": lines(vertex("[2/4] COPY . ."), vertex("[3/4] RUN npm ci"))},
    )
    yield Scene(
        title="what a finding costs, after a build",
        said="\n".join(line for line in said.splitlines() if "early-copy" in line),
    )


def _found(dockerfile: str, *flags: str, files: dict[str, str], **parts: Any) -> str:  # noqa: ANN401 (of `run`)
    env, event = github("a push to the default branch")
    said = machine.run(
        *("plan", "--image=ghcr.io/me/app", "--context=.", *flags),
        env=env,
        files={"Dockerfile": dockerfile} | event | files,
        **parts,
    )
    rows = [line for line in said.splitlines() if line.startswith("warning")]
    return "\n".join(row.removeprefix("warning").strip() for row in rows)


def tracked(job: Path) -> None:
    """Make two scripts that git tracks as executable, and that are not."""
    entries = b"".join(_entry(name) for name in ("a.sh", "b.sh"))
    (job / ".git" / "index").write_bytes(b"DIRC" + b"\0\0\0\x02" + b"\0\0\0\x02" + entries)
    for name in ("a.sh", "b.sh"):
        (job / name).write_text("true\n", encoding="utf-8")
        (job / name).chmod(0o664)


def _entry(name: str) -> bytes:
    """Return an entry of git's index: the mode at byte 24, and the name behind 62 bytes."""
    mode = (0o100755).to_bytes(4)
    entry = b"\0" * 24 + mode + b"\0" * 32 + len(name).to_bytes(2) + name.encode()
    return entry + b"\0" * (8 - len(entry) % 8)


SUBJECT = Subject(name="lints", about="What the lints find.", scenes=_scenes)
