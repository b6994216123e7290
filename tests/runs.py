"""Runs of CI as tests need them, by what started them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from warmbuild import trust
from warmbuild.run_context import Project, RunContext

PUSH = RunContext(
    ci="github", event="push", branch="feature", default_branch="main", trust=trust.TRUSTED
)
PULL = replace(PUSH, event="pull_request", target_branch="develop", pull_request=7)
FORK = replace(PULL, fork=True, trust=trust.FORK)
QUEUE = replace(PUSH, branch="", target_branch="develop", passing="it belongs to no branch yet")
TRAIN = replace(PULL, ci="gitlab", passing="a merge train's commit belongs to no branch yet")
TAG = replace(PUSH, branch="", tag="v1")
LOCAL = replace(PUSH, ci="local", event="local", trust=trust.LOCAL)

SHA = "860c1904a1ce19322e91ac35af1ab07466440c37"
# A push to the default branch that knows its commit, its project, and when it began: on a Friday
# afternoon in UTC, and a Saturday in Tokyo.
SHOP = replace(
    PUSH,
    branch="main",
    commit=SHA,
    begun=datetime(2026, 1, 9, 16, 5, 7, tzinfo=UTC),
    committed=datetime(2025, 12, 31, 23, 59, 58, tzinfo=UTC),
    project=Project(
        title="shop",
        description="Sells socks",
        url="https://github.com/octo/shop",
        source="https://github.com/octo/shop",
        licenses="MIT",
    ),
)
