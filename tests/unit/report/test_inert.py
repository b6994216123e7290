"""What others wrote stays text in Markdown."""

from __future__ import annotations

import pytest

from warmbuild.report import inert


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("the image is built, 3.1 s (why?)", None, id="a sentence"),
        pytest.param('process "/bin/sh -c make": exit code: 2', None, id="an error"),
        pytest.param("ghcr.io/me/app:main", None, id="a ref"),
        pytest.param("a\n  b\tc", "a b c", id="lines become one"),
        pytest.param("a_b and *c* d", "`a_b` and `*c*` d", id="emphasis"),
        pytest.param("a <b> [c](d) e", "a `<b> [c](d)` e", id="neighbors share their code"),
        pytest.param("not a_b: denied", "not `a_b`: denied", id="punctuation follows the code"),
        pytest.param("npm@latest, #1 and @me.", "`npm@latest, #1` and `@me`.", id="references"),
        pytest.param("see https://a.b or WWW.a.b", "see `https://a.b` or `WWW.a.b`", id="links"),
        pytest.param("0123abc GH-12 :bomb:", "`0123abc GH-12 :bomb`:", id="what becomes a link"),
        pytest.param('ran "a && b" and "c d"', 'ran `"a && b"` and "c d"', id="quotations"),
        pytest.param('a" b_c', 'a" `b_c`', id="half a quotation"),
        pytest.param("`a`", "`'a'`", id="code"),
        pytest.param("- a", "`-` a", id="a list"),
        pytest.param("a - b", None, id="a dash"),
        pytest.param("1) a", "`1)` a", id="a numbered list"),
        pytest.param("a\x1b[2J\u202eb", "`a\\x1b[2J\\u202eb`", id="control characters"),
        pytest.param("\ud800", "`\\ud800`", id="what is not UTF-8"),
        pytest.param("x" * 2000, f"{'x' * 1000}…", id="a long text"),
    ],
)
def test_a_text_in_a_line(text: str, expected: str | None) -> None:
    assert inert.inline(text) == (text if expected is None else expected)


def test_a_name_in_a_text() -> None:
    assert inert.around("[1/2] RUN a\n&& b", "in [1/2] RUN a && b (D:3), c") == (
        "in `[1/2] RUN a && b` (D:3), c"
    )
    assert inert.around("[1/2] RUN a", "[1/2] RUN a: d_e") == "`[1/2] RUN a`: `d_e`"
    assert inert.around("", "a b_c") == inert.around("x", "a b_c") == "a `b_c`"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("`", "`'`"),
        ("a|b", "`a|b`"),
        ("é\n😀", "`é 😀`"),
    ],
)
def test_a_text_as_code(text: str, expected: str) -> None:
    assert inert.code(text) == expected


def test_several_texts_as_code() -> None:
    assert inert.codes(["a", "b", "c"], 3) == "`a`, `b`, `c`"
    assert inert.codes(["a", "b", "c"], 2) == "`a`, `b` and 1 more"


def test_a_digest_is_short() -> None:
    assert inert.short(f"r.io/a@sha256:{'0123456789abcdef' * 4}") == "r.io/a@sha256:0123456789ab"


def test_no_pipe_ends_a_cell() -> None:
    rows = [["`a|b`", "`a\\|b`"], ["`\\\\|`", ""]]
    assert inert.table(("A", "B"), rows, right="B").splitlines() == [
        "| A | B |",
        "| --- | ---: |",
        r"| `a\|b` | `a\ \|b` |",
        r"| `\\ \|` |  |",
    ]


def test_a_block_is_longer_than_what_is_in_it() -> None:
    lines = ["\x1b[31mred\x1b[0m", "\ta  ", "````", "\r", "x" * 301]
    assert inert.fence(lines).splitlines() == [
        "`````text",
        "red",
        "        a",
        "````",
        "",
        f"{'x' * 300}…",
        "`````",
    ]


def test_alerts_and_what_is_folded() -> None:
    assert inert.alert("NOTE", "a", "b") == "> [!NOTE]\n> a\n>\n> b"
    assert inert.folded("all", "body", "<b>&") == (
        "<details>\n<summary><code>&lt;b&gt;&amp;</code> all</summary>\n\nbody\n\n</details>"
    )
