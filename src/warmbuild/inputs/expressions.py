"""The `{{…}}` expressions of tag rules, and moment's way to write a date.

Names and meaning are docker/metadata-action's, which has them of Handlebars; of that language there
are expressions alone, and no blocks.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from warmbuild import lazy

if TYPE_CHECKING:
    import zoneinfo

    # Returns an expression's value; gets what stands behind its name.
    from collections.abc import Callable, Mapping

    Value = Callable[["Arguments"], str]
else:
    zoneinfo = lazy.module("zoneinfo")


_EXPRESSION: Final = re.compile(r"\{\{\{?(?P<inside>[^{}]*)\}?\}\}")
_INSIDE: Final = re.compile(
    r"""\s*(?P<name>[a-z_]+)(?P<arguments>(?:\s+(?:\w+=)?(?:'[^']*'|"[^"]*"))*)\s*"""
)
_ARGUMENT: Final = re.compile(r"""(?:(?P<name>\w+)=)?(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)")""")
# Longer ones first; what stands in brackets, or after a backslash, as it is.
_TOKEN: Final = re.compile(
    r"\[(?P<literal>[^\]]*)\]|\\(?P<escaped>.)|(?:Mo|Do|DDDo|do|wo|Wo|Qo)"
    r"|YYYY|YY|Y|GGGG|GG|gggg|gg|MMMM|MMM|MM|M|DDDD|DDD|DD|D|dddd|ddd|dd|d|E|e"
    r"|HH|H|hh|h|kk|k|mm|m|ss|s|S{1,9}|A|a|ZZ|Z|zz|z|X|x|WW|W|ww|w|Q"
)
# Tokens that stand for others, in English; the small ones are shorter.
_LONG: Final[Mapping[str, str]] = {
    "LTS": "h:mm:ss A",
    "LT": "h:mm A",
    "LLLL": "dddd, MMMM D, YYYY h:mm A",
    "LLL": "MMMM D, YYYY h:mm A",
    "LL": "MMMM D, YYYY",
    "L": "MM/DD/YYYY",
    "llll": "ddd, MMM D, YYYY h:mm A",
    "lll": "MMM D, YYYY h:mm A",
    "ll": "MMM D, YYYY",
    "l": "M/D/YYYY",
}
_LONG_TOKEN: Final = re.compile(r"\[[^\]]*\]|\\.|LTS|LT|L{1,4}|l{1,4}")
_ORDINALS: Final = {1: "st", 2: "nd", 3: "rd"}
_TEENS: Final = (11, 12, 13)
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# The positional arguments, and those with a name.
Arguments = tuple[tuple[str, ...], dict[str, str]]


def names(template: str) -> tuple[str, ...]:
    """Return the names of a template's expressions; raises ValueError for what is no expression."""
    found = []
    for expression in _EXPRESSION.finditer(template):
        inside = _INSIDE.fullmatch(expression["inside"])
        if not inside:
            raise ValueError(f"{expression[0]} is no expression")
        found.append(inside["name"])
    if "{{" in _EXPRESSION.sub("", template):
        raise ValueError("a {{ has no }}")
    return tuple(found)


def filled(template: str, values: Mapping[str, Value]) -> str:
    """Fill a template in; a name that is not among the values is empty, as Handlebars has it."""

    def value(expression: re.Match[str]) -> str:
        inside = _INSIDE.fullmatch(expression["inside"])
        found = values.get(inside["name"]) if inside else None
        return found(_arguments(inside["arguments"])) if inside and found else ""

    return _EXPRESSION.sub(value, template)


def _arguments(text: str) -> Arguments:
    positional, named = [], {}
    for argument in _ARGUMENT.finditer(text):
        value = argument["single"] if argument["single"] is not None else argument["double"]
        if argument["name"]:
            named[argument["name"]] = value
        else:
            positional.append(value)
    return tuple(positional), named


def dated(time: datetime | None) -> Value:
    """Return the value of a date: `{{date 'YYYYMMDD' tz='Asia/Tokyo'}}`; nothing for no time."""

    def value(arguments: Arguments) -> str:
        (format_, *_), zone = (*arguments[0], ""), arguments[1].get("tz", "UTC")
        if time is None:
            return ""
        local = time.astimezone(UTC if zone == "UTC" else zoneinfo.ZoneInfo(zone))
        return formatted(local, format_) if format_ else local.isoformat(timespec="seconds")

    return value


def is_zone(name: str) -> bool:
    """Say whether there is a time zone of this name."""
    try:
        return bool(zoneinfo.ZoneInfo(name))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False


def zones(template: str) -> tuple[str, ...]:
    """Return the time zones that a template names."""
    found = (_arguments(one["inside"])[1].get("tz", "") for one in _EXPRESSION.finditer(template))
    return tuple(filter(None, found))


def formatted(time: datetime, pattern: str) -> str:
    """Write a time as moment.js does, by its tokens in English."""

    def token(found: re.Match[str]) -> str:
        literal = found["literal"] if found["literal"] is not None else found["escaped"]
        return literal if literal is not None else _token(time, found[0])

    whole = _LONG_TOKEN.sub(lambda found: _LONG.get(found[0], found[0]), pattern)
    return _TOKEN.sub(token, whole)


def _token(time: datetime, token: str) -> str:
    if token.endswith("o"):
        return _ordinal(int(_token(time, token[:-1])))
    if token.startswith("S"):
        return f"{time.microsecond:06}000"[: len(token)]
    return (_date(time) | _clock(time))[token]


def _ordinal(number: int) -> str:
    is_teen = number % 100 in _TEENS
    return f"{number}{'th' if is_teen else _ORDINALS.get(number % 10, 'th')}"


def _date(time: datetime) -> dict[str, str]:
    """Return the tokens of a day; a week begins on Monday by W and G, on Sunday by w and g."""
    year, week, weekday = time.isocalendar()
    day = time.timetuple().tm_yday
    our_year, our_week = _american_week(time)
    return {
        "YYYY": f"{time.year:04}",
        "YY": f"{time.year % 100:02}",
        "Y": str(time.year),
        "GGGG": f"{year:04}",
        "GG": f"{year % 100:02}",
        "gggg": f"{our_year:04}",
        "gg": f"{our_year % 100:02}",
        "MMMM": _MONTHS[time.month - 1],
        "MMM": _MONTHS[time.month - 1][:3],
        "MM": f"{time.month:02}",
        "M": str(time.month),
        "DDDD": f"{day:03}",
        "DDD": str(day),
        "DD": f"{time.day:02}",
        "D": str(time.day),
        "dddd": _DAYS[weekday - 1],
        "ddd": _DAYS[weekday - 1][:3],
        "dd": _DAYS[weekday - 1][:2],
        "d": str(weekday % 7),
        "e": str(weekday % 7),
        "E": str(weekday),
        "WW": f"{week:02}",
        "W": str(week),
        "ww": f"{our_week:02}",
        "w": str(our_week),
        "Q": str((time.month + 2) // 3),
    }


def _american_week(time: datetime) -> tuple[int, int]:
    """Return the year and number of a week from Sunday on; the first has the first of January."""
    saturday = time.date() + timedelta(days=6 - time.isoweekday() % 7)
    return saturday.year, (saturday.timetuple().tm_yday + 6) // 7


def _clock(time: datetime) -> dict[str, str]:
    hour, night = time.hour % 12 or 12, time.hour or 24
    offset, seconds = time.strftime("%z")[:5], int(time.timestamp())
    half = "PM" if time.hour >= 12 else "AM"  # noqa: PLR2004 (noon)
    return {
        "HH": f"{time.hour:02}",
        "H": str(time.hour),
        "hh": f"{hour:02}",
        "h": str(hour),
        "kk": f"{night:02}",
        "k": str(night),
        "mm": f"{time.minute:02}",
        "m": str(time.minute),
        "ss": f"{time.second:02}",
        "s": str(time.second),
        "A": half,
        "a": half.lower(),
        "ZZ": offset,
        "Z": f"{offset[:3]}:{offset[3:]}",
        "zz": time.tzname() or "",
        "z": time.tzname() or "",
        "X": str(seconds),
        "x": str(seconds * 1000 + time.microsecond // 1000),
    }
