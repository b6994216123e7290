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


COMMIT = "4bcfe98e640c8284511312660fb8709b0afa888e"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ("", "")),
        ({"/w/.git/HEAD": f"{COMMIT}\n"}, ("", COMMIT)),
        (
            {"/w/.git/HEAD": "ref: refs/heads/x\n", "/w/.git/refs/heads/x": f"{COMMIT}\n"},
            ("refs/heads/x", COMMIT),
        ),
        (
            {
                "/w/.git/HEAD": "ref: refs/heads/x\n",
                "/w/.git/packed-refs": f"{COMMIT} refs/heads/x",
            },
            ("refs/heads/x", COMMIT),
        ),
        ({"/w/.git/HEAD": "ref: refs/heads/x\n"}, ("refs/heads/x", "")),
        ({"/w/.git/HEAD": "something else"}, ("", "")),
    ],
)
def test_what_head_names(files: dict[str, str], expected: tuple[str, str]) -> None:
    assert git_directory.head(MAIN, files.get) == expected
