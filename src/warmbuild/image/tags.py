"""Tags by rule, applied to a run.

Values and priorities are docker/metadata-action's (v6), and so is what it makes of versions. The
first tag by priority is the image's version, and says whether it is the latest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from warmbuild import lazy
from warmbuild.inputs import expressions, tag_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    import packaging.version
    import semver

    from warmbuild.inputs.expressions import Value
    from warmbuild.inputs.tag_rules import Flavor, Rule
    from warmbuild.run_context import RunContext
else:
    packaging = lazy.module("packaging", "version")
    semver = lazy.module("semver")

_ILLEGAL: Final = re.compile(r"[^a-zA-Z0-9._-]+")
_SHORT: Final = 7
# Events without a branch of their own, which that action takes for the default branch's.
_LIKE_GITHUB: Final = ("github", "gitea")
_ON_DEFAULT: Final = re.compile("create|discussion|issues|schedule")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """The names that rules come to, the version before the others; `notes` say what gave none."""

    names: tuple[str, ...] = ()
    version: str = ""
    notes: tuple[str, ...] = ()


def apply(rules: Iterable[Rule], asked: Flavor, run: RunContext, now: datetime | None) -> Tags:
    """Return the tags of a run; `now` is when it began, for the rules that write a date."""
    run_values = expression_values(run, now)
    names: list[str] = []
    notes: list[str] = []
    latest: bool | None = None
    for rule in sorted(rules, key=lambda rule: -rule.priority):
        enable = expressions.filled(rule.enable, run_values)
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
        around = [expressions.filled(text, run_values) for text in (prefix, suffix)]
        name = legal(f"{around[0]}{value}{around[1]}")
        if not name:
            continue
        names.append(name)
        if latest is None:
            latest = may_be_latest if asked.latest is None else asked.latest
    version = names[0] if names else ""
    if latest:
        before = expressions.filled(asked.prefix, run_values) if asked.prefix_on_latest else ""
        after = expressions.filled(asked.suffix, run_values) if asked.suffix_on_latest else ""
        names.append(legal(f"{before}latest{after}"))
    return Tags(names=tuple(dict.fromkeys(names)), version=version, notes=tuple(notes))


def legal(name: str) -> str:
    """Return a tag with a hyphen for what may not be in one, and without what may not begin it."""
    return _ILLEGAL.sub("-", name).lstrip(".-")[:128]


def expression_values(run: RunContext, now: datetime | None) -> Mapping[str, Value]:
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
        "date": expressions.dated(now),
        "commit_date": expressions.dated(run.committed),
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
    given = {name: expressions.filled(text, values) for name, text in rule.attributes.items()}
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
    text = text.replace("/", "-")
    try:
        version = packaging.version.Version(text)
    except packaging.version.InvalidVersion as error:
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
        is_raw = pattern.strip("{} ") == "raw" and expressions.names(pattern) == ("raw",)
        pattern = "{{raw}}" if is_raw else "{{version}}"
    return expressions.filled(pattern, {name: _constant(text) for name, text in parts.items()})


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
    regex, is_each = tag_rules.regex(name, pattern)
    if is_each:
        return [found[0] for found in regex.finditer(text)]
    found = regex.search(text)
    return [found[0], *found.groups()] if found else []


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
