from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.caches import EXPORT, FEATURE
from tests.plans import planned
from tests.runs import PUSH
from warmbuild.buildkit import command_line
from warmbuild.plan import calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs


FIXED = ("--iidfile", "<iidfile>")


def argv(inputs: Inputs) -> tuple[str, ...]:
    return command_line.build(planned(inputs, PUSH), command_line.PLACEHOLDERS)


def test_a_plain_build(parsed: Callable[..., Inputs]) -> None:
    assert argv(parsed()) == (
        "build",
        "--progress=rawjson",
        "--cache-from",
        f"type=registry,ref={FEATURE}",
        "--cache-from",
        "type=registry,ref=ghcr.io/me/app:cache-main",
        "--cache-to",
        EXPORT,
        *FIXED,
        "--tag",
        "ghcr.io/me/app:feature",
        "--metadata-file",
        "<metadata-file>",
        "--push",
        ".",
    )


def test_everything_at_once(parsed: Callable[..., Inputs]) -> None:
    inputs = parsed(
        tags="1,2",
        context="services/api",
        file="services/api/Containerfile",
        target="final",
        platforms="linux/amd64,linux/arm64",
        build_args="A=1\nB=two words",
        labels="a=b, c",
        secrets="TOKEN=hunter2",
        secret_files='KEY=/etc/a,b"c"',
        secret_envs="NPM=NPM_TOKEN",
        push="false",
        load="true",
        pull="true",
        no_cache="true",
        no_cache_filters="build,test",
        provenance="mode=max",
        sbom="false",
        builder="mine",
        cache="off",
    )
    assert argv(inputs) == (
        "build",
        "--progress=rawjson",
        "--build-arg",
        "A=1",
        "--build-arg",
        "B=two words",
        "--secret",
        "id=NPM,env=NPM_TOKEN",
        "--file",
        "services/api/Containerfile",
        *FIXED,
        "--label",
        "a=b, c",
        "--no-cache-filter",
        "build",
        "--no-cache-filter",
        "test",
        "--platform",
        "linux/amd64,linux/arm64",
        "--attest",
        "type=provenance,mode=max",
        "--attest",
        "type=sbom,disabled=true",
        "--secret",
        "id=TOKEN,src=<secret:TOKEN>",
        "--secret",
        'id=KEY,"src=/etc/a,b""c"""',
        "--tag",
        "ghcr.io/me/app:1",
        "--tag",
        "ghcr.io/me/app:2",
        "--target",
        "final",
        "--builder",
        "mine",
        "--load",
        "--metadata-file",
        "<metadata-file>",
        "--no-cache",
        "--pull",
        "services/api",
    )


def test_an_inline_image_has_the_name_of_its_cache_too(parsed: Callable[..., Inputs]) -> None:
    inputs = parsed(cache_backend="inline", tags="1")
    decided = planned(inputs, PUSH)
    assert command_line.tags(decided) == ("ghcr.io/me/app:1", str(FEATURE))
    alone = planned(parsed(tags="1"), PUSH)
    assert command_line.tags(replace(alone, cache=replace(decided.cache, write=None))) == (
        "ghcr.io/me/app:1",
    )


def test_a_stage_is_pushed_as_its_own_cache(parsed: Callable[..., Inputs]) -> None:
    inputs = parsed(cache_backend="inline", cache_stages="build", cache="write-only")
    decided = planned(inputs, PUSH)
    (stage,) = calls.stages(decided)
    assert command_line.build(stage, command_line.PLACEHOLDERS) == (
        "build",
        "--progress=rawjson",
        "--cache-to",
        "type=inline",
        *FIXED,
        "--attest",
        "type=provenance,disabled=true",
        "--tag",
        "ghcr.io/me/app:cache-build-e7ec532ede193fdd9548--feature",
        "--target",
        "build",
        "--metadata-file",
        "<metadata-file>",
        "--push",
        ".",
    )


def test_the_export_alone_makes_nothing_else(parsed: Callable[..., Inputs]) -> None:
    inputs = parsed(cache="write-only")
    decided = planned(inputs, PUSH)
    assert command_line.build(calls.cache_alone(decided), command_line.PLACEHOLDERS) == (
        "build",
        "--progress=rawjson",
        "--cache-to",
        EXPORT,
        *FIXED,
        "--output",
        "type=cacheonly",
        "--metadata-file",
        "<metadata-file>",
        ".",
    )


@pytest.mark.parametrize("values", [{"refresh": "true"}, {"no_cache": "true", "pull": "true"}])
def test_a_refresh_builds_all_anew_on_new_bases(
    parsed: Callable[..., Inputs], values: dict[str, str]
) -> None:
    found = argv(parsed(**values))
    assert {"--no-cache", "--pull"} <= set(found)
    assert "--cache-from" not in found
    assert EXPORT in found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", None),
        ("true", "type=provenance"),
        ("False", "type=provenance,disabled=true"),
        ("mode=min,builder-id=x", "type=provenance,mode=min,builder-id=x"),
    ],
)
def test_provenance(parsed: Callable[..., Inputs], value: str, expected: str | None) -> None:
    found = argv(parsed(provenance=value))
    assert (found[found.index("--attest") + 1] if "--attest" in found else None) == expected


def test_no_secret_is_an_argument(parsed: Callable[..., Inputs]) -> None:
    inputs = parsed(secrets="A=hunter2", username="me", password="hunter2", github_token="hunter2")
    assert not any("hunter2" in argument for argument in argv(inputs))
