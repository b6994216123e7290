"""What a build does with the checkout, and files that it leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from unittest import mock

from tests.golden import adapters, machine
from tests.golden.made_up import BUILT
from tests.golden.scene import Scene, Subject
from tests.golden.scenes.ci_systems import github
from tests.golden.scenes.lints import tracked

if TYPE_CHECKING:
    from collections.abc import Iterator

_NORMALIZE: Final = "--normalize-modes"
_GIT: Final = {".git/HEAD": "ref: refs/heads/main\n"}


def _scenes() -> Iterator[Scene]:
    usual = machine.built(buildx={"build": BUILT})
    env, files = github("a push to another branch")
    for title, said in (
        (
            "modes that are set",
            machine.built(_NORMALIZE, files=_GIT, prepare=tracked, buildx={"build": BUILT}),
        ),
        ("modes without git", machine.built(_NORMALIZE, buildx={"build": BUILT})),
        (
            "modes of a git context",
            machine.built(_NORMALIZE, env=env, files=files, buildx={"build": BUILT}),
        ),
    ):
        yield Scene(title=title, said=machine.unusual(said, usual))
    with mock.patch.object(Path, "chmod", _kept):
        said = machine.built(_NORMALIZE, files=_GIT, prepare=tracked, buildx={"build": BUILT})
    yield Scene(title="modes that cannot be set", said=machine.unusual(said, usual))
    said = machine.built(
        "--summary-file=summary", buildx={"build": BUILT}, prepare=_directory("summary")
    )
    yield Scene(title="a summary that cannot be written", said=machine.unusual(said, usual))
    env = {"BITBUCKET_BUILD_NUMBER": "1", "BITBUCKET_PIPELINES_VARIABLES_PATH": "none/variables"}
    said = machine.built(env=env, buildx={"build": BUILT})
    yield Scene(title="outputs that cannot be written", said=machine.unusual(said, usual))
    yield from _secrets(usual)
    env, files = github("a push to another branch")
    env |= {"GITHUB_OUTPUT": "none/output", "GITHUB_STEP_SUMMARY": "none/summary"}
    said = machine.built(env=env, files=files, buildx={"build": BUILT})
    yield Scene(title="files of GitHub that are gone", said=machine.unusual(said, usual))
    env, files = github("a push to another branch")
    env |= {"GITHUB_ENV": "none/env"}
    said = machine.built("--tags=type=sha", env=env, files=files, buildx={"build": BUILT})
    yield Scene(title="a file of variables that is gone", said=machine.unusual(said, usual))
    yield Scene(title="a pipe that nobody reads", said=adapters.unread_pipe())
    yield Scene(title="a cache directory that cannot be replaced", said=adapters.unreplaced_cache())


def _secrets(usual: str) -> Iterator[Scene]:
    long = {"long.txt": "a line of a secret\n" * 4_000}
    said = machine.built("--secret-files=a=long.txt", files=long, buildx={"build": BUILT})
    yield Scene(title="a long file of a secret", said=machine.unusual(said, usual))
    proxy = "--build-args=PROXY=http://me:hunter2@proxy.example.com"
    said = machine.built(proxy, "--cgroup-parent=a", buildx={"build": BUILT})
    yield Scene(title="a secret in arguments that bake does not support", said=said)
    cache = "--cache-from=type=s3,bucket=a,region=b,secret_access_key=hunter2"
    for name, env in (("GitLab", {"GITLAB_CI": "true"}), ("GitHub", {"GITHUB_ACTIONS": "true"})):
        said = machine.run("plan", "--image=r.io/a", cache, "--output-file=o.json", env=env)
        (warning,) = (line for line in said.splitlines() if "secrets of cache" in line)
        yield Scene(title=f"a plan's outputs without secrets on {name}", said=warning)


_chmod: Final = Path.chmod


def _kept(path: Path, mode: int) -> None:
    """Stand for a file system that keeps the modes of scripts as they are."""
    if path.suffix == ".sh" and (path.parent / "Dockerfile").exists() and mode == 0o755:
        raise PermissionError(1, "Operation not permitted")
    _chmod(path, mode)


def _directory(name: str) -> machine.Prepare:
    """Return what puts a directory where a file would be written."""
    return lambda job: (job / name).mkdir()


SUBJECT = Subject(name="checkout", about="The checkout, and files.", scenes=_scenes)
