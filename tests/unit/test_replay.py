from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import history
import pytest
import tally
from history import MAIN, Commit, Merge, Pipeline, Rebase, Revert, Tag
from projects import PROJECTS, Line, Project
from tally import Built

from warmbuild.ci import github, gitlab

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from history import Event

    from warmbuild.run_context import RunContext


COMMIT = "5f0c3a1e9b7d42d8a6c1f4e2b3d59780c6e1a2f4"


def test_the_history_has_25_commits_over_four_branches_and_a_fork() -> None:
    commits = [event for event in history.HISTORY if not isinstance(event, Tag)]
    assert len(commits) == 25
    ours = {event.branch for event in commits if not (isinstance(event, Commit) and event.fork)}
    assert ours == {MAIN, "feature/search", "feature/export", "hotfix/login"}
    assert Counter(type(event) for event in history.HISTORY) == {
        Commit: 22,
        Rebase: 1,
        Merge: 1,
        Revert: 1,
        Tag: 2,
    }


def test_most_commits_touch_sources_alone() -> None:
    changes = Counter(event.change for event in history.HISTORY if isinstance(event, Commit))
    assert changes == {
        "source": 14,
        "tests": 3,
        "template": 2,
        "dependency": 1,
        "dockerfile": 1,
        "readme": 1,
    }


@pytest.mark.parametrize(
    ("commits", "events"),
    [(0, 0), (1, 1), (2, 3), (3, 4), (25, 27)],
    ids=["none", "one", "a tag counts with its commit", "the commit after it", "all"],
)
def test_a_short_replay_has_the_first_commits_and_their_tags(commits: int, events: int) -> None:
    assert history.first(history.HISTORY, commits) == history.HISTORY[:events]


def pipeline(event: Event) -> Pipeline:
    return Pipeline(event=event, commit=COMMIT, message="Change source of main")


def on_github(pipeline: Pipeline) -> RunContext:
    payload = json.dumps(history.github_payload(pipeline))
    env = history.github(pipeline, "event.json")
    return github.PROVIDER.context(env, "", {"event.json": payload}.get)


def on_gitlab(pipeline: Pipeline) -> RunContext:
    return gitlab.PROVIDER.context(history.gitlab(pipeline), "", lambda _: None)


@pytest.mark.parametrize("context", [on_github, on_gitlab], ids=["GitHub", "GitLab"])
@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Commit(branch=MAIN, change="source"), ("push", MAIN, "", "", None, False)),
        (Rebase(branch="x"), ("push", "x", "", "", None, False)),
        (Revert(), ("push", MAIN, "", "", None, False)),
        (Merge(source="x", number=1), ("push", MAIN, "", "", None, False)),
        (Tag(name="v1.0", branch=MAIN), ("push", "", "", "v1.0", None, False)),
        (Commit(branch="x", change="tests", pull_request=7), ("pull", "x", MAIN, "", 7, False)),
        (
            Commit(branch="x", change="tests", pull_request=7, fork=True),
            ("pull", "x", MAIN, "", 7, True),
        ),
    ],
    ids=[
        "a push",
        "a rebase is a push",
        "a revert is a push",
        "a merge is a push to main",
        "a tag",
        "a pull request",
        "a fork's pull request",
    ],
)
def test_warmbuild_reads_what_ci_sets(
    context: Callable[[Pipeline], RunContext],
    event: Event,
    expected: tuple[str, str, str, str, int | None, bool],
) -> None:
    run = context(pipeline(event))
    kinds = {"pull_request": "pull", "merge_request_event": "pull"}
    kind = kinds.get(run.event, run.event)
    assert (kind, run.branch, run.target_branch, run.tag, run.pull_request, run.fork) == expected
    assert run.trust.is_untrusted == run.fork
    assert (run.default_branch, run.commit) == (MAIN, COMMIT)


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (Commit(branch="x", change="source", start=MAIN), "x: source, from main"),
        (Commit(branch="x", change="tests", pull_request=7), "x, pull request 7: tests"),
        (
            Commit(branch="x", change="tests", pull_request=7, fork=True),
            "x, a fork's pull request 7: tests",
        ),
        (Rebase(branch="x"), "x: rebase onto main"),
        (Merge(source="x", number=1), "main: merge of x"),
        (Tag(name="v1.0", branch=MAIN), "v1.0: tag of main"),
    ],
    ids=["a new branch", "a pull request", "a fork's", "a rebase", "a merge", "a tag"],
)
def test_a_pipeline_is_told_in_a_line(event: Event, shown: str) -> None:
    assert str(pipeline(event)) == shown


@pytest.mark.parametrize("project", PROJECTS.values(), ids=PROJECTS)
def test_every_change_of_the_history_can_be_made(project: Project, tmp_path: Path) -> None:
    project.lay_out(tmp_path)
    for event in history.HISTORY:
        if isinstance(event, Commit):
            before = _files(tmp_path)
            project.changes[event.change].apply(tmp_path, "area", len(before))
            assert _files(tmp_path) != before


def _files(place: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in place.rglob("*") if path.is_file()}


def test_a_line_is_added_to_a_file_that_begins_with_its_head(tmp_path: Path) -> None:
    change = Line(path="app/{area}.go", line="// {number}", head="package main\n")
    change.apply(tmp_path, "search", 1)
    change.apply(tmp_path, "search", 2)
    assert (tmp_path / "app" / "search.go").read_text() == "package main\n// 1\n// 2\n"


def test_an_example_that_is_not_what_it_was_is_told(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("three\n")
    with pytest.raises(ValueError, match=r"^requirements.txt has no 'one'$"):
        PROJECTS["tiny"].changes["dependency"].apply(tmp_path, "main", 1)


def built(number: int, strategy: str, *places: str, example: str = "flask") -> Built:
    return Built(
        example=example,
        number=number,
        title=f"main: {number}",
        strategy=strategy,
        ran={place: f"RUN {place}" for place in places},
        seconds=1.4,
    )


BUILDS = (
    built(1, "warmbuild", "2/3", "3/3"),
    built(1, "ideal", "2/3", "3/3"),
    built(2, "warmbuild", "2/3", "3/3"),
    built(2, "ideal", "3/3"),
    built(1, "warmbuild", "2/2", example="go"),
    built(1, "ideal", "2/2", example="go"),
)


def test_the_table_has_a_line_a_strategy_and_three_columns_an_example() -> None:
    assert tally.table(BUILDS).splitlines() == [
        "| | flask: steps | by the ideal's | seconds | go: steps | by the ideal's | seconds |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| warmbuild | 4 | 1.33 | 3 | 1 | 1.00 | 1 |",
        "| ideal | 3 | 1.00 | 3 | 1 | 1.00 | 1 |",
    ]


def test_without_the_ideal_there_is_nothing_to_compare_with() -> None:
    builds = [build for build in BUILDS if build.strategy != "ideal"]
    assert tally.ratio(builds, "flask", "warmbuild") is None
    assert list(tally.beyond(builds, "warmbuild")) == []
    assert tally.table(builds).endswith("| warmbuild | 4 |  | 3 | 1 |  | 1 |")


def test_steps_that_the_ideal_did_not_run_are_named() -> None:
    assert list(tally.beyond(BUILDS, "warmbuild")) == ["- flask 2, main: 2: `RUN 2/3`"]
