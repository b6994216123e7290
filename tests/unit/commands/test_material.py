"""What of a plan goes into the steps of its build."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from tests.runs import PUSH
from warmbuild.commands import material

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from warmbuild.inputs.values import Inputs


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nRUN true\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("before", "after", "keeps"),
    [
        ({"network": "none"}, {"network": "host"}, False),
        ({"ulimit": "nofile=1:1"}, {"ulimit": "nofile=2:2"}, False),
        ({"shm_size": "1m"}, {}, False),
        ({"add_hosts": "a:10.0.0.1"}, {"add_hosts": "b:10.0.0.1"}, False),
        # BuildKit compares the names alone.
        ({"add_hosts": "a:10.0.0.1"}, {"add_hosts": "a=10.0.0.2"}, True),
        ({"ssh": "default=/tmp/1"}, {"ssh": "default=/tmp/2"}, True),
        ({"allow": "network.host"}, {}, True),
    ],
)
def test_what_goes_into_steps(
    parsed: Callable[..., Inputs],
    before: Mapping[str, str],
    after: Mapping[str, str],
    *,
    keeps: bool,
) -> None:
    def key(told: Mapping[str, str]) -> str:
        decided = planned(parsed(image="a.test/b", context=".", **told), PUSH)
        found = material.read(decided, {}, "linux/amd64")
        return found.recipe({}, b"salt").steps[0].key

    assert key(before)
    assert (key(before) == key(after)) is keeps


@pytest.mark.parametrize(
    ("before", "after", "keeps"),
    [
        ({"extra-hosts": {"a": "10.0.0.1"}}, {"extra-hosts": {"a": "10.0.0.2"}}, True),
        ({"extra-hosts": {"a": "10.0.0.1"}}, {"extra-hosts": {"b": "10.0.0.1"}}, False),
        ({"entitlements": ["network.host"]}, {}, True),
        ({"network": "none"}, {}, False),
    ],
)
def test_what_of_a_target_goes_into_steps(
    parsed: Callable[..., Inputs],
    before: Mapping[str, object],
    after: Mapping[str, object],
    *,
    keeps: bool,
) -> None:
    decided = planned(parsed(image="a.test/b", context="."), PUSH)

    def key(definition: Mapping[str, object]) -> str:
        found = material.read(replace(decided, definition=definition), {}, "linux/amd64")
        return found.recipe({}, b"salt").steps[0].key

    assert key(before)
    assert (key(before) == key(after)) is keeps
