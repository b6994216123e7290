"""What an export left out of a cache is seen in what the registry has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from warmbuild import ci
from warmbuild.cache import probe, records
from warmbuild.cache.cache_plan import CachePlan, CacheRef
from warmbuild.commands import caches
from warmbuild.commands.logins import Registries
from warmbuild.log import Log
from warmbuild.refs import parse
from warmbuild.registry.keyring import Keyring
from warmbuild.registry.transports import transports

if TYPE_CHECKING:
    from tests.integration.conftest import Registry

SOURCE = {"digest": "sha256:source"}
RUN = {"digest": "sha256:run", "inputs": [[{"link": 0}]]}
MADE = {**RUN, "layers": [{"layer": 0}]}


@pytest.mark.parametrize(
    ("steps", "mode", "expected"),
    [
        pytest.param([SOURCE, MADE], "max", False, id="every step has a result"),
        pytest.param([SOURCE, RUN], "max", True, id="a step has none"),
        pytest.param([SOURCE, RUN], "min", False, id="few steps are wanted"),
    ],
)
def test_a_step_without_a_result_is_seen(
    registry: Registry,
    name: str,
    steps: list[object],
    mode: str,
    expected: bool,  # noqa: FBT001
) -> None:
    layer, ref = b"a layer", f"{registry.host}/{name}:cache"
    layers = [{"blob": probe.digest_of(layer), "parent": -1}]
    config = json.dumps({"layers": layers, "records": steps}).encode()
    registry.put_artifact(ref, records.CONFIG_TYPE, config, layer)
    cache = CachePlan(write=CacheRef(ref=parse(ref), reason="this branch's own cache"), mode=mode)
    reachable = transports(f'[registry."{registry.host}"]\nhttp = true\n')
    registries = Registries(keyring=Keyring((), {}), transports=reachable, retry_timeout=8)
    assert caches.have_lost([cache], registries, Log(ci.named("local"))) == [expected]
