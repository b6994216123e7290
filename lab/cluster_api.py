"""The API of the lab's cluster, as its administrator calls it; by the standard library alone."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lab.cluster_config import Place

_SECONDS = 60
_POLL_SECONDS = 0.1
_LAST_LINES = 15
_TIMEOUT_SECONDS = 5.0


def call(
    place: Place, method: str, path: str, body: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """Return what the API server answers; raises OSError if it refuses or does not answer."""
    request = urllib.request.Request(  # noqa: S310  the lab's own address
        f"{place.address}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {place.token}",
            "Content-Type": "application/merge-patch+json"
            if method == "PATCH"
            else "application/json",
        },
    )
    trust = ssl.create_default_context(cafile=str(place.certificate))
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS, context=trust) as answer:  # noqa: S310
        found: dict[str, Any] = json.loads(answer.read())
    return found


def answers(place: Place) -> bool:
    """Return whether the API server is ready."""
    try:
        call(place, "GET", "/api/v1/namespaces/default")
    except OSError:
        return False
    return True


def ready_nodes(place: Place) -> int:
    """Return how many nodes are ready; none if there is no cluster."""
    try:
        nodes = call(place, "GET", "/api/v1/nodes")["items"]
    except OSError:
        return 0
    return sum(
        condition["type"] == "Ready" and condition["status"] == "True"
        for node in nodes
        for condition in node["status"]["conditions"]
    )


def wait(ready: Callable[[], bool], log: Path) -> None:
    """Wait for `ready`; raise LabError with the log's last lines if it never is."""
    deadline = time.monotonic() + _SECONDS
    while not ready():
        if time.monotonic() > deadline:
            lines = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
            tail = "".join(f"\n    {line}" for line in lines)
            message = f"a part of the cluster did not become ready; the end of {log}:{tail}"
            raise LabError(message)
        time.sleep(_POLL_SECONDS)
