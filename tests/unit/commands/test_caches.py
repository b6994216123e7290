from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from warmbuild import trust
from warmbuild.cache.probe import Missing, Silent
from warmbuild.commands import caches
from warmbuild.commands.logins import Registries
from warmbuild.inputs import parsing
from warmbuild.registry import client
from warmbuild.registry.keyring import Keyring
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warmbuild.cache.probe import Answer
    from warmbuild.refs import Reference

WHY = "the registry r.io cannot be reached"
MAY_FAIL = f"the push of r.io/a:main may fail: {WHY}"


@pytest.mark.parametrize(
    ("answer", "push", "expected"),
    [
        pytest.param(Silent(WHY), True, True, id="pushed to a registry that does not answer"),
        pytest.param(Silent(WHY), False, False, id="not pushed"),
        pytest.param(Missing(), True, False, id="a registry that answers"),
    ],
)
def test_a_push_that_may_fail_is_a_warning(
    answer: Answer, monkeypatch: pytest.MonkeyPatch, *, push: bool, expected: bool
) -> None:
    def ask(wanted: Iterable[Reference], _: object) -> dict[Reference, Answer]:
        return dict.fromkeys(wanted, answer)

    monkeypatch.setattr(client, "ask", ask)
    given = {"image": "r.io/a", "tags": "main", "push": "true", "cache": "read-write"}
    run = RunContext(ci="gitlab", trust=trust.TRUSTED, branch="main", default_branch="main")
    plan = replace(planned(parsing.parse(given, {}), run), push=push)
    registries = Registries(keyring=Keyring((), {}), transports={}, retry_timeout=0)
    (settled,) = caches.settled([plan], registries)
    assert (MAY_FAIL in settled.warnings) is expected
