from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warmbuild.project import dockerfile
from warmbuild.project.cache_mount import CacheMount
from warmbuild.project.entry import Entry
from warmbuild.record import recipe
from warmbuild.record.content import Content
from warmbuild.record.recipe import Given, Recipe, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

BUSYBOX = "docker.io/library/busybox:1.37"
DIGEST = f"sha256:{'ab' * 32}"
FILES = {path: Entry("file", 0o644, path.encode()) for path in ("a.txt", "b.txt", "app/main.py")}
CONTENT = Content({**FILES, "app": Entry("directory", 0o755, b"")})
GIVEN = Given(arguments={}, platforms=("linux/amd64",), images={BUSYBOX: DIGEST}, content=CONTENT)
B = "FROM busybox:1.37\n"


def made(text: str, target: str = "", *, salt: bytes = b"salt", **told: Any) -> Recipe:  # noqa: ANN401 (of Given)
    of = replace(GIVEN, **told)
    file = dockerfile.parse(text, of.arguments)
    built = dockerfile.built_stage(file, target)
    assert built
    return recipe.recipe(file, built, of, salt)


def step(text: str, **told: Any) -> Step:  # noqa: ANN401 (of Given)
    return made(text, **told).steps[-1]


def kinds(text: str, **told: Any) -> list[str]:  # noqa: ANN401 (of Given)
    return sorted(step(text, **told).parts)


def test_where_a_step_is() -> None:
    found = made(
        f"{B.replace('1.37', '1.37 AS Build')}RUN  --network=none   echo \\\n  a\nWORKDIR /\n"
        f"WORKDIR /x\nENV A=1\n{B}COPY --link a.txt ./\n"
    ).steps
    assert [(one.stage, one.position, one.line, one.total) for one in found] == [
        ("stage-1", 1, 8, 1)
    ]
    found = made(
        f"{B.replace('1.37', '1.37 AS Build')}RUN  --network=none   echo \\\n  a\nWORKDIR /\n"
        "WORKDIR /x\nENV A=1\nFROM build\nCOPY --link a.txt ./\n"
    ).steps
    assert [(one.stage, one.position, one.line, one.total) for one in found] == [
        ("build", 1, 2, 3),
        ("build", 2, 5, 3),
        ("stage-1", 1, 8, 1),
    ]
    assert [one.title for one in found] == [
        "RUN --network=none echo a",
        "WORKDIR /x",
        "COPY --link a.txt ./",
    ]
    assert [one.linked for one in found] == [False, False, True]


def test_a_long_title_is_cut() -> None:
    assert len(step(f"{B}RUN {'x' * 500}\n").title) == 200


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"{B}RUN true\n", [""]),
        (f"{B[:-1]} AS only\nRUN true\n", [""]),
        (f"{B}RUN --mount=target=/m true\n", ["stage-0"]),
        (f"{B[:-1]} AS only\nCOPY --from=busybox /a /b\n", ["only"]),
        (f"{B[:-1]} AS one\n{B}RUN true\n", ["one", "stage-1"]),
    ],
)
def test_how_buildkit_names_stages(text: str, names: list[str]) -> None:
    file = dockerfile.parse(text, {})
    assert [recipe.stage_name(file, stage) for stage in file.stages] == names


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (f"{B}RUN true\n", ["base " + BUSYBOX, "instruction", "platforms"]),
        ("FROM busybox:1.37\nRUN :\nRUN true\n", ["instruction"]),
        ("FROM busybox:1.37\nRUN :\nCOPY a.txt /\n", ["files", "instruction"]),
        ("FROM busybox:1.37\nRUN :\nARG A=1\nRUN true\n", ["argument A", "instruction"]),
        ("FROM busybox:1.37\nRUN :\nARG A\nRUN true\n", ["instruction"]),
        ("FROM busybox:1.37\nRUN :\nARG A=1\nENV A=2\nRUN true\n", ["instruction", "variable A"]),
        ("FROM busybox:1.37\nRUN :\nARG A=1\nCOPY a.txt /\n", ["files", "instruction"]),
        (
            "FROM busybox:1.37\nRUN :\nARG A=1\nCOPY a.txt /$A/\n",
            ["argument A", "files", "instruction"],
        ),
        (
            'FROM busybox:1.37\nRUN :\nUSER 1\nSHELL ["sh"]\nWORKDIR /x\nRUN true\n',
            ["SHELL", "USER", "WORKDIR", "instruction"],
        ),
        (
            f"{B[:-1]} AS one\nRUN :\n{B}RUN :\nCOPY --from=one /a /b\n",
            ["instruction", "stage one"],
        ),
        (
            f"{B}RUN :\nRUN --mount=from=busybox:1.37,target=/m --mount=target=/n true\n",
            ["files", "image " + BUSYBOX, "instruction"],
        ),
        (
            f"# syntax=docker/dockerfile:1\n{B}RUN true\n",
            ["base " + BUSYBOX, "instruction", "platforms", "syntax"],
        ),
    ],
)
def test_the_parts_of_a_step(text: str, parts: list[str]) -> None:
    assert kinds(text) == parts


