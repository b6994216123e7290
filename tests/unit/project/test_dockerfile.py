from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbuild.project import dockerfile

if TYPE_CHECKING:
    from warmbuild.project.dockerfile import Dockerfile


def parse(text: str, **arguments: str) -> Dockerfile:
    return dockerfile.parse(text, arguments)


def steps(text: str) -> list[tuple[str, str, int]]:
    """Return (word, text, line) of every instruction, FROM included."""
    return [
        (step.word, step.text, step.line)
        for stage in parse(text).stages
        for step in (stage.start, *stage.instructions)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("FROM a\nRUN b\n", [("FROM", "a", 1), ("RUN", "b", 2)], id="lines"),
        pytest.param("from a\n\trun\tb  c ", [("FROM", "a", 1), ("RUN", "b  c", 2)], id="casing"),
        pytest.param(
            "\ufeffFROM a\r\nRUN b\r\n", [("FROM", "a", 1), ("RUN", "b", 2)], id="windows"
        ),
        pytest.param(
            "FROM a\n\n# why\nRUN b \\\n  # not this\n\n  && c\nRUN d",
            [("FROM", "a", 1), ("RUN", "b   && c", 4), ("RUN", "d", 8)],
            id="a comment and an empty line inside a continued one",
        ),
        pytest.param(
            "FROM a\nRUN b \\ \t\n c", [("FROM", "a", 1), ("RUN", "b  c", 2)], id="blanks behind it"
        ),
        pytest.param(
            "FROM a\nRUN b\\\\\nUSER c",
            [("FROM", "a", 1), ("RUN", "b\\\\", 2), ("USER", "c", 3)],
            id="an escaped escape continues nothing",
        ),
        pytest.param(
            "# escape=`\nFROM a\nRUN dir C:\\\nRUN b `\n c",
            [("FROM", "a", 2), ("RUN", "dir C:\\", 3), ("RUN", "b  c", 4)],
            id="another escape",
        ),
        pytest.param(
            "# a comment first\n# escape=`\nFROM a\nRUN b \\\n c",
            [("FROM", "a", 3), ("RUN", "b  c", 4)],
            id="a directive that comes too late",
        ),
        pytest.param(
            "FROM a\nRUN b \\", [("FROM", "a", 1), ("RUN", "b", 2)], id="an end too early"
        ),
        pytest.param("RUN b\nFROM a", [("FROM", "a", 2)], id="a step before any stage"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_lines_become_instructions(text: str, expected: list[tuple[str, str, int]]) -> None:
    assert steps(text) == expected


@pytest.mark.parametrize(
    ("run", "bodies"),
    [
        ("RUN <<EOF\nCOPY . .\nEOF", ["COPY . ."]),
        ("RUN <<-'EOF' cat\n\tone\n\tEOF", ["\tone"]),
        ('COPY <<"two words" <<B /\none\ntwo words\ntwo\nB', ["one", "two"]),
        ("RUN <<  EOF\none\nEOF", ["one"]),
        ("RUN 3<<EOF\none\nEOF", ["one"]),
        ("ONBUILD RUN <<EOF\none\nEOF", ["one"]),
        ("RUN cat <<EOF \\\n  >/x\none\nEOF", ["one"]),
        ("RUN <<EOF\none", ["one\nUSER x"]),
        ('RUN ["cat", "<<EOF"]', []),
        ("RUN cat '<<EOF'", []),
        ("RUN cat <<<EOF", []),
        ("ENV A=<<EOF", []),
    ],
)
def test_a_heredoc_is_no_instruction(run: str, bodies: list[str]) -> None:
    (stage,) = parse(f"FROM a\n{run}\nUSER x").stages
    assert list(stage.instructions[0].heredocs) == bodies
    assert [step.word for step in stage.instructions[1:]] == ["USER"] * (bodies != ["one\nUSER x"])


def test_line_ends_of_windows_stay_in_heredocs_alone() -> None:
    text = "# escape=`\r\nFROM a\r\nRUN one `\r\n\r\n  two\r\nCOPY <<-E /x\r\n1\r\n\tE\r\nRUN x\r\n"
    (stage,) = dockerfile.parse(text, {}).stages
    found = [(one.word, one.text, one.heredocs) for one in stage.instructions]
    assert found == [
        ("RUN", "one   two", ()),
        ("COPY", "<<-E /x", ("1\r",)),
        ("RUN", "x", ()),
    ]


def test_flags_are_split_from_the_text() -> None:
    (stage,) = parse(
        'FROM --platform=$BUILDPLATFORM a AS b\nCOPY --link --from=c "--chown=x y" /z .\n'
        "RUN --mount=type=cache,target=/x --mount=type=bind,from=c,source=/ -- make --all"
    ).stages
    copy, run = stage.instructions
    assert (stage.name, stage.start.flag("platform")) == ("b", "$BUILDPLATFORM")
    assert copy.flags == (("link", ""), ("from", "c"), ("chown", "x y"))
    assert copy.words() == ("/z", ".")
    assert [dict(mount) for mount in dockerfile.mounts(run)] == [
        {"type": "cache", "target": "/x"},
        {"type": "bind", "from": "c", "source": "/"},
    ]


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ('type=cache,"id=a,b",target=/x', [{"type": "cache", "id": "a,b", "target": "/x"}]),
        ('type=cache,"id=a""b"', [{"type": "cache", "id": 'a"b'}]),
        ('type=cache,"id=a', [{}]),
    ],
)
def test_attributes_of_a_mount_may_be_quoted(flag: str, expected: list[dict[str, str]]) -> None:
    (stage,) = parse(f"FROM a\nRUN '--mount={flag}' make").stages
    assert [dict(mount) for mount in dockerfile.mounts(stage.instructions[0])] == expected


