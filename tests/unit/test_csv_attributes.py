from __future__ import annotations

import pytest

from warmbuild import csv_attributes


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("type=registry,ref=a/b:c", [("type", "registry"), ("ref", "a/b:c")]),
        ("a/b:c", [("ref", "a/b:c")]),
        ('TYPE=local,"dest=/a,b"', [("type", "local"), ("dest", "/a,b")]),
        ("me/app:c,me/app:d", [("ref", "me/app:c"), ("ref", "me/app:d")]),
        ("", []),
        ("type=registry\nref=a", [("type", "registry\nref=a")]),
        ("x" * 140_000, [("ref", "x" * 140_000)]),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_an_entry_is_read_as_buildx_reads_it(entry: str, expected: list[tuple[str, str]]) -> None:
    assert csv_attributes.pairs(entry) == expected