def test_what_goes_into_each_run() -> None:
    text, further = f"{B}RUN :\nCOPY a.txt /\nRUN true\n", {"add-hosts": recipe.digest("x")}
    assert kinds(text, further=further) == ["add-hosts", "instruction"]
    first, copy, last = made(text).steps
    new, same, other = made(text, further=further).steps
    assert copy.own == same.own
    assert (first.own == new.own, last.own == other.own) == (False, False)


# Each is a Dockerfile, an edit of it, and whether the last step's own digest stays, and its key.
EDITS: Mapping[str, tuple[str, tuple[str, str], bool, bool]] = {
    "nothing": (f"{B}RUN true\n", ("", ""), True, True),
    "case": (f"{B}RUN true\n", ("RUN", "run"), True, True),
    "the text": (f"{B}RUN true\n", ("true", "false"), False, False),
    "a step above": (f"{B}RUN :\nRUN true\n", ("RUN :", "RUN ::"), True, False),
    "a comment": (f"{B}RUN true\n", ("RUN", "# x\nRUN"), True, True),
    "a label": (f"{B}RUN true\n", ("RUN", "LABEL a=b\nRUN"), True, True),
    "the shell of an exec form": (f'{B}SHELL ["a"]\nRUN ["true"]\n', ('"a"', '"b"'), True, True),
    "the shell": (f'{B}SHELL ["a"]\nRUN true\n', ('"a"', '"b"'), False, False),
    "an order": (
        f"{B}ARG A=1\nARG B=2\nRUN true\n",
        ("ARG A=1\nARG B=2", "ARG B=2\nARG A=1"),
        False,
        False,
    ),
    "a spelling": (f"{B}ARG A=1\nRUN true\n", ("A=1", 'A="1"'), True, True),
    "a variable for its value": (f"{B}ARG A=a\nCOPY $A.txt /\n", ("$A.txt", "a.txt"), True, True),
    "another file": (f"{B}COPY a.txt /x\n", ("a.txt", "b.txt"), False, False),
    "an absolute destination": (f"{B}WORKDIR /x\nCOPY a.txt y\n", (" y", " /x/y"), True, True),
    "a slash": (f"{B}COPY a.txt /x\n", ("/x", "/x/"), False, False),
    "the current directory": (f"{B}WORKDIR /x\nCOPY a.txt /y\n", ("/x", "/z"), True, False),
    "a linked step below another": (
        f"{B}RUN :\nCOPY --link a.txt /y\n",
        ("RUN :", "RUN ::"),
        True,
        True,
    ),
    "a directory of the base": (
        f"{B}RUN :\nCOPY --link a.txt y\n",
        ("busybox:1.37", f"busybox@sha256:{'0' * 64}"),
        True,
        False,
    ),
    "the name of a stage": (
        f"{B[:-1]} AS one\nRUN :\n{B}COPY --from=one /a /b\n",
        ("one", "two"),
        True,
        True,
    ),
    "a place in a stage": (
        f"{B[:-1]} AS one\nRUN :\n{B}COPY --from=one /x/a /b\n",
        ("/x/a", "/y/a"),
        True,
        False,
    ),
    "a stage": (
        f"{B[:-1]} AS one\nRUN :\n{B}COPY --from=one /a /b\n",
        ("RUN :", "RUN ::"),
        True,
        False,
    ),
    "the name of an image": (
        f"{B}RUN true\n",
        ("busybox", "docker.io/library/busybox"),
        True,
        True,
    ),
    "a digest for a tag": (f"{B}RUN true\n", (":1.37", f"@{DIGEST}"), True, True),
    "the syntax": (f"{B}RUN true\n", ("FROM", "# syntax=docker/dockerfile:1\nFROM"), True, False),
    "the platform": (f"{B}RUN true\n", ("FROM", "FROM --platform=linux/386"), True, False),
    "the id of a cache": (
        f"{B}RUN --mount=type=cache,target=/c,id=x true\n",
        ("id=x", "id=y"),
        True,
        True,
    ),
    "an id for a cache": (
        f"{B}RUN --mount=type=cache,target=/c true\n",
        ("/c", "/c,id=y"),
        False,
        False,
    ),
    "another word for a mount's source": (
        f"{B}RUN --mount=source=app,target=/c true\n",
        ("source", "src"),
        True,
        True,
    ),
    "a heredoc": (f"{B}COPY <<E /x\na\nE\n", ("\na\n", "\nb\n"), False, False),
    "the line ends of a heredoc": (f"{B}COPY <<E /x\na\nE\n", ("\na\n", "\na\r\n"), False, False),
    "a checksum": (
        f"{B}ADD --checksum=sha256:a https://x.test/a /x\n",
        ("sha256:a", "sha256:b"),
        False,
        False,
    ),
    "a server": (
        f"{B}ADD --checksum=sha256:a https://x.test/a /x\n",
        ("x.test", "y.test"),
        True,
        True,
    ),
    "a repository": (
        f"{B}ADD --checksum=a https://x.test/a.git /x\n",
        ("x.test", "y.test"),
        False,
        False,
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit(name: str) -> None:
    text, (old, new), keeps_own, keeps_key = EDITS[name]
    before, after = step(text), step(text.replace(old, new))
    assert before.unknown == after.unknown == ""
    assert (after.own == before.own, after.key == before.key) == (keeps_own, keeps_key)


@pytest.mark.parametrize(
    ("text", "arguments", "keeps"),
    [
        (f"{B}RUN true\n", {"A": "1"}, True),
        (f"{B}RUN true\n", {"HTTP_PROXY": "http://proxy.test"}, True),
        (f"{B}ARG A\nRUN true\n", {"A": "1"}, False),
        (f"{B}ARG A\nRUN true\n", {"A": ""}, False),
        (f"{B}ARG A=1\nRUN true\n", {"A": "1"}, True),
        (f"{B}ENV A=1\nRUN true\n", {"A": "2"}, True),
        (f"{B}ARG HTTP_PROXY\nRUN true\n", {"HTTP_PROXY": "http://proxy.test"}, False),
        (f"{B}RUN true\n", {"BUILDKIT_SANDBOX_HOSTNAME": "x"}, False),
        (f"{B}RUN true\n", {"BUILDKIT_CACHE_MOUNT_NS": "x"}, True),
        (f"{B}RUN --mount=type=cache,target=/c true\n", {"BUILDKIT_CACHE_MOUNT_NS": "x"}, False),
        (f"{B}RUN true\n", {"SOURCE_DATE_EPOCH": "1"}, True),
        (f"{B}COPY a.txt /\n", {"SOURCE_DATE_EPOCH": "1"}, True),
        (f"{B}WORKDIR /x\n", {"SOURCE_DATE_EPOCH": "1"}, False),
        (f"ARG SOURCE_DATE_EPOCH=1\n{B}WORKDIR /x\n", {"SOURCE_DATE_EPOCH": "1"}, True),
        (f"ARG A=1\n{B}RUN true\n", {"A": "2"}, True),
        (f"ARG A=1\n{B}ARG A\nRUN true\n", {"A": "2"}, False),
        (f"{B}ARG TARGETARCH\nRUN true\n", {"TARGETARCH": "arm64"}, False),
        (f"{B}ARG TARGETARCH\nRUN true\n", {"TARGETARCH": "amd64"}, True),
        (f"{B}ARG TARGETSTAGE\nRUN true\n", {"TARGETSTAGE": "default"}, True),
    ],
)
def test_an_argument(text: str, arguments: dict[str, str], *, keeps: bool) -> None:
    assert (step(text, arguments=arguments).key == step(text).key) is keeps


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{B}COPY $A /\n", "only BuildKit knows the value of $A"),
        (f"{B}COPY ${{A#x}} /\n", "only BuildKit knows the value of ${A#x}"),
        (f"{B}RUN --mount=source=$A,target=/m true\n", "only BuildKit knows the value of $A"),
        (f"{B}COPY [a].txt /\n", "[a].txt has characters of patterns that are not compared"),
        (f"{B}ADD https://x.test/a /\n", "ADD takes what https://x.test/a has then"),
        (f"{B}ADD git@x.test:a /\n", "ADD takes what git@x.test:a has then"),
        (f"{B}RUN --mount=type=new,target=/m true\n", "the type of a mount is unknown"),
        (f"{B}COPY --from=other /a /b\n", "the context other is not looked at"),
        ("FROM other\nRUN true\n", "a context takes the place of other"),
        (f"{B[:-1]} AS other\nRUN true\n", "a context takes the place of busybox:1.37"),
        (
            "FROM docker.io/library/other:latest\nRUN true\n",
            "a context takes the place of docker.io/library/other:latest",
        ),
        ("FROM unknown\nRUN true\n", "the digest of docker.io/library/unknown:latest is not known"),
        ("FROM UPPER/CASE:!\nRUN true\n", "UPPER/CASE:! is not the name of an image"),
        ("FROM x-$BUILDARCH\nRUN true\n", "only BuildKit knows what FROM names"),
        (
            f"{B[:-1]} AS one\nONBUILD RUN x\nFROM one\nRUN true\n",
            "one has instructions for what is built on it",
        ),
        (
            f"ARG SOURCE_DATE_EPOCH=context\n{B}WORKDIR /x\n",
            "only BuildKit knows the time of SOURCE_DATE_EPOCH",
        ),
    ],
)
def test_what_only_buildkit_knows(text: str, why: str) -> None:
    found = made(text, contexts=frozenset(["other"]))
    assert (found.steps[-1].unknown, found.steps[-1].key) == (why, "")
    assert (found.unknown, found.key) == (why, "")
    assert found.steps[-1].own


