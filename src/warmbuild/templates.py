"""The `{{…}}` expressions of tag rules, and moment's way to write a date.

Names and meaning are docker/metadata-action's, which has them of Handlebars; of that language there
are expressions alone, and no blocks.
"""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    # Returns an expression's value; gets what stands behind its name.
    Value = Callable[["Arguments"], str]

_EXPRESSION: Final = re.compile(r"\{\{\{?(?P<inside>[^{}]*)\}?\}\}")
_INSIDE: Final = re.compile(
    r"""\s*(?P<name>[a-z_]+)(?P<arguments>(?:\s+(?:\w+=)?(?:'[^']*'|"[^"]*"))*)\s*"""
)
_ARGUMENT: Final = re.compile(r"""(?:(?P<name>\w+)=)?(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)")""")
# Longer ones first, and what stands in brackets as it is.
_TOKEN: Final = re.compile(
    r"\[(?P<literal>[^\]]*)\]|YYYY|YY|GGGG|MMMM|MMM|MM|M|DDDD|DDD|DD|Do|D|dddd|ddd|dd|d|E"
    r"|HH|H|hh|h|mm|m|ss|s|SSS|SS|S|A|a|ZZ|Z|X|x|WW|W|Q"
)
_ORDINALS: Final = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
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
        return found["literal"] if found["literal"] is not None else _token(time, found[0])

    return _TOKEN.sub(token, pattern)


def _token(time: datetime, token: str) -> str:
    year, week, weekday = time.isocalendar()
    hour, offset = time.hour % 12 or 12, time.strftime("%z")[:5]
    day_of_year = time.timetuple().tm_yday
    seconds = int(time.timestamp())
    return {
        "YYYY": f"{time.year:04}",
        "YY": f"{time.year % 100:02}",
        "GGGG": f"{year:04}",
        "MMMM": _MONTHS[time.month - 1],
        "MMM": _MONTHS[time.month - 1][:3],
        "MM": f"{time.month:02}",
        "M": str(time.month),
        "DDDD": f"{day_of_year:03}",
        "DDD": str(day_of_year),
        "DD": f"{time.day:02}",
        "Do": f"{time.day}{_ORDINALS.get(time.day, 'th')}",
        "D": str(time.day),
        "dddd": _DAYS[weekday - 1],
        "ddd": _DAYS[weekday - 1][:3],
        "dd": _DAYS[weekday - 1][:2],
        "d": str(weekday % 7),
        "E": str(weekday),
        "HH": f"{time.hour:02}",
        "H": str(time.hour),
        "hh": f"{hour:02}",
        "h": str(hour),
        "mm": f"{time.minute:02}",
        "m": str(time.minute),
        "ss": f"{time.second:02}",
        "s": str(time.second),
        "SSS": f"{time.microsecond // 1000:03}",
        "SS": f"{time.microsecond // 10000:02}",
        "S": str(time.microsecond // 100000),
        "A": "PM" if time.hour >= 12 else "AM",  # noqa: PLR2004 (noon)
        "a": "pm" if time.hour >= 12 else "am",  # noqa: PLR2004 (noon)
        "ZZ": offset,
        "Z": f"{offset[:3]}:{offset[3:]}",
        "X": str(seconds),
        "x": str(seconds * 1000 + time.microsecond // 1000),
        "WW": f"{week:02}",
        "W": str(week),
        "Q": str((time.month + 2) // 3),
    }[token]
