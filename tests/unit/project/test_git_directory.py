from __future__ import annotations

from pathlib import Path

import pytest

from warmbuild.project import git_directory
from warmbuild.project.git_directory import WorkTree

MAIN = WorkTree(root=Path("/w"), own=Path("/w/.git"), common=Path("/w/.git"))
AROUND = WorkTree(root=Path("/"), own=Path("/.git"), common=Path("/.git"))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, None, id="no repository"),
        pytest.param({"/w/.git/HEAD": "ref: refs/heads/main\n"}, MAIN, id="the main work tree"),
        pytest.param({"/w/.git/HEAD": "", "/.git/HEAD": ""}, MAIN, id="a repository in another"),
        pytest.param(
            {
                "/w/.git": "gitdir: /r/.git/worktrees/w\n",
                "/r/.git/worktrees/w/commondir": "../..\n",
            },
            WorkTree(
                root=Path("/w"),
                own=Path("/r/.git/worktrees/w"),
                common=Path("/r/.git/worktrees/w/../.."),
            ),
            id="a linked work tree",
        ),
        pytest.param(
            {"/w/.git": "gitdir: ../.git/modules/w\n"},
            WorkTree(
                root=Path("/w"),
                own=Path("/w/../.git/modules/w"),
                common=Path("/w/../.git/modules/w"),
            ),
            id="a submodule",
        ),
        pytest.param({"/w/.git": "something else", "/.git/HEAD": ""}, AROUND, id="another file"),
    ],
)
def test_the_work_tree_of_a_directory(files: dict[str, str], expected: WorkTree | None) -> None:
    found = git_directory.find(Path("/w/sub"), files.get)
    assert found == expected