def test_what_is_upon_an_unknown_step_is_unknown() -> None:
    text = f"{B}ADD https://x.test/a /\nRUN true\nCOPY --link a.txt /x\nRUN true\n"
    _, run, linked, last = made(text).steps
    assert (run.unknown, linked.unknown, last.unknown) == (run.unknown, "", run.unknown)
    assert linked.key
    text = f"{B[:-1]} AS one\nADD https://x.test/a /\n{B}COPY --from=one /a /b\n"
    assert step(text).unknown == "ADD takes what https://x.test/a has then"


def test_nothing_is_known_if_the_caller_says_so() -> None:
    found = made(f"{B}RUN true\n", unknown="it is a secret")
    assert (found.steps[0].unknown, found.key) == ("it is a secret", "")


def test_a_context_elsewhere() -> None:
    text = f"{B}RUN true\nCOPY a.txt /\nRUN --mount=target=/m true\n"
    run, copy, mount = made(text, content=None).steps
    assert (run.unknown, copy.unknown, mount.unknown) == (
        "",
        "the context is not on this machine",
        "the context is not on this machine",
    )


def test_what_is_taken_is_named() -> None:
    found = step(f"{B}COPY --exclude=*.md --exclude=x ./a.txt app/ /x/\n")
    assert (found.takes, found.excludes) == (("a.txt", "app"), ("*.md", "x"))
    assert step(f"{B}RUN --mount=src=app,target=/m true\n").takes == ("app",)
    assert step(f"{B}COPY --from=busybox:1.37 /a /b\n").takes == ()
    assert step(f"{B}COPY <<E a.txt /x/\nE\n").takes == ("a.txt",)


