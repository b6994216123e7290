"""A plan is what a build then does, and making one starts and contacts nothing."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.integration.git_server import committed, served

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Ended, Registry, Warmbuild

BRANCH = {
    "GITLAB_CI": "true",
    "CI_PIPELINE_SOURCE": "push",
    "CI_COMMIT_BRANCH": "feature/x",
    "CI_DEFAULT_BRANCH": "main",
    "INPUT_BUILD_ARGS": "A=two words",
    "INPUT_SECRETS": "TOKEN=hunter2 and more",
    "INPUT_LABELS": "a=b",
}


def plan(warmbuild: Warmbuild, project: Path, repository: str, *flags: str) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 (each argument is written out in a test)
        [sys.executable, "-m", "warmbuild", "plan", "--format=json", *flags],
        cwd=project,
        env={**warmbuild.environment, **BRANCH, "INPUT_IMAGE": repository},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_plan_lists_what_would_be_tried_and_contacts_nobody(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    found = plan(warmbuild, small, repository)
    tags = [read["ref"].removeprefix(f"{repository}:") for read in found["cache"]["read"]]
    assert tags == ["cache-feature-x-217d2bf51f16e9dc49a2", "cache-main"]
    assert registry.asked(repository, "GET") == []
    assert registry.asked(repository, "HEAD") == []


def test_a_plan_with_a_probe_is_the_command_that_the_build_runs(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    warmbuild.succeed(small, image=repository)
    found = plan(warmbuild, small, repository, "--probe")
    ended = warmbuild.succeed(small, ci=BRANCH, image=repository)
    ran = shlex.split(ended.command)[3:]
    image, cache = found["commands"]
    assert len(ran) == len(image)
    paths = 0
    for planned, argument in zip(image, ran, strict=True):
        before, placeholder, after = planned.partition("<")
        if placeholder:
            paths += 1
            assert argument.startswith(f"{before}{warmbuild.temporary}/warmbuild-")
            assert after.rpartition(">")[2] == ""
        else:
            assert argument == planned
    # The metadata file, the image's ID and one secret.
    assert paths == 3
    assert found["cache"]["from"] == [ran[ran.index("--cache-from") + 1]]
    # The cache's own command runs once the image is out; as one command they are both.
    written = f"type=registry,ref={repository}:cache-feature-x-217d2bf51f16e9dc49a2"
    assert cache[cache.index("--cache-to") + 1].startswith(written)
    assert set(found["argv"]) - set(image) == {"--cache-to", cache[cache.index("--cache-to") + 1]}


def fates(found: dict[str, Any]) -> dict[str, str]:
    return {step["instruction"]: step["fate"] for step in found["forecast"]}


def test_a_plan_foresees_what_the_build_runs(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    once = "RUN cat /proc/sys/kernel/random/uuid > /once"
    assert "forecast" not in plan(warmbuild, small, repository)
    warmbuild.succeed(small, image=repository)
    found = plan(warmbuild, small, repository, "--probe")
    assert fates(found) == {once: "cached", "COPY source.txt /": "cached"}
    (small / "source.txt").write_text("two")
    found = plan(warmbuild, small, repository, "--probe")
    assert fates(found) == {once: "cached", "COPY source.txt /": "runs"}
    ended = warmbuild.succeed(small, ci=BRANCH, image=repository)
    assert "forecast: 1 of 2 steps will run: line 3, COPY source.txt /" in ended.log.splitlines()
    assert ended.outputs["cache-hits"] == "1"


def test_a_commit_that_buildkit_fetches_is_foreseen_from_its_checkout(
    warmbuild: Warmbuild, github: Callable[..., dict[str, str]], repository: str, small: Path
) -> None:
    with served(small, is_public=True) as server:
        event = github("push", "github-push.json", "refs/heads/main")
        event |= {"GITHUB_SERVER_URL": server.url}

        def built(**inputs: Any) -> Ended:  # noqa: ANN401 (of `succeed`)
            ci = event | {"GITHUB_SHA": committed(small)}
            return warmbuild.succeed(small, ci=ci, image=repository, context="", **inputs)

        built()
        (small / "source.txt").write_text("two")
        (small / "other.txt").write_text("nobody takes it")
        second = built()
        assert "forecast: 1 of 2 steps will run: line 3, COPY source.txt /" in second.log
        assert second.outputs["cache-hits"] == "1"
        (small / "other.txt").write_text("nobody takes it now")
        third = built(skip_unchanged="true")
    assert "nothing is built" in third.log
    assert third.outputs["digest"] == second.outputs["digest"]
