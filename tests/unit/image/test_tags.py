"""Tags by rule, as docker/metadata-action documents them: each case is a run, lines, and names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from tests.runs import SHA, SHOP
from warmbuild.image import tags
from warmbuild.inputs import tag_rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.image.tags import Tags
    from warmbuild.inputs.values import Inputs
    from warmbuild.run_context import RunContext


ANY = replace(SHOP, branch="")
MAIN = SHOP
DEV = replace(SHOP, branch="dev")
BRANCH = replace(ANY, branch="feature/socks+shoes")
PULL = replace(
    ANY, event="pull_request", branch="feature/socks", target_branch="develop", pull_request=42
)
TO_MAIN = replace(SHOP, event="pull_request", branch="x", target_branch="main", pull_request=42)
SCHEDULE = replace(MAIN, event="schedule")


def tag(name: str) -> RunContext:
    return replace(ANY, tag=name, tagged="release/1")


def apply(run: RunContext, lines: str, flavor: str = "") -> Tags:
    found = [
        tag_rules.read(line) if tag_rules.is_rule(line) else tag_rules.raw(line)
        for line in lines.splitlines()
    ]
    asked = tag_rules.flavor(flavor.splitlines())
    return tags.apply(found or tag_rules.defaults(), asked, run, run.begun)


V = "type=semver,pattern="
P = "type=pep440,pattern="
M = "type=match,pattern="
SEMVER = f"{V}{{{{version}}}}\n{V}{{{{major}}}}.{{{{minor}}}}\n{V}{{{{major}}}}"
PEP440 = SEMVER.replace("semver", "pep440")


@pytest.mark.parametrize(
    ("run", "lines", "names"),
    [
        # No rules.
        (MAIN, "", "main"),
        (BRANCH, "", "feature-socks-shoes"),
        (PULL, "", "pr-42"),
        (tag("v1.2.3"), "", "v1.2.3 latest"),
        (tag("a/b"), "", "a-b latest"),
        (SCHEDULE, "", "nightly main"),
        (replace(ANY, event="repository_dispatch"), "", ""),
        # The type schedule.
        (SCHEDULE, "type=schedule", "nightly"),
        (SCHEDULE, "type=schedule,pattern=weekly", "weekly"),
        (SCHEDULE, "type=schedule,pattern={{date 'YYYYMMDD'}}", "20260109"),
        (SCHEDULE, "type=schedule,pattern={{date 'YYYYMMDD-HHmmss'}}", "20260109-160507"),
        (SCHEDULE, "type=schedule,pattern={{date 'YYYYMMDD' tz='Asia/Tokyo'}}", "20260110"),
        (SCHEDULE, 'type=schedule,"pattern={{date ""YYYY""}}"', "2026"),
        (SCHEDULE, "type=schedule,pattern={{commit_date 'YYYYMMDD'}}", "20251231"),
        (SCHEDULE, "type=schedule,prefix=x-,suffix=-y", "x-nightly-y"),
        (MAIN, "type=schedule", ""),
        (PULL, "type=schedule", ""),
        # The type semver.
        (tag("v1.2.3"), SEMVER, "1.2.3 1.2 1 latest"),
        (tag("1.2.3"), SEMVER, "1.2.3 1.2 1 latest"),
        (tag("v2.0.8-beta.67"), SEMVER, "2.0.8-beta.67"),
        (tag("v2.0.8-rc2"), f"{V}{{{{raw}}}}", "v2.0.8-rc2"),
        (tag("v2.0.8"), f"{V}{{{{raw}}}}", "v2.0.8 latest"),
        (tag("v1.2.3"), f"{V}v{{{{major}}}}", "v1 latest"),
        (tag("v1.2.3"), f"{V}{{{{major}}}}.{{{{minor}}}}.{{{{patch}}}}", "1.2.3 latest"),
        (tag("v1.2.3+build.5"), f"{V}{{{{version}}}}", "1.2.3 latest"),
        (tag("v1.2.3+build.5"), f"{V}{{{{build}}}}", "build-5 latest"),
        (tag("v1.2.3-a.b+5"), f"{V}{{{{raw}}}}", "v1.2.3-a.b-5"),
        (tag("v1.2.3-a.b"), f"{V}{{{{prerelease}}}}", "1.2.3-a.b"),
        (tag("v101.12.13"), SEMVER, "101.12.13 101.12 101 latest"),
        (tag("v0.1.2"), f"{V}{{{{major}}}},enable=false", ""),
        (tag("v1.2.3"), f"{V}{{{{version}}}},prefix=app-,suffix=-slim", "app-1.2.3-slim latest"),
        (tag("v1.2"), SEMVER, ""),
        (tag("latest"), SEMVER, ""),
        (tag("v1.02.3"), SEMVER, ""),
        (tag("p1/v1.0.0"), SEMVER, ""),
        (MAIN, SEMVER, ""),
        (PULL, SEMVER, ""),
        (MAIN, f"{V}{{{{version}}}},value=v1.0.0", "1.0.0 latest"),
        (MAIN, f"{V}{{{{version}}}},value=v1.0.0-rc.1", "1.0.0-rc.1"),
        (tag("v9.9.9"), f"{V}{{{{version}}}},value=v1.0.0", "1.0.0 latest"),
        (tag("v9.9.9"), f"{V}{{{{major}}}},value={{{{tag}}}}", "9 latest"),
        (MAIN, f"{V}{{{{version}}}},value={{{{tag}}}}", ""),
        # The type pep440.
        (tag("1.2.3"), PEP440, "1.2.3 1.2 1 latest"),
        (tag("v1.2.3"), PEP440, "1.2.3 1.2 1 latest"),
        (tag("v1.2"), PEP440, "1.2 1 latest"),
        (tag("v1"), f"{P}{{{{major}}}}.{{{{minor}}}}.{{{{patch}}}}", "1.0.0 latest"),
        (tag("1.2.3rc2"), PEP440, "1.2.3rc2"),
        (tag("v1.2.3rc2"), f"{P}{{{{raw}}}}", "v1.2.3rc2"),
        (tag("1.2.3-rc.2"), f"{P}{{{{version}}}}", "1.2.3rc2"),
        (tag("1.0dev4"), f"{P}{{{{version}}}}", "1.0.dev4"),
        (tag("1.1beta2"), PEP440, "1.1b2"),
        (tag("1.2post1"), PEP440, "1.2.post1"),
        (tag("1!2.0"), f"{P}{{{{version}}}}", "1-2.0 latest"),
        (tag("1.2.3+local.1"), f"{P}{{{{version}}}}", "1.2.3-local.1 latest"),
        (tag("20200110"), f"{P}{{{{version}}}}", "20200110 latest"),
        (tag("sometag"), PEP440, ""),
        (MAIN, PEP440, ""),
        (MAIN, f"{P}{{{{version}}}},value=v1.0a1", "1.0a1"),
        (tag("v3.4.5"), f"{P}{{{{version}}}},prefix=py", "py3.4.5 latest"),
        # The type match.
        (tag("v1.2.3"), rf"{M}\d.\d.\d", "1.2.3 latest"),
        (tag("v2.0.8-beta.67"), f"{M}v(.*),group=1", "2.0.8-beta.67 latest"),
        (tag("v2.0.8-beta.67"), rf"{M}v(\d.\d),group=1", "2.0 latest"),
        (tag("20200110-RC2"), rf"{M}\d+", "20200110 latest"),
        (tag("20200110-RC2"), rf"{M}\d{{8}}", "20200110 latest"),
        (tag("20200110-RC2"), f"{M}/(.*)-RC/,group=1", "20200110 latest"),
        (tag("20200110-RC2"), f"{M}/(.*)-rc/i,group=1", "20200110 latest"),
        (tag("20200110-RC2"), f"{M}/(.*)-rc/,group=1", ""),
        (tag("20200110-RC2"), f"{M}(.*)-RC,group=2", ""),
        (tag("p1/v1.2.3"), rf"{M}p1/v(\d.\d.\d),group=1", "1.2.3 latest"),
        (tag("p1-v1.2.3"), r"type=match,pattern=(?<what>p\d)-v,group=1", "p1 latest"),
        (tag("v1.2.3"), rf"{M}^\d", ""),
        (MAIN, f"{M}.*", ""),
        (MAIN, f"{M}v(.*),group=1,value=v7", "7 latest"),
        (tag("v1.2.3"), r'type=match,"pattern=\d{1,3}.\d"', "1.2 latest"),
        # The type edge.
        (MAIN, "type=edge", "edge"),
        (BRANCH, "type=edge", ""),
        (BRANCH, "type=edge,branch=feature/socks+shoes", "edge"),
        (MAIN, "type=edge,branch=develop", ""),
        (MAIN, "type=edge,prefix=x-", "x-edge"),
        (tag("v1"), "type=edge", ""),
        (PULL, "type=edge,branch=feature/socks", ""),
        # The type ref.
        (MAIN, "type=ref,event=branch", "main"),
        (BRANCH, "type=ref,event=branch", "feature-socks-shoes"),
        (BRANCH, "type=ref,event=branch,prefix=b-,suffix=-x", "b-feature-socks-shoes-x"),
        (MAIN, "type=ref,event=tag", ""),
        (MAIN, "type=ref,event=pr", ""),
        (tag("v1.2.3"), "type=ref,event=tag", "v1.2.3 latest"),
        (tag("v2.0.8-beta.67"), "type=ref,event=tag", "v2.0.8-beta.67 latest"),
        (tag("v1.2.3"), "type=ref,event=branch", ""),
        (PULL, "type=ref,event=pr", "pr-42"),
        (PULL, "type=ref,event=pr,prefix=", "42"),
        (PULL, "type=ref,event=pr,prefix=mr-,suffix=-{{sha}}", "mr-42-860c190"),
        (PULL, "type=ref,event=branch", ""),
        (replace(PULL, event="merge_group", branch=""), "type=ref,event=pr", "pr-42"),
        # The type raw.
        (MAIN, "type=raw,value=foo", "foo"),
        (MAIN, "type=raw,foo", "foo"),
        (MAIN, "type=raw,value=foo\nbar", "foo bar"),
        (MAIN, "bar\ntype=raw,value=foo", "bar foo"),
        (MAIN, "type=raw,value=foo\ntype=raw,value=foo", "foo"),
        (MAIN, "type=raw,value=latest,enable={{is_default_branch}}", "latest"),
        (BRANCH, "type=raw,value=latest,enable={{is_default_branch}}", ""),
        (BRANCH, "type=raw,value=test,enable={{is_not_default_branch}}", "test"),
        (MAIN, "type=raw,value=test,enable={{is_not_default_branch}}", ""),
        (SCHEDULE, "type=raw,value=s,enable={{is_default_branch}}", "s"),
        (PULL, "type=raw,value=p,enable={{is_default_branch}}", ""),
        (tag("v1"), "type=raw,value=t,enable={{is_default_branch}}", ""),
        (BRANCH, "type=raw,value=my-{{branch}}-{{sha}}", "my-feature-socks-shoes-860c190"),
        (PULL, "type=raw,value=x{{branch}}", "x"),
        (PULL, "type=raw,value=to-{{base_ref}}", "to-develop"),
        (tag("v1"), "type=raw,value=on-{{base_ref}}", "on-release-1"),
        (MAIN, "type=raw,value=on{{base_ref}}", "on"),
        (tag("v1"), "type=raw,value=the-{{tag}}", "the-v1"),
        (MAIN, "type=raw,value={{date 'YYYY.MM.DD'}}", "2026.01.09"),
        (MAIN, "type=raw,value={{date 'dddd Do'}}", "Friday-9th"),
        (MAIN, "type=raw,value={{commit_date 'X'}}", "1767225598"),
        # As in docker/metadata-action, the run is as good as a time that nobody knows.
        (replace(MAIN, committed=None), "type=raw,value=c{{commit_date 'YYYY-MM'}}", "c2026-01"),
        # What Handlebars reads, and a word that names no value there.
        (MAIN, "type=raw,value={{ sha }}-{{{branch}}}-{{& branch }}", "860c190-main-main"),
        (MAIN, "type=raw,value={{date YYYY-MM}}", "2026-01-09T16-05-07Z"),
        (MAIN, "type=raw,value={{date ''}}", "2026-01-09T16-05-07Z"),
        (MAIN, "type=raw,value={{date YYYY tz='Asia/Tokyo'}}", "2026-01-10T01-05-07-09-00"),
        (MAIN, 'type=raw,value={{ date  "YYYY"  tz = "Asia/Tokyo" }}', "2026"),
        (MAIN, "type=raw,value={{sha 'x' y}}", "860c190"),
        (MAIN, "type=raw,value={{{ branch }}}", "main"),
        (MAIN, "type=raw,value=a b/c@d", "a-b-c-d"),
        (MAIN, "type=raw,value=.hidden", "hidden-1692419006a88aab3372"),
        (MAIN, "type=raw,value=" + "x" * 130, "x" * 107 + "-3afbb132863c57f08bdc"),
        (MAIN, "TYPE=raw,value=upper", "upper"),
        (MAIN, " type=raw , value=spaces", "spaces"),
        (MAIN, "enable=true,type=raw,value=order", "order"),
        # The type sha.
        (MAIN, "type=sha", "sha-860c190"),
        (MAIN, "type=sha,format=short", "sha-860c190"),
        (MAIN, "type=sha,format=long", f"sha-{SHA}"),
        (MAIN, "type=sha,prefix=", "860c190"),
        (MAIN, "type=sha,prefix={{branch}}-", "main-860c190"),
        (PULL, "type=sha", "sha-860c190"),
        (tag("v1.2.3"), "type=sha", "sha-860c190"),
        (replace(MAIN, commit=""), "type=sha", ""),
        # Priorities, of which the highest is the version.
        (
            tag("v1.2.3"),
            "type=sha\ntype=ref,event=tag\n" + SEMVER,
            "1.2.3 1.2 1 v1.2.3 sha-860c190 latest",
        ),
        (MAIN, "type=sha,priority=2000\ntype=ref,event=branch", "sha-860c190 main"),
        (MAIN, "type=raw,value=a\ntype=raw,value=b,priority=300", "b a"),
        (MAIN, "type=edge\ntype=ref,event=branch", "edge main"),
        (SCHEDULE, "type=edge\ntype=schedule", "nightly edge"),
        # The first tag says whether it is the latest.
        (tag("v1.2.3"), "type=raw,value=x,priority=1000\n" + SEMVER, "x 1.2.3 1.2 1"),
        (tag("v1.2.3-rc1"), "type=ref,event=tag\n" + SEMVER, "1.2.3-rc1 v1.2.3-rc1"),
        (tag("other"), "type=ref,event=tag\n" + SEMVER, "other latest"),
    ],
)
def test_names(run: RunContext, lines: str, names: str) -> None:
    found = apply(run, lines)
    assert list(found.names) == names.split()
    assert found.version == (names.split(maxsplit=1)[0] if names else "")


@pytest.mark.parametrize(
    ("run", "lines", "flavor", "names"),
    [
        (MAIN, "type=ref,event=branch", "latest=true", "main latest"),
        (MAIN, "type=ref,event=branch", "latest=auto", "main"),
        (tag("v1.2.3"), SEMVER, "latest=false", "1.2.3 1.2 1"),
        (tag("v1.2.3"), SEMVER, "prefix=app-", "app-1.2.3 app-1.2 app-1 latest"),
        (
            tag("v1.2.3"),
            f"{V}{{{{version}}}}",
            "suffix=-slim,onlatest=true",
            "1.2.3-slim latest-slim",
        ),
        (
            tag("v1.2.3"),
            f"{V}{{{{version}}}}",
            "prefix=a-,onlatest=true\nsuffix=-b",
            "a-1.2.3-b a-latest",
        ),
        (tag("v1.2.3"), f"{V}{{{{version}}}}", "suffix=-b,onlatest=false", "1.2.3-b latest"),
        # A tag's own takes its place.
        (PULL, "type=ref,event=pr", "prefix=x-", "pr-42"),
        (MAIN, "type=sha", "prefix=x-", "sha-860c190"),
        (MAIN, "type=sha,prefix=", "prefix=x-", "860c190"),
        (MAIN, "type=raw,value=a,suffix=", "suffix=-s", "a"),
        (MAIN, "a", "suffix=-{{sha}}", "a-860c190"),
        (MAIN, "", "latest=true", "main latest"),
        (replace(ANY, commit=""), "type=sha", "latest=true", ""),
        (BRANCH, "", "prefix={{date 'YYYY'}}-", "2026-feature-socks-shoes"),
    ],
)
def test_flavors(run: RunContext, lines: str, flavor: str, names: str) -> None:
    assert list(apply(run, lines, flavor).names) == names.split()


@pytest.mark.parametrize(
    ("run", "lines", "note"),
    [
        (tag("v1.2"), SEMVER.splitlines()[0], "type=semver: v1.2 is not a semantic version"),
        (tag("x"), PEP440.splitlines()[0], "type=pep440: x is not a PEP 440 version"),
        (tag("x"), f"{M}y", "type=match: y does not match x"),
        (tag("x"), f"{M}x,group=3", "type=match: x has no group 3"),
        (MAIN, "type=raw,value=a,enable={{branch}}", "type=raw: enable=main"),
    ],
)
def test_why_a_rule_gives_no_tag(run: RunContext, lines: str, note: str) -> None:
    assert apply(run, lines).notes == (f"no tag of {note}",)


# Expected as docker/metadata-action's own libraries made them.
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
        # Events that stand for the default branch on GitHub, and not on GitLab.
        (replace(DEV, event="schedule"), "type=raw,value=a,enable={{is_default_branch}}", ""),
        (replace(DEV, event="create"), "type=raw,value=a,enable={{is_default_branch}}", ""),
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
        (TO_MAIN, "type=raw,value=a,enable={{is_default_branch}}\ntype=ref,event=pr", "pr-42"),
        (TO_MAIN, "type=raw,value={{base_ref}}", "main"),
    ],
)
def test_names_in_corner_cases(
    parsed: Callable[..., Inputs], run: RunContext, lines: str, names: str
) -> None:
    found = planned(parsed(tags=lines), run)
    assert [tag.removeprefix("ghcr.io/me/app:") for tag in found.tags] == names.split()