IMAGES: Mapping[str, tuple[str, tuple[str, str]]] = {
    "a label": (f"{B}LABEL a=b\n", ("a=b", "a=c")),
    "a command": (f'{B}CMD ["a"]\n', ('"a"', '"b"')),
    "a variable": (f"{B}ENV A=1\n", ("A=1", "A=2")),
    "a variable in a label": (f"{B}ARG A=1\nLABEL a=$A\n", ("A=1", "A=2")),
    "an argument in the history": (f"{B}RUN true\nARG A=1\n", ("A=1", "A=2")),
    "an argument without a value in the history": (f"{B}ARG A\n", ("ARG A\n", "ARG B\n")),
    "a root directory": (f"{B}WORKDIR /\n", ("WORKDIR /\n", "")),
    "an order": (f"{B}EXPOSE 1\nEXPOSE 2\n", ("1\nEXPOSE 2", "2\nEXPOSE 1")),
    "triggers": (f"{B}ONBUILD RUN a\n", ("RUN a", "RUN b")),
    "a source in the history": (f"{B}COPY app/main.py /x\n", ("app/main.py", "app/../app/main.py")),
    "steps": (f"{B}RUN true\n", ("true", "false")),
}


@pytest.mark.parametrize("name", IMAGES)
def test_what_makes_another_image(name: str) -> None:
    text, (old, new) = IMAGES[name]
    assert made(text).key != made(text.replace(old, new)).key


