"""Which bytes of kept cache mounts went over the wire, by the access log of a registry."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A tag of a repository that keeps a mount.
_TAG: Final = "---mount-"
_MOVED: Final = re.compile(
    r'"(?P<verb>GET|PUT) /v2/(?P<path>\S+?)/(?:blobs|manifests)/(?P<name>\S+) HTTP/\S+" 2\d\d '
)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


def sizes(manifests: Mapping[str, bytes]) -> Mapping[str, int]:
    """Return the bytes of all that mounts are kept in, by tag or digest.

    `manifests` are those of all tags of a repository.
    """
    found: dict[str, int] = {}
    for tag, content in manifests.items():
        if _TAG not in tag:
            continue
        found[tag] = len(content)
        found[f"sha256:{hashlib.sha256(content).hexdigest()}"] = len(content)
        manifest = json.loads(content)
        for one in (manifest["config"], *manifest["layers"]):
            found[one["digest"]] = one["size"]
    return found


def moved(lines: Iterable[str], repository: str, of: Mapping[str, int]) -> int:
    """Return how many bytes were fetched from or uploaded to a repository, of things by name.

    A question for what exists moves none.
    """
    total = 0
    for line in lines:
        found = _MOVED.search(line)
        if found and found["path"] == repository:
            digest = _DIGEST.search(unquote(found["name"]))
            total += of.get(digest[0] if digest else found["name"], 0)
    return total
