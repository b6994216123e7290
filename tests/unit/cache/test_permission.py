from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.caches import BACKEND_INPUTS, NOW, OWN
from tests.plans import cache_of
from tests.runs import FORK, LOCAL, PUSH
from warmbuild import trust
from warmbuild.cache import permission, problems, settling
from warmbuild.cache.permission import Facts, Permission
from warmbuild.image.tags import Tags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from warmbuild.inputs.values import Inputs

KNOWN = Facts(applied=Tags(), variables=frozenset())
APART = {"platforms": "linux/amd64,linux/arm64", "append": "- endpoint: tcp://b"}
TOKEN, RESULTS, CACHE = "ACTIONS_RUNTIME_TOKEN", "ACTIONS_RESULTS_URL", "ACTIONS_CACHE_URL"

INTO_OTHERS = "a pull request also builds its target branch, and all read main's cache"


@pytest.mark.parametrize(
    ("values", "context", "facts", "reason", "is_problem"),
    [
        pytest.param({"cache": "read-only"}, {}, {}, "cache is read-only", False, id="read-only"),
        pytest.param({}, {"trust": trust.Trust(reason="why")}, {}, "why", False, id="untrusted"),
        pytest.param(
            {"cache": "read-write"},
            {"trust": trust.Trust(reason="why")},
            {},
            "why",
            False,
            id="forced, untrusted",
        ),
        pytest.param(
            {},
            {"tag": "v1"},
            {},
            "a git tag has no cache of its own; its branch has",
            False,
            id="tag",
        ),
        pytest.param(
            {}, {"branch": "main", "pull_request": 7}, {}, INTO_OTHERS, False, id="from main"
        ),
        pytest.param(
            {"cache_fallback": "feature", "cache": "read-write"},
            {"target_branch": "develop"},
            {},
            INTO_OTHERS.replace("main", "feature"),
            False,
            id="from a fallback",
        ),
        pytest.param(
            {},
            {"branch": "master", "default_branch": "", "pull_request": 7},
            {},
            INTO_OTHERS.replace("main", "master"),
            False,
            id="from what may be the default branch",
        ),
        pytest.param({}, {"passing": "queued"}, {}, "queued", False, id="a merge queue"),
        pytest.param(
            {}, {"branch": ""}, {}, "this run belongs to no branch", False, id="no branch"
        ),
        pytest.param(
            {},
            {"trust": trust.LOCAL},
            {},
            "local runs do not write the shared cache unless cache is read-write",
            False,
            id="a laptop",
        ),
        pytest.param(
            {"no_cache_filters": "a", **APART},
            {},
            {},
            "no-cache-filters is given, and each node of the builder would export its own cache",
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
            "the engine's own BuildKit without the containerd image store exports inline caches "
            "only; set cache-backend: inline or driver: docker-container",
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
    pushes = facts.get("pushes", True)
    known = replace(KNOWN, has_image_store=facts.get("has_image_store", True))
    found = permission.may_write(
        parsed(**values), replace(PUSH, **context), known, reads=True, pushes=pushes
    )
    assert found == Permission(
        is_granted=False, reason=f"no cache is written: {reason}", is_problem=is_problem
    )


@pytest.mark.parametrize(
    ("values", "context"),
    [
        pytest.param({}, {}, id="a branch in CI"),
        pytest.param(
            {"cache": "read-write"}, {"trust": trust.LOCAL}, id="a laptop with cache: read-write"
        ),
        pytest.param(
            {"cache": "write-only"},
            {"passing": "queued"},
            id="a merge queue with cache: write-only",
        ),
        pytest.param(
            {"cache_backend": "local", "cache_dir": "/c"},
            {"trust": trust.LOCAL},
            id="a directory on a laptop",
        ),
        pytest.param({"no_cache_filters": "a"}, {}, id="filters on one node"),
    ],
)
def test_otherwise_the_branch_may_be_written(
    parsed: Callable[..., Inputs], values: Mapping[str, str], context: Mapping[str, Any]
) -> None:
    found = permission.may_write(
        parsed(**values), replace(PUSH, **context), KNOWN, reads=True, pushes=True
    )
    assert found == Permission(is_granted=True, reason=OWN)


def test_a_backend_that_lacks_its_variables_is_a_problem(parsed: Callable[..., Inputs]) -> None:
    inputs = parsed(cache_backend="gha")
    found = permission.may_write(inputs, PUSH, KNOWN, reads=True, pushes=True)
    assert found.is_problem
    assert found.reason.startswith("no cache is read or written: the backend gha needs ")
    unknown = replace(KNOWN, variables=None)
    assert permission.may_write(inputs, PUSH, unknown, reads=True, pushes=True).is_granted


@pytest.mark.parametrize(
    ("known", "options", "missing"),
    [
        pytest.param({TOKEN, RESULTS}, "", "", id="what GitHub sets today"),
        pytest.param({TOKEN, CACHE}, "", "", id="an older service"),
        pytest.param({TOKEN}, "url=http://c", "", id="a URL of the user's own"),
        pytest.param({TOKEN}, "version=1", RESULTS, id="a token alone"),
        pytest.param({RESULTS}, "", TOKEN, id="a URL alone"),
        pytest.param(set[str](), "", f"{TOKEN} and {RESULTS}", id="nothing"),
    ],
)
def test_gha_says_which_variables_are_missing(
    parsed: Callable[..., Inputs], known: set[str], options: str, missing: str
) -> None:
    decided = cache_of(parsed(cache_backend="gha", cache_options=options), PUSH, known)
    found = settling.settle(decided, {}, NOW)
    warning = (
        f"no cache is read or written: the backend gha needs {missing}, "
        "which GitHub Actions sets for actions but not for `run` steps; use the action, or "
        "choose another cache-backend"
    )
    if missing:
        assert (found.read, found.write) == ((), None)
        assert problems.texts(found.problems) == problems.losses(found.problems) == (warning,)
        assert problems.write_error(found.problems) == warning
        assert found.notes == ()
    else:
        assert [item.ref for item in found.read] == ["cache-feature", "cache-main"]
        assert found.write is not None
        assert problems.texts(found.problems) == ()
        assert found.notes == ("the backend gha cannot be queried, so BuildKit gets every ref",)


def test_a_cache_that_is_not_used_needs_no_variables(parsed: Callable[..., Inputs]) -> None:
    off = parsed(cache_backend="gha", cache="off")
    assert cache_of(off, PUSH, set()) == cache_of(off, PUSH)
    reads = cache_of(parsed(cache_backend="gha", cache="read-only"), PUSH, set())
    assert problems.write_error(reads.problems) == ""
    assert problems.losses(reads.problems)
    writes = cache_of(parsed(cache_backend="gha", cache="write-only"), PUSH)
    assert settling.settle(writes, {}, NOW).notes == ("no cache is read: cache is write-only",)


@pytest.mark.parametrize("backend", BACKEND_INPUTS)
@pytest.mark.parametrize("cache", ["auto", "read-write", "write-only"])
def test_untrusted_code_writes_to_no_backend(
    parsed: Callable[..., Inputs], backend: str, cache: str
) -> None:
    inputs = parsed(cache=cache, cache_backend=backend, **BACKEND_INPUTS[backend])
    found = cache_of(inputs, FORK)
    assert (found.write, found.stages, found.history) == (None, (), ())
    assert "no cache is written: the code comes from a fork" in found.notes


@pytest.mark.parametrize(
    ("cache", "write", "notes"),
    [
        ("auto", True, ()),
        ("read-write", True, ()),
        ("read-only", False, ("no cache is written: cache is read-only",)),
        ("write-only", True, ("no cache is read: cache is write-only",)),
    ],
)
def test_a_laptop_writes_its_own_directory(
    parsed: Callable[..., Inputs],
    cache: str,
    write: bool,  # noqa: FBT001
    notes: tuple[str, ...],
) -> None:
    found = cache_of(parsed(cache=cache, cache_backend="local", cache_dir="/c"), LOCAL)
    assert (found.write is not None) is write
    assert found.notes == notes
