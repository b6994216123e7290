"""A push that takes long is heard of: what is waited for, and how fast it goes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Warmbuild
    from tests.integration.faults import Proxy

MEGABYTES = 24
# Of one piece to the next, in seconds: 24 MB are 384 pieces, and take 20 s.
INTERVAL = 0.05
HEARTBEAT = re.compile(
    r"still exporting to image: pushing layers for \d+ s; "
    r"(?P<size>[\d.]+)(?P<unit>[kM]B) written in the last (?P<seconds>\d+) s, \S+/s"
)


def test_a_slow_push_tells_how_fast_it_is(
    warmbuild: Warmbuild, proxy: Proxy, project: Callable[..., Path], name: str
) -> None:
    proxy.sip("PUT|PATCH|POST", "/blobs/uploads/", interval=INTERVAL)
    size = f"bs=1M count={MEGABYTES}"
    place = project(f"FROM busybox:1.37\nRUN dd if=/dev/urandom of=/large {size}\n")
    ended = warmbuild.succeed(place, image=f"{proxy.host}/{name}", cache="off")
    found = [match for _, text in ended.lines if (match := HEARTBEAT.fullmatch(text))]
    assert found, ended.log
    # 64 KiB every 0.05 s, and what the connection holds back.
    written = float(found[0]["size"]) * {"kB": 1e3, "MB": 1e6}[found[0]["unit"]]
    assert 2e6 < written < 8e6, found[0][0]
    silences = [b - a for (a, _), (b, _) in zip(ended.lines, ended.lines[1:], strict=False)]
    assert max(silences) < 17
