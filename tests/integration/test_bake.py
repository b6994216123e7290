"""The targets of bake and compose files are built in one call, each with a cache of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Ended, Registry, Warmbuild

ONCE = "RUN cat /proc/sys/kernel/random/uuid > "
DOCKERFILE = f"""FROM busybox:1.37 AS common
{ONCE}/common
FROM common AS web
COPY --from=base /base /base
{ONCE}/web
FROM common AS worker
COPY --from=base /base /base
COPY source.txt /
"""
BASE = f"FROM busybox:1.37\n{ONCE}/base\n"
HCL = """
variable "REGISTRY" {}
variable "TAG" { default = "none" }
group "default" { targets = ["web", "worker"] }
target "base" { dockerfile = "base.Dockerfile" }
target "common" {
  contexts = { base = "target:base" }
  labels = { price = "$${5} %%{x}" }
}
target "web" {
  inherits = ["common"]
  target = "web"
  tags = ["${REGISTRY}/web:${TAG}"]
}
target "worker" {
  inherits = ["common"]
  target = "worker"
}
"""


@pytest.fixture
def pair(project: Callable[..., Path]) -> Path:
    """Return a project of two targets that share a stage, and a target that both are made of."""
    files = {"base.Dockerfile": BASE, "docker-bake.hcl": HCL, "source.txt": "one"}
    return project(DOCKERFILE, files)


def targets(ended: Ended) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.outputs["targets"])
    return found


def calls(ended: Ended) -> list[str]:
    return [text for _, text in ended.lines if text.startswith("+ docker buildx bake ")]


def bake(repository: str) -> dict[str, Any]:
    return {
        "image": repository,
        "bake_files": "docker-bake.hcl",
        "vars": f"REGISTRY={repository}\nTAG=7",
    }


def test_two_targets_are_built_in_one_call_and_are_warm_on_the_next_branch(
    warmbuild: Warmbuild, registry: Registry, repository: str, pair: Path
) -> None:
    cold = warmbuild.succeed(pair, **bake(repository))
    image, cache = calls(cold)
    assert image.endswith("metadata.json web worker")
    assert cache.endswith("metadata.json web worker")
    names = ("/web:7", ":worker-main", ":worker-latest")
    assert cold.outputs["tags"] == ",".join(f"{repository}{name}" for name in names)
    # What both targets are made of ran once, and is a step of each.
    assert (cold.outputs["cache-steps"], cold.outputs["cache-hits"]) == ("5", "0")
    found = targets(cold)
    assert [found[name]["cache-steps"] for name in ("web", "worker")] == [4, 4]
    for name, tag in (("web", "/web:7"), ("worker", ":worker-main")):
        assert found[name]["digest"] == registry.digest(f"{repository}{tag}")
        assert found[name]["cache-written"] == f"{repository}:cache-{name}--main"
        registry.check_cache(f"{repository}:cache-{name}--main")
        registry.check_image(f"{repository}{tag}")
    assert set(json.loads(cold.outputs["metadata"])) >= {"web", "worker"}
    again = warmbuild.succeed(pair, **bake(repository))
    assert again.outputs["cache-hit-ratio"] == "1.00"
    assert again.executed == []
    assert "the cache is not written: all of it is there already" in again.log
    (pair / "source.txt").write_text("two")
    branch = warmbuild.succeed(pair, branch="feature/x", **bake(repository))
    assert set(branch.executed) == {"COPY source.txt /"}
    found = targets(branch)
    assert found["web"]["cache-hit-ratio"] == 1
    assert (found["worker"]["cache-hits"], found["worker"]["cache-steps"]) == (3, 4)
    assert found["worker"]["cache-read"] == [
        f"{repository}:cache-worker--main@" + registry.digest(f"{repository}:cache-worker--main")
    ]
    assert registry.manifest(f"{repository}/web:7")["config"]
