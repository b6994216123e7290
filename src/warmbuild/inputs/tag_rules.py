"""Rules for tags, `type=semver,pattern={{version}}` and its like, read from inputs.

The rules are docker/metadata-action's (v6): its types, attributes, defaults and priorities.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes
from warmbuild.inputs import expressions
from warmbuild.inputs.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


PRIORITIES: Final[Mapping[str, int]] = {
    "schedule": 1000,
    "semver": 900,
    "pep440": 900,
    "match": 800,
    "edge": 700,
    "ref": 600,
    "raw": 200,
    "sha": 100,
}
_COMMON: Final = ("type", "enable", "priority", "prefix", "suffix")
# Beside the common ones; the first of a pair is needed.
_ATTRIBUTES: Final[Mapping[str, tuple[str, ...]]] = {
    "schedule": ("pattern",),
    "semver": ("pattern", "value", "match"),
    "pep440": ("pattern", "value", "match"),
    "match": ("pattern", "group", "value"),
    "edge": ("branch",),
    "ref": ("event",),
    "raw": ("value",),
    "sha": ("format",),
}
_NEEDED: Final = {
    "semver": "pattern",
    "pep440": "pattern",
    "match": "pattern",
    "ref": "event",
    "raw": "value",
}
_EVENTS: Final = ("branch", "tag", "pr")
_GLOBAL: Final = (
    *("branch", "tag", "sha", "base_ref", "is_default_branch", "is_not_default_branch"),
    *("date", "commit_date"),
)
_VERSION: Final = ("raw", "version", "major", "minor", "patch", "prerelease", "build")
# A field that is an attribute, or an expression anywhere: no name and no reference has either.
_IS_RULE: Final = re.compile(r"(?:^|,)\s*\"?\s*[a-z]+\s*=|\{\{", re.IGNORECASE)
_REGEX: Final = re.compile(r"/(?P<pattern>.+)/(?P<flags>[a-z]*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A line of `tags` with a type; of `prefix` and `suffix` None is the flavor's."""

    type: str
    priority: int
    enable: str = "true"
    prefix: str | None = None
    suffix: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """What holds for all tags; `latest` is None for what the first tag says."""

    latest: bool | None = None
    prefix: str = ""
    suffix: str = ""
    prefix_on_latest: bool = False
    suffix_on_latest: bool = False


def is_rule(line: str) -> bool:
    """Say whether a line of `tags` is a rule and no name; one without a type is `raw`."""
    return bool(_IS_RULE.search(line))


def read(line: str) -> Rule:
    """Read a rule; raises ValueError with what is wrong with it."""
    values: dict[str, str] = {}
    for part in csv_attributes.fields(line):
        name, equals, value = (text.strip() for text in part.partition("="))
        if not equals:
            name, value = "value", name
        values[name.lower()] = value
    kind = values.get("type", "raw")
    if kind not in PRIORITIES:
        raise ValueError(f"{kind!r} is no type of tag.{nearest(kind, PRIORITIES)}")
    known = (*_COMMON, *_ATTRIBUTES[kind])
    for name in values:
        if name not in known:
            raise ValueError(f"type={kind} has no {name!r}.{nearest(name, known)}")
    needed = _NEEDED.get(kind)
    if needed and needed not in values:
        raise ValueError(f"type={kind} needs {needed}=.")
    _check(kind, values)
    prefixes = {"sha": "sha-", "ref": "pr-" if values.get("event") == "pr" else None}
    return Rule(
        type=kind,
        priority=int(values.get("priority", PRIORITIES[kind])),
        enable=values.get("enable", "true"),
        prefix=values.get("prefix", prefixes.get(kind)),
        suffix=values.get("suffix"),
        attributes={name: values[name] for name in _ATTRIBUTES[kind] if name in values},
    )


def raw(name: str) -> Rule:
    """Return the rule that a plain name stands for beside others."""
    return Rule(type="raw", priority=PRIORITIES["raw"], attributes={"value": name})


