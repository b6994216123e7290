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


@pytest.fixture
def parsed() -> Callable[..., Inputs]:
    """Return what parses inputs given as keyword arguments, an image among them."""

    def parse(**values: str) -> Inputs:
        given = {"image": "ghcr.io/me/app"} | {
            name.replace("_", "-"): value for name, value in values.items()
        }
        return parsing.parse(given, {})

    return parse
