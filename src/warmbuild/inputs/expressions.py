"""The `{{…}}` expressions of tag rules, and the date formats of moment.js.

Names and meaning are those of docker/metadata-action. Of Handlebars, only expressions are
supported, not blocks. A word without quotes is the name of a value there, and of none that
docker/metadata-action has, so it stands for nothing.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from warmbuild import lazy

if TYPE_CHECKING:
    import zoneinfo
    from collections.abc import Callable, Mapping

    # Returns the value of an expression with these arguments.
    Value = Callable[["Arguments"], str]
else:
    zoneinfo = lazy.module("zoneinfo")


_EXPRESSION: Final = re.compile(r"(?<!\{)(?P<open>\{{2,})(?P<inside>[^{}]*)(?P<close>\}{2,})")
_VALUE: Final = r"""(?:'[^']*'|"[^"]*"|(?!(?:true|false)\b)[^\W\d][\w.:/-]*)"""
_INSIDE: Final = re.compile(
    rf"&?\s*(?P<name>[a-z_]+)(?P<arguments>(?:\s+(?:\w+\s*=\s*)?{_VALUE})*)\s*"
)
_ARGUMENT: Final = re.compile(rf"(?:(?P<name>\w+)\s*=\s*)?(?P<value>{_VALUE})")
_QUOTES: Final = ("'", '"')
# The format of a date without one.
_ISO: Final = "YYYY-MM-DDTHH:mm:ssZ"
_ZULU: Final = ("+00:00", "Z")
# Longer tokens first; text in brackets, or after a backslash, is literal.
_TOKEN: Final = re.compile(
    r"\[(?P<literal>[^\]]*)\]|\\(?P<escaped>.)|(?:Mo|Do|DDDo|do|wo|Wo|Qo)"
    r"|YYYY|YY|Y|GGGG|GG|gggg|gg|MMMM|MMM|MM|M|DDDD|DDD|DD|D|dddd|ddd|dd|d|E|e"
    r"|HH|H|hh|h|kk|k|mm|m|ss|s|S{1,9}|A|a|ZZ|Z|zz|z|X|x|WW|W|ww|w|Q"
)
# Tokens that expand to others, in English; those in lower case are shorter.
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
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Positional and named arguments; None for a word without quotes.
Arguments = tuple[tuple[str | None, ...], dict[str, str | None]]


def read(template: str) -> tuple[tuple[str, Arguments], ...]:
    """Return a template's expressions: names, arguments; raises ValueError if one is malformed."""
    found = []
    for expression in _EXPRESSION.finditer(template):
        inside = _INSIDE.fullmatch(expression["inside"])
        braces = len(expression["open"]), len(expression["close"])
        if not inside or braces not in {(2, 2), (3, 3)}:
            raise ValueError(f"{expression[0]} is not an expression")
        found.append((inside["name"], _arguments(inside["arguments"])))
    if "{{" in _EXPRESSION.sub("", template):
        raise ValueError("a {{ has no }}")
    return tuple(found)


def filled(template: str, values: Mapping[str, Value]) -> str:
    """Fill in a template; an unknown name is empty, as in Handlebars."""

    def value(expression: re.Match[str]) -> str:
        inside = _INSIDE.fullmatch(expression["inside"])
        found = values.get(inside["name"]) if inside else None
        return found(_arguments(inside["arguments"])) if inside and found else ""

    return _EXPRESSION.sub(value, template)


def _arguments(text: str) -> Arguments:
    positional, named = [], {}
    for argument in _ARGUMENT.finditer(text):
        is_quoted = argument["value"].startswith(_QUOTES)
        value = argument["value"][1:-1] if is_quoted else None
        if argument["name"]:
            named[argument["name"]] = value
        else:
            positional.append(value)
    return tuple(positional), named


