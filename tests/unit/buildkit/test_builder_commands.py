from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.plans import cache_of, planned
from warmbuild.buildkit import answers, builder_commands, command_line
from warmbuild.cache import settling
from warmbuild.cache.probe import Found
from warmbuild.plan import calls
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs


PUSH = RunContext(ci="github", event="push", branch="x", default_branch="main")
FIXED = ("--iidfile", "<iidfile>")
CACHE = "ghcr.io/me/app:cache-x"
EXPORT = (
    f"type=registry,ref={CACHE},mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
)


def argv(inputs: Inputs) -> tuple[str, ...]:
    return command_line.build(planned(inputs, PUSH), command_line.PLACEHOLDERS)


def test_a_plain_build(parsed: Callable[..., Inputs]) -> None:
    assert argv(parsed()) == (
        "build",
        "--progress=rawjson",
        "--cache-from",
        f"type=registry,ref={CACHE}",
        "--cache-from",
        "type=registry,ref=ghcr.io/me/app:cache-main",
        "--cache-to",
        EXPORT,
        *FIXED,
        "--tag",
        "ghcr.io/me/app:x",
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


MAIN = "ghcr.io/me/app:cache-main"


@pytest.mark.parametrize(
    ("values", "sources", "destinations"),
    [
        pytest.param(
            {"cache_options": "registry.insecure=true, compression=zstd"},
            [
                f"type=registry,ref={CACHE},registry.insecure=true",
                f"type=registry,ref={MAIN},registry.insecure=true",
            ],
            [f"{EXPORT},registry.insecure=true,compression=zstd"],
            id="registry: what an import does not know is for the export",
        ),
        pytest.param(
            {"cache_backend": "inline", "cache_options": "registry.insecure=true"},
            [
                f"type=registry,ref={CACHE},registry.insecure=true",
                f"type=registry,ref={MAIN},registry.insecure=true",
            ],
            ["type=inline"],
            id="inline: read as a registry's, written with nothing",
        ),
        pytest.param(
            {
                "cache_backend": "local",
                "cache_dir": "/c",
                "cache_mode": "min",
                "cache_options": "compression=zstd",
            },
            ["type=local,src=/c/cache-x", "type=local,src=/c/cache-main"],
            [
                (
                    "type=local,dest=/c/cache-x,mode=min,image-manifest=true,oci-mediatypes=true,"
                    "ignore-error=true,compression=zstd"
                )
            ],
            id="local: source and destination have names of their own",
        ),
        pytest.param(
            {"cache_backend": "local", "cache_dir": '/a,b/"c"'},
            [
                'type=local,"src=/a,b/""c""/cache-x"',
                'type=local,"src=/a,b/""c""/cache-main"',
            ],
            [
                (
                    'type=local,"dest=/a,b/""c""/cache-x",mode=max,image-manifest=true,'
                    "oci-mediatypes=true,ignore-error=true"
                )
            ],
            id="local: a directory with a comma and quotes",
        ),
        pytest.param(
            {"cache_backend": "gha", "cache_options": "version=2,timeout=1m"},
            [
                "type=gha,scope=cache-x,version=2,timeout=1m",
                "type=gha,scope=cache-main,version=2,timeout=1m",
            ],
            ["type=gha,scope=cache-x,mode=max,ignore-error=true,version=2,timeout=1m"],
            id="gha: a scope a key",
        ),
        pytest.param(
            {
                "cache_backend": "s3",
                "cache_options": "bucket=b,region=r,prefix=p/,touch_refresh=1h",
            },
            [
                "type=s3,name=cache-x,bucket=b,region=r,prefix=p/",
                "type=s3,name=cache-main,bucket=b,region=r,prefix=p/",
            ],
            [
                (
                    "type=s3,name=cache-x,mode=max,ignore-error=true,bucket=b,region=r,prefix=p/,"
                    "touch_refresh=1h"
                )
            ],
            id="s3: a name a key",
        ),
        pytest.param(
            {"cache_backend": "azblob", "cache_options": "account_url=https://a/?x=y"},
            [
                "type=azblob,name=cache-x,account_url=https://a/?x=y",
                "type=azblob,name=cache-main,account_url=https://a/?x=y",
            ],
            ["type=azblob,name=cache-x,mode=max,ignore-error=true,account_url=https://a/?x=y"],
            id="azblob: a value may hold an equals sign",
        ),
        pytest.param({"cache": "write-only"}, [], [EXPORT], id="what is not read is no argument"),
        pytest.param(
            {"cache": "read-only"},
            [f"type=registry,ref={CACHE}", f"type=registry,ref={MAIN}"],
            [],
            id="what is not written is none either",
        ),
        pytest.param({"cache": "off"}, [], [], id="no cache at all"),
    ],
)
def test_what_each_backend_gets(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    sources: list[str],
    destinations: list[str],
) -> None:
    cache = cache_of(parsed(**values), PUSH)
    assert list(command_line.cache_from(cache)) == sources
    assert list(command_line.cache_to(cache)) == destinations


def test_a_cache_is_read_as_it_was_found(parsed: Callable[..., Inputs]) -> None:
    digest = "sha256:" + "a" * 64
    decided = cache_of(parsed(), PUSH)
    answers = dict.fromkeys(decided.asked, Found(digest))
    cache = settling.settle(decided, answers, datetime(2026, 11, 21, tzinfo=UTC))
    assert command_line.cache_from(cache) == (
        f"type=registry,ref={CACHE}@{digest}",
        f"type=registry,ref={MAIN}@{digest}",
    )
    # But what is written is the tag.
    assert command_line.cache_to(cache) == (EXPORT,)


def test_an_inline_image_has_the_name_of_its_cache_too(parsed: Callable[..., Inputs]) -> None:
    inputs = parsed(cache_backend="inline", tags="1")
    decided = planned(inputs, PUSH)
    assert command_line.tags(decided) == ("ghcr.io/me/app:1", CACHE)
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
        "ghcr.io/me/app:cache-build-e7ec532e--x",
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


def test_explicit_caches_are_passed_on_verbatim(parsed: Callable[..., Inputs]) -> None:
    found = argv(parsed(cache_from="type=gha", cache_to="type=gha,mode=max"))
    assert found[2:6] == ("--cache-from", "type=gha", "--cache-to", "type=gha,mode=max")
    assert found.count("--cache-from") == found.count("--cache-to") == 1


def test_the_mode_of_the_export_can_be_chosen(parsed: Callable[..., Inputs]) -> None:
    assert EXPORT.replace("mode=max", "mode=min") in argv(parsed(cache_mode="min"))


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


PULLED = """\
#1 [internal] booting buildkit
#1 pulling image a.io/b:1 0.4s done
#1 creating container buildx_buildkit_x0
#1 creating container buildx_buildkit_x0 0.5s done
#1 DONE 0.9s
x"""
LOCAL = """\
#1 [internal] booting buildkit
#1 pulling image a.io/b:1 done
#1 using local image a.io/b:1 done
#1 creating container buildx_buildkit_x0 0.5s done
#1 DONE 0.5s
x"""
UNPULLED = """\
#1 [internal] booting buildkit
#1 pulling image a.io/b:1 0.0s done
#1 ERROR: Error response from daemon: manifest for a.io/b:1 not found: manifest unknown
------
 > [internal] booting buildkit:
------
ERROR: Error response from daemon: manifest for a.io/b:1 not found: manifest unknown"""
BROKEN = """\
#1 [internal] booting buildkit
#1 pulling image a.io/b:1 0.4s done
#1 creating container buildx_buildkit_x0 14.4s done
#1 ERROR: exit code 1
------
ERROR: exit code 1"""
NO_ENGINE = "ERROR: failed to initialize builder x (x0): Cannot connect to the Docker daemon"


@pytest.mark.parametrize(
    ("output", "up", "image", "local", "unpulled", "error"),
    [
        pytest.param(PULLED, True, "a.io/b:1", False, False, "", id="pulled"),
        pytest.param(LOCAL, True, "a.io/b:1", True, False, "", id="the engine's own copy"),
        pytest.param(
            UNPULLED,
            False,
            "a.io/b:1",
            False,
            True,
            "manifest for a.io/b:1 not found: manifest unknown",
            id="an image that is not there",
        ),
        pytest.param(BROKEN, False, "a.io/b:1", False, False, "exit code 1", id="a bad flag"),
        pytest.param(
            NO_ENGINE, False, "", False, False, NO_ENGINE.removeprefix("ERROR: "), id="no engine"
        ),
    ],
)
def test_what_became_of_a_builder(
    output: str,
    up: bool,  # noqa: FBT001
    image: str,
    local: bool,  # noqa: FBT001
    unpulled: bool,  # noqa: FBT001
    error: str,
) -> None:
    boot = answers.boot(output, up=up)
    assert (boot.up, boot.image, boot.local) == (up, image, local)
    assert (boot.unpulled, boot.error) == (unpulled, error)


def test_a_builder_is_removed_whatever_it_does() -> None:
    assert builder_commands.remove("b", keep_state=False) == ("rm", "--force", "b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("github.com/docker/buildx v0.36.1 1a2b3c", (0, 36, 1)),
        ("github.com/docker/buildx 0.13.1+ds1 ", (0, 13, 1)),
        ("unknown", None),
    ],
)
def test_a_version_is_read(text: str, expected: tuple[int, int, int] | None) -> None:
    assert answers.version(text) == expected
