from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.lint.checked import MAIN, check
from warmbuild import trust
from warmbuild.lint.case import Sources

if TYPE_CHECKING:
    from warmbuild.run_context import RunContext


FROM = "type=registry,ref=r.io/cache:main"
PIPELINE = Sources(
    pipeline_file=".github/workflows/ci.yml",
    pipeline=f"on: push\n# cache-from\nwith:\n  cache-from: |\n    {FROM}\n",
)


def found(given: dict[str, str], context: RunContext = MAIN) -> list[tuple[str, str, int]]:
    found = check("FROM a", given, PIPELINE, context)
    return [(finding.rule, finding.file, finding.line) for finding in found]


def test_a_cache_that_nobody_writes() -> None:
    assert found({"cache-from": FROM}) == [("cache-from-only", ".github/workflows/ci.yml", 5)]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"cache-to": FROM},
        {"cache-from": FROM, "cache-to": FROM + ",mode=max"},
        {"cache-from": FROM, "cache": "read-only"},
        {"cache-from": FROM, "cache": "off"},
        {"cache-from": FROM, "build-args": "BUILDKIT_INLINE_CACHE=1"},
    ],
)
def test_one_that_somebody_writes(given: dict[str, str]) -> None:
    assert [rule for rule, _, _ in found(given) if rule == "cache-from-only"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"pull_request": 7},
        {"tag": "v1"},
        {"branch": "feature/x"},
        {"trust": trust.FORK},
        {"passing": "a merge train's commit belongs to no branch yet"},
        {"trust": trust.LOCAL},
    ],
)
def test_a_run_that_is_right_to_read_alone(change: dict[str, object]) -> None:
    context = replace(MAIN, **change)  # type: ignore[arg-type]
    assert found({"cache-from": FROM}, context) == []


@pytest.mark.parametrize(
    ("pipeline", "line"),
    [
        ("a\nwith:\n  cache-from: ${{ vars.CACHE }}\n", 3),
        ("a:\n  variables:\n    INPUT_CACHE_FROM: $X\n", 3),
        ("a: b\n", 1),
    ],
)
def test_the_line_is_that_of_the_value_or_of_the_input(pipeline: str, line: int) -> None:
    sources = replace(PIPELINE, pipeline=pipeline)
    (found,) = check("FROM a", {"cache-from": FROM}, sources)
    assert (found.file, found.line) == (".github/workflows/ci.yml", line)


def test_without_a_pipelines_file_the_dockerfile_is_named() -> None:
    (found,) = check("FROM a", {"cache-from": FROM})
    assert (found.file, found.line) == ("Dockerfile", 1)
