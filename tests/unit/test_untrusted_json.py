from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.foreign import shapes
from warmbuild import untrusted_json

ITEM = {"text": "a", "number": 7, "object": {"b": 1}, "list": [{"c": 2}, "d", {"e": 3}]}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half of it"),
        pytest.param(b"\xff\xfe\xfa", id="no text"),
        pytest.param(b"[" * 100_000, id="nested without end"),
        pytest.param(b'{"a":' * 101 + b"1" + b"}" * 101, id="nested deeply"),
        pytest.param(b"9" * 5_000, id="a number without end"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"7", id="a number"),
    ],
)
def test_what_is_no_object_is_an_error_of_one_kind(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        untrusted_json.parsed(text)


def test_an_object_is_read_from_text_and_bytes() -> None:
    assert untrusted_json.parsed('{"a": 1}') == untrusted_json.parsed(b'{"a": 1}') == {"a": 1}


def test_what_is_there_is_read() -> None:
    assert untrusted_json.text(ITEM, "text") == "a"
    assert untrusted_json.number(ITEM, "number") == 7
    assert untrusted_json.numbers({"list": [0, "1", 2.5, None, 3]}, "list") == [0, 3]
    assert untrusted_json.child(ITEM, "object") == {"b": 1}
    assert list(untrusted_json.children(ITEM, "list")) == [{"c": 2}, {"e": 3}]


@pytest.mark.parametrize("key", ["text", "number", "object", "list", "missing"])
def test_what_has_another_shape_is_as_good_as_missing(key: str) -> None:
    assert key == "text" or untrusted_json.text(ITEM, key) == ""
    assert key == "number" or untrusted_json.number(ITEM, key) == 0
    assert key == "object" or untrusted_json.child(ITEM, key) == {}
    assert key == "list" or list(untrusted_json.children(ITEM, key)) == []


def test_the_deepest_is_read() -> None:
    depth = untrusted_json.DEEPEST
    found = untrusted_json.parsed('{"a":' * depth + "1" + "}" * depth)
    assert untrusted_json.with_texts(found, str) == found
    with pytest.raises(ValueError, match="nested too deeply"):
        untrusted_json.parsed('{"a":' * (depth + 1) + "1" + "}" * (depth + 1))


@pytest.mark.parametrize("value", [2**63, -(2**63), "1", 1.5, None])
def test_what_go_holds_in_no_number_is_none(value: object) -> None:
    assert untrusted_json.whole(value) is None
    assert untrusted_json.number({"a": value}, "a") == 0
    assert untrusted_json.numbers({"a": [value, 7]}, "a") == [7]


def test_what_is_wide_or_less_deep_is_read() -> None:
    deep = "[" * untrusted_json.DEEPEST + "]" * untrusted_json.DEEPEST
    wide = json.dumps([{"a": [1, "x"]}] * 1000)
    assert untrusted_json.anything(deep) == json.loads(deep)
    assert untrusted_json.anything(wide.encode()) == json.loads(wide)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**4000, 1e999, float("nan")])
def test_a_number_that_go_would_not_read_counts_as_missing(value: float) -> None:
    assert untrusted_json.number({"a": value}, "a") == 0
    assert untrusted_json.numbers({"a": [value, 1]}, "a") == [1]


@given(shapes(["a", "b"]) | st.text())
def test_every_shape_is_read(value: object) -> None:
    item = {"a": value}
    untrusted_json.text(item, "a")
    untrusted_json.number(item, "a")
    untrusted_json.numbers(item, "a")
    untrusted_json.binary(value)
    list(untrusted_json.children(item, "a"))
    changed = untrusted_json.with_texts(value, str.upper)
    assert untrusted_json.anything(json.dumps(changed)) is not item


@given(st.binary() | st.text('[]{}":,\\0a', max_size=50))
def test_malformed_json_is_an_error_of_one_kind(text: bytes | str) -> None:
    try:
        untrusted_json.parsed(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017
