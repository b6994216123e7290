"""COPY --link: which steps get it, that the image has the same files, and what a run says of it."""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import subprocess
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from warmbuild.project import dockerfile, linking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.integration.conftest import Ended, Lab, Warmbuild

# What is known of each file of an image.
Tree = dict[str, tuple[bytes, int, int, int, str, bytes]]


@dataclass(frozen=True, slots=True)
class Row:
    """A Dockerfile, and the lines of it that get `--link`."""

    text: str
    linked: tuple[int, ...]


BUSYBOX = "FROM busybox:1.37\n"
# An image with links, and directories of other modes and owners, as usual base images have them.
BASE = """\
FROM busybox:1.37
RUN mkdir -p /tmp /root /usr/lib64 /usr/share/html /home/node && chmod 1777 /tmp \\
    && chmod 700 /root && chown 1000:1000 /home/node && rm -rf /lib64 /var/run \\
    && mkdir -p /var /run && ln -s usr/lib64 /lib64 && ln -s /run /var/run
"""
ODD = "FROM {base}\n"
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
    "a-directory-over-a-workdir": Row(f"{BUSYBOX}WORKDIR /srv/app\nCOPY app /srv/app\n", (3,)),
    "a-directory-over-a-copied-one": Row(
        f"{BUSYBOX}WORKDIR /srv\nCOPY conf.d app\nCOPY app app\n", (3, 4)
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
    "into-a-directory-of-the-base-by-a-slash": Row(f"{ODD}COPY tool /usr/share/html/\n", (2,)),
    "into-a-directory-of-the-base-without-a-slash": Row(f"{ODD}COPY tool /usr/share/html\n", ()),
    "a-program-beside-those-of-the-base": Row(f"{BUSYBOX}COPY tool /usr/bin/tool2\n", (2,)),
    "over-a-file-of-the-base": Row(f"{BUSYBOX}COPY tool /etc/passwd.txt\n", (2,)),
    "through-a-link-of-the-base": Row(f"{ODD}COPY tool /lib64/\n", ()),
    "through-a-link-that-a-step-made": Row(
        f"{BUSYBOX}RUN mkdir /real && ln -s /real /app\nCOPY app /app/\n", ()
    ),
    "over-a-link-that-a-step-made": Row(
        f"{BUSYBOX}WORKDIR /srv\nRUN ln -s other tool.txt\nCOPY tool tool.txt\n", ()
    ),
    "into-tmp": Row(f"{ODD}COPY tool /tmp/\n", ()),
    "into-root": Row(f"{ODD}COPY app /root\n", ()),
    "into-the-home-of-a-user": Row(f"{ODD}COPY app /home/node\n", ()),
    "into-a-link-of-the-base": Row(f"{ODD}COPY tool /var/run/\n", ()),
    "a-directory-over-one-of-the-base": Row(f"{ODD}COPY app /usr/share/html\n", (2,)),
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
def base(lab: Lab, builder: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the odd base image."""
    place, ref = tmp_path_factory.mktemp("base"), f"{lab.registry}/link-base"
    (place / "Dockerfile").write_text(BASE)
    buildx(lab, "build", f"--builder={builder}", "--push", f"--tag={ref}", str(place))
    return ref


@pytest.fixture(scope="module")
def trees(
    lab: Lab, builder: str, base: str, context: Path, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, tuple[Tree, Tree]]:
    """Return the files of each image that has links, without and with them, built in one call."""
    place = tmp_path_factory.mktemp("images")
    targets: dict[str, object] = {}
    for name, row in TABLE.items():
        plain = row.text.replace("{base}", base).encode()
        linked = linking.rewritten(plain, row.linked)
        assert linked is not None
        for kind, data in (("plain", plain), ("linked", linked)) if row.linked else ():
            file = place / f"{name}-{kind}"
            file.write_bytes(data)
            targets[file.name] = {
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
        for name, row in TABLE.items()
        if row.linked
    }


def decided(row: Row, context: Path) -> linking.Linking:
    file = dockerfile.parse(row.text, {})
    found = {name: (context / name).is_dir() for name in linking.sources(file, "")}
    known = {name: kind for name, kind in found.items() if (context / name).exists()}
    return linking.decide(file, "", directories=known, contexts=())


@pytest.mark.parametrize("name", TABLE)
def test_only_certain_steps_are_linked(name: str, context: Path) -> None:
    assert decided(TABLE[name], context).lines == TABLE[name].linked


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.linked])
def test_the_image_has_the_same_files(name: str, trees: Mapping[str, tuple[Tree, Tree]]) -> None:
    plain, linked = trees[name]
    assert linked == plain


def edit(place: Path) -> None:
    (place / "app" / "views.py").write_text(f"# {secrets.token_hex(4)}\n")


def note(ended: Ended) -> str:
    (found,) = [text for _, text in ended.lines if re.match(r"note +link", text)]
    return found.split(maxsplit=1)[1]


# Its base takes more than a second to unpack.
# Layers that no machine unpacks within the second that the rule finds worth a warning.
EDITED = """\
FROM python:3.13-slim
WORKDIR /srv
COPY requirements.txt .
RUN head -c 800000000 /dev/zero > /zeros
COPY . .
"""


def test_an_edit_unpacks_nothing(
    warmbuild: Warmbuild, project: Callable[..., Path], repository: str
) -> None:
    place = project(EDITED, {"requirements.txt": "", "app/views.py": "", ".dockerignore": ".git"})

    def built(link: str) -> Ended:
        return warmbuild.succeed(place, image=repository, link=link)

    assert "copy-link" not in built("false").log
    edit(place)
    waited = built("false")
    assert waited.executed == ["COPY . ."]
    (warning,) = waited.warnings
    expected = (
        r"warning: Dockerfile:5: COPY \. \. waited (\d+\.\d) s for layers to be unpacked, which "
        r"nothing in it needs\. Set link: true, or write COPY --link here\. \[copy-link\]"
    )
    found = re.fullmatch(expected, warning)
    assert found, warning
    assert 1 <= float(found[1]) < waited.seconds

    edit(place)
    linked = built("true")
    assert note(linked) == "link: the step on line 5 is built with --link"
    assert linked.executed == ["COPY --link . ."]
    assert "extracting" not in linked.log
    assert linked.warnings == []
    same = built("true")
    assert same.executed == []
    assert "the cache is not written: it is up to date" in same.log
    assert (place / "Dockerfile").read_text() == EDITED


WARNED = """\
FROM busybox:1.37
WORKDIR /srv
COPY source.txt ./
MAINTAINER me
"""


def test_messages_name_the_users_file(
    warmbuild: Warmbuild, project: Callable[..., Path], repository: str
) -> None:
    files = {"source.txt": "one", "ignored.txt": "two"}
    ignored = {"docker/app.Dockerfile.dockerignore": "ignored.txt\n"}
    place = project("", {"docker/app.Dockerfile": WARNED, **files, **ignored})
    ended = warmbuild.succeed(
        place, image=repository, file="docker/app.Dockerfile", link="true", outputs="type=image"
    )
    assert note(ended) == "link: the step on line 3 is built with --link"
    (warning,) = [text for text in ended.warnings if "Maintainer" in text]
    assert warning.startswith("warning: docker/app.Dockerfile:4: ")
    # The .dockerignore beside the Dockerfile counts, so this fails.
    broken = WARNED.replace("MAINTAINER me", "COPY ignored.txt ./")
    (place / "docker/app.Dockerfile").write_text(broken)
    failed = warmbuild.build(place, image=repository, file="docker/app.Dockerfile", link="true")
    assert failed.code != 0
    assert any("the build failed at app.Dockerfile:4" in text for text in failed.errors), failed.log


@pytest.mark.parametrize("is_inline", [False, True])
def test_a_target_of_a_bake_file(
    warmbuild: Warmbuild, project: Callable[..., Path], repository: str, *, is_inline: bool
) -> None:
    text = f"{BUSYBOX}COPY source.txt /srv/\n"
    source = {"dockerfile-inline": text} if is_inline else {"dockerfile": "web.Dockerfile"}
    definition = {"target": {"default": {**source, "tags": [f"{repository}:web"]}}}
    files = {
        "source.txt": "one",
        "web.Dockerfile": text,
        "docker-bake.json": json.dumps(definition),
    }
    place = project("FROM nothing\n", files)
    ended = warmbuild.succeed(place, bake_files="docker-bake.json", link="true")
    assert "link: the step on line 2 is built with --link" in ended.log
    assert ended.executed == ["COPY --link source.txt /srv/"]


def test_a_dockerfile_in_which_nothing_can_be_linked(
    warmbuild: Warmbuild, small: Path, repository: str
) -> None:
    ended = warmbuild.succeed(small, image=repository, link="true")
    assert note(ended) == (
        "link has no effect: COPY on line 3: what is copied to / may meet links of the base image"
    )
    assert "--file" not in ended.command