@pytest.mark.parametrize(
    ("copy", "words"),
    [
        ('COPY ["a b", "c"]', ("a b", "c")),
        ("COPY [abc] d", ("[abc]", "d")),
        ('COPY ["a", 1]', ("a",)),
        ("COPY a  b", ("a", "b")),
    ],
)
def test_words_may_be_a_json_list(copy: str, words: tuple[str, ...]) -> None:
    assert parse(f"FROM a\n{copy}").stages[0].instructions[0].words() == words


def test_comments_above_an_instruction_are_kept_until_an_empty_one() -> None:
    (stage,) = parse("FROM a\n# one\n#\n# two\n\n#three\nRUN b\nRUN c").stages
    assert [step.comments for step in stage.instructions] == [("two", "three"), ()]


def test_an_arg_may_declare_several() -> None:
    (argument,) = parse("ARG A B=1 C='x y' D=\nFROM a").arguments
    assert list(dockerfile.declared(argument)) == [("A", ""), ("B", "1"), ("C", "x y"), ("D", "")]


@pytest.mark.parametrize(
    ("directives", "syntax"),
    [
        ("# syntax=docker/dockerfile:1", "docker/dockerfile:1"),
        ("#!/usr/bin/env docker\n#SYNTAX = x", "x"),
        ("# check=skip=all\n# syntax=x", "x"),
        ("\n# syntax=x", ""),
        ("# syntax=x\n# FROM a\n# or not:", "x"),
        ("# a comment\n# syntax=x", ""),
    ],
)
def test_the_frontend_is_named_by_the_first_lines(directives: str, syntax: str) -> None:
    assert parse(f"{directives}\nFROM a").syntax == syntax


STAGES = """\
ARG KIND=small
FROM alpine AS base
RUN one
FROM base AS tools
RUN two
FROM base-${KIND} AS late
FROM alpine AS base-small
FROM alpine AS base-big
FROM base-${KIND} AS chosen
FROM base-${TARGETARCH} AS arch
FROM scratch AS copied
COPY --from=tools /a /a
COPY --from=0 /b /b
COPY --from=nginx /c /c
FROM chosen AS final
RUN --mount=type=bind,from=copied,target=/x three
"""