@pytest.mark.parametrize(
    "told",
    [
        {"arguments": {"SOURCE_DATE_EPOCH": "1"}},
        {"platforms": ("linux/arm64",)},
        {"images": {BUSYBOX: f"sha256:{'0' * 64}"}},
        {"settings": {"labels": "a=b"}},
        {"further": {"network": "x"}},
        {"content": Content({**FILES, "a.txt": Entry("file", 0o755, b"a.txt")})},
    ],
)
def test_what_else_makes_another_image(told: dict[str, Any]) -> None:
    text = f"{B}COPY a.txt /\nRUN true\n"
    assert made(text, **told).key != made(text).key


@pytest.mark.parametrize(
    "told",
    [
        {"arguments": {"UNUSED": "1"}},
        {"images": {BUSYBOX: DIGEST, "docker.io/library/other:1": DIGEST}},
        {"content": Content({**FILES, "b.txt": Entry("file", 0o755, b"b.txt")})},
    ],
)
def test_what_makes_the_same_image(told: dict[str, Any]) -> None:
    text = f"ARG UNUSED=2\n{B}COPY a.txt /\nRUN true\n"
    assert made(text, **told).key == made(text).key


def test_stages_that_are_not_needed_do_not_count() -> None:
    text = f"{B[:-1]} AS one\nRUN :\n{B[:-1]} AS two\nRUN true\n"
    assert [one.stage for one in made(text).steps] == ["two"]
    assert made(text).key == made(text.replace("RUN :", "RUN ::")).key
    assert made(text, "one").key != made(text).key
    assert made(text.replace(f"{B[:-1]} AS two", "FROM one AS two")).built == ("one", "two")


def test_no_value_is_told() -> None:
    text = f"{B}ARG A\nWORKDIR /$A\nUSER $A\nENV B=$A\nRUN echo $A\nCOPY a.txt /$A\nLABEL a=$A\n"
    found = made(text, arguments={"A": "hunter2"}, settings={"labels": "hunter2"})
    assert "hunter2" not in repr(found)
    other = made(text, arguments={"A": "hunter2"}, settings={"labels": "hunter2"}, salt=b"other")
    assert {one.own for one in found.steps}.isdisjoint(one.own for one in other.steps)
    parts = [name for name in found.image if name in {"labels", "LABEL", "ENV"}]
    assert [name for name in parts if found.image[name] == other.image[name]] == []


