"""Labels that name the commit change an image with each commit, and no layer or cache of it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Registry, Warmbuild

# An event that says nothing of when the commit was made.
SCHEDULE = {
    "GITLAB_CI": "true",
    "CI_PIPELINE_SOURCE": "schedule",
    "CI_COMMIT_BRANCH": "main",
    "CI_DEFAULT_BRANCH": "main",
}
RULES = (
    "type=schedule,pattern=nightly-{{commit_date 'YYYYMMDD' tz='Asia/Tokyo'}}\n"
    "type=edge\ntype=raw,value=stable,enable={{is_default_branch}}"
)


def commit(project: Path, seconds: int) -> str:
    """Commit nothing new at a time, and return the commit."""
    who = {"NAME": "A", "EMAIL": "a@example.com", "DATE": f"{seconds} +0000"}
    env = {
        f"GIT_{role}_{name}": value
        for role in ("AUTHOR", "COMMITTER")
        for name, value in who.items()
    } | {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(project.parent)}

    def git(*arguments: str) -> str:
        return subprocess.run(  # noqa: S603 (each argument is written out in a test)
            ["git", *arguments],  # noqa: S607 (the one that is there)
            cwd=project,
            env=env,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    if not (project / ".git").exists():
        git("init", "-q", "-b", "main")
        (project / ".dockerignore").write_text(".git\n")
    git("add", ".")
    git("commit", "-q", "--allow-empty", "-m", "on")
    return git("rev-parse", "HEAD")


def test_a_commit_is_one_image_and_the_next_one_is_warm(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    first = commit(small, 1767225598)
    event = {**SCHEDULE, "CI_COMMIT_SHA": first}
    inputs: dict[str, Any] = {"images": repository, "tags": RULES, "provenance": "false"}
    cold = warmbuild.succeed(small, ci=event, **inputs)
    warm = warmbuild.succeed(small, ci=event, **inputs)
    assert warm.outputs["digest"] == cold.outputs["digest"]
    assert warm.outputs["cache-hit-ratio"] == "1.00"
    names = "nightly-20260101 edge stable"
    assert cold.outputs["tag-names"].split() == names.split()
    labels = registry.config(f"{repository}:edge")["config"]["Labels"]
    prefix = "org.opencontainers.image"
    assert labels[f"{prefix}.created"] == "2025-12-31T23:59:58Z"
    assert labels[f"{prefix}.revision"] == first

    second = commit(small, 1767312000)
    layers = [layer["digest"] for layer in registry.manifest(f"{repository}:edge")["layers"]]
    later = warmbuild.succeed(small, ci={**SCHEDULE, "CI_COMMIT_SHA": second}, **inputs)
    assert later.outputs["cache-hit-ratio"] == "1.00"
    assert later.outputs["digest"] != cold.outputs["digest"]
    now = registry.manifest(f"{repository}:edge")
    assert [layer["digest"] for layer in now["layers"]] == layers
    labels = registry.config(f"{repository}:edge")["config"]["Labels"]
    assert labels[f"{prefix}.created"] == "2026-01-02T00:00:00Z"
    assert labels[f"{prefix}.revision"] == second
