from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from warmbuild.builder import leftovers
from warmbuild.builder.leftovers import Entry, Leftover, Life, Lock, Verdict

DAY = timedelta(days=1)
FOUND = Leftover(name="builder b", age=3 * DAY, unused="nobody uses it")
ENTRY = Entry(
    name="warmbuild-0a1b2c3d",
    age=3 * DAY,
    is_directory=True,
    is_own=True,
    is_private=True,
    lock=Lock.FREE,
    is_of_this_kernel=True,
)


@pytest.mark.parametrize(
    ("found", "older_than", "expected"),
    [
        pytest.param(
            FOUND, DAY, Verdict(removes=True, why="it is 3 days old, and nobody uses it"), id="old"
        ),
        pytest.param(
            FOUND,
            timedelta(days=3),
            Verdict(removes=True, why="it is 3 days old, and nobody uses it"),
            id="just old enough",
        ),
        pytest.param(
            FOUND,
            timedelta(days=4),
            Verdict(
                removes=False,
                why="it is 3 days old, and nothing younger than 4 days is removed (--older-than)",
            ),
            id="young",
        ),
        pytest.param(
            replace(FOUND, obstacle="it is used"),
            timedelta(),
            Verdict(removes=False, why="it is used"),
            id="in use, at any age",
        ),
        pytest.param(
            replace(FOUND, age=timedelta(seconds=-5)),
            timedelta(),
            Verdict(
                removes=False,
                why="it is 0 seconds old, and nothing younger than 0 seconds is removed "
                "(--older-than)",
            ),
            id="from a clock that is ahead",
        ),
    ],
)
def test_what_is_old_and_unused_is_removed(
    found: Leftover, older_than: timedelta, expected: Verdict
) -> None:
    assert leftovers.verdict(found, older_than) == expected


@pytest.mark.parametrize(
    ("entry", "obstacle"),
    [
        (ENTRY, ""),
        (replace(ENTRY, is_of_this_kernel=False), ""),
        (replace(ENTRY, lock=Lock.HELD), "its run has not ended"),
        (replace(ENTRY, lock=Lock.MISSING), "it has no lock, so no run created it"),
        (
            replace(ENTRY, is_private=False, lock=Lock.MISSING),
            "other users have access to it, so no run created it",
        ),
        (replace(ENTRY, is_own=False, is_private=False), "it belongs to another user"),
        (replace(ENTRY, is_directory=False, is_own=False), "it is not a directory"),
    ],
)
def test_a_directory_of_a_killed_run_is_known(entry: Entry, obstacle: str) -> None:
    assert leftovers.directory(entry) == Leftover(
        name="private directory warmbuild-0a1b2c3d",
        age=3 * DAY,
        unused="its run has ended",
        obstacle=obstacle,
        is_certain=entry.lock is Lock.FREE and entry.is_of_this_kernel,
    )


@pytest.mark.parametrize(
    ("connections", "obstacle"),
    [
        (0, ""),
        (1, "a client is connected to it"),
        (2, "2 clients are connected to it"),
    ],
)
def test_a_builder_without_clients_is_unused(connections: int, obstacle: str) -> None:
    assert leftovers.builder("warmbuild-0a1b2c3d", DAY, connections) == Leftover(
        name="builder warmbuild-0a1b2c3d",
        age=DAY,
        unused="no client is connected to it",
        obstacle=obstacle,
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("warmbuild-0a1b2c3d", True),
        ("warmbuild-0_zz9abc", True),
        ("warmbuild-0a1b2c3", False),
        ("warmbuild-0a1b2c3d4", False),
        ("warmbuild-0A1B2C3D", False),
        ("warmbuild-0a1b2c3d\n", False),
        ("warmbuild-../../et", False),
        ("warmbuild---force1", False),
        ("x-warmbuild-0a1b2c3d", False),
    ],
)
def test_a_directory_has_a_name_of_warmbuild(name: str, *, expected: bool) -> None:
    assert leftovers.is_directory_name(name) is expected


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ("buildx_buildkit_warmbuild-0a1b2c3d0_state", "warmbuild-0a1b2c3d"),
        ("buildx_buildkit_warmbuild-0a1b2c3d1_state", ""),
        ("buildx_buildkit_warmbuild-0a1b2c3d0_state\n", ""),
        ("buildx_buildkit_warmbuild-0a1b2c3d0_state_state", ""),
        ("my_buildx_buildkit_warmbuild-0a1b2c3d0_state", ""),
        ("buildx_buildkit_warmbuild-0a1b2c3d-prod0_state", ""),
        ("buildx_buildkit_warmbuild-0a1b2c3g0_state", ""),
        ("buildx_buildkit_warmbuild-prod0_state", ""),
        ("buildx_buildkit_warmbuild-0a1b2c3d0", ""),
        ("warmbuild-0a1b2c3d", ""),
        ("", ""),
    ],
)
def test_a_builder_has_a_name_of_warmbuild(volume: str, expected: str) -> None:
    assert leftovers.builder_of(volume) == expected


def test_the_volumes_of_builders_of_a_run_begin_as_they_are_asked_for() -> None:
    assert leftovers.volume("warmbuild-0a1b2c3d").startswith(leftovers.VOLUMES)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("warmbuild-0a1b2c3d0", "warmbuild-0a1b2c3d"),
        ("warmbuild-0123456712", "warmbuild-01234567"),
        ("warmbuild-0a1b2c3d", ""),
        ("warmbuild-kept-0a1b2c3d0", ""),
        ("warmbuild-0a1b2c3d0\n", ""),
        ("warmbuild-0a1b2c3d00000", ""),
        ("ci0", ""),
    ],
)
def test_pods_have_a_name_of_warmbuild(name: str, expected: str) -> None:
    assert leftovers.builder_of_pods(name) == expected


@pytest.mark.parametrize(
    ("life", "age", "expected"),
    [
        (Life.ALIVE, 3 * DAY, Verdict(removes=False, why="its run has not ended")),
        (
            Life.DEAD,
            DAY / 2,
            Verdict(removes=True, why="it is 12 hours old, and its run has ended"),
        ),
        (
            Life.UNKNOWN,
            DAY / 2,
            Verdict(
                removes=False,
                why="it is 12 hours old, and nothing younger than 1 day is removed (--older-than)",
            ),
        ),
        (
            Life.UNKNOWN,
            3 * DAY,
            Verdict(removes=True, why="it is 3 days old, and no run of this machine uses it"),
        ),
    ],
)
def test_pods_go_with_their_run_if_that_is_known_and_else_with_time(
    life: Life, age: timedelta, expected: Verdict
) -> None:
    found = leftovers.pods("warmbuild-0a1b2c3d", age, life)
    assert leftovers.verdict(found, DAY, at_once=True) == expected
