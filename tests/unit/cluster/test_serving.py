from __future__ import annotations

from typing import Any

import pytest

from warmbuild.cluster import pods


def pod(phase: str, *, ready: bool, going: bool = False) -> dict[str, Any]:
    """Return a pod as the API does."""
    metadata = {"name": "p", "uid": "u", **({"deletionTimestamp": "now"} if going else {})}
    return {
        "metadata": metadata,
        "status": {"phase": phase, "containerStatuses": [{"ready": ready}]},
    }


READY = pod("Running", ready=True)
BEGINS = pod("Running", ready=False)
WAITS = pod("Pending", ready=False)
GOES = pod("Running", ready=False, going=True)
WENT = pod("Failed", ready=False)


@pytest.mark.parametrize(
    ("found", "least", "expected"),
    [
        pytest.param([READY], 1, True, id="one"),
        pytest.param([], 1, False, id="none"),
        pytest.param([READY], 2, False, id="one of two that are to be"),
        pytest.param([READY, BEGINS], 1, False, id="buildx may choose one that begins"),
        pytest.param([READY, WAITS], 1, True, id="but not one that waits for a node"),
        pytest.param([READY, GOES], 1, True, id="nor one that goes"),
        pytest.param([READY, WENT], 1, True, id="nor one that was evicted"),
        pytest.param([pod("Running", ready=True, going=True)], 1, False, id="it goes"),
    ],
)
def test_pods_serve_if_whichever_buildx_chooses_is_ready(
    found: list[dict[str, Any]], least: int, *, expected: bool
) -> None:
    assert pods.serve(pods.pods({"items": found}), least) is expected
