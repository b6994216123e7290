from __future__ import annotations

import pytest

from warmbuild import mounts
from warmbuild.mounts import Mounts

# As an engine shows it to a container with a checkout, a socket and a directory with a space.
MOUNTINFO = r"""179 100 0:65 / / rw,relatime master:9 - overlay overlay rw,lowerdir=/l/A:/l/B
180 179 0:71 / /proc rw,nosuid - proc proc rw
181 179 0:72 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k
195 181 0:76 / /dev/shm rw,nosuid - tmpfs shm rw,size=65536k
196 179 254:0 /srv/shop /checkout rw,relatime - ext4 /dev/vda rw
197 179 254:0 /run/docker.sock /var/run/docker.sock rw - tmpfs tmpfs rw
198 179 254:0 /x /a\040b rw,relatime - ext4 /dev/vda rw
199
"""
POINTS = ("/checkout", "/var/run/docker.sock", "/a b")


def test_the_points_are_those_that_a_user_may_have_wanted() -> None:
    assert mounts.points(MOUNTINFO) == POINTS


@pytest.mark.parametrize(
    ("path", "held"),
    [
        ("/checkout", True),
        ("/checkout/out", True),
        ("/a b/out", True),
        ("/checkouts", False),
        ("/tmp/out", False),  # noqa: S108 (a text)
        ("/", False),
    ],
)
def test_a_path_is_shared_below_a_mount(path: str, held: bool) -> None:  # noqa: FBT001
    assert Mounts(points=POINTS).hold(path) is held


@pytest.mark.parametrize(
    ("path", "expected"), [("/dev/stdout", True), ("/proc/self/fd/1", True), ("/device", False)]
)
def test_streams_are_no_files(path: str, expected: bool) -> None:  # noqa: FBT001
    assert mounts.is_of_kernel(path) is expected


def test_everything_is_shared_outside_of_a_container() -> None:
    assert Mounts().hold("/anywhere")


def test_nothing_is_shared_without_a_mount() -> None:
    assert not Mounts(points=()).hold("/anywhere")