@pytest.mark.parametrize(
    ("text", "images"),
    [
        (f"{B}RUN true\n", (BUSYBOX,)),
        (f"FROM busybox@{DIGEST}\nRUN true\n", ()),
        ("FROM scratch\nCOPY --from=busybox:1.37 / /\n", (BUSYBOX,)),
        (f"ARG V=1.37\nFROM busybox:$V AS one\n{B[:-1]} AS two\nFROM one\n", (BUSYBOX,)),
        (
            f"{B[:-1]} AS one\nFROM one\nRUN --mount=from=a.test/b,target=/m :\n",
            (BUSYBOX, "a.test/b:latest"),
        ),
        ("FROM other\nCOPY --from=other / /\n", ()),
        ("FROM $BUILDARCH\n", ()),
        ("FROM ${X:-busybox}:1.37\n", (BUSYBOX,)),
    ],
)
def test_images(text: str, images: tuple[str, ...]) -> None:
    file = dockerfile.parse(text, {})
    of = replace(GIVEN, contexts=frozenset(["other"]))
    assert recipe.images(file, file.stages[-1], of) == images


WORDS = st.sampled_from(
    [
        *("FROM", "busybox:1.37", "scratch", "AS", "one", "\n", "\n", "\nRUN", "\nCOPY", "\nADD"),
        *("\nARG", "\nENV", "\nWORKDIR", "\nUSER", "\nLABEL", "\nONBUILD", "A=1", "$A", "${A:-x}"),
        *("--from=one", "--link", "--mount=from=one,target=/x", "--mount=type=cache", "a.txt", "."),
        *(
            "--parents",
            "--exclude=*",
            "<<E",
            "\nE\n",
            "'",
            '"',
            "\\",
            '["a"]',
            "https://x",
            "/x",
            ",",
        ),
    ]
)


@settings(max_examples=300)
@given(st.lists(WORDS, max_size=40))
def test_any_dockerfile_is_read(words: list[str]) -> None:
    text = f"FROM busybox:1.37 AS one\n{' '.join(words)}"
    found = made(text)
    assert found.key == made(text).key
    assert all(one.parts[recipe.INSTRUCTION] and one.own for one in found.steps)


def test_a_name_that_is_not_utf8() -> None:
    text = f"{B}ARG A\nCOPY a.txt /$A\nLABEL a=$A\n"
    assert made(text, arguments={"A": "\udcff"}).key


def test_cache_mounts_of_a_step() -> None:
    run = (
        "ARG N=1\nWORKDIR /src\nRUN --mount=type=cache,target=//a/../b/ "
        "--mount=type=cache,id=x$N,target=c,uid=$N,gid=2,mode=0700,sharing=locked "
        "--mount=type=cache,target=rel --mount=type=cache,dst=/d,id=x1,uid=1,gid=2,mode=0700 make\n"
    )
    assert step(f"{B}{run}").mounts == (
        CacheMount(identity="/b"),
        CacheMount(identity="x1", uid="1", gid="2", mode="0700"),
        CacheMount(identity="rel"),
    )
    named = step(f"{B}{run}", arguments={"N": "9", "BUILDKIT_CACHE_MOUNT_NS": "ns"}).mounts
    assert [(one.identity, one.uid, one.namespace) for one in named] == [
        ("/b", "", "ns"),
        ("x9", "9", "ns"),
        ("rel", "", "ns"),
        ("x1", "1", "ns"),
    ]


def test_mounts_that_are_not_known_by_their_id_alone() -> None:
    mounts = (
        "--mount=type=cache,target=/a,from=busybox --mount=type=cache,target=/b,source=/x "
        "--mount=type=bind,target=/c --mount=type=tmpfs,target=/d "
        "--mount=type=cache,target=/$TARGETOS"
    )
    assert step(f"{B}ARG TARGETOS\nRUN {mounts} make\n", platforms=()).mounts == ()


def test_images_below_stages() -> None:
    text = (
        f"{B.replace('1.37', '1.37 AS one')}RUN a\nFROM one AS two\nRUN b\n"
        f"FROM other:1 AS three\nRUN c\nFROM scratch AS four\nCOPY --from=two /a /\n"
        "COPY --from=three /a /\n"
    )
    found = made(text)
    known = f"{BUSYBOX}@{DIGEST}"
    assert recipe.bases(found, ["one"]) == (known,)
    assert recipe.bases(found, ["two"]) == (known,)
    assert recipe.bases(found, ["three"]) == ("docker.io/library/other:1",)
    assert recipe.bases(found, ["four", "nowhere"]) == ()
