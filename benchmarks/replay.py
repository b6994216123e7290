"""Twenty-five builds of a repository's life, by several strategies: how many steps are run.

`make bench-replay` runs it on the lab. A history with feature branches, a rebase, merges, a
revert, a dependency bump, a hotfix on a tag and a fork's merge request is made with git, and each
commit is built as CI would: from a fresh checkout, on a fresh builder. Only the ideal keeps one
builder that forgets nothing. Exits with 1 where warmbuild runs more than 1.1 times its steps.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bare

from warmbuild.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MOST: Final = 1.1
# What a commit changes: the file, and what is appended to it or replaced in it.
EDITS: Final[Mapping[str, Mapping[str, tuple[str, str, str]]]] = {
    "flask": {
        "source": ("app/__init__.py", "", "# {n}\n"),
        "test": ("tests/test_app.py", "", "# {n}\n"),
        "dependency": ("requirements.txt", "click==8.3.1", "click==8.3.0"),
        "readme": ("README.md", "", "{n}\n"),
    },
    "go-server": {
        "source": ("main.go", "", "// {n}\n"),
        "test": ("main_test.go", "", "// {n}\n"),
        "dependency": ("go.mod", "go 1.26\n", "go 1.26.0\n"),
        "readme": ("README.md", "", "{n}\n"),
    },
}
FORK: Final = "fork"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What happens in the repository, and the build that CI makes of it.

    `git` are commands before the edit; the build is of `branch`, of `tag` where there is one, or
    of a stranger's merge request where the branch is FORK.
    """

    branch: str
    what: str
    edit: str = ""
    git: tuple[str, ...] = ()
    tag: str = ""


_MERGE: Final = "merge --no-ff --no-edit -X theirs"
HISTORY: Final = (
    Build(branch="main", what="first commit"),
    Build(branch="main", what="source", edit="source"),
    Build(branch="search", what="new branch", edit="source", git=("switch -c search",)),
    Build(branch="search", what="source", edit="source"),
    Build(branch="main", what="test", edit="test", git=("switch main",)),
    Build(branch="search", what="rebase onto main", git=("switch search", "rebase -X theirs main")),
    Build(branch="search", what="source", edit="source"),
    Build(
        branch="upgrade",
        what="dependency bump",
        edit="dependency",
        git=("switch main", "switch -c upgrade"),
    ),
    Build(branch="upgrade", what="source", edit="source"),
    Build(branch="main", what="merge of search", git=("switch main", f"{_MERGE} search")),
    Build(branch="main", what="source", edit="source"),
    Build(branch="main", what="revert", git=("revert --no-edit HEAD",)),
    Build(
        branch="upgrade", what="rebase onto main", git=("switch upgrade", "rebase -X theirs main")
    ),
    Build(
        branch="main",
        what="merge of upgrade",
        git=("switch main", f"{_MERGE} upgrade"),
    ),
    Build(branch="main", what="README", edit="readme"),
    Build(branch="main", what="tag v1.0.0", git=("tag v1.0.0",), tag="v1.0.0"),
    Build(branch="main", what="source", edit="source"),
    Build(
        branch="hotfix", what="hotfix on the tag", edit="source", git=("switch -c hotfix v1.0.0",)
    ),
    Build(branch="hotfix", what="tag v1.0.1", git=("tag v1.0.1",), tag="v1.0.1"),
    Build(
        branch=FORK,
        what="fork's merge request",
        edit="source",
        git=("switch main", "switch -c fork"),
    ),
    Build(branch=FORK, what="another push to it", edit="source"),
    Build(
        branch="main", what="merge of hotfix", git=("switch main", "merge --no-edit -X ours hotfix")
    ),
    Build(branch="basket", what="new branch", edit="source", git=("switch -c basket",)),
    Build(branch="basket", what="test", edit="test"),
    Build(branch="main", what="merge of basket", git=("switch main", f"{_MERGE} basket")),
)


