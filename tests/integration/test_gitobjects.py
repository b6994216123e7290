"""When a commit was made, of repositories that git itself has written."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from warmbuild.project import git_objects

if TYPE_CHECKING:
    from pathlib import Path

FIRST, LATEST = 1735689600, 1767225598


def git(directory: Path, *arguments: str, seconds: int = LATEST) -> str:
    author = {"NAME": "A > B", "EMAIL": "a@example.com", "DATE": f"{seconds} +0900"}
    return subprocess.run(  # noqa: S603 (each argument is written out in a test)
        ["git", *arguments],  # noqa: S607 (the one that is there)
        cwd=directory,
        env={
            f"GIT_{who}_{name}": value
            for who in ("AUTHOR", "COMMITTER")
            for name, value in author.items()
        }
        | {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(directory)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@pytest.fixture(params=["sha1", "sha256"])
def work(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a work tree with 21 commits."""
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "-q", "-b", "main", f"--object-format={request.param}")
    git(work, "commit", "-q", "--allow-empty", "-m", "one", seconds=FIRST)
    for number in range(20):
        message = f"{number}\n\ncommitter nobody <n@example.com> 1 +0000"
        git(work, "commit", "-q", "--allow-empty", "-m", message)
    return work


def times(work: Path, directory: Path) -> list[datetime | None]:
    commits = [git(work, "rev-parse", name) for name in ("HEAD~20", "HEAD")]
    return [git_objects.committed(directory, commit) for commit in commits]


EXPECTED = [datetime.fromtimestamp(seconds, UTC) for seconds in (FIRST, LATEST)]


def test_loose_objects(work: Path) -> None:
    below = work / "a" / "b"
    below.mkdir(parents=True)
    assert times(work, work) == EXPECTED
    assert times(work, below) == EXPECTED


def test_packed_objects(work: Path) -> None:
    git(work, "gc", "-q", "--prune=now")
    assert not list((work / ".git" / "objects").glob("[0-9a-f][0-9a-f]/*"))
    # Older commits may be packed as differences to newer ones; the one that is built is whole.
    assert times(work, work)[1] == EXPECTED[1]


def test_a_shallow_clone_as_a_ci_system_makes_it(work: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{work}", str(clone))
    git(clone, "gc", "-q")
    assert times(work, clone) == [None, EXPECTED[1]]


def test_a_linked_work_tree(work: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(work, "worktree", "add", "-q", "--detach", str(linked))
    assert times(work, linked) == EXPECTED


def test_an_offset_beyond_two_gigabytes_stands_in_its_own_table(work: Path) -> None:
    commit = git(work, "rev-parse", "HEAD")
    git(work, "repack", "-q", "-a", "-d")
    (pack,) = (work / ".git" / "objects" / "pack").glob("*.pack")
    pack.with_suffix(".idx").unlink()
    git(work, "index-pack", "--index-version=2,0x1", str(pack))
    assert git_objects.committed(work, commit) == EXPECTED[1]


def test_what_is_no_commit_or_not_there(work: Path, tmp_path: Path) -> None:
    tree = git(work, "rev-parse", "HEAD^{tree}")
    (tmp_path / "none").mkdir()
    assert git_objects.committed(work, tree) is None
    assert git_objects.committed(work, "0" * 40) is None
    assert git_objects.committed(work, "") is None
    assert git_objects.committed(work, "main") is None
    assert git_objects.committed(tmp_path / "none", git(work, "rev-parse", "HEAD")) is None


def test_a_pack_that_is_cut_off_is_no_reason_to_fail(work: Path) -> None:
    git(work, "gc", "-q", "--prune=now")
    commit = git(work, "rev-parse", "HEAD")
    (pack,) = (work / ".git" / "objects" / "pack").glob("*.pack")
    pack.chmod(0o644)
    for length in (0, 12, 13, 40):
        pack.write_bytes(pack.read_bytes()[:length])
        assert git_objects.committed(work, commit) is None
    index = pack.with_suffix(".idx")
    index.chmod(0o644)
    index.write_bytes(index.read_bytes()[:600])
    assert git_objects.committed(work, commit) is None
