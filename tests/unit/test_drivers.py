"""What each driver can and cannot do, decided before anything is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from warmbuild.drivers import DRIVERS, Driver
from warmbuild.errors import InputError
from warmbuild.inputs.table import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs


def test_the_drivers_are_those_of_the_input() -> None:
    assert tuple(DRIVERS) == BY_NAME["driver"].choices
    assert tuple(DRIVERS) == ("docker-container", "docker", "remote", "kubernetes")
    assert [driver.name for driver in DRIVERS.values()] == list(DRIVERS)


@pytest.mark.parametrize("driver", DRIVERS.values(), ids=DRIVERS)
def test_a_driver_has_one_kind_of_daemon(driver: Driver) -> None:
    assert [driver.starts_daemon, driver.is_engines_own, driver.connects].count(True) == 1
    assert (driver.endpoint == "required") is driver.connects
    assert bool(driver.description) is not driver.connects


@pytest.mark.parametrize("driver", DRIVERS.values(), ids=DRIVERS)
def test_a_driver_names_inputs_that_it_does_not_support(driver: Driver) -> None:
    assert {*driver.unsupported, *driver.ignored} <= set(BY_NAME)
    assert {*driver.unsupported}.isdisjoint(driver.ignored)
    assert bool(driver.daemon) is bool(driver.ignored)
    is_told = "buildkitd-flags" not in (*driver.unsupported, *driver.ignored)
    assert is_told is driver.starts_daemon


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        (
            "docker-container",
            {"starts_daemon", "runs_on_engine", "has_container", "has_attestations"},
        ),
        ("docker", {"runs_on_engine", "is_engines_own", "needs_image_store"}),
        ("remote", {"connects", "takes_certificates", "has_attestations"}),
        ("kubernetes", {"starts_daemon", "has_attestations"}),
    ],
)
def test_what_a_driver_can(name: str, claims: set[str]) -> None:
    every = {
        *("starts_daemon", "runs_on_engine", "is_engines_own", "connects", "has_container"),
        *("takes_certificates", "needs_image_store", "has_attestations"),
    }
    assert {claim for claim in every if getattr(DRIVERS[name], claim)} == claims


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        ("docker-container", "optional"),
        ("docker", "not supported"),
        ("remote", "required"),
        ("kubernetes", "not supported"),
    ],
)
def test_whether_a_driver_has_an_endpoint(name: str, endpoint: str) -> None:
    assert DRIVERS[name].endpoint == endpoint


def test_an_unknown_driver_is_the_one_problem(parsed: Callable[..., Inputs]) -> None:
    with pytest.raises(InputError) as raised:
        parsed(driver="dockre", endpoint="there", append="- buildkitd-flags: --debug")
    assert [problem.name for problem in raised.value.problems] == ["driver"]
