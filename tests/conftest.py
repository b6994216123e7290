"""What tests of every kind share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from warmbuild.inputs import parsing

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs

# The machines that run the tests are noisy: how long an example takes says nothing.
settings.register_profile("noisy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("noisy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that use the lab, and mix the kinds: what waits leaves time to others.

    The short tests in the end keep all workers busy. A property is not measured: its examples take
    twice as long so, and cover what others do.
    """
    on_lab = {item.path for item in items if "lab" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: (item.path not in on_lab, item.path.name, item.path))
    for item in items:
        if item.get_closest_marker("hypothesis"):
            item.add_marker("no_cover")


@pytest.fixture
def parsed() -> Callable[..., Inputs]:
    """Return what parses inputs given as keyword arguments, an image among them."""

    def parse(**values: str) -> Inputs:
        given = {"image": "ghcr.io/me/app"} | {
            name.replace("_", "-"): value for name, value in values.items()
        }
        return parsing.parse(given, {})

    return parse
