"""What git's index tells of a commit and of a work tree, with a true git."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from warmbuild.project import context_files, git_modes

if TYPE_CHECKING:
    from pathlib import Path


def git(directory: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    argv = ["git", *who, *arguments]
    done = subprocess.run(argv, cwd=directory, check=True, capture_output=True, text=True)  # noqa: S603 (our own)
    return done.stdout.strip()


@pytest.fixture(params=["sha1", "sha256"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", f"--object-format={request.param}")
    (tmp_path / "app" / "src").mkdir(parents=True)
    (tmp_path / "app" / "src" / "a.py").write_text("a")
    (tmp_path / "app" / "run.sh").write_text("b")
    (tmp_path / "app" / "run.sh").chmod(0o755)
    (tmp_path / "app" / "link").symlink_to("run.sh")
    (tmp_path / "README.md").write_text("c")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def test_a_commit_has_what_a_directory_without_changes_has(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    for directory in (repository, repository / "app"):
        here = context_files.entries(
            directory, lambda path: path.split("/")[0] == ".git", has_exceptions=False
        )
        assert context_files.committed(directory, commit) == here


def test_changes_and_other_files_are_not_in_a_commit(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    before = context_files.committed(repository, commit)
    (repository / "README.md").write_text("changed")
    (repository / "new").write_text("new")
    assert context_files.committed(repository, commit) == before


@pytest.mark.parametrize("packed", [False, True])
def test_an_index_that_is_not_the_commit_tells_nothing(repository: Path, packed: bool) -> None:  # noqa: FBT001
    commit = git(repository, "rev-parse", "HEAD")
    if packed:
        git(repository, "gc", "--quiet")
    assert git_modes.committed(repository, commit)
    (repository / "README.md").write_text("changed")
    git(repository, "add", "--all")
    assert git_modes.committed(repository, commit) is None
    git(repository, "commit", "--quiet", "--message", "Change")
    assert git_modes.committed(repository, commit) is None
    assert git_modes.committed(repository, git(repository, "rev-parse", "HEAD"))
    assert git_modes.committed(repository, "") is None


def test_submodules_are_refused(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{commit},module")
    git(repository, "commit", "--quiet", "--message", "Add a module")
    with pytest.raises(ValueError, match="module is a submodule"):
        context_files.committed(repository, git(repository, "rev-parse", "HEAD"))


def test_there_is_nothing_without_a_repository(tmp_path: Path) -> None:
    assert context_files.committed(tmp_path, "0" * 40) is None


def test_a_file_that_changes_at_once_is_read(repository: Path) -> None:
    """Git calls it racy: its size and time are those in the index."""
    file = repository / "README.md"
    times = file.stat()
    excluded = (lambda path: path.split("/")[0] == ".git", False)
    before = context_files.entries(repository, excluded[0], has_exceptions=excluded[1])
    file.write_text("d")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = context_files.entries(repository, excluded[0], has_exceptions=excluded[1])
    assert {path for path in after if after[path] != before[path]} == {"README.md"}


@pytest.mark.parametrize(
    ("attributes", "is_read"),
    [("", False), ("*.txt filter=lfs\n", False), ("*.txt filter=dated\n", True)],
)
def test_what_a_program_of_git_writes_is_read(
    attributes: str, tmp_path: Path, *, is_read: bool
) -> None:
    git(tmp_path, "init", "--quiet")
    below = tmp_path / "below"
    below.mkdir()
    (below / ".gitattributes").write_text(attributes)
    # A program writes another text with each checkout, of the same size.
    git(tmp_path, "config", "filter.dated.clean", "echo one")
    git(tmp_path, "config", "filter.lfs.clean", "cat")
    (below / "a.txt").write_text("one")
    git(tmp_path, "add", "--all")
    assert ("a.txt" in git_modes.index_below(below).tracked) is not is_read
