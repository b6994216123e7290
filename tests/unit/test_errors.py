from __future__ import annotations

import pytest

from warmbuild.errors import CacheError, Stopped


def test_a_lost_cache_says_all_that_was_lost() -> None:
    error = CacheError(["r.io/a:x is not read: 403", "no cache is written to r.io/a:x: 403"])
    assert error.exit_code == 6
    assert str(error).splitlines() == [
        "the image is built, but its cache could not be read or written:",
        "  r.io/a:x is not read: 403",
        "  no cache is written to r.io/a:x: 403",
    ]


@pytest.mark.parametrize(
    ("number", "text", "code"),
    [(1, "terminated", 129), (2, "interrupted", 130), (15, "terminated", 143)],
)
def test_a_run_that_is_stopped_ends_as_a_shell_has_it(number: int, text: str, code: int) -> None:
    error = Stopped(number)
    assert (str(error), error.exit_code) == (text, code)
