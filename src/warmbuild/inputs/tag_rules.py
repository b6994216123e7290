"""Rules for tags, such as `type=semver,pattern={{version}}`.

Types, attributes, defaults and priorities are those of docker/metadata-action (v6).
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes, whole_numbers
from warmbuild.frozen import frozen
from warmbuild.inputs import expressions
from warmbuild.inputs.checks import among, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Default priority of each type, and its attributes in addition to the common ones.
_TYPES: Final[Mapping[str, tuple[int, tuple[str, ...]]]] = {
    "schedule": (1000, ("pattern",)),
    "semver": (900, ("pattern", "value", "match")),
    "pep440": (900, ("pattern", "value", "match")),
    "match": (800, ("pattern", "group", "value")),
    "edge": (700, ("branch",)),
    "ref": (600, ("event",)),
    "raw": (200, ("value",)),
    "sha": (100, ("format",)),
}
_COMMON: Final = ("type", "enable", "priority", "prefix", "suffix")
# Types that need no attribute; the others need their first one.
_COMPLETE: Final = ("schedule", "edge", "sha")
# The attribute of a type that is a regular expression.
_REGEXES: Final = {"semver": "match", "pep440": "match", "match": "pattern"}
_EVENTS: Final = ("branch", "tag", "pr")
_DATES: Final = ("date", "commit_date")
_GLOBAL: Final = (
    *("branch", "tag", "sha", "base_ref", "is_default_branch", "is_not_default_branch"),
    *_DATES,
)
_VERSION: Final = ("raw", "version", "major", "minor", "patch", "prerelease", "build")
# An attribute as a field, or an expression anywhere; a name or reference has neither.
_IS_RULE: Final = re.compile(r"(?:^|,)\s*(?:\"\s*)?[a-z]+\s*=|\{\{", re.IGNORECASE)
_REGEX: Final = re.compile(r"/(?P<pattern>.+)/(?P<flags>[a-z]*)", re.DOTALL)


@frozen
class Rule:
    """A line of `tags` with a type."""

    type: str
    priority: int
    enable: str = "true"
    prefix: str | None = None  # None: as in the flavor
    suffix: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@frozen
class Flavor:
    """Settings for all tags."""

    latest: bool | None = None  # None: as the first tag says
    prefix: str = ""
    suffix: str = ""
    prefix_on_latest: bool = False
    suffix_on_latest: bool = False


def is_rule(line: str) -> bool:
    """Return whether a line of `tags` is a rule, and not a name."""
    return bool(_IS_RULE.search(line))


def read(line: str) -> Rule:
    """Read a rule; raises ValueError if it is wrong. The default type is `raw`."""
    values: dict[str, str] = {}
    for part in csv_attributes.fields(line):
        name, equals, value = (text.strip() for text in part.partition("="))
        if not equals:
            name, value = "value", name
        values[name.lower()] = value
    kind = values.get("type", "raw")
    if kind not in _TYPES:
        raise ValueError(f"type={kind} does not exist.{nearest(kind, _TYPES)}")
    priority, attributes = _TYPES[kind]
    known = (*_COMMON, *attributes)
    for name in values:
        if name not in known:
            raise ValueError(f"type={kind} has no attribute {name!r}.{nearest(name, known)}")
    if kind not in _COMPLETE and attributes[0] not in values:
        raise ValueError(f"type={kind} needs {attributes[0]}=.")
    _check(kind, values)
    prefixes = {"sha": "sha-", "ref": "pr-" if values.get("event") == "pr" else None}
    return Rule(
        type=kind,
        priority=int(values.get("priority", priority)),
        enable=values.get("enable", "true"),
        prefix=values.get("prefix", prefixes.get(kind)),
        suffix=values.get("suffix"),
        attributes={name: values[name] for name in attributes if name in values},
    )


def raw(name: str) -> Rule:
    """Return the rule for a plain name among rules."""
    return Rule(type="raw", priority=_TYPES["raw"][0], attributes={"value": name})


def defaults() -> tuple[Rule, ...]:
    """Return the default rules."""
    return tuple(map(read, ("type=schedule", *(f"type=ref,event={event}" for event in _EVENTS))))


def _check(kind: str, values: Mapping[str, str]) -> None:
    """Raise ValueError for a value that an attribute does not accept."""
    priority = values.get("priority", "0")
    if whole_numbers.read(priority.removeprefix("-")) is None:
        raise ValueError(f"priority={priority} is not a number.")
    for name, accepted in {"event": _EVENTS, "format": ("short", "long")}.items():
        if name in _TYPES[kind][1] and (wrong := among(accepted, values.get(name, accepted[0]))):
            raise ValueError(f"{name}={values[name]} {wrong}")
    if whole_numbers.read(values.get("group", "0")) is None:
        raise ValueError(f"group={values['group']} is not a number.")
    if name := _REGEXES.get(kind, ""):
        regex(name, values.get(name, ""))
    enable = values.get("enable", "true")
    if "{{" not in enable and enable not in {"true", "false"}:
        raise ValueError(f"enable={enable} is not accepted; use true or false.")
    _check_expressions(kind, values)


def _check_expressions(kind: str, values: Mapping[str, str]) -> None:
    for name in ("prefix", "suffix", "value", "enable", "pattern"):
        known: tuple[str, ...] = _GLOBAL
        if name == "pattern":
            known = _DATES if kind == "schedule" else _VERSION
        # The pattern of type=match is a regular expression.
        if (name, kind) != ("pattern", "match"):
            check_expressions(values.get(name, ""), known)


def check_expressions(text: str, known: tuple[str, ...] = _GLOBAL) -> None:
    """Raise ValueError for an unknown expression."""
    for name, arguments in expressions.read(text):
        if name not in known:
            raise ValueError(f"{{{{{name}}}}} is not supported here.{nearest(name, known)}")
        if name in _DATES and (fault := expressions.date_fault(arguments)):
            raise ValueError(f"{fault}.")


def flavor(lines: Iterable[str]) -> Flavor:
    """Read the lines of `flavor`; raises ValueError for what is not accepted."""
    latest: bool | None = None
    around, on_latest = {"prefix": "", "suffix": ""}, {"prefix": False, "suffix": False}
    for line in lines:
        last = ""
        for part in csv_attributes.fields(line):
            name, _, value = (text.strip() for text in part.partition("="))
            name = name.lower()
            if name == "latest" and value in _LATEST:
                last, latest = "", _LATEST[value]
            elif name in around:
                last, around[name] = name, value
            elif name == "onlatest" and last and value in _LATEST:
                on_latest[last] = bool(_LATEST[value])
            else:
                near = "" if name in _FLAVOR else nearest(name, _FLAVOR)
                raise ValueError(f"{part.strip()!r} is not accepted.{near}")
    for text in around.values():
        check_expressions(text)
    return Flavor(
        latest=latest,
        prefix=around["prefix"],
        suffix=around["suffix"],
        prefix_on_latest=on_latest["prefix"],
        suffix_on_latest=on_latest["suffix"],
    )


_FLAVOR: Final = ("latest", "prefix", "suffix", "onlatest")
_LATEST: Final[Mapping[str, bool | None]] = {"auto": None, "true": True, "false": False}


def regex(name: str, pattern: str) -> tuple[re.Pattern[str], bool]:
    """Read a regular expression of JavaScript, with or without slashes and flags.

    Return also whether the flag g asks for all matches.
    """
    found = _REGEX.fullmatch(pattern)
    text, letters = (found["pattern"], found["flags"]) if found else (pattern, "")
    flags = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
    combined = re.ASCII
    for letter in letters:
        combined |= flags.get(letter, re.RegexFlag(0))
    try:
        regex = re.compile(re.sub(r"\(\?<(?![=!])", "(?P<", text), combined)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{name}={pattern} is not a regular expression: {error}.") from error
    return regex, "g" in letters
