"""Somebody may write a cache, and so the record beside it, or may only push branches."""

from __future__ import annotations

import gzip
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import deciding
from warmbuild import refs, stores
from warmbuild.cache import probe
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.registry.client import Registry as Client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Lab, Registry, Warmbuild

DOCKERFILE = "FROM scratch\nCOPY source.txt /\n"
EVIL = "\x1b[2J\r::set-output name=a::b\n../../etc/passwd"


def record_of(repository: str) -> tuple[dict[str, Any], Callable[[bytes], object]]:
    """Return the record beside the cache of main, and what puts another in its place."""
    place = refs.parse(f"{repository}:cache-main")
    client = partial(Client, login=None, transport=None)
    there = stores.read(CachePlan(), place, {}, client)
    assert there is not None
    return json.loads(gzip.decompress(there)), partial(stores.write, CachePlan(), place, {}, client)


@pytest.fixture
def recorded(
    lab: Lab, registry: Registry, repository: str, project: Callable[..., Path]
) -> Callable[[bytes | dict[str, Any]], str]:
    """Return what replaces the record of a build, or members of it, and decides once more."""
    root = project(DOCKERFILE, {"source.txt": "one"})
    deciding.built(lab, registry, root, {"image": repository})
    record, write = record_of(repository)

    def decided(instead: bytes | dict[str, Any]) -> str:
        if isinstance(instead, dict):
            instead = gzip.compress(json.dumps(record | instead).encode())
        write(instead)
        return deciding.decided(lab, root, {"image": repository}, {})

    assert decided({}) == ""
    return decided


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(EVIL.encode(), id="no record"),
        pytest.param(gzip.compress(b"[" * 1_000_000), id="nested arrays"),
        pytest.param(gzip.compress(b'{"a":' * 200_000), id="nested objects"),
        pytest.param(gzip.compress(bytes(64 * 1024 * 1024)), id="a bomb"),
        pytest.param(gzip.compress(b"{}")[:-4], id="cut off"),
        pytest.param(gzip.compress(b'{"format": 1}'), id="empty"),
        pytest.param({"format": 2, "key": EVIL}, id="of a newer version"),
        pytest.param({"format": 10**400}, id="a long number"),
        pytest.param({"made": "9999-99-99"}, id="no time"),
        pytest.param({"key": EVIL, "branch": EVIL, "unknown": EVIL}, id="escape sequences"),
        pytest.param({"steps": [{"stage": EVIL, "parts": {EVIL: EVIL}}], "key": ""}, id="a step"),
        pytest.param({"image": {"parts": {EVIL: EVIL}}, "key": ""}, id="a part"),
        pytest.param({"image": {"digest": EVIL}}, id="no digest"),
        pytest.param({"image": [], "steps": {}, "files": 7, "salt": ""}, id="other types"),
        pytest.param({"files": {EVIL: {EVIL: EVIL}}, "key": EVIL}, id="paths"),
    ],
)
def test_crash_or_fool_a_run_by_a_record(
    recorded: Callable[[bytes | dict[str, Any]], str], content: bytes | dict[str, Any]
) -> None:
    """They write a record that is none, never ends, or holds paths and escape sequences."""
    why = recorded(content)
    assert why
    assert not [text for text in ("\x1b", "::set", "passwd") if text in why]


def test_put_a_text_into_outputs_by_a_record(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    """The record of a build of the same has lines and escape sequences where others look."""
    root = project(DOCKERFILE, {"source.txt": "one"})
    cold = warmbuild.succeed(root, image=repository)
    record, write = record_of(repository)
    record |= {"branch": EVIL, "commit": EVIL, "platforms": [EVIL], "files": {EVIL: {EVIL: EVIL}}}
    record["image"]["id"] = EVIL
    write(gzip.compress(json.dumps(record).encode()))
    warm = warmbuild.succeed(root, image=repository, skip_unchanged="true")
    assert "skip-unchanged: nothing is built: " in warm.log
    said = f"{warm.log}{warm.summary}{json.dumps(warm.outputs)}"
    assert not [text for text in ("[2J", "::set", "passwd") if text in said]
    assert warm.outputs["imageid"] == cold.outputs["imageid"]


def test_have_a_part_of_a_manifest_tagged(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    """The record names a manifest that ends with 1 MiB of spaces, and is read only in part."""
    root = project(DOCKERFILE, {"source.txt": "one"})
    cold = warmbuild.succeed(root, image=repository, provenance="false")
    record, write = record_of(repository)
    long = json.dumps(registry.manifest(repository + ":main")).encode().ljust(2 * probe.LARGEST)
    registry.put_manifest(f"{repository}:long", long)
    record["image"]["digest"] = probe.digest_of(long)
    write(gzip.compress(json.dumps(record).encode()))
    warm = warmbuild.succeed(root, image=repository, provenance="false", skip_unchanged="true")
    assert "the registry no longer has the image of the build of branch main" in warm.log
    assert warm.outputs["digest"] == cold.outputs["digest"] == registry.digest(f"{repository}:main")


@pytest.mark.parametrize("told", [False, True], ids=["by default", "if the inputs trust it"])
def test_have_main_take_the_image_of_their_branch(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path, *, told: bool
) -> None:
    """They build main's files on their branch, whose image then has what a step left in it."""
    warmbuild.succeed(small, image=repository, branch="evil")
    main = warmbuild.succeed(
        small,
        image=repository,
        extra={"CI_COMMIT_MESSAGE": "Merge branch 'evil' into 'main'"},
        cache_trust_merged=str(told).lower(),
        skip_unchanged="true",
    )
    assert ("skip-unchanged: nothing is built: " in main.log) is told
    digests = [registry.digest(f"{repository}:{branch}") for branch in ("evil", "main")]
    assert (digests[0] == digests[1]) is told


def test_have_an_image_tagged_by_a_fork(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    project: Callable[..., Path],
    github: Callable[..., dict[str, str]],
) -> None:
    """Their fork has main's files, and a workflow pushes what it builds, under a name of theirs."""
    root = project(DOCKERFILE, {"source.txt": "one"})
    main = warmbuild.succeed(root, image=repository)
    fork = github("pull_request", "github-pull-request-from-fork.json", "refs/pull/42/merge")
    given: dict[str, Any] = {"image": repository, "push": "true", "skip_unchanged": "true"}
    ended = warmbuild.succeed(root, ci=fork, tags="theirs", **given)
    assert "the image is built, because the code comes from a fork" in ended.log
    assert registry.records(repository) == ["cache-main"]
    assert registry.digest(f"{repository}:theirs") == ended.outputs["digest"]
    assert main.outputs["digest"] == registry.digest(f"{repository}:main")