@dataclass(slots=True, kw_only=True)
class Replay:
    """The repository on its way through its history, and where its images go."""

    example: str
    place: Path
    repository: str
    inputs: Mapping[str, str]
    ideal: str = ""
    state: Path = field(default_factory=Path)

    def git(self, *arguments: str) -> str:
        """Run git as somebody, at a time that does not matter."""
        identity = ["-c", "user.name=replay", "-c", "user.email=replay@example.com"]
        command = ["git", *identity, "-c", "init.defaultBranch=main", "-c", "core.editor=true"]
        return subprocess.run(  # noqa: S603 (a list of arguments, no shell)
            [*command, *arguments], cwd=self.place, check=True, capture_output=True, text=True
        ).stdout.strip()

    def advance(self, number: int, build: Build) -> None:
        """Do to the repository what comes before a build."""
        for line in build.git:
            self.git(*line.split())
        if not build.edit:
            return
        name, old, new = EDITS[self.example][build.edit]
        path, new = self.place / name, new.format(n=number)
        text = path.read_text()
        path.write_text(text.replace(old, new) if old else _insert(text, new, number))
        self.git("add", "--all")
        self.git("commit", "--message", build.what)


def _insert(text: str, line: str, number: int) -> str:
    """Put a comment line before a blank line, another one for each number where there are many."""
    lines = text.splitlines(keepends=True)
    blanks = [at for at, found in enumerate(lines) if not found.strip()] or [len(lines)]
    at = blanks[(number * 3) % len(blanks)]
    return "".join([*lines[:at], line, *lines[at:]])


def nothing(replay: Replay, build: Build) -> int:
    """Build without any cache."""
    return _bare(replay, build, (), "")


def one_ref(replay: Replay, build: Build) -> int:
    """Build with one cache ref that all branches read and write; a fork may only read."""
    ref = f"{replay.repository}:buildcache"
    return _bare(replay, build, (ref,), "" if build.branch == FORK else ref)


def ref_per_branch(replay: Replay, build: Build) -> int:
    """Build with a cache ref a branch and nothing else; a tag and a fork have none to write."""
    ref = f"{replay.repository}:cache-{build.tag or build.branch}"
    return _bare(replay, build, (ref,), "" if build.tag or build.branch == FORK else ref)


def forgets_nothing(replay: Replay, build: Build) -> int:
    """Build on the one builder that stays."""
    if not replay.ideal:
        replay.ideal = f"replay-{secrets.token_hex(4)}"
        bare.create(replay.ideal, replay.state)
    return _run(replay, build, replay.ideal, ())


def warm(replay: Replay, build: Build) -> int:
    """Build by warmbuild, as a job of GitLab."""
    return _warmbuild(replay, build, {})


def warm_with_history(replay: Replay, build: Build) -> int:
    """Build by warmbuild, with the last three generations kept."""
    return _warmbuild(replay, build, {"INPUT_CACHE_HISTORY": "3"})


STRATEGIES: Final[Mapping[str, Callable[[Replay, Build], int]]] = {
    "no cache": nothing,
    "one shared ref": one_ref,
    "a ref per branch": ref_per_branch,
    "warmbuild": warm,
    "warmbuild with history": warm_with_history,
    "ideal": forgets_nothing,
}


def _bare(replay: Replay, build: Build, reads: Sequence[str], writes: str) -> int:
    name = f"replay-{secrets.token_hex(4)}"
    bare.create(name, replay.state)
    try:
        arguments = [part for ref in reads for part in ("--cache-from", f"type=registry,ref={ref}")]
        if writes:
            attributes = "mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
            arguments += ["--cache-to", f"type=registry,ref={writes},{attributes}"]
        return _run(replay, build, name, arguments)
    finally:
        bare.remove(name, replay.state)


def _run(replay: Replay, build: Build, builder: str, arguments: Sequence[str]) -> int:
    argv = ["buildx", "build", "--builder", builder, "--progress=rawjson", *arguments]
    argv += ["--tag", f"{replay.repository}:{build.tag or build.branch}", "--push"]
    done = bare.run([*argv, str(replay.place)], {"BUILDX_CONFIG": str(replay.state)})
    if done.returncode:
        sys.exit(done.stdout)
    progress = Progress()
    for line in done.stdout.splitlines():
        list(progress.feed(line))
    return sum(not step.cached for step in progress.steps())


