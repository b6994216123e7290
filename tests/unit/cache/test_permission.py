from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from warmbuild.cache import permission
from warmbuild.cache.permission import Facts, Permission
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from warmbuild.inputs.values import Inputs

PUSH = RunContext(ci="github", event="push", branch="x", default_branch="main")
KNOWN = Facts(variables=frozenset(), pushes=True, has_image_store=True)
APART = {"platforms": "linux/amd64,linux/arm64", "append": "- endpoint: tcp://b"}


@pytest.mark.parametrize(
    ("values", "context", "facts", "reason", "is_problem"),
    [
        pytest.param({"cache": "read-only"}, {}, {}, "cache is read-only", False, id="read-only"),
        pytest.param({}, {"untrusted": "why"}, {}, "why", False, id="untrusted"),
        pytest.param(
            {"cache": "read-write"}, {"untrusted": "why"}, {}, "why", False, id="forced, untrusted"
        ),
        pytest.param(
            {}, {"tag": "v1"}, {}, "a tag has no cache of its own; its branch has", False, id="tag"
        ),
        pytest.param({}, {"passing": "queued"}, {}, "queued", False, id="a merge queue"),
        pytest.param(
            {}, {"branch": ""}, {}, "this run belongs to no branch", False, id="no branch"
        ),
        pytest.param(
            {},
            {"ci": "local"},
            {},
            "a local run leaves the shared cache alone; cache: read-write writes it",
            False,
            id="a laptop",
        ),
        pytest.param(
            {"no_cache_filters": "a", **APART},
            {},
            {},
            "no-cache-filters, and nodes for a platform each",
            False,
            id="filters and nodes apart",
        ),
        pytest.param(
            {"cache_backend": "inline"},
            {},
            {"pushes": False},
            "an inline cache is pushed with its image, which is not pushed",
            False,
            id="inline, not pushed",
        ),
        pytest.param(
            {},
            {},
            {"has_image_store": False},
            "the engine's own BuildKit without the containerd image store writes one into an image "
            "alone (cache-backend: inline); driver: docker-container writes any",
            True,
            id="no image store",
        ),
    ],
)
def test_the_first_obstacle_is_the_reason(
    parsed: Callable[..., Inputs],
    values: Mapping[str, Any],
    context: Mapping[str, Any],
    facts: Mapping[str, Any],
    reason: str,
    is_problem: bool,  # noqa: FBT001
) -> None:
    found = permission.may_write(
        parsed(**values), replace(PUSH, **context), replace(KNOWN, **facts), reads=True
    )
    assert found == Permission(
        branch="", reason=f"no cache is written: {reason}", is_problem=is_problem
    )


@pytest.mark.parametrize(
    ("values", "context"),
    [
        pytest.param({}, {}, id="a branch in CI"),
        pytest.param({"cache": "read-write"}, {"ci": "local"}, id="a laptop that is told to"),
        pytest.param({"cache": "write-only"}, {"passing": "queued"}, id="a queue that is told to"),
        pytest.param(
            {"cache_backend": "local", "cache_dir": "/c"},
            {"ci": "local"},
            id="a directory of its own",
        ),
        pytest.param({"no_cache_filters": "a"}, {}, id="filters on one node"),
    ],
)
def test_else_the_branch_may(
    parsed: Callable[..., Inputs], values: Mapping[str, str], context: Mapping[str, Any]
) -> None:
    found = permission.may_write(parsed(**values), replace(PUSH, **context), KNOWN, reads=True)
    assert found == Permission(branch="x", reason="this branch's own cache")


def test_a_backend_that_lacks_its_variables_is_a_problem(parsed: Callable[..., Inputs]) -> None:
    inputs = parsed(cache_backend="gha")
    found = permission.may_write(inputs, PUSH, KNOWN, reads=True)
    assert found.is_problem
    assert found.reason.startswith("no cache is read or written: the backend gha needs ")
    unknown = replace(KNOWN, variables=None)
    assert permission.may_write(inputs, PUSH, unknown, reads=True).branch == "x"
