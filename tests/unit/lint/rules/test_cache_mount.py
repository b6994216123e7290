from __future__ import annotations

import pytest

from tests.unit.lint.checked import check, lines

RUN = "RUN --mount=type=cache,target=/var/cache"
LOST = {"cache-backend": "gha"}


@pytest.mark.parametrize(
    ("text", "given", "found"),
    [
        pytest.param(f"FROM a\n{RUN} x", LOST, [2], id="in a builder of the run"),
        pytest.param(f"FROM a\n{RUN} x", {}, [], id="kept beside the cache"),
        pytest.param(
            f"FROM a\n{RUN} x",
            {"cache-backend": "local", "cache-dir": "c"},
            [],
            id="in a directory",
        ),
        pytest.param(f"FROM a\n{RUN} x", LOST | {"builder": "mine"}, [], id="in one that stays"),
        pytest.param(f"FROM a\n{RUN} x", LOST | {"cache-mounts": "off"}, [], id="by choice"),
        pytest.param(f"FROM a\n{RUN} x", {"cache": "off"}, [2], id="without a cache"),
        pytest.param(f"FROM a\n{RUN} x", {"cache-from": "r.io/a:b"}, [2], id="caches of one's own"),
        pytest.param(f"FROM a\n{RUN} x\nRUN y\n{RUN} z", LOST, [2], id="said once"),
        pytest.param(f"FROM a AS b\n{RUN} x\nFROM c", LOST, [], id="in a stage not needed"),
        pytest.param("FROM a\nRUN --mount=type=bind,target=/x y", LOST, [], id="of another kind"),
        pytest.param("FROM a\nRUN --mount=target=/x,type=cache y", LOST, [2], id="in any order"),
        pytest.param("FROM a\nRUN echo --mount=type=cache", LOST, [], id="in words alone"),
    ],
)
def test_a_mount(text: str, given: dict[str, str], found: list[int]) -> None:
    assert lines("cache-mount", check(text, given)) == found


def test_the_others_are_named() -> None:
    (found,) = check(f"FROM a\n{RUN} x\n{RUN} y\n{RUN} z", LOST)
    assert "in every run (also on line 3, 4):" in found.text
