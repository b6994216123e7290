"""Tags by rule, `type=semver,pattern={{version}}` and its like: read, and applied to a run.

The rules are docker/metadata-action's (v6): its types, attributes, defaults, priorities and what it
makes of versions. The first tag by priority is the image's version, and says whether it is the
latest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from warmbuild import lists, templates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from warmbuild.context import RunContext
    from warmbuild.templates import Value

    Nearest = Callable[[str, Iterable[str]], str]

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
_ILLEGAL: Final = re.compile(r"[^a-zA-Z0-9._-]+")
_REGEX: Final = re.compile(r"/(?P<pattern>.+)/(?P<flags>[a-z]*)", re.DOTALL)
_SHORT: Final = 7
# Events without a branch of their own, which that action takes for the default branch's.
_LIKE_GITHUB: Final = ("github", "gitea")
_ON_DEFAULT: Final = re.compile("create|discussion|issues|schedule")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """The names that rules come to, the version before the others; `notes` say what gave none."""

    names: tuple[str, ...] = ()
    version: str = ""
    notes: tuple[str, ...] = ()


def is_rule(line: str) -> bool:
    """Say whether a line of `tags` is a rule and no name; one without a type is `raw`."""
    return bool(_IS_RULE.search(line))


def read(line: str, nearest: Nearest) -> Rule:
    """Read a rule; raises ValueError with what is wrong with it.

    `nearest` says what a wrong name may have been meant for.
    """
    values: dict[str, str] = {}
    for part in lists.fields(line):
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
    _check(kind, values, nearest)
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


def unasked() -> tuple[Rule, ...]:
    """Return the rules that hold where there are none."""
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


def _check(kind: str, values: Mapping[str, str], nearest: Nearest) -> None:
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
        _regex(name, values.get(name, ""))
    enable = values.get("enable", "true")
    if "{{" not in enable and enable not in {"true", "false"}:
        raise ValueError(f"enable={enable} is neither true nor false.")
    _check_expressions(kind, values, nearest)


def _check_expressions(kind: str, values: Mapping[str, str], nearest: Nearest) -> None:
    for name in ("prefix", "suffix", "value", "enable", "pattern"):
        text = values.get(name, "")
        if name == "pattern" and kind == "match":
            continue
        known: tuple[str, ...] = _GLOBAL
        if name == "pattern":
            known = ("date", "commit_date") if kind == "schedule" else _VERSION
        check_expressions(text, nearest, known)


def check_expressions(text: str, nearest: Nearest, known: tuple[str, ...] = _GLOBAL) -> None:
    """Raise ValueError for an expression that there is not."""
    for name in templates.names(text):
        if name not in known:
            raise ValueError(f"there is no {{{{{name}}}}} here.{nearest(name, known)}")
    for zone in templates.zones(text):
        if not templates.is_zone(zone):
            raise ValueError(f"there is no time zone {zone!r}.")


def flavor(lines: Iterable[str], nearest: Nearest) -> Flavor:
    """Read the lines of `flavor`; raises ValueError with what is wrong."""
    found = Flavor()
    for line in lines:
        last = ""
        for part in lists.fields(line):
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
        check_expressions(text, nearest)
    return found


_FLAVOR: Final = ("latest", "prefix", "suffix", "onlatest")
_LATEST: Final[Mapping[str, bool | None]] = {"auto": None, "true": True, "false": False}


def apply(rules: Iterable[Rule], asked: Flavor, run: RunContext, now: datetime | None) -> Tags:
    """Return the tags of a run; `now` is when it began, for the rules that write a date."""
    run_values = expressions(run, now)
    names: list[str] = []
    notes: list[str] = []
    latest: bool | None = None
    for rule in sorted(rules, key=lambda rule: -rule.priority):
        enable = templates.filled(rule.enable, run_values)
        if enable != "true":
            notes += [] if enable == "false" else [f"no tag of type={rule.type}: enable={enable}"]
            continue
        try:
            found = _found(rule, run, run_values)
        except ValueError as error:
            notes.append(f"no tag of type={rule.type}: {error}")
            continue
        if found is None:
            continue
        value, may_be_latest = found
        prefix = asked.prefix if rule.prefix is None else rule.prefix
        suffix = asked.suffix if rule.suffix is None else rule.suffix
        around = [templates.filled(text, run_values) for text in (prefix, suffix)]
        name = legal(f"{around[0]}{value}{around[1]}")
        if not name:
            continue
        names.append(name)
        if latest is None:
            latest = may_be_latest if asked.latest is None else asked.latest
    version = names[0] if names else ""
    if latest:
        before = templates.filled(asked.prefix, run_values) if asked.prefix_on_latest else ""
        after = templates.filled(asked.suffix, run_values) if asked.suffix_on_latest else ""
        names.append(legal(f"{before}latest{after}"))
    return Tags(names=tuple(dict.fromkeys(names)), version=version, notes=tuple(notes))


def legal(name: str) -> str:
    """Return a tag with a hyphen for what may not be in one, and without what may not begin it."""
    return _ILLEGAL.sub("-", name).lstrip(".-")[:128]


def expressions(run: RunContext, now: datetime | None) -> Mapping[str, Value]:
    """Return the values of the expressions that are known everywhere."""
    kind = _kind(run)
    branch = run.branch if kind == "branch" else ""
    # Only on GitHub do these events stand for the default branch.
    is_default = run.ci in _LIKE_GITHUB and bool(_ON_DEFAULT.search(run.event))
    is_default = is_default or bool(branch == run.default_branch != "")
    texts = {
        "branch": branch,
        "tag": run.tag if kind == "tag" else "",
        "sha": run.commit[:_SHORT],
        "base_ref": {"pr": run.target_branch, "tag": run.tagged}.get(kind, ""),
        "is_default_branch": str(is_default).lower(),
        "is_not_default_branch": str(not is_default).lower(),
    }
    return {
        **{name: _constant(text) for name, text in texts.items()},
        "date": templates.dated(now),
        "commit_date": templates.dated(run.committed),
    }


def _constant(text: str) -> Value:
    return lambda _: text


def _kind(run: RunContext) -> str:
    if run.pull_request is not None:
        return "pr"
    return "tag" if run.tag else "branch" if run.branch else ""


def _found(rule: Rule, run: RunContext, values: Mapping[str, Value]) -> tuple[str, bool] | None:
    """Return a rule's value, and whether it may be the latest; None where it is not its turn.

    Raises ValueError with why a value is none of the rule's.
    """
    given = {name: templates.filled(text, values) for name, text in rule.attributes.items()}
    if rule.type in _VERSIONS:
        tag = run.tag if _kind(run) == "tag" else ""
        value = given["value"] if rule.attributes.get("value") else tag
        return _VERSIONS[rule.type](_part(value, rule), rule) if value else None
    value = _OTHERS[rule.type](given, run)
    is_turn = bool(value) or rule.type == "raw"
    return (value, rule.type == "ref" and given["event"] == "tag") if is_turn else None


def _schedule(given: Mapping[str, str], run: RunContext) -> str:
    return given.get("pattern", "nightly") if "schedule" in run.event else ""


def _edge(given: Mapping[str, str], run: RunContext) -> str:
    branch = given.get("branch") or run.default_branch
    return "edge" if _kind(run) == "branch" and run.branch == branch else ""


def _ref(given: Mapping[str, str], run: RunContext) -> str:
    names = {"branch": run.branch, "tag": run.tag, "pr": str(run.pull_request)}
    return names[given["event"]] if given["event"] == _kind(run) else ""


def _raw(given: Mapping[str, str], run: RunContext) -> str:  # noqa: ARG001 (one of several)
    return given["value"]


def _sha(given: Mapping[str, str], run: RunContext) -> str:
    return run.commit if given.get("format") == "long" else run.commit[:_SHORT]


def _part(text: str, rule: Rule) -> str:
    """Return the part of a tag that is its version: the first group of `match`, where that fits."""
    pattern = rule.attributes.get("match", "")
    found = _groups("match", pattern, text) if pattern else ()
    return (found[1] if len(found) > 1 else None) or text


def _semver(text: str, rule: Rule) -> tuple[str, bool]:
    import semver  # noqa: PLC0415 (only a rule of this type needs it)

    text = text.replace("/", "-")
    try:
        version = semver.Version.parse(text.strip().removeprefix("v"))
    except ValueError as error:
        raise ValueError(f"{text} is no semantic version") from error
    plain = str(version).partition("+")[0]
    parts = {
        "raw": text,
        "version": plain,
        "major": str(version.major),
        "minor": str(version.minor),
        "patch": str(version.patch),
        "prerelease": (version.prerelease or "").replace(".", ","),
        "build": (version.build or "").replace(".", ","),
    }
    is_final = not version.prerelease
    return _patterned(rule, parts, is_final=is_final), is_final


def _pep440(text: str, rule: Rule) -> tuple[str, bool]:
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415 (as above)

    text = text.replace("/", "-")
    try:
        version = Version(text)
    except InvalidVersion as error:
        raise ValueError(f"{text} is no version as PEP 440 has it") from error
    parts = {
        "raw": text,
        "version": str(version),
        "major": str(version.major),
        "minor": str(version.minor),
        "patch": str(version.micro),
    }
    is_final = not (version.is_prerelease or version.is_postrelease)
    return _patterned(rule, parts, is_final=is_final), is_final


def _patterned(rule: Rule, parts: Mapping[str, str], *, is_final: bool) -> str:
    """Fill a version's pattern in; what is not final is only ever itself, or as it was given."""
    pattern = rule.attributes["pattern"]
    if not is_final:
        is_raw = pattern.strip("{} ") == "raw" and templates.names(pattern) == ("raw",)
        pattern = "{{raw}}" if is_raw else "{{version}}"
    return templates.filled(pattern, {name: _constant(text) for name, text in parts.items()})


