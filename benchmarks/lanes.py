"""How `make bench-edit` builds by each strategy, in a repository and with a cache of its own.

A strategy keeps its cache as its users do: `type=gha,mode=max` as with docker/build-push-action,
one ref of the registry, or warmbuild's. The bare ones create a builder, build and remove it.
"""

from __future__ import annotations

import base64
import json
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bare
import jobs
import mount_traffic
import requests
from strategies import BEFORE, GHA, LEVERS, ONE_REF

from warmbuild.inputs.table import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jobs import Job
    from shaping import Link

MAIN: Final = "main"
CACHE_TAG: Final = "cache-"
_PATIENCE: Final = 60.0
_MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where builds take place: a link to the lab's services, and their names at its near end."""

    link: Link
    registry: str
    hub: str
    github_cache: str
    config: str
    """The file for BuildKit that has these names."""
    before: Path | None = None
    """Sources of an older warmbuild to compare with."""


@dataclass(slots=True, kw_only=True)
class Lane:
    """A strategy with what it keeps between builds."""

    strategy: str
    repository: str
    state: Path
    builder: str = ""
    """The builder that stays, of the ideal."""
    saved: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    """Manifests of the cache after the first build, with their types, by tag."""
    mounts: tuple[str, ...] = ()
    """Targets of the project's cache mounts, for those who carry them by hand."""
    carried: int = 0
    """Bytes of cache mounts that the last build has moved."""
    is_hit: bool = False
    """Whether the last build has found the exact key of its mounts in the cache service."""

    @property
    def path(self) -> str:
        """The repository without its host."""
        return self.repository.partition("/")[2]


def missing_inputs(strategy: str) -> list[str]:
    """Return the inputs of a strategy that this warmbuild does not have."""
    return [name for name in LEVERS.get(strategy, {}) if name not in BY_NAME]


def build(lane: Lane, job: Job, site: Site, branch: str = MAIN) -> Mapping[str, str]:
    """Build a job by a strategy; return the steps that ran, by their position.

    `branch` is that of GitHub's cache: a branch reads main's, and writes one of its own.
    """
    if lane.strategy in LEVERS or lane.strategy == BEFORE:
        given = {**LEVERS.get(lane.strategy, {}), "buildkitd-config": site.config}
        old = site.before if lane.strategy == BEFORE else None
        return jobs.warmbuild(job, given, old or jobs.SOURCES)
    if lane.strategy == GHA:
        job = replace(job, env=github_cache(site, f"refs/heads/{branch}"))
    else:
        job = replace(job, env={})
    flags = [*cache_flags(lane.strategy, job.repository), "--tag", f"{job.repository}:{MAIN}"]
    if lane.builder:
        return jobs.build(job, lane.builder, *flags, "--push")
    with jobs.fresh_builder("bench", job.state, config=site.config) as builder:
        return jobs.build(job, builder, *flags, "--push")


def github_cache(site: Site, ref: str) -> Mapping[str, str]:
    """Return what BuildKit needs in a job of a ref to use GitHub's cache.

    The job reads what main has written, too; nobody checks the signature of its token on the lab.
    """
    header, payload, signature = os.environ["WARMBUILD_LAB_GHA_TOKEN"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(f"{payload}=="))
    may_read, may_write = 1, 2
    of_main = f"refs/heads/{MAIN}"
    scopes = [{"Scope": ref, "Permission": may_read | may_write}]
    scopes += [{"Scope": of_main, "Permission": may_read}] if ref != of_main else []
    text = json.dumps(claims | {"ac": json.dumps(scopes)}).encode()
    token = f"{header}.{base64.urlsafe_b64encode(text).decode().rstrip('=')}.{signature}"
    return {"ACTIONS_CACHE_URL": site.github_cache, "ACTIONS_RUNTIME_TOKEN": token}


def save(lane: Lane) -> None:
    """Remember the refs of the lane's cache, to which each timed build is to come back."""
    lane.saved = _manifests(lane.path)


def restore(lane: Lane) -> None:
    """Point the cache's refs to what they were at the first build, and drop others."""
    for tag, digest in _digests(lane.path).items():
        if tag not in lane.saved:
            _ask("DELETE", f"{lane.path}/manifests/{digest}")
    for tag, (kind, content) in lane.saved.items():
        path = f"{lane.path}/manifests/{tag}"
        _ask("PUT", path, {"Content-Type": kind}, content).raise_for_status()


def _manifests(path: str) -> dict[str, tuple[str, bytes]]:
    """Return the manifests of a repository's caches, with their types, by tag."""
    found = {}
    for tag in _tags(path):
        manifest = _ask("GET", f"{path}/manifests/{tag}", {"Accept": _MANIFESTS})
        manifest.raise_for_status()
        found[tag] = (manifest.headers["Content-Type"], manifest.content)
    return found


def _digests(path: str) -> dict[str, str]:
    asked = {
        tag: _ask("HEAD", f"{path}/manifests/{tag}", {"Accept": _MANIFESTS}) for tag in _tags(path)
    }
    return {tag: answer.headers["Docker-Content-Digest"] for tag, answer in asked.items()}


def _tags(path: str) -> list[str]:
    answer = _ask("GET", f"{path}/tags/list")
    tags = answer.json()["tags"] if answer.ok else None
    return [tag for tag in tags or () if tag.startswith(CACHE_TAG)]


@contextmanager
def mounts_counted(lane: Lane, repository: str) -> Iterator[None]:
    """Count the bytes of cache mounts that warmbuild moves meanwhile, from and to a repository."""
    log = Path(os.environ["WARMBUILD_LAB_REGISTRY_LOG"])
    begun = log.stat().st_size
    yield
    if lane.strategy not in LEVERS:
        return
    with log.open(encoding="utf-8", errors="replace") as file:
        file.seek(begun)
        lines = file.readlines()
    path = repository.partition("/")[2]
    manifests = {tag: content for tag, (_, content) in lane.saved.items()}
    of = dict(mount_traffic.sizes(manifests))
    of |= mount_traffic.sizes({tag: content for tag, (_, content) in _manifests(path).items()})
    lane.carried = mount_traffic.moved(lines, path, of)


def forget(lane: Lane) -> None:
    """Make the builder that stays forget everything, so that it can build for the first time."""
    if lane.builder:
        argv = ["buildx", "prune", "--builder", lane.builder, "--all", "--force"]
        bare.must(argv, {"BUILDX_CONFIG": str(lane.state)})


def branch_of(lane: Lane, number: int) -> str:
    """Return a branch of GitHub's cache that no other build has."""
    return f"{re.sub(r'[^a-z]+', '-', lane.strategy)}-{number}"


def cache_flags(strategy: str, repository: str) -> list[str]:
    """Return the flags by which a strategy reads and writes a cache by hand."""
    if strategy == GHA:
        cache = f"type=gha,version=1,scope={repository.partition('/')[2]}"
        return ["--cache-from", cache, "--cache-to", f"{cache},mode=max"]
    if strategy == ONE_REF:
        cache = f"type=registry,ref={repository}:{CACHE_TAG}{MAIN}"
        return ["--cache-from", cache, "--cache-to", f"{cache},{bare.ATTRIBUTES}"]
    return []


def _ask(
    method: str, path: str, headers: Mapping[str, str] | None = None, content: bytes = b""
) -> requests.Response:
    """Ask the registry itself, not through the link."""
    url = f"http://{bare.REGISTRY}/v2/{path}"
    return requests.request(method, url, headers=headers, data=content, timeout=_PATIENCE)