@pytest.mark.parametrize(
    ("name", "arguments", "lineage", "needed"),
    [
        ("base", {}, ["base"], ["base"]),
        ("Tools", {}, ["base", "tools"], ["base", "tools"]),
        ("1", {}, ["base", "tools"], ["base", "tools"]),
        ("late", {}, ["late"], ["late"]),
        ("chosen", {}, ["base-small", "chosen"], ["base-small", "chosen"]),
        ("chosen", {"KIND": "big"}, ["base-big", "chosen"], ["base-big", "chosen"]),
        (
            "arch",
            {},
            ["base-small", "base-big", "arch"],
            ["base-small", "base-big", "arch"],
        ),
        ("copied", {}, ["copied"], ["base", "tools", "copied"]),
        (
            "",
            {},
            ["base-small", "chosen", "final"],
            ["base", "tools", "base-small", "chosen", "copied", "final"],
        ),
    ],
)
def test_a_build_needs_the_stages_that_lead_to_its_target(
    name: str, arguments: dict[str, str], lineage: list[str], needed: list[str]
) -> None:
    file = parse(STAGES, **arguments)
    built = dockerfile.built_stage(file, name)
    assert built
    assert [stage.name for stage in dockerfile.lineage(file, built)] == lineage
    assert [stage.name for stage in dockerfile.needed(file, built)] == needed


@pytest.mark.parametrize("name", ["none", "17"])
def test_a_target_that_is_not_there_is_none(name: str) -> None:
    assert dockerfile.built_stage(parse(STAGES), name) is None
    assert dockerfile.built_stage(parse(""), "") is None


@pytest.mark.parametrize(
    ("base", "bases"),
    [
        ("${A:-one}", ["one"]),
        ("${A:+two}", []),
        ("${B:+two}", ["two"]),
        ("$B", ["one"]),
        ("${NOBODY}", ["one", "two"]),
        ("two", ["two"]),
        ("0", []),
    ],
)
def test_a_base_may_be_a_variable(base: str, bases: list[str]) -> None:
    file = parse(f"ARG A\nFROM a AS one\nFROM b AS two\nFROM {base}", B="one")
    assert [stage.name for stage in dockerfile.lineage(file, file.stages[-1])[:-1]] == bases


def test_of_two_stages_with_one_name_the_later_is_meant() -> None:
    file = parse("FROM a AS x\nFROM b AS x\nFROM x\nCOPY --from=x /a /a")
    assert (file.stages[2].bases, file.stages[2].uses) == ((1,), (1,))


@given(st.text(alphabet="FROM RUNCOPYARG<-='\"\\\n#$ \t{}[],/.EOFab&;", max_size=300))
def test_no_text_is_too_strange(text: str) -> None:
    file = parse(f"FROM a\n{text}")
    lines = text.count("\n") + 2
    for stage in file.stages:
        assert all(1 <= step.line <= lines for step in (stage.start, *stage.instructions))
        assert dockerfile.needed(file, stage)[-1] == stage


def test_a_file_of_nothing_but_a_directive_is_read() -> None:
    found = parse("# syntax=docker/dockerfile:1")
    assert (found.syntax, found.stages) == ("docker/dockerfile:1", ())


@pytest.mark.parametrize("text", ["RUN a\n" * 2_000, "FROM a\n" * 201])
def test_a_file_with_too_many_instructions_has_no_stages(text: str) -> None:
    found = parse(f"# syntax=a\nFROM a\n{text}")
    assert (found.syntax, found.stages) == ("a", ())


@pytest.mark.parametrize(
    ("base", "bases"),
    [
        ("$X-${X}two", [1]),
        ("one$X", [0]),
        ("$X-three", []),
        ("one$X-one", []),
        ("a$X-${X}o", [1]),
        ("a$X-${X}wo$X-", []),
        ("$X" * 501, []),
        ("$LONG", []),
    ],
)
def test_a_base_may_be_known_in_part(base: str, bases: list[int]) -> None:
    file = parse(f"FROM a AS one\nFROM b AS a-two\nFROM {base}", LONG="x" * 5_000)
    assert list(file.stages[-1].bases) == bases


@pytest.mark.parametrize("number", ["9" * 5_000, "²", "-0", "3"])
def test_a_number_of_no_stage_is_no_stage(number: str) -> None:
    assert parse(f"FROM a\nCOPY --from={number} a b").stages[0].uses == ()


@pytest.mark.parametrize("text", ["[" * 5_000, '{"a": 1}', '["a", 1, ["b"]]'])
def test_a_list_that_is_none_is_the_text_of_a_shell(text: str) -> None:
    (step,) = parse(f"FROM a\nRUN {text}").stages[0].instructions
    assert step.words() in {("a",), tuple(text.split())}
