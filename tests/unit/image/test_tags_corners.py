"""Corners of tag rules, expected as docker/metadata-action's own libraries made them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from warmbuild.errors import InputError
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan


SHA = "860c1904a1ce19322e91ac35af1ab07466440c37"
MAIN = RunContext(
    ci="github",
    event="push",
    branch="main",
    default_branch="main",
    commit=SHA,
    begun=datetime(2026, 1, 9, 16, 5, 7, tzinfo=UTC),
    committed=datetime(2025, 12, 31, 23, 59, 58, tzinfo=UTC),
)
DEV = replace(MAIN, branch="dev")
PULL = replace(MAIN, event="pull_request", branch="x", target_branch="main", pull_request=42)


def tag(name: str) -> RunContext:
    return replace(MAIN, branch="", tag=name)


def made(inputs: Inputs, run: RunContext) -> BuildPlan:
    return planned(inputs, run)


@pytest.mark.parametrize(
    ("run", "lines", "names"),
    [
        # The attribute match takes the version out of a tag.
        (tag("docker-v1.2.3"), "type=semver,pattern={{version}},match=docker-(.*)", "1.2.3 latest"),
        (
            tag("docker-v1.2.3-rc.1"),
            "type=semver,pattern={{major}},match=^docker-(.*)$",
            "1.2.3-rc.1",
        ),
        (
            tag("shop/v2.0.1"),
            r"type=semver,pattern={{major}}.{{minor}},match=^shop/v(\d+\.\d+\.\d+)$",
            "2.0 latest",
        ),
        (tag("v1.2.3"), "type=semver,pattern={{version}},match=docker-(.*)", "1.2.3 latest"),
        (tag("v1.2.3"), "type=semver,pattern={{version}},match=docker", "1.2.3 latest"),
        (tag("v1.2.3"), "type=semver,pattern={{version}},match=", "1.2.3 latest"),
        (tag("shop/v2.0.1"), "type=semver,pattern={{version}}\ntype=sha", "sha-860c190"),
        (tag("py-1.0rc1"), "type=pep440,pattern={{major}},match=py-(.*)", "1.0rc1"),
        (tag("py-1.0"), "type=pep440,pattern={{version}},match=py-(.*)", "1.0 latest"),
        (MAIN, "type=semver,pattern={{version}},match=a(.*),value=a3.2.1", "3.2.1 latest"),
        # With the flag g a group is one of all that match.
        (tag("1.2.3"), r"type=match,pattern=/\d/g,group=2", "3 latest"),
        (tag("1.2.3"), r"type=match,pattern=/\d/g", "1 latest"),
        (tag("v1-V2"), r"type=match,pattern=/v(\d)/gi,group=1", "V2 latest"),
        (tag("v٣"), r"type=match,pattern=v\d" + "\ntype=raw,value=none", "none"),
        # A value that comes to nothing.
        (MAIN, "type=raw,value=", ""),
        (MAIN, "type=raw,value=\ntype=sha", "sha-860c190"),
        (MAIN, "type=raw,value={{tag}},suffix={{sha}}", "860c190"),
        (tag("v1.2.3"), "type=semver,pattern={{version}},value={{branch}}", ""),
        (tag("v1.2.3"), "type=semver,pattern={{version}},value=", "1.2.3 latest"),
        # A line without a type is raw.
        (MAIN, "{{branch}}-{{sha}}", "main-860c190"),
        (MAIN, "nightly,enable={{is_default_branch}}", "nightly"),
        (DEV, "nightly,enable={{is_default_branch}}\ntype=sha", "sha-860c190"),
        (MAIN, "value=a,priority=1\nvalue=b,prefix=c-", "c-b a"),
        (MAIN, "type=raw,value=a,priority=-1\ntype=sha", "sha-860c190 a"),
        # Whose events stand for the default branch.
        (replace(DEV, event="schedule"), "type=raw,value=a,enable={{is_default_branch}}", "a"),
        (
            replace(DEV, event="schedule", ci="gitlab"),
            "type=raw,value=a,enable={{is_default_branch}}",
            "",
        ),
        (
            replace(MAIN, event="schedule", ci="gitlab"),
            "type=raw,value=a,enable={{is_default_branch}}",
            "a",
        ),
        (PULL, "type=raw,value=a,enable={{is_default_branch}}\ntype=ref,event=pr", "pr-42"),
        (PULL, "type=raw,value={{base_ref}}", "main"),
    ],
)
def test_names(parsed: Callable[..., Inputs], run: RunContext, lines: str, names: str) -> None:
    found = made(parsed(tags=lines), run)
    assert [tag.removeprefix("ghcr.io/me/app:") for tag in found.tags] == names.split()


def test_expressions_and_comments_in_labels(parsed: Callable[..., Inputs]) -> None:
    labels = (
        "# ours\norg.opencontainers.image.created={{commit_date 'YYYY-MM-DD[T]HH:mm:ss.SSS[Z]'}}\n"
        "com.example.branch={{branch}}"
    )
    found = made(parsed(tags="type=sha", labels=labels, flavor="# none\nlatest=false"), MAIN)
    assert found.labels == (
        "com.example.branch=main",
        "org.opencontainers.image.created=2025-12-31T23:59:58.000Z",
        f"org.opencontainers.image.revision={SHA}",
        "org.opencontainers.image.version=sha-860c190",
    )


def test_expressions_in_annotations(parsed: Callable[..., Inputs]) -> None:
    given = "# ours\nindex:com.example.built={{date 'YYYY'}}"
    found = made(parsed(tags="type=sha", annotations=given), MAIN)
    assert found.annotations[-1] == "index:com.example.built=2026"


def test_labels_without_rules_are_as_they_are(parsed: Callable[..., Inputs]) -> None:
    assert made(parsed(labels="rule={{ .Host }}"), MAIN).labels == ("rule={{ .Host }}",)


@pytest.mark.parametrize(
    ("given", "name", "text"),
    [
        (
            {"labels": "a={{branchy}}"},
            "labels",
            "'a={{branchy}}' cannot be read: there is no {{branchy}} here. Did you mean 'branch'?",
        ),
        (
            {"annotations": "a={{branchy}}"},
            "annotations",
            "'a={{branchy}}' cannot be read: there is no {{branchy}} here. Did you mean 'branch'?",
        ),
        (
            {"tags": "type=semver,pattern={{version}},match=("},
            "tags",
            (
                "'type=semver,pattern={{version}},match=(' cannot be read: match=( is no regular "
                "expression: missing ), unterminated subpattern at position 0."
            ),
        ),
        (
            {"tags": "nightly,enabled=true"},
            "tags",
            (
                "'nightly,enabled=true' cannot be read: type=raw has no 'enabled'. "
                "Did you mean 'enable'?"
            ),
        ),
    ],
)
def test_bad_input(
    parsed: Callable[..., Inputs], given: dict[str, str], name: str, text: str
) -> None:
    with pytest.raises(InputError) as raised:
        parsed(**({"tags": "type=sha"} | given))
    assert {problem.name: problem.text for problem in raised.value.problems}[name] == text


def test_an_image_that_no_rule_names(parsed: Callable[..., Inputs]) -> None:
    release = "type=semver,pattern={{version}}"
    found = made(parsed(tags=release), MAIN)
    assert (found.tags, found.push) == ((), False)
    assert "the image is not pushed: no rule gives this run's image a name" in found.notes
    assert made(parsed(tags=release), tag("v1.2.3")).push
    assert not made(parsed(tags=release, push="false"), MAIN).push
    with pytest.raises(InputError, match="no rule gives this run's image a name, and it cannot"):
        made(parsed(tags=release, push="true"), MAIN)
    # A reference beside the rule is a name.
    assert made(parsed(tags=f"{release}\nghcr.io/me/app:x", push="true"), MAIN).push