def _warmbuild(replay: Replay, build: Build, extra: Mapping[str, str]) -> int:
    outputs = replay.state / "outputs.json"
    env = {
        "INPUT_IMAGE": replay.repository,
        "INPUT_CONTEXT": str(replay.place),
        "INPUT_DRIVER_OPTS": f"{bare.IMAGE}\nnetwork=host",
        "INPUT_BUILDKITD_CONFIG": bare.CONFIG,
        "INPUT_PUSH": "true",
        "INPUT_OUTPUT_FILE": str(outputs),
        "INPUT_SUMMARY_FILE": str(replay.state / "summary.md"),
        **replay.inputs,
        **extra,
        **gitlab(build, replay.git("log", "-1", "--format=%B")),
    }
    done = bare.run([sys.executable, "-m", "warmbuild", "build"], env)
    if done.returncode:
        sys.exit(done.stdout)
    found = json.loads(outputs.read_text())
    return int(found["cache-steps"]) - int(found["cache-hits"])


def gitlab(build: Build, message: str) -> Mapping[str, str]:
    """Return what GitLab sets for a build: a push, a tag, or a stranger's merge request."""
    env = {
        "GITLAB_CI": "true",
        "CI_PIPELINE_SOURCE": "push",
        "CI_PROJECT_ID": "1",
        "CI_DEFAULT_BRANCH": "main",
        "CI_COMMIT_MESSAGE": message,
    }
    if build.tag:
        return env | {"CI_COMMIT_TAG": build.tag}
    if build.branch != FORK:
        return env | {"CI_COMMIT_BRANCH": build.branch}
    return env | {
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2",
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "main",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    }


def replayed(
    example: str, strategy: str, builds: Sequence[Build], inputs: Mapping[str, str]
) -> tuple[list[int], float]:
    """Return the steps that each build ran, and the seconds of all of them together."""
    with tempfile.TemporaryDirectory(prefix="warmbuild-replay-") as directory:
        root = Path(directory)
        replay = Replay(
            example=example,
            place=root / "project",
            repository=f"{bare.REGISTRY}/replay-{secrets.token_hex(4)}/{example}",
            inputs=inputs,
            state=root / "state",
        )
        replay.state.mkdir()
        subprocess.run(  # noqa: S603 (a list of arguments, no shell)
            ["cp", "-r", f"examples/{example}", str(replay.place)],  # noqa: S607
            check=True,
        )
        replay.git("init", "--quiet")
        replay.git("add", "--all")
        replay.git("commit", "--quiet", "--message", "first commit")
        counts, seconds = [], 0.0
        try:
            for number, build in enumerate(builds):
                replay.advance(number, build)
                begun = time.perf_counter()
                counts.append(STRATEGIES[strategy](replay, build))
                seconds += time.perf_counter() - begun
        finally:
            if replay.ideal:
                bare.remove(replay.ideal, replay.state)
        return counts, seconds


def main() -> int:
    """Replay, print the tables, and say whether warmbuild is near enough to the ideal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--example", action="append", choices=list(EDITS))
    parser.add_argument("--strategy", action="append", choices=list(STRATEGIES))
    parser.add_argument("--builds", type=int, default=len(HISTORY), help="the first so many alone")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    inputs = {
        f"INPUT_{name.upper().replace('-', '_')}": value
        for item in arguments.input
        for name, _, value in [item.partition("=")]
    }
    builds = HISTORY[: arguments.builds]
    near = True
    for example in arguments.example or list(EDITS):
        counts: dict[str, list[int]] = {}
        print(f"\n| {example} | steps run | by the ideal's | all {len(builds)} builds |")
        print("| --- | ---: | ---: | ---: |", flush=True)
        rows = []
        for strategy in arguments.strategy or list(STRATEGIES):
            counts[strategy], seconds = replayed(example, strategy, builds, inputs)
            rows.append((strategy, sum(counts[strategy]), seconds))
            print(f"{strategy}: {counts[strategy]} in {seconds:.0f} s", file=sys.stderr, flush=True)
        ideal = sum(counts.get("ideal", [0])) or 1
        for strategy, steps, seconds in rows:
            print(f"| {strategy} | {steps} | {steps / ideal:.2f} | {seconds:.0f} s |", flush=True)
        near &= "ideal" not in counts or sum(counts.get("warmbuild", [])) <= MOST * ideal
        for number, build in enumerate(builds):
            told = ", ".join(f"{counts[name][number]}" for name in counts)
            print(
                f"{number + 1:>2} {build.tag or build.branch:<8} {build.what:<22} {told}",
                file=sys.stderr,
            )
    return 0 if near else 1


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = "src"
    sys.exit(main())