def _match(text: str, rule: Rule) -> tuple[str, bool]:
    pattern, group = rule.attributes["pattern"], int(rule.attributes.get("group", "0"))
    found = _groups("pattern", pattern, text)
    if not found:
        raise ValueError(f"{pattern} does not match {text}")
    if group >= len(found) or found[group] is None:
        raise ValueError(f"{pattern} has no group {group}")
    return found[group] or "", True


def _groups(name: str, pattern: str, text: str) -> Sequence[str | None]:
    """Return what JavaScript's `match` does: the whole and its groups; with the flag g, each."""
    regex, is_each = _regex(name, pattern)
    if is_each:
        return [found[0] for found in regex.finditer(text)]
    found = regex.search(text)
    return [found[0], *found.groups()] if found else []


def _regex(name: str, pattern: str) -> tuple[re.Pattern[str], bool]:
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


_VERSIONS: Final[Mapping[str, Callable[[str, Rule], tuple[str, bool]]]] = {
    "semver": _semver,
    "pep440": _pep440,
    "match": _match,
}
_OTHERS: Final[Mapping[str, Callable[[Mapping[str, str], RunContext], str]]] = {
    "schedule": _schedule,
    "edge": _edge,
    "ref": _ref,
    "raw": _raw,
    "sha": _sha,
}
