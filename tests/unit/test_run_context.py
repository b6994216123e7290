from __future__ import annotations

import pytest

from tests.runs import PUSH
from warmbuild import trust
from warmbuild.run_context import RunContext, merged_branch


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Merge branch 'feature/x'", "feature/x"),
        ("Merge branch 'feature/x' into 'main'\n\nSee merge request me/app!7", "feature/x"),
        ("Merge remote-tracking branch 'origin/feature/x' into main", "feature/x"),
        ("Merge pull request #7 from me/feature/x\n\nSell socks", "feature/x"),
        ("Merge pull request #7 from stranger/main", ""),
        ("Sell socks (#7)", ""),
        ("Revert \"Merge branch 'feature/x'\"", ""),
        ("", ""),
    ],
)
def test_the_branch_that_a_commit_has_merged(message: str, expected: str) -> None:
    assert merged_branch(message, "me") == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Merge pull request 'Sell socks' (#7) from feature/socks into main", "feature/socks"),
        ("Merge pull request 'Sell socks' (#7) from stranger/shop:socks into main", ""),
        ("Merge pull request 'x' (#1) from main into y' (#7) from socks into main", "socks"),
    ],
)
def test_the_branch_that_gitea_has_merged(message: str, expected: str) -> None:
    assert merged_branch(message, "harbour") == expected


def test_a_context_can_be_told_its_branches() -> None:
    told = RunContext(ci="local", trust=trust.LOCAL).told(branch="x", default_branch="trunk")
    assert told == RunContext(ci="local", trust=trust.LOCAL, branch="x", default_branch="trunk")
    assert PUSH.told(branch="", default_branch="") == PUSH
