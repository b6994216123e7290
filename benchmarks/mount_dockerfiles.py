"""The Dockerfiles of those who carry cache mounts by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

# Where the tools come from: the image has `cp`.
_TOOLS: Final = "busybox:1.37"


def filling(image: str, mounts: Sequence[str]) -> str:
    """Return the Dockerfile that fills mounts with what an image holds of them."""
    lines = [f"FROM {_TOOLS}"]
    for number, mount in enumerate(mounts):
        kept = f"--mount=type=bind,from={image},target=/kept"
        lines.append(f"RUN {kept} {_mount(mount)} cp -a /kept/kept/{number}/. /mount/")
    return "\n".join([*lines, ""])


def keeping(mounts: Sequence[str]) -> str:
    """Return the Dockerfile of an image that holds mounts."""
    lines = [f"FROM {_TOOLS}"]
    for number, mount in enumerate(mounts):
        command = f"mkdir -p /kept/{number} && cp -a /mount/. /kept/{number}/"
        lines.append(f"RUN {_mount(mount)} {command}")
    return "\n".join([*lines, ""])


def _mount(target: str) -> str:
    return f"--mount=type=cache,id={target},target=/mount"


def injecting(mount: str) -> str:
    """Return the Dockerfile of cache-dance that fills a mount from its context."""
    return f"""\
FROM {_TOOLS}
COPY buildstamp buildstamp
RUN --mount=type=cache,target={mount} \\
    --mount=type=bind,source=.,target=/var/dance-cache \\
    cp -p -R /var/dance-cache/. {mount} || true
"""


def extracting(mount: str) -> str:
    """Return the Dockerfile of cache-dance of an image that holds a mount."""
    return f"""\
FROM {_TOOLS}
COPY buildstamp buildstamp
RUN --mount=type=cache,target={mount} \\
    mkdir -p /var/dance-cache/ \\
    && cp -p -R {mount}/. /var/dance-cache/ || true
"""