def date_fault(arguments: Arguments) -> str:
    """Return what is wrong with the arguments of a date; empty if nothing is."""
    positional, named = arguments
    if len(positional) > 1:
        return "a date has one format, in quotes"
    if unknown := sorted(named.keys() - {"tz"}):
        return f"a date has no attribute {unknown[0]!r}, only tz"
    zone = named.get("tz", "UTC")
    if zone is None:
        return "the time zone of a date needs quotes"
    return "" if is_zone(zone) else f"the time zone {zone!r} does not exist"


def dated(time: datetime | None) -> Value:
    """Return the value of a date: `{{date 'YYYYMMDD' tz='Asia/Tokyo'}}`; empty for None.

    As in moment.js, a date without a format is written as in ISO 8601.
    """

    def value(arguments: Arguments) -> str:
        (format_, *_), zone = (*arguments[0], None), arguments[1].get("tz") or "UTC"
        if time is None:
            return ""
        local = time.astimezone(UTC if zone == "UTC" else zoneinfo.ZoneInfo(zone))
        return formatted(local, format_) if format_ else formatted(local, _ISO).replace(*_ZULU)

    return value


def is_zone(name: str) -> bool:
    """Return whether a time zone of this name exists."""
    try:
        return bool(zoneinfo.ZoneInfo(name))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False


def formatted(time: datetime, pattern: str) -> str:
    """Write a time with the tokens of moment.js, in English."""

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
    last = 0 if number % 100 in (11, 12, 13) else number % 10
    return f"{number}{_ORDINALS.get(last, 'th')}"


def _date(time: datetime) -> dict[str, str]:
    """Return the tokens of a day; weeks begin on Monday for W and G, on Sunday for w and g."""
    year, week, weekday = time.isocalendar()
    day = time.timetuple().tm_yday
    our_year, our_week = _american_week(time)
    return {
        **_padded(M=time.month, D=time.day, W=week, w=our_week),
        "YYYY": f"{time.year:04}",
        "YY": f"{time.year % 100:02}",
        "Y": str(time.year),
        "GGGG": f"{year:04}",
        "GG": f"{year % 100:02}",
        "gggg": f"{our_year:04}",
        "gg": f"{our_year % 100:02}",
        "MMMM": _MONTHS[time.month - 1],
        "MMM": _MONTHS[time.month - 1][:3],
        "DDDD": f"{day:03}",
        "DDD": str(day),
        "dddd": _DAYS[weekday - 1],
        "ddd": _DAYS[weekday - 1][:3],
        "dd": _DAYS[weekday - 1][:2],
        "d": str(weekday % 7),
        "e": str(weekday % 7),
        "E": str(weekday),
        "Q": str((time.month + 2) // 3),
    }


def _padded(**numbers: int) -> dict[str, str]:
    """Return each number by its token, and with two digits by the doubled token."""
    short = {token: str(number) for token, number in numbers.items()}
    return short | {token * 2: f"{number:02}" for token, number in numbers.items()}


def _american_week(time: datetime) -> tuple[int, int]:
    """Return year and number of a week that begins on Sunday; 1 January is in week 1."""
    saturday = time.date() + timedelta(days=6 - time.isoweekday() % 7)
    return saturday.year, (saturday.timetuple().tm_yday + 6) // 7


def _clock(time: datetime) -> dict[str, str]:
    hour, night = time.hour % 12 or 12, time.hour or 24
    offset, seconds = time.strftime("%z")[:5], int(time.timestamp())
    half = "PM" if time.hour >= 12 else "AM"  # noqa: PLR2004 (noon)
    return {
        **_padded(H=time.hour, h=hour, k=night, m=time.minute, s=time.second),
        "A": half,
        "a": half.lower(),
        "ZZ": offset,
        "Z": f"{offset[:3]}:{offset[3:]}",
        "zz": time.tzname() or "",
        "z": time.tzname() or "",
        "X": str(seconds),
        "x": str(seconds * 1000 + time.microsecond // 1000),
    }
