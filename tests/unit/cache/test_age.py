from __future__ import annotations

from datetime import timedelta

import pytest

from warmbuild.cache.age import age_text


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(seconds=-5), "0 seconds"),
        (timedelta(), "0 seconds"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(seconds=59.9), "59 seconds"),
        (timedelta(seconds=60), "1 minute"),
        (timedelta(minutes=59, seconds=59), "59 minutes"),
        (timedelta(minutes=60), "1 hour"),
        (timedelta(hours=23, minutes=59), "23 hours"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=400, hours=23), "400 days"),
    ],
)
def test_an_age_is_written_in_its_largest_unit(age: timedelta, expected: str) -> None:
    assert age_text(age) == expected
