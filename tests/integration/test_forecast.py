"""The forecast of each step against what BuildKit then does, by a table of changes.

Each row is a Dockerfile and one change. All rows are built on one builder, whose own cache takes
the place of one that is imported; then each is changed in a copy, as another checkout has it.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import secrets
import shutil
import socket
import stat
import subprocess
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.integration.conftest import Registry, buildx
from tests.printed import printed
from warmbuild import refs
from warmbuild.buildkit.progress import Progress
from warmbuild.project import context_files, dockerfile, ignore_file
from warmbuild.record import predicting, ran, recipe, record
from warmbuild.record.content import Content
from warmbuild.record.predicting import Compared, Fate
from warmbuild.record.recipe import Given
from warmbuild.record.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.integration.conftest import Lab
    from warmbuild.buildkit.progress import Step
    from warmbuild.record.recipe import Recipe

# Targets of one call: BuildKit is slow with many more at once.
MOST = 50


@dataclass(frozen=True, slots=True)
class Row:
    """A Dockerfile, one change, and how many steps nobody can know before the build.

    `before` and `after` are members of bake's target, which stay if only `before` is given.
    """

    text: str
    change: Callable[[Path], object] | None = None
    unknown: int = 0
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] | None = None


SALT = b"salt"
BASES = {
    "one": "FROM busybox:1.37\nRUN echo one > /etc/base\n",
    "label": "FROM busybox:1.37\nRUN echo one > /etc/base\nLABEL a=b\n",
    "two": "FROM busybox:1.37\nRUN echo two > /etc/base\nWORKDIR /other\n",
}
# The context of each row; the id is in the content of each file.
FILES = {
    "a.txt": "a",
    "b.txt": "b",
    "README.md": "readme",
    "app/main.py": "main",
    "app/util.py": "util",
    "app/doc.md": "doc",
    "app/sub/deep.txt": "deep",
    "app/sub/other.md": "other",
    "docs/one.md": "one",
    "tool.sh": "tool",
}
LINKS = {"app/link": "main.py", "linked.ref": "a.txt", "linked": "app"}


def write(path: str, text: str = "changed") -> Callable[[Path], object]:
    def change(place: Path) -> None:
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)

    return change


def edit(old: str, new: str, path: str = "Dockerfile") -> Callable[[Path], object]:
    def change(place: Path) -> None:
        text = (place / path).read_bytes().decode()
        assert old in text
        (place / path).write_bytes(text.replace(old, new).encode())

    return change


def mode(path: str, bits: int) -> Callable[[Path], object]:
    return lambda place: (place / path).chmod(bits)


def remove(path: str) -> Callable[[Path], object]:
    return lambda place: (place / path).unlink()


def rename(path: str, other: str) -> Callable[[Path], object]:
    return lambda place: (place / path).rename(place / other)


def mkdir(path: str) -> Callable[[Path], object]:
    return lambda place: (place / path).mkdir()


def link(path: str, target: str) -> Callable[[Path], object]:
    def change(place: Path) -> None:
        (place / path).unlink(missing_ok=True)
        (place / path).symlink_to(target)

    return change


def touch(path: str) -> Callable[[Path], object]:
    return lambda place: os.utime(place / path, (1, 1))


def bind(path: str) -> Callable[[Path], object]:
    def change(place: Path) -> None:
        with contextlib.chdir(place), socket.socket(socket.AF_UNIX) as one:
            one.bind(path)

    return change


def both(*changes: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda place: [change(place) for change in changes]


def args(**values: str) -> dict[str, Any]:
    return {"args": values}


# Beginnings of stages, whose steps no other row has.
B = "FROM busybox:1.37\nCOPY <<id /\n{id}\nid\n"
ONE = "FROM busybox:1.37 AS one\nCOPY <<id /\n{id} one\nid\n"
TWO = "FROM busybox:1.37 AS two\nCOPY <<id /\n{id} two\nid\n"
ALL = f"{B}WORKDIR /srv\nCOPY . .\nWORKDIR /end\n"
APP = f"{B}COPY app /srv/app/\nWORKDIR /end\n"
LAYERED = f"{B}WORKDIR /srv\nCOPY a.txt b.txt ./\nRUN cat a.txt\nCOPY app app\nRUN echo x\n"
STAGES = (
    f"{ONE}COPY app /src\nRUN cat /src/main.py | wc -c > /out\n"
    f"{B}COPY --from=one /out /out\nRUN echo y\n"
)
TABLE: Mapping[str, Row] = {
    "nothing": Row(ALL),
    "nothing-in-layers": Row(LAYERED),
    "nothing-in-stages": Row(STAGES),
    "times": Row(ALL, touch("a.txt")),
    "content": Row(ALL, write("a.txt")),
    "content-of-one-layer": Row(LAYERED, write("app/main.py")),
    "content-of-the-first-layer": Row(LAYERED, write("b.txt")),
    "content-outside-of-any-copy": Row(LAYERED, write("README.md")),
    "content-back-to-empty": Row(APP, write("app/main.py", "")),
    "mode": Row(ALL, mode("a.txt", 0o755)),
    "mode-of-a-directory": Row(ALL, mode("app/sub", 0o700)),
    "mode-of-a-copied-directory": Row(APP, mode("app", 0o700)),
    "mode-of-the-context": Row(ALL, mode(".", 0o700)),
    "mode-of-a-directory-above": Row(f"{B}COPY app/sub /x/\n", mode("app", 0o700)),
    "mode-with-chmod": Row(f"{B}COPY --chmod=644 a.txt /\n", mode("a.txt", 0o600)),
    "mode-sticky": Row(APP, mode("app/sub", 0o1755)),
    "mode-setuid": Row(APP, mode("app/main.py", 0o4755)),
    "added": Row(ALL, write("new.txt")),
    "added-below-a-copied-directory": Row(APP, write("app/new/x.txt")),
    "added-beside-a-copied-directory": Row(APP, write("apple.txt")),
    "removed": Row(ALL, remove("b.txt")),
    "removed-elsewhere": Row(APP, remove("b.txt")),
    "renamed": Row(ALL, rename("b.txt", "c.txt")),
    "renamed-directory": Row(ALL, rename("app/sub", "app/suc")),
    "renamed-and-copied-under-the-new-name": Row(
        f"{B}COPY docs/one.md /x\n", both(rename("docs", "docu"), edit("docs/", "docu/"))
    ),
    "renamed-file-and-copied-under-the-new-name": Row(
        f"{B}COPY b.txt /x\n", both(rename("b.txt", "c.txt"), edit("b.txt", "c.txt"))
    ),
    "renamed-directory-and-copied": Row(
        f"{B}COPY docs /x\n", both(rename("docs", "docu"), edit("docs", "docu"))
    ),
    "file-becomes-a-directory": Row(ALL, both(remove("b.txt"), mkdir("b.txt"))),
    "file-becomes-a-link": Row(ALL, link("b.txt", "a.txt")),
    "empty-directory-added": Row(ALL, mkdir("empty")),
    "empty-directory-added-elsewhere": Row(APP, mkdir("empty")),
    "link-inside-leads-elsewhere": Row(APP, link("app/link", "util.py")),
    "target-of-a-link-inside": Row(f"{B}COPY docs /d\n", write("a.txt")),
    "link-as-source-nothing": Row(f"{B}COPY linked.ref /x\n", unknown=1),
    "link-as-source": Row(f"{B}COPY linked.ref /x\n", write("a.txt"), unknown=1),
    "link-above-the-source": Row(f"{B}COPY linked/main.py /x\n", write("app/main.py"), unknown=1),
    "hard-link-added": Row(APP, lambda place: (place / "app/two.py").hardlink_to(place / "a.txt")),
    "hard-link-inside": Row(
        APP, lambda place: (place / "app/two.py").hardlink_to(place / "app/main.py")
    ),
    "file-becomes-a-hard-link": Row(
        ALL,
        both(
            write("README.md", "a"),
            write("a.txt", "a"),
            remove("a.txt"),
            lambda place: (place / "a.txt").hardlink_to(place / "README.md"),
        ),
    ),
    "pipe": Row(APP, lambda place: os.mkfifo(place / "app/pipe")),
    "device": Row(APP, lambda place: os.mknod(place / "app/null", stat.S_IFCHR, os.makedev(1, 3))),
    "socket": Row(APP, bind("app/socket")),
    "attribute": Row(APP, lambda place: os.setxattr(place / "app/main.py", "user.x", b"y")),
    "ignored-file": Row(
        ALL, both(write("x.log"), write(".dockerignore", "*.log\n.dockerignore\n"))
    ),
    "ignore-file-changes-in-the-context": Row(ALL, write(".dockerignore", "*.log\n")),
    "ignore-now-excludes": Row(APP, write(".dockerignore", "**/*.md\n")),
    "ignore-now-excludes-elsewhere": Row(APP, write(".dockerignore", "docs\n")),
    "ignore-with-an-exception": Row(
        APP, write(".dockerignore", "app\n!app/sub/deep.txt\n!app/main.py\n")
    ),
    "ignore-all-but": Row(APP, write(".dockerignore", "*\n!app\n")),
    "own-ignore-file": Row(APP, write("Dockerfile.dockerignore", "app/doc.md\n")),
    "own-ignore-file-wins": Row(
        APP,
        both(write("Dockerfile.dockerignore", "x\n"), write(".dockerignore", "app/doc.md\n")),
    ),
    "dockerfile-in-the-context": Row(ALL, edit("WORKDIR /end", "WORKDIR /end2")),
    "dockerfile-comment-in-the-context": Row(ALL, edit("WORKDIR /end", "# comment\nWORKDIR /end")),
    "wildcard": Row(f"{B}COPY *.txt /x/\n", write("a.txt")),
    "wildcard-added": Row(f"{B}COPY *.txt /x/\n", write("new.txt")),
    "wildcard-elsewhere": Row(f"{B}COPY *.txt /x/\n", write("README.md")),
    "wildcard-of-a-directory": Row(f"{B}COPY app/s* /x/\n", write("app/sub/deep.txt")),
    "wildcard-directories": Row(f"{B}COPY */*.md /x/\n", write("app/sub/other.md")),
    "wildcard-directories-hit": Row(f"{B}COPY */*.md /x/\n", write("app/doc.md")),
    "wildcard-question-mark": Row(f"{B}COPY ?.txt /x/\n", write("b.txt")),
    "wildcard-set": Row(f"{B}COPY [ab].txt /x/\n", write("b.txt"), unknown=1),
    "wildcard-none": Row(f"{B}COPY nothing* /x/\n", write("b.txt")),
    "exclude": Row(f"{B}COPY --exclude=*.md app /x/\n", write("app/doc.md")),
    "exclude-others": Row(f"{B}COPY --exclude=*.md app /x/\n", write("app/sub/other.md")),
    "exclude-deep": Row(f"{B}COPY --exclude=**/*.md app /x/\n", write("app/sub/other.md")),
    "exclude-directory": Row(f"{B}COPY --exclude=sub app /x/\n", write("app/sub/deep.txt")),
    "exclude-directory-mode": Row(f"{B}COPY --exclude=sub app /x/\n", mode("app/sub", 0o700)),
    "exclude-hit": Row(f"{B}COPY --exclude=*.md app /x/\n", write("app/main.py")),
    "exclude-all": Row(f"{B}COPY --exclude=*.md . /x/\n", write("README.md")),
    "exclude-wildcard": Row(f"{B}COPY --exclude=*.md ap* /x/\n", write("app/doc.md")),
    "exclude-wildcard-file": Row(f"{B}COPY --exclude=*.md */*.md /x/\n", write("app/doc.md")),
    "exclude-exception": Row(
        f"{B}COPY --exclude=sub --exclude=!sub/deep.txt app /x/\n", write("app/sub/deep.txt")
    ),
    "exclude-exception-elsewhere": Row(
        f"{B}COPY --exclude=sub --exclude=!sub/deep.txt app /x/\n", write("app/sub/other.md")
    ),
    "exclude-pattern-edited": Row(f"{B}COPY --exclude=*.md app /x/\n", edit("*.md", "*.rst")),
    "parents": Row(f"{B}COPY --parents app/sub/deep.txt /x/\n", write("app/sub/deep.txt")),
    "parents-elsewhere": Row(f"{B}COPY --parents app/sub/deep.txt /x/\n", write("app/main.py")),
    "parents-mode": Row(f"{B}COPY --parents app/sub/deep.txt /x/\n", mode("app", 0o700)),
    "parents-wildcard": Row(f"{B}COPY --parents */*.md /x/\n", write("docs/two.md")),
    "parents-wildcard-miss": Row(f"{B}COPY --parents */*.md /x/\n", write("app/sub/other.md")),
    "parents-deep-wildcard": Row(f"{B}COPY --parents **/*.md /x/\n", write("app/sub/other.md")),
    "parents-pivot": Row(f"{B}COPY --parents app/./sub/*.txt /x/\n", write("app/sub/deep.txt")),
    "parents-pivot-miss": Row(f"{B}COPY --parents app/./sub/*.txt /x/\n", write("app/doc.md")),
    "parents-pivot-mode": Row(f"{B}COPY --parents app/./sub/*.txt /x/\n", mode("app", 0o700)),
    "chown-edited": Row(f"{B}COPY --chown=1:1 a.txt /\n", edit("1:1", "2:2")),
    "chown-by-name": Row(f"{B}COPY --chown=daemon a.txt /\n", write("b.txt")),
    "chmod-edited": Row(f"{B}COPY --chmod=600 a.txt /\n", edit("600", "644")),
    "chown-by-argument": Row(f"{B}ARG U=1\nCOPY --chown=$U a.txt /\nRUN :\n", edit("U=1", "U=2")),
    "link": Row(f"{B}RUN echo 1\nCOPY --link a.txt /x/\nRUN true\n", edit("echo 1", "echo 2")),
    "link-content": Row(f"{B}COPY --link a.txt /x/\nRUN true\n", write("a.txt")),
    "link-below-copy": Row(
        f"{B}COPY a.txt /\nCOPY --link b.txt /x/\nCOPY --link app /app\nRUN true\n", write("a.txt")
    ),
    "link-relative": Row(
        f"{B}WORKDIR /one\nCOPY --link a.txt ./\nRUN true\n", edit("/one", "/two")
    ),
    "link-absolute-below-workdir": Row(
        f"{B}WORKDIR /one\nCOPY --link a.txt /x/\nRUN true\n", edit("/one", "/two")
    ),
    "link-with-chmod": Row(
        f"{B}RUN echo 1\nCOPY --link --chmod=600 a.txt /x/\n", edit("echo 1", "echo 2")
    ),
    "link-false": Row(f"{B}RUN echo 1\nCOPY --link=false a.txt /x/\n", edit("echo 1", "echo 2")),
    "link-added": Row(f"{B}COPY a.txt /x/\n", edit("COPY a", "COPY --link a")),
    "link-of-a-stage": Row(
        STAGES.replace("--from", "--link --from"), write("app/main.py", "xxxx"), unknown=2
    ),
    "several-sources": Row(f"{B}COPY a.txt b.txt app /x/\n", write("app/util.py")),
    "several-sources-reordered": Row(
        f"{B}COPY a.txt b.txt /x/\n", edit("a.txt b.txt", "b.txt a.txt")
    ),
    "several-sources-nested": Row(f"{B}COPY app app/sub /x/\n", write("app/sub/deep.txt")),
    "json-form": Row(f'{B}COPY ["a.txt", "/x/"]\n', write("b.txt")),
    "json-form-spaces": Row(f'{B}COPY ["a.txt", "/x/"]\n', edit('["a', '[ "a')),
    "json-form-to-words": Row(f'{B}COPY ["a.txt", "/x/"]\n', edit('["a.txt", "/x/"]', "a.txt /x/")),
    "copy-spaces": Row(f"{B}COPY a.txt /x/\n", edit("a.txt /x/", "  a.txt \t /x/  ")),
    "copy-continued": Row(
        f"{B}COPY a.txt /x/\n", edit("a.txt /x/", "\\\n  a.txt \\\n# no\n\n  /x/")
    ),
    "copy-dot": Row(f"{B}COPY a.txt /x/\n", edit("a.txt", "./a.txt")),
    "copy-slash": Row(f"{B}COPY app /x/\n", edit("app", "app/")),
    "copy-destination-slash": Row(f"{B}COPY app /x/\n", edit("/x/", "/x")),
    "copy-destination-dots": Row(f"{B}COPY a.txt /x/\n", edit("/x/", "/y/../x/")),
    "copy-quoted": Row(f"{B}COPY a.txt /x/\n", edit("a.txt", '"a.txt"')),
    "copy-case": Row(f"{B}COPY a.txt /x/\n", edit("COPY a", "copy a")),
    "copy-to-add": Row(f"{B}COPY a.txt /x/\n", edit("COPY a", "ADD a")),
    "copy-relative": Row(f"{B}WORKDIR /x\nCOPY a.txt y/\n", edit("y/", "/x/y/")),
    "add": Row(f"{B}ADD a.txt /x/\n", write("a.txt")),
    "heredoc-copy": Row(f"{B}COPY <<EOF /x\nhello\nEOF\n", edit("hello", "bye")),
    "heredoc-copy-same": Row(
        f"{B}COPY <<EOF /x\nhello\nEOF\nRUN true\n", edit("RUN true", "RUN false || true")
    ),
    "heredoc-copy-variable": Row(f"{B}ARG X=1\nCOPY <<EOF /x\nhello $X\nEOF\n", edit("X=1", "X=2")),
    "heredoc-copy-other-variable": Row(
        f"{B}ARG X=1\nCOPY <<EOF /x\nhello\nEOF\n", edit("X=1", "X=2")
    ),
    "heredoc-copy-name": Row(f"{B}COPY <<EOF /x/\nhello\nEOF\n", edit("EOF", "END")),
    "heredoc-run": Row(f"{B}RUN <<EOF\necho 1\necho 2\nEOF\n", edit("echo 2", "echo 3")),
    "heredoc-run-same": Row(f"{B}RUN <<EOF\necho 1\nEOF\nRUN : 1\n", edit(": 1", ": 2")),
    "heredoc-run-comment": Row(f"{B}RUN <<EOF\necho 1\nEOF\n", edit("echo 1", "# x\necho 1")),
    "heredoc-run-shebang": Row(f"{B}RUN <<EOF\n#!/bin/sh\necho 1\nEOF\n", edit("echo 1", "echo 2")),
    "heredoc-run-two": Row(f"{B}RUN cat <<A - <<B\n1\nA\n2\nB\n", edit("\n2\n", "\n3\n")),
    "arg": Row(f"{B}ARG X\nRUN true\n", before=args(X="1"), after=args(X="2")),
    "arg-same": Row(f"{B}ARG X\nRUN true\n", before=args(X="1"), after=args(X="1")),
    "arg-given-now": Row(f"{B}ARG X\nRUN true\n", after=args(X="2")),
    "arg-empty-now": Row(f"{B}ARG X\nRUN true\n", after=args(X="")),
    "arg-default": Row(f"{B}ARG X=1\nRUN true\n", edit("X=1", "X=2")),
    "arg-as-the-default": Row(f"{B}ARG X=1\nRUN true\n", after=args(X="1")),
    "arg-not-declared": Row(f"{B}RUN true\n", after=args(X="1")),
    "arg-declared-later": Row(
        f"{B}RUN true\nARG X\nRUN echo\n", before=args(X="1"), after=args(X="2")
    ),
    "arg-declared-after-all": Row(f"{B}RUN true\nARG X\n", before=args(X="1"), after=args(X="2")),
    "arg-global-unused": Row(f"ARG X=1\n{B}RUN true\n", edit("X=1", "X=2")),
    "arg-global-used": Row(f"ARG X=1\n{B}ARG X\nRUN true\n", edit("X=1", "X=2")),
    "arg-global-given": Row(f"ARG X=1\n{B}ARG X\nRUN true\n", after=args(X="2")),
    "arg-global-of-global": Row(f"ARG Y=1\nARG X=v$Y\n{B}ARG X\nRUN true\n", edit("Y=1", "Y=2")),
    "arg-of-arg": Row(f"{B}ARG Y=1\nARG X=v$Y\nCOPY a.txt /$X/\n", edit("Y=1", "Y=2")),
    "arg-in-from": Row(f"ARG V=1.36\n{B.replace('1.37', '$V')}RUN true\n", before=args(V="1.37")),
    "arg-in-from-default": Row(
        f"ARG V\n{B.replace('1.37', '${V:-1.37}')}RUN true\n", edit("RUN true", "RUN false || :")
    ),
    "arg-default-operator": Row(f"{B}ARG X\nARG Y=${{X:-d}}\nRUN true\n", edit("{X:-d}", "{X:-e}")),
    "arg-default-operator-same": Row(
        f"{B}ARG X=1\nENV Y=${{X:-d}}\nRUN true\n", edit("{X:-d}", "{X:-e}")
    ),
    "arg-alternative-operator": Row(
        f"{B}ARG X=1\nENV Y=${{X:+d}}\nRUN true\n", edit("{X:+d}", "{X:+e}")
    ),
    "arg-pattern": Row(f"{B}ARG X=abc\nENV Y=${{X#a}}\nRUN true\n", edit("X=abc", "X=xbc")),
    "arg-quotes": Row(f"{B}ARG X=1\nRUN true\n", edit("X=1", 'X="1"')),
    "arg-quotes-inside": Row(f"{B}ARG X=\nRUN true\n", before=args(X="a b"), after=args(X='"a b"')),
    "arg-given-with-quotes-in-env": Row(
        f"{B}ARG X\nENV Y=$X\nRUN true\n", before=args(X="1"), after=args(X='"1"')
    ),
    "arg-in-copy": Row(f"{B}ARG F=a\nCOPY $F.txt /x\n", after=args(F="b")),
    "arg-in-copy-same-file": Row(f"{B}ARG F=a\nCOPY $F.txt /x\n", edit("$F.txt", "a.txt")),
    "arg-in-copy-braces": Row(f"{B}ARG F=a\nCOPY $F.txt /x\n", edit("$F", "${F}")),
    "arg-not-of-copy": Row(f"{B}ARG F=a\nCOPY b.txt /x\n", after=args(F="b")),
    "arg-of-the-base-stage": Row(f"{ONE}ARG X=1\nFROM one\nRUN true\n", after=args(X="2")),
    "arg-twice": Row(f"{B}ARG X=1\nARG X=2\nRUN true\n", edit("X=1", "X=3")),
    "arg-several": Row(f"{B}ARG X=1 Y=$X\nRUN true\n", edit("X=1", "X=2")),
    "arg-order": Row(
        f"{B}ARG X=1\nARG Y=2\nRUN true\n", edit("ARG X=1\nARG Y=2", "ARG Y=2\nARG X=1")
    ),
    "arg-predefined": Row(f"{B}ARG TARGETARCH\nRUN echo $TARGETARCH\n"),
    "arg-targetstage": Row(f"{B}ARG TARGETSTAGE\nRUN true\n"),
    "proxy-argument": Row(f"{B}RUN true\n", after=args(HTTP_PROXY="http://127.0.0.1:9")),
    "proxy-argument-declared": Row(
        f"{B}ARG no_proxy\nRUN true\n", before=args(no_proxy="a"), after=args(no_proxy="b")
    ),
    "proxy-in-env": Row(f"{B}ENV no_proxy=a\nRUN true\n", edit("no_proxy=a", "no_proxy=b")),
    "epoch": Row(
        f"{B}RUN true\nCOPY a.txt /x\nWORKDIR /srv\nRUN echo\n",
        before=args(SOURCE_DATE_EPOCH="1"),
        after=args(SOURCE_DATE_EPOCH="2"),
    ),
    "epoch-now": Row(f"{B}COPY a.txt /x\nWORKDIR /srv\n", after=args(SOURCE_DATE_EPOCH="2")),
    "epoch-declared": Row(
        f"{B}ARG SOURCE_DATE_EPOCH\nRUN true\n",
        before=args(SOURCE_DATE_EPOCH="1"),
        after=args(SOURCE_DATE_EPOCH="2"),
    ),
    "hostname-argument": Row(f"{B}RUN true\n", after=args(BUILDKIT_SANDBOX_HOSTNAME="x")),
    "cache-namespace": Row(
        f"{B}RUN echo 1\nRUN --mount=type=cache,target=/c true\n",
        after=args(BUILDKIT_CACHE_MOUNT_NS="x"),
    ),
    "inline-cache-argument": Row(ALL, after=args(BUILDKIT_INLINE_CACHE="1")),
    "env": Row(f"{B}ENV X=1\nRUN true\n", edit("X=1", "X=2")),
    "env-above-copy-and-workdir": Row(
        f"{B}ENV X=1\nWORKDIR /srv\nCOPY a.txt .\nRUN true\n", edit("X=1", "X=2")
    ),
    "env-legacy": Row(f"{B}ENV X one two\nRUN true\n", edit("X one two", "X one three")),
    "env-legacy-to-new": Row(f"{B}ENV X one\nRUN true\n", edit("X one", "X=one")),
    "env-several": Row(f"{B}ENV X=1 Y=2\nRUN true\n", edit("X=1 Y=2", "X=1 \\\n  Y=2")),
    "env-split": Row(f"{B}ENV X=1 Y=2\nRUN true\n", edit("X=1 Y=2", "X=1\nENV Y=2")),
    "env-order": Row(f"{B}ENV X=1 Y=2\nRUN true\n", edit("X=1 Y=2", "Y=2 X=1")),
    "env-refers-to-the-line-itself": Row(
        f"{B}ENV X=1\nENV X=2 Y=$X\nCOPY a.txt /$Y/\n", edit("ENV X=2 Y", "ENV X=3 Y")
    ),
    "env-refers-to-the-base": Row(
        f"{B}ENV PATH=/x:$PATH\nRUN true\n", edit("RUN true", "RUN false || :")
    ),
    "env-refers-to-the-base-edited": Row(f"{B}ENV PATH=/x:$PATH\nRUN true\n", edit("/x:", "/y:")),
    "env-moved-up": Row(
        f"{B}RUN echo\nENV X=1\nRUN true\n", edit("RUN echo\nENV X=1", "ENV X=1\nRUN echo")
    ),
    "env-last": Row(f"{B}RUN true\nENV X=1\n", edit("X=1", "X=2")),
    "env-over-arg": Row(f"{B}ARG X=1\nENV X=2\nRUN true\n", after=args(X="3")),
    "arg-over-env": Row(f"{B}ENV X=2\nARG X=1\nRUN true\n", after=args(X="3")),
    "env-single-quotes": Row(f"{B}ENV X='$Y'\nRUN true\n", edit("'$Y'", "\\$Y")),
    "workdir": Row(f"{B}WORKDIR /one\nRUN true\n", edit("/one", "/two")),
    "workdir-slash": Row(f"{B}WORKDIR /one\nRUN true\n", edit("/one", "/one/")),
    "workdir-quotes": Row(f"{B}WORKDIR /one\nRUN true\n", edit("/one", '"/one"')),
    "workdir-relative": Row(f"{B}WORKDIR /one\nWORKDIR two\nRUN true\n", edit("two", "three")),
    "workdir-relative-to-base": Row(f"{B}WORKDIR two\nRUN true\n", edit("two", "three")),
    "workdir-relative-spelled-out": Row(
        f"{B}WORKDIR /one\nWORKDIR two\nRUN true\n", edit("WORKDIR two", "WORKDIR /one/two")
    ),
    "workdir-by-argument": Row(f"{B}ARG D=/one\nWORKDIR $D\nCOPY a.txt .\n", after=args(D="/two")),
    "workdir-root": Row(f"{B}WORKDIR /\nRUN true\nCOPY a.txt /x\n", write("a.txt")),
    "workdir-root-between": Row(
        f"{B}WORKDIR /x\nRUN true\nWORKDIR /\nRUN pwd\nWORKDIR /y\nCOPY a.txt .\n", write("a.txt")
    ),
    "user": Row(f"{B}USER 1\nRUN true\n", edit("USER 1", "USER 2")),
    "user-above-copy": Row(f"{B}USER 1\nCOPY a.txt /x\nWORKDIR /y\n", edit("USER 1", "USER 2")),
    "shell": Row(f'{B}SHELL ["/bin/sh", "-ec"]\nRUN true\n', edit('"-ec"', '"-c"')),
    "shell-exec-form": Row(f'{B}SHELL ["/bin/sh", "-ec"]\nRUN ["true"]\n', edit('"-ec"', '"-c"')),
    "shell-above-copy": Row(f'{B}SHELL ["/bin/sh", "-ec"]\nCOPY a.txt /\n', edit('"-ec"', '"-c"')),
    "run-edited": Row(LAYERED, edit("cat a.txt", "cat b.txt")),
    "run-last-edited": Row(LAYERED, edit("echo x", "echo z")),
    "run-spaces": Row(f"{B}RUN echo a && echo b\n", edit("&& ", "&&  ")),
    "run-spaces-around": Row(f"{B}RUN echo a\n", edit("RUN echo a", "  RUN   echo a  ")),
    "run-continued": Row(f"{B}RUN echo a && echo b\n", edit("a && ", "a && \\\n")),
    "run-continued-indented": Row(f"{B}RUN echo a && \\\n  echo b\n", edit("  echo", "    echo")),
    "run-continued-spaces-at-the-end": Row(
        f"{B}RUN echo a && \\\n  echo b\n", edit("\\\n", "\\  \n")
    ),
    "run-continued-comment": Row(f"{B}RUN echo a && \\\n  echo b\n", edit("\\\n", "\\\n# no\n")),
    "run-continued-empty-line": Row(f"{B}RUN echo a && \\\n  echo b\n", edit("\\\n", "\\\n\n")),
    "run-tabs": Row(f"{B}RUN echo a\n", edit("RUN echo a", "RUN\techo a")),
    "run-case": Row(f"{B}RUN echo a\n", edit("RUN echo", "run echo")),
    "run-json": Row(f'{B}RUN ["echo", "a"]\n', edit('["echo", "a"]', '[ "echo","a" ]')),
    "run-json-to-words": Row(f'{B}RUN ["echo", "a"]\n', edit('["echo", "a"]', "echo a")),
    "run-windows-lines": Row(f"{B}RUN echo a\nRUN true\n", edit("\n", "\r\n")),
    "run-inserted": Row(LAYERED, edit("COPY app", "RUN : new\nCOPY app")),
    "run-removed": Row(LAYERED, edit("RUN cat a.txt\n", "")),
    "runs-reordered": Row(
        f"{B}RUN echo 1\nRUN echo 2\nRUN echo 3\n", edit("1\nRUN echo 2", "2\nRUN echo 1")
    ),
    "copies-reordered": Row(
        f"{B}COPY a.txt /\nCOPY b.txt /\n", edit("a.txt /\nCOPY b.txt", "b.txt /\nCOPY a.txt")
    ),
    "first-run-moved": Row(
        "FROM busybox:1.37\nRUN : {id} 1\nRUN : {id} 2\n", edit("1\nRUN : {id} 2", "2")
    ),
    "step-twice": Row(f"{B}RUN echo 1\nRUN echo 2\n", edit("RUN echo 2", "RUN echo 1\nRUN echo 2")),
    "run-network": Row(f"{B}RUN true\n", edit("RUN true", "RUN --network=none true")),
    "comment": Row(LAYERED, edit("RUN echo x", "# comment\n\nRUN echo x")),
    "label-between": Row(LAYERED, edit("COPY app", "LABEL a=b\nCOPY app")),
    "cmd-between": Row(LAYERED, edit("COPY app", 'CMD ["x"]\nCOPY app')),
    "expose-volume-between": Row(LAYERED, edit("COPY app", "EXPOSE 80\nVOLUME /v\nCOPY app")),
    "healthcheck-stopsignal": Row(
        LAYERED, edit("COPY app", "HEALTHCHECK CMD true\nSTOPSIGNAL 9\nCOPY app")
    ),
    "entrypoint-edited": Row(f'{B}ENTRYPOINT ["a"]\nRUN true\n', edit('"a"', '"b"')),
    "stage-content": Row(STAGES, write("app/main.py", "longer text"), unknown=2),
    "stage-content-that-makes-the-same": Row(STAGES, edit("wc -c >", "wc -c  >"), unknown=2),
    "stage-unused": Row(f"{ONE}COPY app /x\n{B}RUN true\n", write("app/main.py")),
    "stage-renamed": Row(STAGES, both(edit("AS one", "AS other"), edit("from=one", "from=other"))),
    "stage-by-number": Row(STAGES, edit("from=one", "from=0")),
    "stage-other-source": Row(STAGES, edit("/out /out", "/src/main.py /out")),
    "stage-same-name-elsewhere": Row(
        f"{ONE}RUN mkdir /p /q && echo x | tee /p/f > /q/f\n{B}COPY --from=one /p/f /x\n",
        edit("/p/f /x", "/q/f /x"),
        unknown=1,
    ),
    "stage-of-a-stage": Row(f"{ONE}COPY a.txt /\nFROM one\nRUN true\n", write("a.txt")),
    "stage-of-a-stage-own-edit": Row(
        f"{ONE}COPY a.txt /\nFROM one\nRUN true\n",
        edit("RUN true", "RUN echo"),
    ),
    "stage-moved-to-another-base": Row(
        f"{ONE}RUN echo 1\n{TWO}RUN echo 2\nFROM one\nRUN echo 3\n",
        edit("FROM one", "FROM two"),
    ),
    "stage-linked-into-two": Row(
        f"{ONE}COPY a.txt /\nFROM one AS two\nRUN echo 2\nFROM one\n"
        "COPY --from=two /a.txt /b.txt\nRUN true\n",
        write("a.txt"),
    ),
    "stage-target": Row(
        f"{ONE}COPY a.txt /\nFROM one AS two\nCOPY b.txt /\n",
        write("b.txt"),
        before={"target": "one"},
    ),
    "scratch": Row("FROM scratch\nCOPY a.txt /\nCOPY app /app\n", write("app/main.py")),
    "scratch-workdir": Row(
        "FROM scratch\nCOPY a.txt /\nWORKDIR x\nCOPY app .\n", write("app/main.py")
    ),
    "single-named-stage": Row(f"{ONE}COPY a.txt /\n", write("a.txt")),
    "copy-from-image": Row(f"{B}COPY --from=busybox:1.37 /bin/sh /x\nRUN true\n", write("a.txt")),
    "copy-from-image-edited": Row(
        f"{B}COPY --from=busybox:1.37 /bin/sh /x\nRUN true\n", edit("/x", "/y")
    ),
    "from-by-digest": Row(f"{B}COPY a.txt /\n", edit("busybox:1.37", "busybox@{busybox}")),
    "from-by-tag-and-digest": Row(f"{B}RUN echo\n", edit("busybox:1.37", "busybox:1.37@{busybox}")),
    "from-spelled-out": Row(
        f"{B}RUN echo\n", edit("busybox:1.37", "docker.io/library/busybox:1.37")
    ),
    "from-another-tag-of-the-same": Row(
        "FROM {base}:same\nRUN : {id}\nRUN true\n", edit(":same", ":copy")
    ),
    "from-another-image": Row(f"{B}RUN true\n", edit("busybox:1.37", "{base}:same"), unknown=2),
    "base-moved": Row("FROM {base}:moved\nRUN : {id}\nCOPY a.txt /\n", unknown=2),
    "base-moved-and-edited": Row(
        "FROM {base}:moved\nRUN : {id}\nCOPY a.txt /\nRUN echo 1\n",
        edit("echo 1", "echo 2"),
        unknown=2,
    ),
    "base-moved-below-link": Row(
        "FROM {base}:moved\nRUN : {id}\nCOPY --link a.txt /\nRUN true\n", unknown=2
    ),
    "base-moved-below-relative-link": Row(
        "FROM {base}:moved\nRUN : {id}\nCOPY --link a.txt x/\nRUN true\n", unknown=3
    ),
    "base-has-other-label-alone": Row(
        "FROM {base}:relabeled\nRUN : {id}\nCOPY a.txt /\n", unknown=2
    ),
    "copied-image-moved": Row(f"{B}COPY --from={{base}}:moved /etc /x\nRUN true\n", unknown=2),
    "copied-image-moved-elsewhere": Row(
        f"{B}COPY --from={{base}}:moved /bin/sh /x\nRUN true\n", unknown=2
    ),
    "mount-bind": Row(f"{B}RUN --mount=target=/m true\n", write("a.txt")),
    "mount-bind-nothing": Row(f"{B}RUN --mount=target=/m true\n"),
    "mount-bind-source": Row(
        f"{B}RUN --mount=type=bind,source=app,target=/m true\n", write("app/main.py")
    ),
    "mount-bind-source-elsewhere": Row(
        f"{B}RUN --mount=type=bind,source=app,target=/m true\n", write("a.txt")
    ),
    "mount-bind-other-source": Row(
        f"{B}RUN --mount=type=bind,source=a.txt,target=/m true\n",
        edit("source=a.txt", "source=b.txt"),
    ),
    "mount-bind-src": Row(
        f"{B}RUN --mount=type=bind,source=app,target=/m true\n", edit("source=", "src=")
    ),
    "mount-bind-default-type": Row(
        f"{B}RUN --mount=type=bind,source=app,target=/m true\n", edit("type=bind,", "")
    ),
    "mount-bind-writable": Row(
        f"{B}RUN --mount=source=app,target=/m,rw touch /m/x\n", write("a.txt")
    ),
    "mount-bind-writable-hit": Row(
        f"{B}RUN --mount=source=app,target=/m,rw touch /m/x\n", write("app/main.py")
    ),
    "mount-bind-target": Row(f"{B}RUN --mount=source=app,target=/m true\n", edit("=/m", "=/n")),
    "mount-bind-relative": Row(
        f"{B}WORKDIR /m\nRUN --mount=source=app,target=x true\n", edit("=x", "=/m/x")
    ),
    "mount-bind-by-argument": Row(
        f"{B}ARG D=app\nRUN --mount=source=$D,target=/m true\n", write("app/main.py")
    ),
    "mount-from-stage": Row(
        f"{ONE}COPY a.txt /\n{B}RUN --mount=from=one,target=/m true\n",
        write("a.txt"),
        unknown=1,
    ),
    "mount-from-stage-nothing": Row(
        f"{ONE}COPY a.txt /\n{B}RUN --mount=from=one,target=/m true\n",
        write("b.txt"),
    ),
    "mount-from-stage-other-file": Row(
        f"{ONE}COPY a.txt b.txt /\n{B}RUN --mount=from=one,source=/b.txt,target=/m true\n",
        write("a.txt"),
        unknown=1,
    ),
    "mount-from-image": Row(f"{B}RUN --mount=from=busybox:1.37,target=/m true\n", write("a.txt")),
    "mount-cache": Row(f"{B}RUN --mount=type=cache,target=/c true\n", write("a.txt")),
    "mount-cache-id": Row(f"{B}RUN --mount=type=cache,target=/c,id=x true\n", edit("id=x", "id=y")),
    "mount-cache-id-added": Row(
        f"{B}RUN --mount=type=cache,target=/c true\n", edit("/c", "/c,id=y")
    ),
    "mount-cache-id-is-the-target": Row(
        f"{B}RUN --mount=type=cache,target=/c true\n", edit("/c", "/c,id=/c")
    ),
    "mount-cache-sharing": Row(
        f"{B}RUN --mount=type=cache,target=/c,sharing=locked true\n", edit("locked", "private")
    ),
    "mount-cache-sharing-added": Row(
        f"{B}RUN --mount=type=cache,target=/c true\n", edit("/c", "/c,sharing=locked")
    ),
    "mount-cache-target": Row(f"{B}RUN --mount=type=cache,target=/c true\n", edit("/c", "/d")),
    "mount-cache-mode": Row(
        f"{B}RUN --mount=type=cache,target=/c,uid=1 true\n", edit("uid=1", "uid=2")
    ),
    "mount-tmpfs": Row(f"{B}RUN --mount=type=tmpfs,target=/c true\n", write("a.txt")),
    "mount-tmpfs-size": Row(
        f"{B}RUN --mount=type=tmpfs,target=/c,size=1m true\n", edit("size=1m", "size=2m")
    ),
    "mount-secret": Row(f"{B}RUN --mount=type=secret,id=s true\n", write("a.txt")),
    "mount-secret-id": Row(f"{B}RUN --mount=type=secret,id=s true\n", edit("id=s", "id=t")),
    "mount-secret-value": Row(
        f"{B}RUN --mount=type=secret,id=s cat /run/secrets/s\n",
        before={"secret": [{"id": "s", "env": "LANG"}]},
        after={"secret": [{"id": "s", "env": "HOME"}]},
    ),
    "mount-several": Row(
        f"{B}RUN --mount=source=app,target=/m --mount=type=cache,target=/c true\n",
        write("app/doc.md"),
    ),
    "onbuild-of-a-stage": Row(
        f"{ONE}ONBUILD COPY a.txt /\nFROM one\nRUN true\n",
        write("a.txt"),
        unknown=1,
    ),
    "onbuild-edited": Row(
        f"{B}ONBUILD RUN true\nRUN echo\n", edit("ONBUILD RUN true", "ONBUILD RUN false")
    ),
    "platform-argument": Row(
        "FROM --platform=$BUILDPLATFORM busybox:1.37\nRUN : {id}\nARG TARGETOS\nRUN true\n"
    ),
    "extra-hosts": Row(
        f"{B}COPY a.txt /\nRUN true\n", after={"extra-hosts": {"x.test": "127.0.0.1"}}
    ),
    "extra-hosts-address": Row(
        f"{B}RUN true\n",
        before={"extra-hosts": {"x.test": "127.0.0.1"}},
        after={"extra-hosts": {"x.test": "127.0.0.2"}},
    ),
    "network": Row(f"{B}COPY a.txt /\nRUN true\n", after={"network": "none"}),
    "ulimits": Row(f"{B}COPY a.txt /\nRUN true\n", after={"ulimits": ["nofile=100:100"]}),
    "shm-size": Row(f"{B}COPY a.txt /\nRUN true\n", after={"shm-size": "1m"}),
    "no-cache": Row(
        f"{B}WORKDIR /x\nCOPY a.txt /\nRUN true\n", after={"no-cache": True}, unknown=1
    ),
    "no-cache-filter": Row(
        f"{ONE}RUN echo 1\nWORKDIR /x\nFROM one AS two\nRUN echo 2\nCOPY a.txt /\n",
        after={"no-cache-filter": ["one"]},
        unknown=3,
    ),
    "no-cache-filter-of-the-last": Row(
        f"{ONE}RUN echo 1\nFROM one AS two\nRUN echo 2\n",
        write("a.txt"),
        after={"no-cache-filter": ["two"]},
    ),
    "no-cache-filter-copied": Row(STAGES, after={"no-cache-filter": ["one"]}, unknown=2),
    "escape": Row(
        f"# escape=`\n{B}RUN echo a && `\n  echo b\nCOPY a.txt `\n  /x/\n", write("a.txt")
    ),
    "escape-changed": Row(
        f"# escape=`\n{B}RUN echo a && `\n  echo b\n",
        both(edit("# escape=`\n", ""), edit("&& `", "&& \\")),
    ),
    "named-context-of-an-image": Row(
        f"{B}COPY --from=other /main.py /x\n", before={"contexts": {"other": "app"}}, unknown=1
    ),
    "named-context-for-the-base": Row(
        "FROM base\nRUN : {id}\n",
        before={"contexts": {"base": "docker-image://busybox:1.37"}},
        unknown=1,
    ),
    "add-url": Row(f"{B}ADD http://{{server}}/v2/ /x\nRUN true\n", unknown=2),
    "add-checksum": Row(
        f"{B}ADD --checksum=sha256:{{checksum}} http://{{server}}/v2/ /x\nRUN true\n",
        write("a.txt"),
    ),
    "context-empty-directory": Row(f"{B}COPY docs /x/\n", both(remove("docs/one.md"))),
    "target-with-unused-copy": Row(ALL, write("app/sub/deep.txt")),
    "many-levels": Row(f"{B}COPY app/sub/deep.txt /x\n", write("app/sub/other.md")),
}


@dataclass(frozen=True, slots=True)
class Done:
    """What was said before a build, and what became of its steps, by stage and position."""

    said: Mapping[tuple[str, int], Fate]
    cached: Mapping[tuple[str, int], bool]
    titles: Mapping[tuple[str, int], str]
    is_same: bool  # whether the image is said to be that of the first build


@dataclass(slots=True)
class Project:
    """A row's project."""

    row: Row
    place: Path
    fields: Mapping[str, str]  # of the table's texts

    def write(self) -> None:
        for path, text in FILES.items():
            write(path, f"{text} {self.fields['id']}\n")(self.place)
        for path, target in LINKS.items():
            link(path, target)(self.place)
        write("Dockerfile", self.filled(self.row.text))(self.place)

    def change(self) -> None:
        """Change a copy, as another checkout has it."""
        copy = self.place.with_name(f"{self.place.name}-after")
        self.place = shutil.copytree(self.place, copy, symlinks=True)
        write("Dockerfile", self.row.text)(self.place)
        if self.row.change:
            self.row.change(self.place)
        path = self.place / "Dockerfile"
        path.write_bytes(self.filled(path.read_bytes().decode()).encode())

    def filled(self, text: str) -> str:
        for name, value in self.fields.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def target(self, *, is_after: bool) -> dict[str, Any]:
        """Return the target of bake."""
        row = self.row
        told = dict(row.before if row.after is None or not is_after else row.after)
        if contexts := told.get("contexts"):
            told["contexts"] = {
                name: where if ":" in where else str(self.place / where)
                for name, where in contexts.items()
            }
        return {"context": str(self.place), "output": ["type=cacheonly"], **told}

    def recipe(self, digest_of: Callable[[str], str], *, is_after: bool) -> Recipe:
        target = self.target(is_after=is_after)
        own = self.place / "Dockerfile.dockerignore"
        ignore = own if own.exists() else self.place / ".dockerignore"
        patterns = ignore_file.patterns(ignore.read_text() if ignore.exists() else "")
        has_exceptions = any(one.startswith("!") for one in patterns)
        is_excluded = ignore_file.matcher(patterns)
        entries = context_files.entries(self.place, is_excluded, has_exceptions=has_exceptions)
        arguments = target.get("args", {})
        text = (self.place / "Dockerfile").read_bytes().decode()
        file = dockerfile.parse(text, arguments)
        built = dockerfile.built_stage(file, target.get("target", ""))
        assert built
        further = {"extra-hosts", "network", "ulimits", "shm-size"} & target.keys()
        given = Given(
            arguments=arguments,
            platforms=("linux/amd64",),
            images={},
            content=Content(entries),
            contexts=frozenset(target.get("contexts", {})),
            # Of hosts, the names alone are compared.
            further={name: recipe.digest(*target[name]) for name in further},
        )
        digests = {name: digest_of(name) for name in recipe.images(file, built, given)}
        return recipe.recipe(file, built, replace(given, images=digests), SALT)


