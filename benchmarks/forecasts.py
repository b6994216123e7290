"""How many steps plans foresee in the histories of two well-known repositories.

`make bench-forecast OPTIONS="--restic=CLONE --vote=CLONE"` builds the newest commits of clones of
https://github.com/restic/restic and https://github.com/dockersamples/example-voting-app, one after
the other on fresh builders, and compares what `warmbuild plan` says of each step with what the
build does then. Contexts, Dockerfiles and ignore files are theirs; but base images are the lab's,
what a RUN does is replaced by something that reads the same files and takes no time, and archives
of test data are not checked out.
"""

from __future__ import annotations

import argparse
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bare
import jobs
import tally
from jobs import Job
from tally import Built

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository: what is built of it, and what is replaced in its Dockerfile."""

    name: str
    context: str
    file: str
    replaced: tuple[tuple[str, str], ...]


_FROM: Final = (r"(?m)^FROM \S+(?=(?: AS \w+)?$)", "FROM busybox:1.37")
REPOSITORIES: Final = (
    Repository(
        name="restic",
        context=".",
        file="docker/Dockerfile",
        replaced=(
            _FROM,
            (r"go mod download", "cat go.mod go.sum"),
            (r"go run build\.go", "find cmd internal -type f -exec cat {} + > restic"),
            (r"apk add .*", "true"),
        ),
    ),
    Repository(
        name="vote",
        context="vote",
        file="vote/Dockerfile",
        # A stage that is built on another one stays so.
        replaced=(
            (r"(?m)^FROM \S*(?:python|:)\S*(?=(?: AS \w+)?$)", "FROM busybox:1.37"),
            (r"(?ms)^RUN apt-get .*?(?<!\\)$", "RUN true"),
            (
                r"pip install --no-cache-dir -r requirements\.txt",
                "cat requirements.txt > installed",
            ),
            (r"pip install .*", "true"),
        ),
    ),
)


def main() -> int:
    """Build the commits, print the table, and return whether no forecast was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    for repository in REPOSITORIES:
        parser.add_argument(f"--{repository.name}", type=Path, help="a clone, which stays as it is")
    parser.add_argument("--commits", type=int, default=25, help="the newest so many")
    arguments = parser.parse_args()
    builds = [
        built
        for repository in REPOSITORIES
        if (clone := getattr(arguments, repository.name))
        for built in _built(repository, clone, arguments.commits)
    ]
    print(tally.foreseen(builds))
    return int(any(built.foreseen.get("wrong") for built in builds))


def _built(repository: Repository, clone: Path, commits: int) -> Iterator[Built]:
    """Build commits of a repository, the oldest first."""
    with tempfile.TemporaryDirectory(prefix="warmbuild-forecasts-") as directory:
        checkout, state = Path(directory, "checkout"), Path(directory, "state")
        state.mkdir()
        _git(Path(directory), "clone", "--quiet", "--no-checkout", str(clone), str(checkout))
        _git(checkout, "config", "core.sparseCheckout", "true")
        (checkout / ".git" / "info" / "sparse-checkout").write_text("/*\n!*.tar.gz\n")
        listed = _git(
            checkout,
            "log",
            "--first-parent",
            "--format=%H",
            f"-{commits}",
            "HEAD",
            "--",
            repository.context,
        )
        home = f"{bare.REGISTRY}/forecasts-{secrets.token_hex(4)}/{repository.name}"
        for number, commit in enumerate(reversed(listed.split()), start=1):
            _git(checkout, "checkout", "--quiet", "--force", commit)
            file = checkout / repository.file
            file.write_text(_replaced(repository, file.read_text(encoding="utf-8")))
            job = Job(
                env=_event(commit),
                checkout=checkout,
                repository=home,
                state=state,
                log=state / "log",
            )
            inputs = {"context": repository.context, "file": repository.file}
            foreseen, begun = Counter[str](), time.perf_counter()
            ran = jobs.warmbuild(job, inputs, foreseen=foreseen)
            took = time.perf_counter() - begun
            print(f"{repository.name} {number:>2} {commit[:12]}: {dict(foreseen)}", file=sys.stderr)
            yield Built(
                example=repository.name,
                number=number,
                title=commit,
                strategy="warmbuild",
                ran=ran,
                seconds=took,
                foreseen=dict(foreseen),
            )


def _event(commit: str) -> dict[str, str]:
    """Return what GitLab says of a push to the default branch."""
    return {
        "GITLAB_CI": "true",
        "CI_PIPELINE_SOURCE": "push",
        "CI_COMMIT_BRANCH": "main",
        "CI_DEFAULT_BRANCH": "main",
        "CI_COMMIT_SHA": commit,
    }


def _replaced(repository: Repository, text: str) -> str:
    for pattern, instead in repository.replaced:
        text = re.sub(pattern, instead, text)
    return text


def _git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 (a list of arguments, no shell)
        ["git", *arguments],  # noqa: S607 (the one that is there)
        cwd=directory,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
