"""Tags by rule, as docker/metadata-action documents them: each case is a run, lines, and names."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from warmbuild.errors import InputError
from warmbuild.image import tags
from warmbuild.inputs import expressions, tag_rules
from warmbuild.run_context import Project, RunContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.image.tags import Tags
    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan


SHA = "860c1904a1ce19322e91ac35af1ab07466440c37"
# A Friday afternoon in UTC, and a Saturday in Tokyo.
NOW = datetime(2026, 1, 9, 16, 5, 7, tzinfo=UTC)
COMMITTED = datetime(2025, 12, 31, 23, 59, 58, tzinfo=UTC)
ANY = RunContext(
    ci="github",
    event="push",
    default_branch="main",
    commit=SHA,
    begun=NOW,
    committed=COMMITTED,
    project=Project(
        title="shop",
        description="Sells socks",
        url="https://github.com/octo/shop",
        source="https://github.com/octo/shop",
        licenses="MIT",
    ),
)
MAIN = replace(ANY, branch="main")
BRANCH = replace(ANY, branch="feature/socks+shoes")
PULL = replace(
    ANY, event="pull_request", branch="feature/socks", target_branch="develop", pull_request=42
)
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
        # Nothing asked for.
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
        (replace(MAIN, committed=None), "type=raw,value=c{{commit_date 'X'}}", "c"),
        (MAIN, "type=raw,value={{{ branch }}}", "main"),
        (MAIN, "type=raw,value=a b/c@d", "a-b-c-d"),
        (MAIN, "type=raw,value=.hidden", "hidden"),
        (MAIN, "type=raw,value=" + "x" * 130, "x" * 128),
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
        (tag("v1.2"), SEMVER.splitlines()[0], "type=semver: v1.2 is no semantic version"),
        (tag("x"), PEP440.splitlines()[0], "type=pep440: x is no version as PEP 440 has it"),
        (tag("x"), f"{M}y", "type=match: y does not match x"),
        (tag("x"), f"{M}x,group=3", "type=match: x has no group 3"),
        (MAIN, "type=raw,value=a,enable={{branch}}", "type=raw: enable=main"),
    ],
)
def test_why_a_rule_gives_no_tag(run: RunContext, lines: str, note: str) -> None:
    assert apply(run, lines).notes == (f"no tag of {note}",)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("type=semvar,pattern=x", "'semvar' is no type of tag. Did you mean 'semver'?"),
        ("type=semver", "type=semver needs pattern=."),
        ("type=match,group=1", "type=match needs pattern=."),
        ("type=ref", "type=ref needs event=."),
        (
            "type=ref,event=prs",
            "event=prs is not accepted; use branch, tag, pr. Did you mean 'pr'?",
        ),
        ("type=sha,format=tiny", "format=tiny is not accepted; use short, long."),
        ("type=sha,patternn=x", "type=sha has no 'patternn'."),
        ("type=semver,patternn=x", "type=semver has no 'patternn'. Did you mean 'pattern'?"),
        ("type=raw", "type=raw needs value=."),
        ("type=raw,value=a,priority=high", "priority=high is no number."),
        ("type=raw,value=a,enable=yes", "enable=yes is neither true nor false."),
        (
            "type=match,pattern=(,group=1",
            "pattern=( is no regular expression: missing ), unterminated subpattern at position 0.",
        ),
        ("type=match,pattern=x,group=a", "group=a is no number."),
        ("type=raw,value={{branchh}}", "there is no {{branchh}} here. Did you mean 'branch'?"),
        ("type=raw,value={{#if tag}}x{{/if}}", "{{#if tag}} is no expression"),
        ("type=raw,value={{branch", "a {{ has no }}"),
        ("type=semver,pattern={{version}}-{{date 'Y'}}", "there is no {{date}} here."),
        ("type=raw,value={{date 'Y' tz='Mars/Base'}}", "there is no time zone 'Mars/Base'."),
    ],
)
def test_a_rule_that_cannot_be_read(line: str, problem: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 (the text is compared)
        tag_rules.read(line)
    assert str(raised.value) == problem


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("YYYY-MM-DDTHH:mm:ssZ", "2026-01-09T16:05:07+00:00"),
        ("YY.M.D h:m:s a", "26.1.9 4:5:7 pm"),
        ("MMMM MMM dddd ddd dd d E", "January Jan Friday Fri Fr 5 5"),
        ("DDDD DDD Q WW W GGGG", "009 9 1 02 2 2026"),
        ("hh A ZZ X x SSS SS S", "04 PM +0000 1767974707 1767974707000 000 00 0"),
        ("[week] W [of] YYYY", "week 2 of 2026"),
        ("H D Do", "16 9 9th"),
    ],
)
def test_dates_are_written_as_moment_does(pattern: str, expected: str) -> None:
    assert expressions.formatted(NOW, pattern) == expected


def made(inputs: Inputs, run: RunContext) -> BuildPlan:
    return planned(inputs, run)


def test_rules_and_references_side_by_side(parsed: Callable[..., Inputs]) -> None:
    given = parsed(tags="# what it is called\ntype=sha\nnightly,weekly\nghcr.io/you/app:1")
    found = made(given, MAIN)
    assert found.tags == (
        "ghcr.io/me/app:nightly",
        "ghcr.io/me/app:weekly",
        "ghcr.io/me/app:sha-860c190",
        "ghcr.io/you/app:1",
    )
    assert found.version == "nightly"


def test_labels_come_with_rules_and_those_that_are_given_win(
    parsed: Callable[..., Inputs],
) -> None:
    assert made(parsed(labels="a=b"), MAIN).labels == ("a=b",)
    title = "org.opencontainers.image.title=Socks"
    found = made(parsed(tags="type=sha", labels=f"a=b\n{title}"), MAIN)
    assert found.labels == (
        "a=b",
        "org.opencontainers.image.created=2025-12-31T23:59:58Z",
        "org.opencontainers.image.description=Sells socks",
        "org.opencontainers.image.licenses=MIT",
        f"org.opencontainers.image.revision={SHA}",
        "org.opencontainers.image.source=https://github.com/octo/shop",
        title,
        "org.opencontainers.image.url=https://github.com/octo/shop",
        "org.opencontainers.image.version=sha-860c190",
    )
    # The same commit is the same image whenever it is built.
    later = replace(MAIN, begun=datetime(2027, 1, 1, tzinfo=UTC))
    assert made(parsed(tags="type=sha", labels=f"a=b\n{title}"), later).labels == found.labels


def test_what_is_not_known_is_no_label(parsed: Callable[..., Inputs]) -> None:
    found = made(parsed(flavor="latest=true"), RunContext(ci="local", branch="x"))
    assert found.labels == ("org.opencontainers.image.version=x",)
    assert found.tags == ("ghcr.io/me/app:x", "ghcr.io/me/app:latest")


def test_annotations_are_those_that_are_given_and_with_rules_the_labels_too(
    parsed: Callable[..., Inputs],
) -> None:
    run = RunContext(ci="local", branch="x", commit=SHA)
    given = "index:org.opencontainers.image.title=Socks\nkey=value"
    assert made(parsed(annotations=given), run).annotations == tuple(given.splitlines())
    assert made(parsed(tags="type=sha"), run).annotations == ()
    assert made(parsed(tags="type=sha", annotations=given), run).annotations == (
        f"manifest:org.opencontainers.image.revision={SHA}",
        "manifest:org.opencontainers.image.version=sha-860c190",
        "index:org.opencontainers.image.title=Socks",
        "key=value",
    )


def test_images_of_metadata_action(parsed: Callable[..., Inputs]) -> None:
    images = "GHCR.io/Me/App\nname=docker.io/me/app\nname=ghcr.io/me/off,enable=false"
    found = made(parsed(image="", images=images), MAIN)
    assert found.tags == ("ghcr.io/me/app:main", "docker.io/me/app:main")


@pytest.mark.parametrize(
    ("given", "name", "text"),
    [
        ({"flavor": "latest=yes"}, "flavor", "'latest=yes' is not accepted."),
        ({"flavor": "onlatest=true"}, "flavor", "'onlatest=true' is not accepted."),
        ({"flavor": "suffixx=a"}, "flavor", "'suffixx=a' is not accepted. Did you mean 'suffix'?"),
        ({"images": "namee=a"}, "images", "'namee=a' has no 'namee' to give. Did you mean 'name'?"),
        ({"images": "a,enable=1"}, "images", "'a,enable=1': enable is neither true nor false."),
        (
            {"tags": "type=shaw"},
            "tags",
            "'type=shaw' cannot be read: 'shaw' is no type of tag. Did you mean 'sha'?",
        ),
        ({"annotations": "key"}, "annotations", "'key' is not accepted; use name=value."),
    ],
)
def test_bad_input(
    parsed: Callable[..., Inputs], given: dict[str, str], name: str, text: str
) -> None:
    with pytest.raises(InputError) as raised:
        parsed(**given)
    assert {problem.name: problem.text for problem in raised.value.problems}[name] == text


def test_rules_need_an_image(parsed: Callable[..., Inputs]) -> None:
    with pytest.raises(InputError, match="there is no image to tag"):
        parsed(image="", tags="type=sha")