@pytest.fixture(scope="module")
def builder(lab: Lab) -> Iterator[str]:
    """Return the builder of all builds."""
    name = f"forecast-{secrets.token_hex(4)}"
    options = [item for line in lab.driver_opts.splitlines() for item in ("--driver-opt", line)]
    config = ["--buildkitd-config", lab.buildkitd_config]
    buildx(lab.env, "create", "--name", name, "--driver=docker-container", *options, *config)
    yield name
    buildx(lab.env, "rm", "--force", name)


def bake(
    lab: Lab, builder: str, place: Path, targets: Mapping[str, object]
) -> Mapping[str, Sequence[Step]]:
    """Build targets, and return their steps."""
    found: dict[str, Sequence[Step]] = {}
    left = iter(targets.items())
    while part := dict(itertools.islice(left, MOST)):
        definition = place / "bake.json"
        definition.write_text(
            json.dumps({"group": {"default": {"targets": list(part)}}, "target": part})
        )
        bake = [lab.env["WARMBUILD_LAB_BUILDX"], "bake", "--allow=fs=*", f"--builder={builder}"]
        done = subprocess.run(  # noqa: S603 (the lab's own program)
            [*bake, f"--file={definition}", "--progress=rawjson"],
            env={**os.environ, **lab.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        progress = Progress(tuple(part) if len(part) > 1 else ())
        lines = printed(progress, done.stdout.splitlines())
        assert done.returncode == 0, "\n".join(lines[-60:])
        found |= {name: progress.of(name).steps() for name in part}
    return found


@dataclass(frozen=True, slots=True)
class Bases:
    """Base images, which move between the two builds."""

    lab: Lab
    builder: str
    place: Path
    repository: str

    def push(self, name: str, *tags: str) -> None:
        write("Dockerfile", BASES[name])(self.place / name)
        target = {
            "context": str(self.place / name),
            "tags": [f"{self.repository}:{tag}" for tag in tags],
            "output": ["type=image,push=true"],
            "attest": ["type=provenance,disabled=true"],
        }
        bake(self.lab, self.builder, self.place, {"base": target})

    def digest_of(self, name: str) -> str:
        ref = refs.parse(name)
        host = self.lab.env["WARMBUILD_LAB_HUB"] if ref.host == refs.DOCKER_HUB else ref.host
        return Registry(host=host, access_log=self.place).digest(f"{host}/{ref.path}:{ref.tag}")


# The rest takes two minutes, and is built with `make test-long`.
SOME = tuple(itertools.islice(TABLE, 0, None, 3))
REST = tuple(name for name in TABLE if name not in SOME)


@pytest.fixture(scope="module")
def some(lab: Lab, builder: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Done]:
    """Build a third of the rows, and what they become by their changes."""
    return done(SOME, lab, builder, tmp_path_factory)


@pytest.fixture(scope="module")
def rest(lab: Lab, builder: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Done]:
    """Build the other rows, and what they become by their changes."""
    return done(REST, lab, builder, tmp_path_factory)


def done(
    names: Sequence[str], lab: Lab, builder: str, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Done]:
    """Build each row, change it, say what the next build will do, and build it again."""
    place, own = tmp_path_factory.mktemp("projects"), f"forecast-{secrets.token_hex(4)}"
    bases = Bases(lab, builder, place, f"{lab.registry}/{own}")
    bases.push("one", "moved", "relabeled", "same", "copy")
    served = requests.get(f"http://{lab.registry}/v2/", timeout=10).content
    fields = {
        "base": bases.repository,
        "busybox": bases.digest_of("busybox:1.37"),
        "server": lab.registry,
        "checksum": hashlib.sha256(served).hexdigest(),
    }
    projects = {
        name: Project(TABLE[name], place / name, {"id": f"{own}-{name}", **fields})
        for name in names
    }
    for one in projects.values():
        one.write()
    before = {name: one.recipe(bases.digest_of, is_after=False) for name, one in projects.items()}
    bake(lab, builder, place, {name: one.target(is_after=False) for name, one in projects.items()})
    bases.push("two", "moved")
    bases.push("label", "relabeled")
    for one in projects.values():
        one.change()
    after = {name: one.recipe(bases.digest_of, is_after=True) for name, one in projects.items()}
    targets = {name: one.target(is_after=True) for name, one in projects.items()}
    steps = bake(lab, builder, place, targets)
    return {
        name: compared(before[name], after[name], targets[name], steps[name]) for name in projects
    }


def compared(
    before: Recipe, after: Recipe, target: Mapping[str, Any], steps: Sequence[Step]
) -> Done:
    packed = record.packed(
        Record(salt=SALT, made=datetime.now(UTC), recipe=before, ran={}, files={})
    )
    assert packed
    stages = {step.stage for step in after.steps}
    ignored = stages if target.get("no-cache") else target.get("no-cache-filter", ())
    one = Compared(record=record.unpacked(packed), now=after)
    said = predicting.forecast([one], ignored=ignored)
    return Done(
        said={(one.step.stage, one.step.position): one.fate for one in said},
        cached={key: one.cached for key, one in ran.ran(steps, after).items()},
        titles={(one.step.stage, one.step.position): one.step.title for one in said},
        is_same=bool(after.key) and after.key == before.key and not ignored,
    )


@pytest.mark.parametrize("name", SOME)
def test_what_becomes_of_each_step(name: str, some: Mapping[str, Done]) -> None:
    check(name, some[name])


@pytest.mark.long
@pytest.mark.parametrize("name", REST)
def test_what_becomes_of_each_step_of_the_rest(name: str, rest: Mapping[str, Done]) -> None:
    check(name, rest[name])


def check(name: str, found: Done) -> None:
    """Fail unless BuildKit did with each step what was said of it."""
    assert found.said.keys() == found.cached.keys(), found.titles
    told = {
        found.titles[key]: (fate, Fate.CACHED if found.cached[key] else Fate.RUNS)
        for key, fate in found.said.items()
    }
    wrong = {
        title: (fate, fact)
        for title, (fate, fact) in told.items()
        if fate not in {fact, Fate.UNKNOWN}
    }
    assert wrong == {}
    unknown = [title for title, (fate, _) in told.items() if fate is Fate.UNKNOWN]
    assert len(unknown) == TABLE[name].unknown, told
    assert all(found.cached.values()) or not found.is_same


def test_there_are_many_changes() -> None:
    assert len(TABLE) >= 250
