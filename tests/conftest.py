"""What tests of every kind share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from warmbuild.inputs import parsing

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs


@pytest.fixture
def parsed() -> Callable[..., Inputs]:
    """Return what parses inputs given as keyword arguments, an image among them."""

    def parse(**values: str) -> Inputs:
        given = {"image": "ghcr.io/me/app"} | {
            name.replace("_", "-"): value for name, value in values.items()
        }
        return parsing.parse(given, {})

    return parse
