"""Tag rules, applied to a run.

Values, priorities and the reading of versions are docker/metadata-action's (v6). The first tag by
priority is the image's version, and decides whether the image is the latest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild import lazy, refs
from warmbuild.frozen import frozen
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


@frozen
class Tags:
    """The names that tag rules make."""

    names: tuple[str, ...] = ()
    version: str = ""  # The first of the names
    notes: tuple[str, ...] = ()  # Why rules made no name


def apply(rules: Iterable[Rule], flavor: Flavor, run: RunContext, now: datetime | None) -> Tags:
    """Return the tags of a run; `now` is when it began, for the rules that write a date."""
    run = run.naming
    values = expression_values(run, now)
    made: list[tuple[str, bool]] = []
    notes: list[str] = []
    for rule in sorted(rules, key=lambda rule: -rule.priority):
        try:
            found = _found(rule, run, values)
        except ValueError as error:
            notes.append(f"no tag of type={rule.type}: {error}")
            continue
        if found is None:
            continue
        prefix = flavor.prefix if rule.prefix is None else rule.prefix
        suffix = flavor.suffix if rule.suffix is None else rule.suffix
        value, may_be_latest = found
        if name := _affixed(prefix, value, suffix, values):
            made.append((name, may_be_latest))
    names = [name for name, _ in made]
    version, is_latest = made[0] if made else ("", False)
    if made and (is_latest if flavor.latest is None else flavor.latest):
        prefix = flavor.prefix if flavor.prefix_on_latest else ""
        suffix = flavor.suffix if flavor.suffix_on_latest else ""
        names.append(_affixed(prefix, "latest", suffix, values))
    return Tags(names=tuple(dict.fromkeys(names)), version=version, notes=tuple(notes))


def _affixed(prefix: str, name: str, suffix: str, values: Mapping[str, Value]) -> str:
    before, after = expressions.filled(prefix, values), expressions.filled(suffix, values)
    made = f"{before}{name}{after}"
    return refs.image_tag(made) if made else ""


def expression_values(run: RunContext, now: datetime | None) -> Mapping[str, Value]:
    """Return the values of the expressions that are known everywhere."""
    kind = _kind(run)
    branch = run.branch if kind == "branch" else ""
    is_default = branch == run.default_branch != ""
    texts = {
        "branch": branch,
        "tag": run.tag if kind == "tag" else "",
        "sha": run.short_commit,
        "base_ref": {"pr": run.target_branch, "tag": run.tagged}.get(kind, ""),
        "is_default_branch": str(is_default).lower(),
        "is_not_default_branch": str(not is_default).lower(),
    }
    return {
        **{name: _constant(text) for name, text in texts.items()},
        "date": expressions.dated(now),
        # As in docker/metadata-action, if the time of the commit is not known.
        "commit_date": expressions.dated(run.committed or now),
    }


def _constant(text: str) -> Value:
    return lambda _: text


def _kind(run: RunContext) -> str:
    if run.pull_request is not None:
        return "pr"
    return "tag" if run.tag else "branch" if run.branch else ""


def _found(rule: Rule, run: RunContext, values: Mapping[str, Value]) -> tuple[str, bool] | None:
    """Return a rule's value and whether it may be the latest; None if the rule does not apply.

    Raises ValueError with the reason if the rule cannot make a value.
    """
    enable = expressions.filled(rule.enable, values)
    if enable == "false":
        return None
    if enable != "true":
        raise ValueError(f"enable={enable}")
    given = {name: expressions.filled(text, values) for name, text in rule.attributes.items()}
    if rule.type in _VALUES:
        value = _VALUES[rule.type](given, run)
        applies = bool(value) or rule.type == "raw"
        return (value, rule.type == "ref" and given["event"] == "tag") if applies else None
    tag = run.tag if _kind(run) == "tag" else ""
    value = given["value"] if rule.attributes.get("value") else tag
    if not value:
        return None
    text = _part(value, rule)
    return (_match(text, rule), True) if rule.type == "match" else _version(text, rule)


def _schedule(given: Mapping[str, str], run: RunContext) -> str:
    return given.get("pattern", "nightly") if "schedule" in run.event else ""


def _edge(given: Mapping[str, str], run: RunContext) -> str:
    branch = given.get("branch") or run.default_branch
    return "edge" if _kind(run) == "branch" and run.branch == branch else ""


def _ref(given: Mapping[str, str], run: RunContext) -> str:
    names = {"branch": run.branch, "tag": run.tag, "pr": str(run.pull_request)}
    return names[given["event"]] if given["event"] == _kind(run) else ""


def _sha(given: Mapping[str, str], run: RunContext) -> str:
    return run.commit if given.get("format") == "long" else run.short_commit


_VALUES: Final[Mapping[str, Callable[[Mapping[str, str], RunContext], str]]] = {
    "schedule": _schedule,
    "edge": _edge,
    "ref": _ref,
    "raw": lambda given, _: given["value"],
    "sha": _sha,
}


def _part(text: str, rule: Rule) -> str:
    """Return the part of a tag that is its version: the first group of `match`, if that matches."""
    pattern = rule.attributes.get("match", "")
    found = _groups("match", pattern, text) if pattern else ()
    return (found[1] if len(found) > 1 else None) or text


def _match(text: str, rule: Rule) -> str:
    pattern, group = rule.attributes["pattern"], int(rule.attributes.get("group", "0"))
    found = _groups("pattern", pattern, text)
    if not found:
        raise ValueError(f"{pattern} does not match {text}")
    if group >= len(found) or found[group] is None:
        raise ValueError(f"{pattern} has no group {group}")
    return found[group] or ""


def _groups(name: str, pattern: str, text: str) -> Sequence[str | None]:
    """Return what JavaScript's `match` does: the whole and its groups; with the flag g, each."""
    regex, is_each = tag_rules.regex(name, pattern)
    if is_each:
        return [found[0] for found in regex.finditer(text)]
    found = regex.search(text)
    return [found[0], *found.groups()] if found else []


def _version(text: str, rule: Rule) -> tuple[str, bool]:
    """Return a version by its pattern, and whether it is final; others are written whole."""
    text, pattern = text.replace("/", "-"), rule.attributes["pattern"]
    parts, is_final = _semver(text) if rule.type == "semver" else _pep440(text)
    if not is_final:
        is_raw = pattern.strip("{} ") == "raw" and len(expressions.read(pattern)) == 1
        pattern = "{{raw}}" if is_raw else "{{version}}"
    values = {name: _constant(part) for name, part in {"raw": text, **parts}.items()}
    return expressions.filled(pattern, values), is_final


def _semver(text: str) -> tuple[Mapping[str, str], bool]:
    try:
        version = semver.Version.parse(text.strip().removeprefix("v"))
    except ValueError as error:
        raise ValueError(f"{text} is not a semantic version") from error
    parts = {
        "version": str(version).partition("+")[0],
        "major": str(version.major),
        "minor": str(version.minor),
        "patch": str(version.patch),
        "prerelease": (version.prerelease or "").replace(".", ","),
        "build": (version.build or "").replace(".", ","),
    }
    return parts, not version.prerelease


def _pep440(text: str) -> tuple[Mapping[str, str], bool]:
    try:
        version = packaging.version.Version(text)
    except packaging.version.InvalidVersion as error:
        raise ValueError(f"{text} is not a PEP 440 version") from error
    parts = {
        "version": str(version),
        "major": str(version.major),
        "minor": str(version.minor),
        "patch": str(version.micro),
    }
    return parts, not (version.is_prerelease or version.is_postrelease)
