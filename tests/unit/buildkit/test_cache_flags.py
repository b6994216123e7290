from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.caches import EXPORT, FEATURE, MAIN, NOW
from tests.plans import cache_of, planned
from tests.runs import PUSH
from warmbuild.buildkit import command_line
from warmbuild.cache import settling
from warmbuild.cache.probe import Found

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs


def argv(inputs: Inputs) -> tuple[str, ...]:
    return command_line.build(planned(inputs, PUSH), command_line.PLACEHOLDERS)


@pytest.mark.parametrize(
    ("values", "sources", "destinations"),
    [
        pytest.param(
            {"cache_options": "registry.insecure=true, compression=zstd"},
            [
                f"type=registry,ref={FEATURE},registry.insecure=true",
                f"type=registry,ref={MAIN},registry.insecure=true",
            ],
            [f"{EXPORT},registry.insecure=true,compression=zstd"],
            id="registry: options of the export alone",
        ),
        pytest.param(
            {"cache_backend": "inline", "cache_options": "registry.insecure=true"},
            [
                f"type=registry,ref={FEATURE},registry.insecure=true",
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
            ["type=local,src=/c/cache-feature", "type=local,src=/c/cache-main"],
            [
                (
                    "type=local,dest=/c/cache-feature,mode=min,image-manifest=true,oci-mediatypes=true,"
                    "ignore-error=true,compression=zstd"
                )
            ],
            id="local: source and destination have names of their own",
        ),
        pytest.param(
            {"cache_backend": "local", "cache_dir": '/a,b/"c"'},
            [
                'type=local,"src=/a,b/""c""/cache-feature"',
                'type=local,"src=/a,b/""c""/cache-main"',
            ],
            [
                (
                    'type=local,"dest=/a,b/""c""/cache-feature",mode=max,image-manifest=true,'
                    "oci-mediatypes=true,ignore-error=true"
                )
            ],
            id="local: a directory with a comma and quotes",
        ),
        pytest.param(
            {"cache_backend": "gha", "cache_options": "version=2,timeout=1m"},
            [
                "type=gha,scope=cache-feature,version=2,timeout=1m",
                "type=gha,scope=cache-main,version=2,timeout=1m",
            ],
            ["type=gha,scope=cache-feature,mode=max,ignore-error=true,version=2,timeout=1m"],
            id="gha: a scope a key",
        ),
        pytest.param(
            {
                "cache_backend": "s3",
                "cache_options": "bucket=b,region=r,prefix=p/,touch_refresh=1h",
            },
            [
                "type=s3,name=cache-feature,bucket=b,region=r,prefix=p/",
                "type=s3,name=cache-main,bucket=b,region=r,prefix=p/",
            ],
            [
                (
                    "type=s3,name=cache-feature,mode=max,ignore-error=true,bucket=b,region=r,prefix=p/,"
                    "touch_refresh=1h"
                )
            ],
            id="s3: a name a key",
        ),
        pytest.param(
            {"cache_backend": "azblob", "cache_options": "account_url=https://a/?x=y"},
            [
                "type=azblob,name=cache-feature,account_url=https://a/?x=y",
                "type=azblob,name=cache-main,account_url=https://a/?x=y",
            ],
            [
                "type=azblob,name=cache-feature,mode=max,ignore-error=true,account_url=https://a/?x=y"
            ],
            id="azblob: a value may hold an equals sign",
        ),
        pytest.param({"cache": "write-only"}, [], [EXPORT], id="write-only: no --cache-from"),
        pytest.param(
            {"cache": "read-only"},
            [f"type=registry,ref={FEATURE}", f"type=registry,ref={MAIN}"],
            [],
            id="read-only: no --cache-to",
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
    cache = settling.settle(decided, answers, NOW)
    assert command_line.cache_from(cache) == (
        f"type=registry,ref={FEATURE}@{digest}",
        f"type=registry,ref={MAIN}@{digest}",
    )
    # But what is written is the tag.
    assert command_line.cache_to(cache) == (EXPORT,)


def test_explicit_caches_are_passed_on_verbatim(parsed: Callable[..., Inputs]) -> None:
    found = argv(parsed(cache_from="type=gha", cache_to="type=gha,mode=max"))
    assert found[2:6] == ("--cache-from", "type=gha", "--cache-to", "type=gha,mode=max")
    assert found.count("--cache-from") == found.count("--cache-to") == 1


def test_the_mode_of_the_export_can_be_chosen(parsed: Callable[..., Inputs]) -> None:
    assert EXPORT.replace("mode=max", "mode=min") in argv(parsed(cache_mode="min"))
