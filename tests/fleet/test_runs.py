"""Builders of one run in a cluster: cold, warm, and what is left of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.fleet.cluster import wait

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fleet.cluster import Cluster
    from tests.fleet.conftest import Fleet
    from tests.integration.conftest import Ended


def boot(ended: Ended) -> float:
    """Return how long the builder of a run took to be up, in seconds."""
    found = re.search(r"^builder \S+ is up after ([0-9.]+) s$", ended.log, re.MULTILINE)
    assert found, ended.log
    return float(found[1])


def test_a_new_branch_is_warm_across_pods_that_are_gone(
    fleet: Fleet, cluster: Cluster, small: Path, repository: str
) -> None:
    cold = fleet.succeed(small, image=repository)
    assert cold.cached == []
    wait(lambda: cluster.content() == [])
    warm = fleet.succeed(small, image=repository, branch="feature")
    assert warm.executed == []
    wait(lambda: cluster.content() == [])
    assert max(boot(cold), boot(warm)) < 6