def defaults() -> tuple[Rule, ...]:
    """Return the rules that hold if none is given."""
    events = (
        Rule(
            type="ref",
            priority=PRIORITIES["ref"],
            prefix="pr-" if event == "pr" else None,
            attributes={"event": event},
        )
        for event in _EVENTS
    )
    return (Rule(type="schedule", priority=PRIORITIES["schedule"]), *events)


def _check(kind: str, values: Mapping[str, str]) -> None:
    """Raise ValueError for a value that an attribute does not take."""
    known = _ATTRIBUTES[kind]
    priority = values.get("priority", "0")
    if not priority.removeprefix("-").isdecimal():
        raise ValueError(f"priority={priority} is no number.")
    choices = {"event": _EVENTS, "format": ("short", "long")}
    for name, taken in choices.items():
        value = values.get(name, taken[0])
        if name in known and value not in taken:
            text = f"{name}={value} is not accepted; use {', '.join(taken)}."
            raise ValueError(f"{text}{nearest(value, taken)}")
    if not values.get("group", "0").isdecimal():
        raise ValueError(f"group={values['group']} is no number.")
    for name in ("match",) if "match" in known else ("pattern",) if kind == "match" else ():
        regex(name, values.get(name, ""))
    enable = values.get("enable", "true")
    if "{{" not in enable and enable not in {"true", "false"}:
        raise ValueError(f"enable={enable} is neither true nor false.")
    _check_expressions(kind, values)


def _check_expressions(kind: str, values: Mapping[str, str]) -> None:
    for name in ("prefix", "suffix", "value", "enable", "pattern"):
        text = values.get(name, "")
        if name == "pattern" and kind == "match":
            continue
        known: tuple[str, ...] = _GLOBAL
        if name == "pattern":
            known = ("date", "commit_date") if kind == "schedule" else _VERSION
        check_expressions(text, known)


def check_expressions(text: str, known: tuple[str, ...] = _GLOBAL) -> None:
    """Raise ValueError for an expression that there is not."""
    for name in expressions.names(text):
        if name not in known:
            raise ValueError(f"there is no {{{{{name}}}}} here.{nearest(name, known)}")
    for zone in expressions.zones(text):
        if not expressions.is_zone(zone):
            raise ValueError(f"there is no time zone {zone!r}.")


def flavor(lines: Iterable[str]) -> Flavor:
    """Read the lines of `flavor`; raises ValueError with what is wrong."""
    found = Flavor()
    for line in lines:
        last = ""
        for part in csv_attributes.fields(line):
            name, _, value = (text.strip() for text in part.partition("="))
            name = name.lower()
            if name == "latest" and value in _LATEST:
                found = replace(found, latest=_LATEST[value])
            elif name == "prefix":
                found = replace(found, prefix=value)
            elif name == "suffix":
                found = replace(found, suffix=value)
            elif name == "onlatest" and last == "prefix" and value in _LATEST:
                found = replace(found, prefix_on_latest=bool(_LATEST[value]))
            elif name == "onlatest" and last == "suffix" and value in _LATEST:
                found = replace(found, suffix_on_latest=bool(_LATEST[value]))
            else:
                near = "" if name in _FLAVOR else nearest(name, _FLAVOR)
                raise ValueError(f"{part.strip()!r} is not accepted.{near}")
            last = name if name != "onlatest" else last
    for text in (found.prefix, found.suffix):
        check_expressions(text)
    return found


_FLAVOR: Final = ("latest", "prefix", "suffix", "onlatest")
_LATEST: Final[Mapping[str, bool | None]] = {"auto": None, "true": True, "false": False}


def regex(name: str, pattern: str) -> tuple[re.Pattern[str], bool]:
    """Read a regular expression as JavaScript writes it, with slashes and flags or without.

    Say as well whether all that it matches is wanted, by the flag g.
    """
    found = _REGEX.fullmatch(pattern)
    text, letters = (found["pattern"], found["flags"]) if found else (pattern, "")
    flags = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
    combined = re.ASCII
    for letter in letters:
        combined |= flags.get(letter, re.RegexFlag(0))
    try:
        regex = re.compile(re.sub(r"\(\?<(?![=!])", "(?P<", text), combined)
    except re.error as error:
        raise ValueError(f"{name}={pattern} is no regular expression: {error}.") from error
    return regex, "g" in letters
