"""COPY --link: which steps get it, that the image has the same files, and what a run says of it."""

from __future__ import annotations

import io
import json
import os
import secrets
import subprocess
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from warmbuild.project import dockerfile, linking

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.integration.conftest import Lab

# What is known of each file of an image.
Tree = dict[str, tuple[bytes, int, int, int, str, bytes]]


@dataclass(frozen=True, slots=True)
class Row:
    """A Dockerfile, and the lines of it that get `--link`."""

    text: str
    linked: tuple[int, ...]


BUSYBOX = "FROM busybox:1.37\n"
# Stages with files for others.
TOOLS = """\
FROM busybox:1.37 AS tools
RUN mkdir -p -m 750 /out/dir && echo a > /out/dir/a && echo b > /out/tool && chmod 711 /out/tool \\
    && ln -s tool /out/link && chown -R 7:8 /out/dir
"""
TABLE: Mapping[str, Row] = {
    "the-whole-context": Row(f"{BUSYBOX}WORKDIR /srv\nCOPY . .\n", (3,)),
    "the-whole-context-twice": Row(
        f"{BUSYBOX}WORKDIR /srv\nCOPY requirements.txt .\nCOPY . .\n", (3, 4)
    ),
    "the-whole-context-without-a-slash": Row(f"{BUSYBOX}WORKDIR /srv\nCOPY . /srv\n", (3,)),
    "the-whole-context-into-a-new-directory": Row(f"{BUSYBOX}COPY . /a/b/c\n", (2,)),
    "a-directory-into-its-name": Row(f"{BUSYBOX}WORKDIR /srv\nCOPY app app\n", (3,)),
    "a-directory-into-a-directory": Row(f"{BUSYBOX}WORKDIR /srv\nCOPY app/ ./\n", (3,)),
    "a-directory-over-a-workdir": Row(f"{BUSYBOX}WORKDIR /srv/app\nCOPY app /srv/app\n", ()),
    "a-directory-over-a-copied-one": Row(
        f"{BUSYBOX}WORKDIR /srv\nCOPY conf.d app\nCOPY app app\n", ()
    ),
    "files-and-a-directory": Row(
        f"{BUSYBOX}WORKDIR /srv\nCOPY requirements.txt tool ./\nCOPY app ./app\n", (3, 4)
    ),
    "a-pattern": Row(f"{BUSYBOX}COPY *.txt /opt/texts/\n", (2,)),
    "a-pattern-that-matches-nothing": Row(f"{BUSYBOX}COPY *.none /opt/texts/\n", (2,)),
    "a-json-list": Row(f'{BUSYBOX}WORKDIR /srv\nCOPY ["tool", "app", "./"]\n', (3,)),
    "a-name-that-reads-as-a-sentence": Row(
        f'{BUSYBOX}COPY ["COPY this: a file.txt", "/opt/x/"]\n', (2,)
    ),
    "into-a-directory-of-the-base-by-a-slash": Row(f"{BUSYBOX}COPY tool /usr/bin/\n", (2,)),
    "into-a-directory-of-the-base-without-a-slash": Row(f"{BUSYBOX}COPY tool /usr/bin\n", ()),
    "a-program-beside-those-of-the-base": Row(f"{BUSYBOX}COPY tool /usr/bin/tool2\n", (2,)),
    "over-a-file-of-the-base": Row(f"{BUSYBOX}COPY tool /etc/passwd.txt\n", (2,)),
    "through-a-link-of-the-base": Row(f"{BUSYBOX}COPY tool /lib64/tool\n", ()),
    "through-a-link-that-a-step-made": Row(
        f"{BUSYBOX}RUN mkdir /real && ln -s /real /app\nCOPY app /app/\n", ()
    ),
    "over-a-link-that-a-step-made": Row(
        f"{BUSYBOX}WORKDIR /srv\nRUN ln -s other tool.txt\nCOPY tool tool.txt\n", ()
    ),
    "into-tmp": Row(f"{BUSYBOX}COPY tool /tmp/\n", ()),
    "into-root": Row(f"{BUSYBOX}COPY tool /root/tool.sh\n", ()),
    "into-the-root": Row(f"{BUSYBOX}COPY app /\n", ()),
    "a-file-of-the-root": Row(f"{BUSYBOX}COPY tool /tool\n", (2,)),
    "a-mode-that-a-step-set": Row(f"{BUSYBOX}RUN mkdir -m 700 /srv\nCOPY app /srv/\n", ()),
    "a-mode-of-the-current-directory": Row(
        f"{BUSYBOX}WORKDIR /srv\nRUN chmod 700 .\nCOPY app/ ./\n", ()
    ),
    "a-mode-by-a-variable": Row(
        f"{BUSYBOX}WORKDIR /srv\nENV D=/srv\nRUN chmod 700 $D\nCOPY app/ ./\n", ()
    ),
    "a-mode-by-a-relative-path": Row(
        f"{BUSYBOX}WORKDIR /srv/a\nRUN cd / && chmod 700 srv\nCOPY app/ ./\n", ()
    ),
    "a-mode-that-an-archive-sets": Row(
        f"{BUSYBOX}WORKDIR /srv\nRUN --mount=target=/mnt tar -xf /mnt/odd.tar\nCOPY app ./\n",
        (),
    ),
    "an-owner-that-a-step-set": Row(
        f"{BUSYBOX}WORKDIR /srv\nRUN chown 5:6 /srv\nCOPY tool ./\n", ()
    ),
    "a-directory-of-another-user": Row(f"{BUSYBOX}USER 5:6\nWORKDIR /srv\nCOPY tool ./\n", ()),
    "a-directory-of-root-for-another-user": Row(
        f"{BUSYBOX}WORKDIR /srv\nUSER 5:6\nCOPY tool ./\n", (4,)
    ),
    "chown-by-name": Row(f"{BUSYBOX}WORKDIR /srv\nCOPY --chown=daemon tool ./\n", ()),
    "chown-by-number": Row(f"{BUSYBOX}WORKDIR /srv\nCOPY --chown=5:6 tool ./\n", ()),
    "chown-to-root": Row(f"{BUSYBOX}WORKDIR /srv\nCOPY --chown=0:0 app ./\n", (3,)),
    "below-what-another-user-was-given": Row(
        f"{BUSYBOX}COPY --chown=5:6 tool /srv/\nCOPY app /srv/app/\n", ()
    ),
    "chmod": Row(f"{BUSYBOX}COPY --chmod=700 tool /srv/\n", ()),
    "below-what-has-another-mode": Row(
        f"{BUSYBOX}COPY --chmod=700 tool /srv/\nCOPY app /srv/app/\n", ()
    ),
    "from-a-stage": Row(f"{TOOLS}{BUSYBOX}COPY --from=tools /out /opt/out/\n", (5,)),
    "a-directory-from-a-stage": Row(f"{TOOLS}{BUSYBOX}COPY --from=tools /out/dir /dir\n", (5,)),
    "a-directory-over-one-from-a-stage": Row(
        f"{TOOLS}{BUSYBOX}COPY --from=tools /out /opt/\nCOPY app /opt/dir/\n", ()
    ),
    "from-an-image": Row(f"{BUSYBOX}COPY --from=busybox:1.37 /bin/sh /opt/bin/sh2\n", (2,)),
    "parents": Row(f"{BUSYBOX}COPY --parents app/sub/deep.txt /srv/\n", ()),
    "exclude": Row(f"{BUSYBOX}COPY --exclude=*.py --exclude=sub app /srv/app/\n", (2,)),
    "exclude-with-an-exception": Row(
        f"{BUSYBOX}COPY --exclude=sub --exclude=!sub/deep.txt app /srv/app/\n", ()
    ),
    "a-heredoc": Row(
        f"{BUSYBOX}COPY <<one.txt <<'two.txt' /srv/\nCOPY x /y\none.txt\n$HOME\ntwo.txt\n", (2,)
    ),
    "an-archive": Row(f"{BUSYBOX}ADD odd.tar /srv/\n", (2,)),
    "an-archive-into-usr": Row(f"{BUSYBOX}ADD odd.tar /usr/local/\n", ()),
    "a-file-by-add": Row(f"{BUSYBOX}WORKDIR /srv\nADD tool app ./\n", (3,)),
    "above-a-run": Row(f"{BUSYBOX}COPY tool /opt/tool\nRUN true\n", ()),
    "below-a-run": Row(f"{BUSYBOX}COPY tool /srv/\nRUN true\nCOPY app /srv/app/\n", (4,)),
    "above-a-workdir": Row(f"{BUSYBOX}COPY tool /opt/tool\nWORKDIR /srv\n", ()),
    "above-settings": Row(
        f'{BUSYBOX}COPY tool /opt/tool\nUSER 5\nVOLUME /opt\nENV A=b\nCMD ["x"]\n', (2,)
    ),
    "into-a-volume": Row(f"{BUSYBOX}VOLUME /srv/v\nCOPY app /srv/v/\n", (3,)),
    "a-variable-in-the-destination": Row(f"{BUSYBOX}ARG D=/srv\nCOPY tool $D/\n", ()),
    "a-variable-in-the-current-directory": Row(
        f"{BUSYBOX}ARG D=/srv\nWORKDIR $D\nCOPY tool ./\n", ()
    ),
    "relative-to-the-bases-directory": Row(f"{BUSYBOX}COPY tool ./\n", ()),
    "continued-lines": Row(
        f"{BUSYBOX}WORKDIR /srv\ncopy\\\n  # a comment\n\n  tool \\\n  app \\\n  ./\n", (3,)
    ),
    "another-escape": Row(
        f"# escape=`\n{BUSYBOX}WORKDIR /srv\nCOPY `\n  tool `\n  /opt/tool\n", (4,)
    ),
    "windows-lines": Row("FROM busybox:1.37\r\nWORKDIR /srv\r\nCOPY tool ./\r\n", (3,)),
    "a-stage-on-a-stage": Row(
        "FROM busybox:1.37 AS one\nWORKDIR /srv\nCOPY tool ./\nFROM one\nCOPY app ./app\n", (3, 5)
    ),
    "a-stage-that-another-one-reads": Row(
        "FROM busybox:1.37 AS one\nCOPY tool /srv/\nFROM one AS two\nRUN true\nFROM one\n"
        "COPY --from=two /srv/tool /opt/tool\n",
        (6,),
    ),
    "from-scratch": Row(f"{TOOLS}FROM scratch\nCOPY --from=tools /out/tool /opt/tool\n", (5,)),
    "linked-already": Row(f"{BUSYBOX}COPY --link tool /opt/tool\nCOPY app /srv/app/\n", (3,)),
    "linked-and-not": Row(f"{BUSYBOX}COPY --link=false tool /opt/tool\nCOPY app /srv/app/\n", (3,)),
    "odd-spaces": Row(f"{BUSYBOX}  \tCOPY\ttool   /opt/tool  \n", (2,)),
}


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a context with files of several modes, a link and an archive."""
    place = tmp_path_factory.mktemp("context")
    for path, mode in {
        "app/main.py": 0o644,
        "app/sub/deep.txt": 0o664,
        "conf.d/x.conf": 0o600,
        "requirements.txt": 0o644,
        "tool": 0o755,
        "COPY this: a file.txt": 0o644,
    }.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(f"{path}\n")
        (place / path).chmod(mode)
    (place / "app/link").symlink_to("main.py")
    (place / "app").chmod(0o775)
    (place / "app/sub").chmod(0o700)
    with tarfile.open(place / "odd.tar", "w") as archive:
        for name, mode in (("./", 0o711), ("share/", 0o750), ("share/x/file", 0o640)):
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            member.mode, member.uid, member.gid = mode, 3, 4
            member.size = 0 if name.endswith("/") else 4
            archive.addfile(member, io.BytesIO(b"text"))
    return place


@pytest.fixture(scope="module")
def builder(lab: Lab) -> Iterator[str]:
    """Return a builder for all builds of the module that need none of their own."""
    name = f"link-{secrets.token_hex(4)}"
    options = [item for line in lab.driver_opts.splitlines() for item in ("--driver-opt", line)]
    config = ["--buildkitd-config", lab.buildkitd_config]
    buildx(lab, "create", "--name", name, "--driver=docker-container", *options, *config)
    yield name
    buildx(lab, "rm", name)


def buildx(lab: Lab, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 (each argument is written out in a test)
        [lab.env["WARMBUILD_LAB_BUILDX"], *arguments],
        env={**os.environ, **lab.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def tree(path: Path) -> Tree:
    """Return the files of an image in a tarball."""
    found: Tree = {}
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            found[member.name] = (
                *(member.type, member.mode, member.uid, member.gid, member.linkname),
                file.read() if file else b"",
            )
    return found


@pytest.fixture(scope="module")
def trees(
    lab: Lab, builder: str, context: Path, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, tuple[Tree, Tree]]:
    """Return the files of each image of the table, without and with links, built in one call."""
    place = tmp_path_factory.mktemp("images")
    targets: dict[str, object] = {}
    for name, row in TABLE.items():
        linked = linking.rewritten(row.text.encode(), decided(row, context).lines)
        assert linked is not None
        for kind, text in (("plain", row.text), ("linked", linked.decode())):
            file = place / f"{name}-{kind}"
            file.write_bytes(text.encode())
            targets[f"{name}-{kind}"] = {
                "context": str(context),
                "dockerfile": str(file),
                "output": [f"type=tar,dest={file}.tar"],
            }
    definition = place / "bake.json"
    groups = {"default": {"targets": list(targets)}}
    definition.write_text(json.dumps({"group": groups, "target": targets}))
    buildx(lab, "bake", "--allow=fs=*", f"--builder={builder}", f"--file={definition}")
    return {
        name: (tree(place / f"{name}-plain.tar"), tree(place / f"{name}-linked.tar"))
        for name in TABLE
    }


def decided(row: Row, context: Path) -> linking.Linking:
    file = dockerfile.parse(row.text, {})
    found = {name: (context / name).is_dir() for name in linking.sources(file, "")}
    known = {name: kind for name, kind in found.items() if (context / name).exists()}
    return linking.decide(file, "", directories=known, contexts=())


@pytest.mark.parametrize("name", TABLE)
def test_the_image_has_the_same_files(
    name: str, context: Path, trees: Mapping[str, tuple[Tree, Tree]]
) -> None:
    assert decided(TABLE[name], context).lines == TABLE[name].linked
    plain, linked = trees[name]
    assert linked == plain
