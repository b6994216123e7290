"""The parts of the lab that only some tests need, each shown with bare buildx."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.integration.conftest import S3, Arm64, Azblob, GithubCache, Lab

    class Build(Protocol):
        """Builds a project on a builder of its own, and returns the log."""

        def __call__(
            self, project: Path, *arguments: str, extra: Mapping[str, str] | None = None
        ) -> str: ...


STEPS = ["[2/3] RUN cat /proc/sys/kernel/random/uuid > /once", "[3/3] COPY source.txt /"]


@pytest.fixture
def build(lab: Lab, tmp_path: Path, name: str) -> Build:
    builder = f"lab-{name[-6:]}"
    options = [f"--driver-opt={option}" for option in lab.driver_opts.splitlines()]
    create = ["create", "--name", builder, "--driver=docker-container", *options]

    def buildx(*arguments: str, extra: Mapping[str, str] | None = None) -> str:
        done = subprocess.run(  # noqa: S603 (the lab's own program)
            [lab.env["WARMBUILD_LAB_BUILDX"], *arguments],
            env={**lab.env, "BUILDX_CONFIG": str(tmp_path / "buildx"), **(extra or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def build(project: Path, *arguments: str, extra: Mapping[str, str] | None = None) -> str:
        buildx(*create, "--buildkitd-config", lab.buildkitd_config)
        begin = ["build", "--builder", builder, "--progress=plain"]
        try:
            return buildx(*begin, *arguments, str(project), extra=extra)
        finally:
            buildx("rm", "--force", builder)

    return build


def cached(log: str) -> list[str]:
    """Return the steps that came from a cache."""
    names = dict(re.findall(r"^#(\d+) (\[\d+/\d+\] .*)$", log, re.MULTILINE))
    return sorted(names[number] for number in re.findall(r"^#(\d+) CACHED$", log, re.MULTILINE))


def test_githubs_cache_makes_another_builder_warm(
    build: Build, github_cache: GithubCache, small: Path, name: str
) -> None:
    cache = f"type=gha,version=1,scope={name}"
    cold = build(small, f"--cache-to={cache},mode=max", extra=github_cache.environment)
    warm = build(small, f"--cache-from={cache}", extra=github_cache.environment)
    assert (cached(cold), cached(warm)) == ([], STEPS)


def test_a_branch_reads_mains_cache_at_github_and_main_reads_no_branchs(
    build: Build, github_cache: GithubCache, small: Path, name: str
) -> None:
    cache = f"type=gha,version=1,scope={name}"
    branch = github_cache.of_branch("feature/x")
    build(small, f"--cache-to={cache},mode=max", extra=branch.environment)
    on_main = build(small, f"--cache-from={cache}", extra=github_cache.environment)
    build(small, f"--cache-to={cache},mode=max", extra=github_cache.environment)
    on_another = build(
        small, f"--cache-from={cache}", extra=github_cache.of_branch("feature/y").environment
    )
    assert (cached(on_main), cached(on_another)) == ([], STEPS)


def test_a_bucket_of_s3_makes_another_builder_warm(
    build: Build, s3: S3, small: Path, name: str
) -> None:
    cache = (
        f"type=s3,bucket={s3.bucket},region={s3.region},endpoint_url={s3.url},use_path_style=true"
        f",name={name}"
    )
    cold = build(small, f"--cache-to={cache},mode=max", extra=s3.environment)
    warm = build(small, f"--cache-from={cache}", extra=s3.environment)
    assert (cached(cold), cached(warm)) == ([], STEPS)


def test_azures_blob_storage_makes_another_builder_warm(
    build: Build, azblob: Azblob, small: Path, name: str
) -> None:
    cache = (
        f"type=azblob,account_url={azblob.url},account_name={azblob.account}"
        f",secret_access_key={azblob.key},name={name}"
    )
    cold = build(small, f"--cache-to={cache},mode=max")
    warm = build(small, f"--cache-from={cache}")
    assert (cached(cold), cached(warm)) == ([], STEPS)


def test_steps_run_on_both_platforms(
    build: Build, arm64: Arm64, project: Callable[..., Path], tmp_path: Path
) -> None:
    source = project(
        f"FROM {arm64.image} AS base\nRUN uname -m > /machine\n"
        "FROM scratch\nCOPY --from=base /machine /\n"
    )
    output = tmp_path / "output"
    build(source, "--platform=linux/amd64,linux/arm64", f"--output=type=local,dest={output}")
    machines = {path.parent.name: path.read_text() for path in output.glob("*/machine")}
    assert machines == {"linux_amd64": "x86_64\n", "linux_arm64": "aarch64\n"}
