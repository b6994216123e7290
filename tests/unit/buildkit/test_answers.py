from __future__ import annotations

import pytest

from warmbuild.buildkit import answers

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
            id="a missing image",
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("github.com/docker/buildx v0.38.2 1a2b3c", (0, 38, 2)),
        ("github.com/docker/buildx 0.13.1+ds1 ", (0, 13, 1)),
        ("unknown", None),
    ],
)
def test_a_version_is_read(text: str, expected: tuple[int, int, int] | None) -> None:
    assert answers.version(text) == expected
