from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.runs import PUSH
from warmbuild import trust
from warmbuild.run_context import Project, RunContext, merged_branch, moment


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Merge branch 'feature/x'", "feature/x"),
        ("Merge branch 'feature/x' into 'main'\n\nSee merge request me/app!7", "feature/x"),
        ("Merge remote-tracking branch 'origin/feature/x' into main", "feature/x"),
        ("Merge pull request #7 from me/feature/x\n\nSell socks", "feature/x"),
        ("Merge pull request #7 from stranger/main", ""),
        ("Sell socks (#7)", ""),
        ("Revert \"Merge branch 'feature/x'\"", ""),
        ("", ""),
    ],
)
def test_the_branch_that_a_commit_has_merged(message: str, expected: str) -> None:
    assert merged_branch(message, "me") == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Merge pull request 'Sell socks' (#7) from feature/socks into main", "feature/socks"),
        ("Merge pull request 'Sell socks' (#7) from stranger/shop:socks into main", ""),
        ("Merge pull request 'x' (#1) from main into y' (#7) from socks into main", "socks"),
    ],
)
def test_the_branch_that_gitea_has_merged(message: str, expected: str) -> None:
    assert merged_branch(message, "harbour") == expected


def test_a_context_can_be_told_its_branches() -> None:
    told = RunContext(ci="local", trust=trust.LOCAL).told(branch="x", default_branch="trunk")
    assert told == RunContext(ci="local", trust=trust.LOCAL, branch="x", default_branch="trunk")
    assert PUSH.told(branch="", default_branch="") == PUSH


@pytest.mark.parametrize(
    ("epoch", "year"),
    [
        ("0", 1970),
        ("1767225600", 2026),
        ("253370764799", 9998),
        ("253370764800", 2000),
        ("9" * 5_000, 2000),
        ("-1", 2000),
        ("٣", 2000),
        ("", 2000),
    ],
)
def test_an_epoch_that_is_no_time_changes_nothing(epoch: str, year: int) -> None:
    begun = datetime(2026, 1, 9, tzinfo=UTC)
    run = RunContext(ci="local", committed=datetime(2000, 1, 1, tzinfo=UTC)).at_time(begun, epoch)
    assert run.begun == begun
    assert run.committed
    assert run.committed.year == year


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "2026-01-09T00:00:00", "0001-01-01T00:00:00+23:59", "1969-12-31T23:59:59Z"),
        *("9999-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "\ud800"),
    ],
)
def test_a_moment_without_a_place_in_time_is_none(text: str) -> None:
    assert moment(text) is None
    assert moment("2026-01-09T00:00:00+01:00") == datetime(2026, 1, 8, 23, tzinfo=UTC)


def test_names_of_other_bytes_stay_apart() -> None:
    run = RunContext(ci="local", branch="f\udcfcr", project=Project(title="\ud800"))
    assert run.legible() == RunContext(ci="local", branch=r"f\udcfcr")
    assert run.legible().project.title == r"\ud800"
    assert PUSH.legible() == PUSH


MERGE = replace(RunContext(ci="github"), branch="x", target_branch="main", pull_request=7)
A, B = "a" * 40, "b" * 40


@pytest.mark.parametrize(
    ("run", "ref", "commit", "others", "expected"),
    [
        pytest.param(RunContext(ci="github", branch="x"), "refs/heads/y", A, (), "y", id="branch"),
        pytest.param(MERGE, "", A, (), 7, id="a pull request's own commit"),
        pytest.param(MERGE, "", A, ("refs/tags/v1", "refs/heads/y"), 7, id="with other refs"),
        pytest.param(MERGE, "", B, ("refs/tags/v1", "refs/heads/y"), "v1", id="a tag"),
        pytest.param(MERGE, "", B, ("refs/pull/9/head", "refs/heads/y"), 9, id="another one"),
        pytest.param(MERGE, "", B, ("refs/heads/y",), "y", id="a detached branch"),
        pytest.param(
            RunContext(ci="github", branch="x"),
            *("", A, ("refs/heads/z", "refs/heads/x"), "x"),
            id="the event's branch among others",
        ),
        pytest.param(
            RunContext(ci="github", branch="x"),
            *("", A, ("refs/tags/v1", "refs/heads/x"), "v1"),
            id="a tag where the event has a branch",
        ),
        pytest.param(RunContext(ci="github", branch="x"), "", A, (), "x", id="the event's commit"),
        pytest.param(RunContext(ci="github", branch="x"), "", B, (), None, id="a commit alone"),
        pytest.param(
            RunContext(ci="github", tag="v2"), "", A, ("refs/tags/v3",), "v2", id="the event's tag"
        ),
    ],
)
def test_what_is_checked_out(
    run: RunContext, ref: str, commit: str, others: tuple[str, ...], expected: str | int | None
) -> None:
    found = replace(run, commit=A).checked_out(ref, commit, others)
    assert (found.pull_request or found.branch or found.tag or None) == expected
    assert found.commit == commit
    assert found.target_branch == run.target_branch


def test_times_are_also_those_of_what_names_an_image() -> None:
    run = replace(RunContext(ci="local"), named=RunContext(ci="local", branch="x"))
    found = run.at_time(datetime(2026, 1, 9, tzinfo=UTC), "7")
    assert found.naming.branch == "x"
    assert found.naming.committed == datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC)
    assert RunContext(ci="local", branch="y").naming.branch == "y"
