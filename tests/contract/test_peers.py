"""Every job of Docker's actions is shown by a test that there is, or has a reason not to be."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from tests import peers

if TYPE_CHECKING:
    from collections.abc import Iterator

INTEGRATION = Path(__file__).resolve().parents[1] / "integration"
SHOWN = {place for jobs in peers.SHOWN.values() for place in jobs.values()}


def named_in(file: Path) -> set[str]:
    """Return the tests of a file, as pytest names them below tests/integration."""

    def within(body: list[ast.stmt], name: str) -> Iterator[str]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from within(node.body, f"{name}::{node.name}")
            elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield f"{name}::{node.name}"

    body = ast.parse(file.read_text()).body
    return set(within(body, file.relative_to(INTEGRATION).as_posix()))


def test_each_test_that_is_named_is_there() -> None:
    files = {INTEGRATION / place.partition("::")[0] for place in SHOWN}
    assert {name for file in files for name in named_in(file)} >= SHOWN


def test_each_test_of_a_job_is_named() -> None:
    files = (INTEGRATION / "peers").glob("test_*.py")
    assert {name for file in files for name in named_in(file)} <= SHOWN


def test_a_job_is_shown_or_not() -> None:
    assert list(peers.SHOWN) == list(peers.ABSENT)
    for action, jobs in peers.SHOWN.items():
        assert not set(jobs) & set(peers.ABSENT[action])


def test_most_jobs_are_shown() -> None:
    absent = sum(map(len, peers.ABSENT.values()))
    assert sum(map(len, peers.SHOWN.values())) > 6 * absent
