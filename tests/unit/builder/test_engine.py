from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import docker.errors
import pytest

from warmbuild.builder import engine, leftovers
from warmbuild.builder.engine import Container
from warmbuild.errors import EngineError

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
OURS = "buildx_buildkit_warmbuild-0a1b2c3d0"
REFUSED = docker.errors.APIError("403 Forbidden")
GONE = docker.errors.NotFound("404", response=mock.Mock(status_code=404))
TAKEN = docker.errors.APIError("409", response=mock.Mock(status_code=409))


def client(**configured: object) -> Any:  # noqa: ANN401 (a made-up client)
    """Return a client of an engine that has one builder of a run, to which nobody is connected."""
    made = mock.MagicMock()
    usual = {
        "api.inspect_container.return_value": {"Id": "c1", "Config": {}, "ExecIDs": None},
        "api.volumes.return_value": {
            "Volumes": [
                {"Name": f"{OURS}_state", "CreatedAt": "2026-03-01T13:00:00+01:00"},
                {"Name": f"{OURS}_state-of-mine", "CreatedAt": "2020-01-01T00:00:00Z"},
            ]
        },
    }
    made.configure_mock(**(usual | configured))
    return made


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ({}, Container(identity="c1", env=(), connections=0)),
        ({"api.inspect_container.side_effect": GONE}, None),
        (
            {
                "api.inspect_container.return_value": {
                    "Id": "c1",
                    "Config": {"Env": ["A=1"]},
                    "ExecIDs": ["e1", "e2", "e3"],
                },
                "api.exec_inspect.side_effect": [{"Running": True}, {"Running": False}, GONE],
            },
            Container(identity="c1", env=("A=1",), connections=1),
        ),
    ],
)
def test_the_clients_of_a_builder_are_what_runs_in_its_container(
    configured: dict[str, Any], expected: Container | None
) -> None:
    assert engine.container(client(**configured), "b") == expected


def test_an_engine_may_refuse_to_report_a_builder() -> None:
    refusing = client(**{"api.inspect_container.side_effect": REFUSED})
    with pytest.raises(EngineError, match="the engine does not report the builder b: 403 Forb"):
        engine.container(refusing, "b")


def test_a_builder_of_a_run_is_found_and_removed_by_its_exact_name() -> None:
    there = client()
    ((found, remove),) = engine.left_behind(there, NOW)
    assert found == leftovers.builder("warmbuild-0a1b2c3d", timedelta(days=3), 0)
    remove()
    there.api.remove_container.assert_called_once_with("c1", force=True)
    there.api.remove_volume.assert_called_once_with(f"{OURS}_state")


def test_a_volume_may_be_all_that_is_left() -> None:
    there = client(**{"api.inspect_container.side_effect": GONE})
    ((found, remove),) = engine.left_behind(there, NOW)
    assert found.obstacle == ""
    remove()
    there.api.remove_container.assert_not_called()
    there.api.remove_volume.assert_called_once_with(f"{OURS}_state")


@pytest.mark.parametrize("error", [GONE, TAKEN])
@pytest.mark.parametrize("call", ["remove_container", "remove_volume"])
def test_two_may_remove_the_same_builder(call: str, error: Exception) -> None:
    there = client(**{f"api.{call}.side_effect": error})
    ((_, remove),) = engine.left_behind(there, NOW)
    remove()
    assert there.api.remove_volume.called is (call == "remove_volume")


def test_a_builder_whose_state_is_kept_is_stopped_first() -> None:
    there = client()
    engine.remove(there, "b", Container(identity="c1", env=(), connections=0), keep_state=True)
    there.api.stop.assert_called_once_with("c1", timeout=3)
    there.api.remove_container.assert_called_once_with("c1", force=True)
    there.api.remove_volume.assert_not_called()


def test_an_engine_may_refuse_to_remove_it() -> None:
    refusing = client(**{"api.remove_volume.side_effect": REFUSED})
    ((_, remove),) = engine.left_behind(refusing, NOW)
    with pytest.raises(EngineError, match="the engine refuses: 403 Forbidden"):
        remove()


@pytest.mark.parametrize(
    "configured",
    [
        {"api.volumes.side_effect": REFUSED},
        {"api.volumes.return_value": {"Volumes": [{"Name": f"{OURS}_state"}]}},
    ],
)
def test_an_engine_may_list_nothing_that_is_of_use(configured: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match="the engine does not list its volumes: "):
        list(engine.left_behind(client(**configured), NOW))


def test_an_engine_may_have_no_volumes() -> None:
    there = client(**{"api.volumes.return_value": {"Volumes": None}})
    assert list(engine.left_behind(there, NOW)) == []
