"""Made-up caches in registries, and made-up progress of BuildKit."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.golden.machine import Reply

_CONFIG_TYPE: Final = "application/vnd.buildkit.cacheconfig.v0"
_IMAGE_TYPE: Final = "application/vnd.oci.image.config.v1+json"
_BEGUN: Final = "2026-01-01T00:00:00Z"
_ENDED: Final = "2026-01-01T00:00:02Z"
HOME: Final = "ghcr.io/v2/me/app"


def digest(text: str) -> str:
    """Return a digest for a name."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def manifest(tag: str, body: str, *, home: str = HOME) -> dict[str, Reply]:
    """Return the reply of a registry that has a manifest under a tag."""
    headers = {"Docker-Content-Digest": digest(body)}
    return {f"GET {home}/manifests/{tag}": (200, headers, body)}


def inline_cache(tag: str, created_by: str = "") -> dict[str, Reply]:
    """Return the replies of a registry that has an image with a cache.

    Its history has one step, or none if that was made by nothing.
    """
    records = [{"digest": digest(tag)}, {"digest": digest(f"{tag} too")}]
    inside = base64.b64encode(json.dumps(records).encode()).decode()
    history = {
        "rootfs": {"diff_ids": [digest("layer")]},
        "history": [{"created_by": created_by}] if created_by else [],
    }
    text = json.dumps({"moby.buildkit.cache.v0": inside} | history)
    described = {"mediaType": _IMAGE_TYPE, "digest": digest(text)}
    body = json.dumps({"config": described, "layers": [{"digest": digest(f"{tag}'s layer")}]})
    return manifest(tag, body) | {f"GET {HOME}/blobs/{digest(text)}": (200, {}, text)}


def cache(
    tag: str,
    *,
    layer: str = "layer",
    days: int = 0,
    records: int = 1,
    size: int | None = None,
    padding: int = 0,
    link: int = 0,
    inputs: int = 1,
    weight: int = 0,
    has_results: bool = True,
    home: str = HOME,
) -> dict[str, Reply]:
    """Return the replies of a registry that has a cache under a tag.

    Its steps have the result `layer`, made `days` ago if that is given, or none. `records` of it
    are longer than they are worth, `size` is what its manifest says of the configuration, `padding`
    is how much longer the manifest is, `weight` is the size of its layer, and `link` is the record
    that its steps are upon, by each of their `inputs`.
    """
    made = (datetime.now(UTC) - timedelta(days=days, hours=1)).isoformat()
    config = {
        "layers": [{"blob": digest(layer), "parent": -1}],
        "records": [
            {"digest": digest("base")},
            *(
                {
                    "digest": digest(f"step{number}"),
                    "layers": [{"layer": 0} | ({"createdAt": made} if days else {})] * has_results,
                    "inputs": [[{"selector": "", "link": link}]] * inputs,
                }
                for number in range(records)
            ),
            {"digest": digest(tag)},
        ],
    }
    text = json.dumps(config)
    described = {"mediaType": _CONFIG_TYPE, "digest": digest(text), "size": size or len(text)}
    weighed = {"digest": digest(layer)} | ({"size": weight} if weight else {})
    body = json.dumps({"config": described, "layers": [weighed]})
    return manifest(tag, body + " " * padding, home=home) | {
        f"GET {home}/blobs/{digest(text)}": (200, {}, text)
    }


def image(tag: str, *, home: str = HOME) -> dict[str, Reply]:
    """Return the replies of a registry that has an image without a cache under a tag."""
    config = {"mediaType": _IMAGE_TYPE, "digest": digest("{}"), "size": 2}
    return manifest(tag, json.dumps({"config": config, "layers": []}), home=home) | {
        f"GET {home}/blobs/{digest('{}')}": (200, {}, "{}")
    }


def vertex(
    name: str,
    *,
    cached: bool = False,
    error: str = "",
    log: str = "",
    manifest: str = "",
    doing: str = "",
    ended: bool = True,
) -> str:
    """Return the progress of a vertex of BuildKit, as buildx prints it raw.

    It has written a manifest with this digest, or has not ended what it is `doing`.
    """
    item: dict[str, object] = {"digest": digest(name), "name": name, "started": _BEGUN}
    item |= {"completed": _ENDED} if ended else {}
    item |= {"cached": True} if cached else {}
    item |= {"error": error} if error else {}
    status: dict[str, object] = {"vertexes": [item]}
    if log:
        data = base64.b64encode(log.encode()).decode()
        status["logs"] = [{"vertex": item["digest"], "data": data, "timestamp": _ENDED}]
    if manifest:
        written = {"vertex": item["digest"], "id": f"writing manifest {manifest}"}
        status["statuses"] = [written | {"timestamp": _ENDED, "completed": _ENDED}]
    if doing:
        begun = {"vertex": item["digest"], "id": doing, "timestamp": _BEGUN, "started": _BEGUN}
        status["statuses"] = [begun]
    return json.dumps(status)


def warning(text: str, line: int) -> str:
    """Return a warning of BuildKit about a line of the Dockerfile."""
    item = {
        "short": base64.b64encode(text.encode()).decode(),
        "url": "https://docs.docker.com/go/dockerfile/rule/",
        "sourceInfo": {"filename": "Dockerfile"},
        "range": [{"start": {"line": line}}],
    }
    return json.dumps({"warnings": [item]})


def lines(*texts: str) -> str:
    """Return what is printed line by line."""
    return "\n".join(texts)


def engine(**configured: object) -> Callable[..., object]:
    """Return what makes a client of an engine, which has the containerd image store."""
    client = mock.MagicMock()
    usual = {
        "info.return_value": {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]},
        "containers.list.return_value": [],
        "containers.get.return_value.exec_run.return_value.exit_code": 0,
    }
    client.configure_mock(**(usual | configured))
    return lambda **_options: client


STEP: Final = vertex("[2/2] RUN apk add curl")
CACHED: Final = vertex("[2/2] RUN apk add curl", cached=True)
EXPORT: Final = vertex("exporting cache to registry", manifest=digest("new"))
BUILT: Final = lines(STEP, EXPORT)
