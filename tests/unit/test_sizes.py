from __future__ import annotations

import pytest

from warmbuild import sizes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500MB", 500_000_000),
        ("1GB", 1_000_000_000),
        ("1.5g", 1_500_000_000),
        (" 20 kB ", 20_000),
        ("4096", 4096),
        ("7b", 7),
        ("", None),
        ("1TB", None),
        ("1GiB", None),
        ("-1MB", None),
        ("1.2345MB", None),
        ("١MB", None),  # noqa: RUF001 (a digit of another script)
    ],
)
def test_a_size_is_read(text: str, expected: int | None) -> None:
    assert sizes.read(text) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (20_999_999, "20 MB"),
        (1_540_000_000, "1.5 GB"),
    ],
)
def test_a_size_is_shown_in_its_largest_unit(size: int, expected: str) -> None:
    assert sizes.shown(size) == expected
