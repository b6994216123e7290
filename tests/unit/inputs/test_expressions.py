"""Dates as moment.js writes them: what is expected is what moment-timezone 0.6 printed."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from warmbuild.inputs import expressions

# Sunday, the last of a year by ISO, and in the first week of the next one in America.
SUNDAY = datetime(2025, 12, 28, 0, 5, 7, 37000, tzinfo=UTC)
FRIDAY = datetime(2021, 1, 1, 12, 0, 0, tzinfo=UTC)
AFTERNOON = datetime(2026, 1, 9, 16, 5, 7, tzinfo=UTC)
LEAP = datetime(2024, 2, 29, 23, 59, 59, 999000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("time", "pattern", "text"),
    [
        (SUNDAY, "YYYYMMDD-HHmmss", "20251228-000507"),
        (SUNDAY, "YYYY-MM-DDTHH:mm:ss.SSS[Z]", "2025-12-28T00:05:07.037Z"),
        (SUNDAY, "dddd, MMMM Do YYYY, h:mm:ss a", "Sunday, December 28th 2025, 12:05:07 am"),
        (SUNDAY, "Y YY YYYY gg gggg GG GGGG", "2025 25 2025 26 2026 25 2025"),
        (SUNDAY, "w ww wo W WW Wo", "1 01 1st 52 52 52nd"),
        (SUNDAY, "d do e E dd ddd", "0 0th 0 7 Su Sun"),
        (SUNDAY, "M Mo MMM Q Qo", "12 12th Dec 4 4th"),
        (SUNDAY, "DDD DDDo DDDD", "362 362nd 362"),
        (SUNDAY, "k kk H HH h hh A", "24 24 0 00 12 12 AM"),
        (SUNDAY, "S SS SSS SSSS SSSSSSSSS", "0 03 037 0370 037000000"),
        (SUNDAY, "LT|LTS|L|LL", "12:05 AM|12:05:07 AM|12/28/2025|December 28, 2025"),
        (
            SUNDAY,
            "LLL|LLLL",
            "December 28, 2025 12:05 AM|Sunday, December 28, 2025 12:05 AM",
        ),
        (SUNDAY, "l|ll|lll", "12/28/2025|Dec 28, 2025|Dec 28, 2025 12:05 AM"),
        (SUNDAY, "llll", "Sun, Dec 28, 2025 12:05 AM"),
        (SUNDAY, "z zz Z ZZ X x", "UTC UTC +00:00 +0000 1766880307 1766880307037"),
        (SUNDAY, "[LT] \\d\\a [of] D", "LT da of 28"),
        (FRIDAY, "gggg-ww GGGG-WW", "2021-01 2020-53"),
        (FRIDAY, "Do k A", "1st 12 PM"),
        (LEAP, "DDD Do Wo wo", "60 29th 9th 9th"),
    ],
)
def test_dates(time: datetime, pattern: str, text: str) -> None:
    assert expressions.formatted(time, pattern) == text


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("YYYY-MM-DDTHH:mm:ssZ", "2026-01-09T16:05:07+00:00"),
        ("YY.M.D h:m:s a", "26.1.9 4:5:7 pm"),
        ("MMMM MMM dddd ddd dd d E", "January Jan Friday Fri Fr 5 5"),
        ("DDDD DDD Q WW W GGGG", "009 9 1 02 2 2026"),
        ("hh A ZZ X x SSS SS S", "04 PM +0000 1767974707 1767974707000 000 00 0"),
        ("[week] W [of] YYYY", "week 2 of 2026"),
        ("H D Do", "16 9 9th"),
    ],
)
def test_dates_are_written_as_moment_does(pattern: str, expected: str) -> None:
    assert expressions.formatted(AFTERNOON, pattern) == expected


@pytest.mark.parametrize(
    ("day", "text"),
    [
        *((1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th")),
        *((13, "13th"), (21, "21st"), (22, "22nd"), (23, "23rd"), (30, "30th"), (31, "31st")),
    ],
)
def test_ordinals(day: int, text: str) -> None:
    assert expressions.formatted(datetime(2025, 1, day, tzinfo=UTC), "Do") == text


def test_zones() -> None:
    tokyo = SUNDAY.astimezone(ZoneInfo("Asia/Tokyo"))
    assert expressions.formatted(tokyo, "HH:mm z Z") == "09:05 JST +09:00"
    kolkata = SUNDAY.astimezone(ZoneInfo("Asia/Kolkata"))
    assert expressions.formatted(kolkata, "HH:mm ZZ") == "05:35 +0530"
