"""The replay of a repository's life: what git makes of the history, and what the lab counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from checkouts import Checkouts
from history import HISTORY
from projects import PROJECTS

from tests.integration.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from history import Pipeline

    from tests.integration.conftest import Lab

# The builds of the history that these tests look at, by their number.
TAGGED, TAG, BEHIND, REBASED, PULL_REQUEST, MERGE, REVERT, HOTFIX = 2, 3, 10, 11, 12, 16, 18, 19


def played(directory: Path, ci: str) -> dict[int, tuple[Pipeline, Mapping[str, str]]]:
    """Make the history happen; return what CI runs, and the files that it checks out."""
    directory.mkdir()
    checkouts = Checkouts(directory, PROJECTS["tiny"], ci)
    builds: dict[int, tuple[Pipeline, Mapping[str, str]]] = {}
    for number, event in enumerate(HISTORY, start=1):
        pipeline, place = checkouts.after(event)
        files = {path.name: path.read_text() for path in place.iterdir() if path.name != ".git"}
        builds[number] = (pipeline, files)
    return builds


def test_the_history_is_the_same_each_time(tmp_path: Path) -> None:
    assert played(tmp_path / "one", "github") == played(tmp_path / "two", "github")


@pytest.mark.parametrize(("ci", "merged"), [("github", "two\n"), ("gitlab", "one\n")])
def test_a_checkout_is_what_its_event_says(ci: str, merged: str, tmp_path: Path) -> None:
    builds = played(tmp_path / "history", ci)
    files = {number: content for number, (_, content) in builds.items()}
    assert files[TAG] == files[TAGGED]
    assert files[REVERT] == files[MERGE]
    # The main branch has had the dependency bumped before the rebase; GitHub builds a pull
    # request as if it were merged.
    dependencies = {number: files[number]["requirements.txt"] for number in files}
    assert (dependencies[BEHIND], dependencies[REBASED]) == ("one\n", "two\n")
    assert dependencies[PULL_REQUEST] == merged
    assert dependencies[HOTFIX] == "one\n"
    assert (files[PULL_REQUEST] == files[MERGE]) is (ci == "github")
    assert "feature/export" in builds[MERGE][0].message
    commits = [pipeline.commit for pipeline, _ in builds.values()]
    # A tag is of a commit that was built before.
    assert len(set(commits)) == 25


def replay(lab: Lab, directory: Path, *options: str) -> tuple[int, str, dict[str, list[int]]]:
    """Run the benchmark; return its exit code, what it prints, and the counts by strategy."""
    file = directory / "builds.json"
    argv = [sys.executable, "benchmarks/replay.py", "--example=tiny", f"--json={file}", *options]
    # What CI tells this very test is nothing that a replayed build may see.
    env = {**os.environ, **lab.env, "PYTHONPATH": str(ROOT / "src"), "INPUT_CACHE": "off"}
    done = subprocess.run(  # noqa: S603 (a list of arguments, no shell)
        argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, check=False, text=True
    )
    counts: dict[str, list[int]] = {}
    for build in json.loads(file.read_text()):
        counts.setdefault(build["strategy"], []).append(len(build["ran"]))
    return done.returncode, done.stdout, counts


def test_warmbuild_runs_the_steps_that_the_ideal_runs(lab: Lab, tmp_path: Path) -> None:
    options = ("--commits=4", "--strategy=warmbuild", "--strategy=ideal")
    code, shown, counts = replay(lab, tmp_path, *options)
    assert counts == {"warmbuild": [5, 1, 0, 1, 1], "ideal": [5, 1, 0, 1, 1]}
    assert "| warmbuild | 8 | 1.00 | " in shown
    assert code == 0


def test_a_warmbuild_that_runs_too_much_fails_the_replay(lab: Lab, tmp_path: Path) -> None:
    options = ("--commits=2", "--strategy=warmbuild", "--strategy=ideal", "--input=cache=off")
    code, shown, counts = replay(lab, tmp_path, *options)
    assert counts == {"warmbuild": [5, 5, 5], "ideal": [5, 1, 0]}
    assert "| warmbuild | 15 | 2.50 | " in shown
    assert "- tiny 3, v1.0: tag of main: `WORKDIR /srv`, " in shown
    assert code == 1
