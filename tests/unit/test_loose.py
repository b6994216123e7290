from __future__ import annotations

import pytest

from warmbuild import loose

ITEM = {"text": "a", "number": 7, "object": {"b": 1}, "list": [{"c": 2}, "d", {"e": 3}]}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half of it"),
        pytest.param(b"\xff\xfe\xfa", id="no text"),
        pytest.param(b"[" * 100_000, id="nested without end"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"7", id="a number"),
    ],
)
def test_what_is_no_object_is_an_error_of_one_kind(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        loose.parsed(text)


def test_an_object_is_read_from_text_and_bytes() -> None:
    assert loose.parsed('{"a": 1}') == loose.parsed(b'{"a": 1}') == {"a": 1}


def test_what_is_there_is_read() -> None:
    assert loose.text(ITEM, "text") == "a"
    assert loose.number(ITEM, "number") == 7
    assert loose.child(ITEM, "object") == {"b": 1}
    assert list(loose.children(ITEM, "list")) == [{"c": 2}, {"e": 3}]


@pytest.mark.parametrize("key", ["text", "number", "object", "list", "missing"])
def test_what_has_another_shape_is_as_good_as_missing(key: str) -> None:
    assert key == "text" or loose.text(ITEM, key) == ""
    assert key == "number" or loose.number(ITEM, key) == 0
    assert key == "object" or loose.child(ITEM, key) == {}
    assert key == "list" or list(loose.children(ITEM, key)) == []
