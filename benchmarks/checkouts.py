"""A git repository that goes through a history, and the checkouts that CI makes of it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Final, assert_never

from history import MAIN, Commit, Event, Merge, Pipeline, Rebase, Revert, Tag

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Project

_SOMEBODY: Final = "octocat"
# Events happen an hour apart from this time on, so that commits are the same in every run.
_BEGINNING: Final = 1_767_225_600
_HOUR: Final = 3600
# Messages of merge commits by CI system.
_MERGED: Final = {
    "github": "Merge pull request #{number} from octo-org/{source}",
    "gitlab": f"Merge branch '{{source}}' into '{MAIN}'\n\nSee merge request shop!{{number}}",
}


class Checkouts:
    """Applies events to a project; each checkout is in a directory of its own, and is kept."""

    def __init__(self, directory: Path, project: Project, ci: str) -> None:
        """Start with the project's files and no commit."""
        self._directory, self._project, self._ci = directory, project, ci
        self._place = directory / "repository"
        self._place.mkdir()
        self._number = 0
        project.lay_out(self._place)
        self._git("init", "--quiet", f"--initial-branch={MAIN}")

    def after(self, event: Event) -> tuple[Pipeline, Path]:
        """Apply an event; return the pipeline that CI then runs, and the path of its checkout."""
        self._number += 1
        self._happen(event)
        commit = self._git("rev-parse", event.branch)
        message = self._git("log", "-1", "--format=%B", commit)
        pipeline = Pipeline(event=event, commit=commit, message=message)
        if pipeline.pull_request is not None and self._ci == "github":
            pipeline = replace(pipeline, commit=self._tried_merge(event.branch, commit))
        checkout = self._directory / f"checkout-{self._number}"
        self._git("worktree", "add", "--quiet", "--detach", str(checkout), pipeline.commit)
        return pipeline, checkout

    def _happen(self, event: Event) -> None:
        match event:
            case Tag():
                self._git("tag", event.name, event.branch)
            case Commit():
                self._switch(event.branch, event.start)
                area = event.branch.rpartition("/")[2]
                self._project.changes[event.change].apply(self._place, area, self._number)
                self._git("add", "--all")
                self._git("commit", "--quiet", "--message", f"Change {event.change} of {area}")
            case Rebase():
                self._switch(event.branch)
                self._git("rebase", "--quiet", MAIN)
            case Merge():
                self._switch(event.branch)
                message = _MERGED[self._ci].format(source=event.source, number=event.number)
                self._git("merge", "--quiet", "--no-ff", "--message", message, event.source)
            case Revert():
                self._switch(event.branch)
                self._git("revert", "--no-edit", "HEAD")
            case _ as never:
                assert_never(never)

    def _tried_merge(self, branch: str, commit: str) -> str:
        """Make a test merge of a pull request, as GitHub does for its builds; return its commit."""
        self._git("switch", "--quiet", "--detach", MAIN)
        message = f"Merge {commit} into {self._git('rev-parse', MAIN)}"
        self._git("merge", "--quiet", "--no-ff", "--message", message, branch)
        return self._git("rev-parse", "HEAD")

    def _switch(self, branch: str, start: str = "") -> None:
        if start:
            self._git("switch", "--quiet", "--create", branch, start)
        elif branch != self._git("branch", "--show-current"):
            self._git("switch", "--quiet", branch)

    def _git(self, *arguments: str) -> str:
        """Run git without a user's configuration; return what it prints."""
        date = f"{_BEGINNING + self._number * _HOUR} +0000"
        who = {
            f"GIT_{role}_{field}": value
            for role in ("AUTHOR", "COMMITTER")
            for field, value in (
                ("NAME", _SOMEBODY),
                ("EMAIL", f"{_SOMEBODY}@example.com"),
                ("DATE", date),
            )
        }
        done = subprocess.run(  # noqa: S603 (a list of arguments, no shell)
            ["git", *arguments],  # noqa: S607 (the user's own git)
            cwd=self._place,
            env={
                "PATH": os.environ["PATH"],
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_CONFIG_NOSYSTEM": "1",
                **who,
            },
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout.strip()
