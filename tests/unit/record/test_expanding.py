from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbuild.record.expanding import expanded, names

VALUES = {"A": "1", "EMPTY": "", "QUOTED": """it's "x" $A""", "BASE": None}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("plain", "plain"),
        ("$A", "1"),
        ("${A}b", "1b"),
        ("$Ab", None),
        ("x$A/$A", "x1/1"),
        ("'$A'", "$A"),
        ('"$A"', "1"),
        ('"it\'s"', "it's"),
        ('"a\\"b"', 'a"b'),
        ('"a\\b"', "a\\b"),
        ("a\\ b", "a b"),
        ("\\$A", "$A"),
        ('"\\$A"', "$A"),
        ("a''b", "ab"),
        ("$QUOTED", """it's "x" $A"""),
        ("${A:-d}", "1"),
        ("${A:+d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${EMPTY:+d}", ""),
        ("${EMPTY+d}", "d"),
        ("${EMPTY:-}", ""),
        # Only BuildKit knows these, because a base image may set a variable, or what they mean.
        ("$BASE", None),
        ("${BASE:-d}", None),
        ("$OTHER", None),
        ("${OTHER:-d}", None),
        ("${A#1}", None),
        ("${A:-$EMPTY}", None),
        ("${A", None),
        ("$", None),
        ("$1", None),
        ("'a", None),
        ('"a', None),
        ("`$A", None),
        ("a\\", None),
    ],
)
def test_a_word(text: str, value: str | None) -> None:
    assert expanded(text, VALUES) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$OTHER", ""),
        ("${OTHER:-d}", "d"),
        ("${OTHER-d}", "d"),
        ("${OTHER+d}", ""),
        ("$BASE", None),
    ],
)
def test_where_nothing_else_sets_a_variable(text: str, value: str | None) -> None:
    assert expanded(text, VALUES, unset="") == value


def test_names_are_also_found_in_what_is_not_expanded() -> None:
    assert list(names("$A ${B:-$C} ${D#x} \\$E $1 $")) == ["A", "B", "C", "D", "E"]


@given(st.text(alphabet="$\\'\"{}:-+Aa `", max_size=30))
def test_any_word_is_read(text: str) -> None:
    value = expanded(text, VALUES)
    if value is not None and not set(text) & set("$\\'\"`"):
        assert value == text
