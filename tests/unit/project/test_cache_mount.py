from __future__ import annotations

from dataclasses import replace

import pytest

from warmbuild.project.cache_mount import CacheMount

MOUNT = CacheMount(identity="/root/.cache/go-build")


def test_each_mount_has_a_name_of_its_own() -> None:
    others = [
        MOUNT,
        replace(MOUNT, identity="/root/.npm"),
        replace(MOUNT, namespace="a"),
        replace(MOUNT, uid="1000"),
        replace(MOUNT, gid="1000"),
        replace(MOUNT, mode="1000"),
        # No part runs into the next one.
        CacheMount(identity="b", namespace="a"),
        CacheMount(identity="", namespace="ab"),
    ]
    assert len({one.name for one in others}) == len(others)
    assert MOUNT.name == "6a6b19fb4e6f56abde63"


def test_a_mode_is_the_same_with_and_without_leading_zeros() -> None:
    assert replace(MOUNT, mode="0755").name == replace(MOUNT, mode="755").name


@pytest.mark.parametrize("identity", ["npm", "/go/pkg/mod", "a:b@c+d=e~f%g", "x" * 300])
def test_what_can_be_named_in_another_dockerfile(identity: str) -> None:
    assert CacheMount(identity=identity, uid="1000", gid="0", mode="0755").is_plain


@pytest.mark.parametrize(
    "mount",
    [
        CacheMount(identity=identity)
        for identity in ("", "a b", "a,target=/", 'a"b', "a'b", "a\\b", "a$b", "a\nRUN x", "é")
    ]
    + [
        CacheMount(identity="x" * 301),
        CacheMount(identity="a", uid="-1"),
        CacheMount(identity="a", gid="0,ro"),
        CacheMount(identity="a", mode="9"),
        CacheMount(identity="a", mode="123456"),
    ],
    ids=str,
)
def test_what_cannot(mount: CacheMount) -> None:
    assert not mount.is_plain
