from __future__ import annotations

import pytest

from warmbuild import whole_numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("007", 7),
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), None),
        ("9" * 5000, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        (" 1", None),
        ("1\n", None),
        ("²", None),
        ("٣", None),
    ],
)
def test_ascii_digits_are_a_number(text: str, number: int | None) -> None:
    assert whole_numbers.read(text) == number
