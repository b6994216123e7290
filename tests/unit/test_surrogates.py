from __future__ import annotations

import os

import pytest

from warmbuild import surrogates


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("", ""),
        ("für 🧦", "für 🧦"),
        (os.fsdecode(b"f\xfcr"), r"f\udcfcr"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_no_utf_8_can_hold_is_escaped(text: str, escaped: str) -> None:
    assert surrogates.escaped(text) == escaped
    assert surrogates.are_in(text) is (text != escaped)
