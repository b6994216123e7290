"""How docker/build-push-action reads its lists: every input's class, and what each class makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from warmbuild.errors import InputError
from warmbuild.inputs import lists, table
from warmbuild.inputs.table import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs

READS: dict[Kind, Callable[[str], tuple[str, ...]]] = {
    Kind.WORDS: lists.words,
    Kind.LINES: lists.lines,
    Kind.RAW_LINES: lists.raw_lines,
    Kind.UNTRIMMED_LINES: lists.untrimmed_lines,
}
# The 33 inputs of docker/build-push-action 7.3.
CLASSES = {
    Kind.WORDS: "add-hosts allow no-cache-filters platforms secret-envs ssh tags",
    Kind.LINES: "annotations attests build-args build-contexts cache-from cache-to labels "
    "secret-files ulimit",
    Kind.RAW_LINES: "outputs",
    Kind.UNTRIMMED_LINES: "secrets",
    Kind.BOOLEAN: "load no-cache pull push",
    Kind.TEXT: "builder call cgroup-parent context file github-token network provenance sbom "
    "shm-size target",
}
# What is read elsewhere.
ELSEWHERE = {"annotations"} - set(table.BY_NAME)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(name, kind, id=name)
        for kind, names in CLASSES.items()
        for name in sorted(set(names.split()) - ELSEWHERE)
    ],
)
def test_the_class_of_an_input(name: str, kind: Kind) -> None:
    assert table.BY_NAME[name].kind is kind


def test_there_are_33_of_them() -> None:
    assert sum(len(names.split()) for names in CLASSES.values()) == 33


QUOTED_IN_A_FIELD = ('a="quoted value"', 'A=it"s', 'a={"k":"v","z":"w"}', 'a="b,c"')
TABLE = [
    # By newline or comma.
    (Kind.WORDS, "a:1, b:2\n c:3 ,", ("a:1", "b:2", "c:3")),
    (Kind.WORDS, '"a:1,b:2"\nc', ("a:1", "b:2", "c")),
    (Kind.WORDS, '"a","b"', ("a", "b")),
    (Kind.WORDS, "# comment\na", ("# comment", "a")),
    (Kind.WORDS, "linux/amd64 linux/arm64", ("linux/amd64 linux/arm64",)),
    (Kind.WORDS, "key=/a,/b", ("key=/a", "/b")),
    (Kind.WORDS, ",,\n,a,", ("a",)),
    (Kind.WORDS, "a\r\nb,c\r\n", ("a", "b", "c")),
    (Kind.WORDS, " \n ", ()),
    # By newline.
    (Kind.LINES, "a=b, c\n  d=e", ("a=b, c", "d=e")),
    *((Kind.LINES, text, (text,)) for text in QUOTED_IN_A_FIELD),
    (Kind.LINES, '"a=x\ny"', ("a=x\ny",)),
    (Kind.LINES, '"a=x\r\ny"', ("a=x\ny",)),
    (Kind.LINES, '"a={""k"":""v""}"', ('a={"k":"v"}',)),
    (Kind.LINES, "A=1\n\n\nB=2", ("A=1", "B=2")),
    (Kind.LINES, "A=foo # not comment", ("A=foo # not comment",)),
    (Kind.LINES, 'A=1\n  "B=x\ny"\nC=3', ("A=1", '"B=x', 'y"', "C=3")),
    (Kind.LINES, '  "B=x\ny"\nC=3', ("B=x\ny", "C=3")),
    (Kind.LINES, 'type=registry,"ref=a,b",mode=max', ("type=registry,ref=a,b,mode=max",)),
    (Kind.LINES, "a=b\r\nc=d", ("a=b", "c=d")),
    # By newline, quotes kept.
    (Kind.RAW_LINES, 'type=image,"name=a,b",push=true', ('type=image,"name=a,b",push=true',)),
    (Kind.RAW_LINES, '"a=x\ny"', ('"a=x', 'y"')),
    (Kind.RAW_LINES, '"A=unterminated', ('"A=unterminated',)),
    (Kind.RAW_LINES, " type=a , b \r\n\r\n type=c", ("type=a , b", "type=c")),
    # By newline, spaces kept.
    (Kind.UNTRIMMED_LINES, "A=abc  \nB=  x ", ("A=abc  ", "B=  x ")),
    (Kind.UNTRIMMED_LINES, 'A="b\nc"', ('A="b', 'c"')),
    (Kind.UNTRIMMED_LINES, '"A=b\n  c \n"', ("A=b\n  c \n",)),
    (Kind.UNTRIMMED_LINES, "A=1,2\r\n\r\nB=3\r\n", ("A=1,2", "B=3")),
]


@pytest.mark.parametrize(("kind", "text", "expected"), TABLE)
def test_the_truth_table(kind: Kind, text: str, expected: tuple[str, ...]) -> None:
    assert READS[kind](text) == expected


@pytest.mark.parametrize("kind", [Kind.WORDS, Kind.LINES, Kind.UNTRIMMED_LINES])
def test_an_open_quote_fails_the_step(kind: Kind) -> None:
    with pytest.raises(ValueError, match="a quote is opened and never closed"):
        READS[kind]('"A=unterminated')


@pytest.mark.parametrize("text", ["true", "True", "TRUE"])
def test_true(parsed: Callable[..., Inputs], text: str) -> None:
    assert parsed(pull=text).pull is True


@pytest.mark.parametrize("text", ["false", "False", "FALSE", ""])
def test_false(parsed: Callable[..., Inputs], text: str) -> None:
    assert parsed(pull=text).pull is False


@pytest.mark.parametrize("text", ["1", "0", "yes", "on", "t", "tRUE"])
def test_neither(parsed: Callable[..., Inputs], text: str) -> None:
    with pytest.raises(InputError, match="use true or false"):
        parsed(pull=text)
