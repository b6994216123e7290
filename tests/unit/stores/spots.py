"""Where records are kept in unit tests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn

import pytest

from warmbuild.stores.spot import Spot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.cache.cache_plan import Place


def spot(
    settings: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    place: Place = "cache-main",
) -> Spot:
    """Return the place of a record that no registry has."""
    end = time.monotonic() + 10
    return Spot(place=place, settings=settings or {}, env=env or {}, client=_refuse, end=end)


def _refuse(_host: str) -> NoReturn:
    pytest.fail("a registry is asked")
