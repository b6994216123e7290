"""What tests of every kind share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from warmbuild import inputs

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def parsed() -> Callable[..., inputs.Inputs]:
    """Return what parses inputs given as keyword arguments, an image among them."""

    def parse(**values: str) -> inputs.Inputs:
        given = {"image": "ghcr.io/me/app"} | {
            name.replace("_", "-"): value for name, value in values.items()
        }
        return inputs.parse(given, {})

    return parse
