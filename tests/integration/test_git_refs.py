"""Which ref a checkout is at, of repositories that git itself has written."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from warmbuild.project import git_refs

if TYPE_CHECKING:
    from pathlib import Path


def git(directory: Path, *arguments: str) -> str:
    return subprocess.run(  # noqa: S603 (each argument is written out in a test)
        ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", *arguments],  # noqa: S607
        cwd=directory,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(directory)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """Return a repository with branches, tags of both kinds and a pull request."""
    origin = tmp_path / "origin"
    origin.mkdir()
    git(origin, "init", "-q", "-b", "main")
    git(origin, "commit", "-q", "--allow-empty", "-m", "one")
    git(origin, "tag", "v1.0.0")
    git(origin, "commit", "-q", "--allow-empty", "-m", "two")
    git(origin, "tag", "-a", "v1.1.0", "-m", "annotated")
    git(origin, "checkout", "-q", "-b", "feature/a")
    git(origin, "commit", "-q", "--allow-empty", "-m", "three")
    git(origin, "update-ref", "refs/pull/7/merge", "HEAD")
    return origin


# As actions/checkout fetches and checks out.
CHECKOUTS = {
    "a branch": (
        "+refs/heads/main:refs/remotes/origin/main",
        ("-B", "main", "refs/remotes/origin/main"),
        ("refs/heads/main", ()),
    ),
    "a detached branch": (
        "+refs/heads/feature/a:refs/remotes/origin/feature/a",
        ("--detach", "refs/remotes/origin/feature/a"),
        ("", ("refs/heads/feature/a",)),
    ),
    "a tag": (
        "+refs/tags/v1.0.0:refs/tags/v1.0.0",
        ("refs/tags/v1.0.0",),
        ("", ("refs/tags/v1.0.0",)),
    ),
    "an annotated tag": (
        "+refs/tags/v1.1.0:refs/tags/v1.1.0",
        ("refs/tags/v1.1.0",),
        ("", ("refs/tags/v1.1.0",)),
    ),
    "a pull request": (
        "+refs/pull/7/merge:refs/remotes/pull/7/merge",
        ("refs/remotes/pull/7/merge",),
        ("", ("refs/pull/7/merge",)),
    ),
    "a commit": ("refs/heads/main", ("--detach", "FETCH_HEAD"), ("", ())),
}


@pytest.mark.parametrize("name", CHECKOUTS)
@pytest.mark.parametrize("is_packed", [False, True], ids=["loose", "packed"])
def test_checkouts(origin: Path, tmp_path: Path, name: str, is_packed: bool) -> None:  # noqa: FBT001
    fetched, checked_out, expected = CHECKOUTS[name]
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "-q", "-b", "none")
    git(work, "fetch", "-q", "--no-tags", "--depth=1", f"file://{origin}", fetched)
    git(work, "checkout", "-q", *checked_out)
    if is_packed:
        git(work, "gc", "-q")
    ref, commit, others = git_refs.at(work)
    assert (ref, others) == expected
    assert commit == git(work, "rev-parse", "HEAD")


def test_several_refs_of_a_commit(origin: Path) -> None:
    for tag in ("a", "z", "b"):
        git(origin, "tag", tag)
    git(origin, "update-ref", "refs/remotes/origin/feature/a", "HEAD")
    git(origin, "update-ref", "refs/remotes/pull/7/head", "HEAD")
    git(origin, "checkout", "-q", "--detach")
    _, _, others = git_refs.at(origin)
    assert others == (
        *("refs/tags/z", "refs/tags/b", "refs/tags/a"),
        *("refs/pull/7/head", "refs/heads/feature/a"),
    )


def test_no_checkout(tmp_path: Path) -> None:
    assert git_refs.at(tmp_path) == ("", "", ())
