"""What the tests of the CI systems share: names, commits, and how an event is checked.

All names and commits are made up.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tests.plans import cache_of, planned
from warmbuild import ci, trust
from warmbuild.image import naming
from warmbuild.inputs import table
from warmbuild.run_context import RunContext
from warmbuild.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from warmbuild.cache.cache_plan import CachePlan, CacheRef
    from warmbuild.inputs.values import Inputs

    Fields = Mapping[str, object]
    Refs = list[tuple[str, str]]

SHA = "5f0c3a1e9b7d42d8a6c1f4e2b3d59780c6e1a2f4"
IMAGE = "registry.example.com/team/shop"
MODES = next(row.choices for row in table.TABLE if row.name == "cache")

MAIN, DEVELOP = "cache-main", "cache-develop"
SOCKS, HATS = "cache-feature-socks-834e745c6633bf295fcd", "cache-feature-hats-084722c4e4bb3f17f85a"
OWN = "this branch's own cache"
TARGET = "the target branch"
MERGED = "the branch that was merged"
DEFAULT = "the default branch"
USUAL = "a common default branch; the actual one is not known"
GUESSED = [("cache-main", USUAL), ("cache-master", USUAL)]
QUEUE = "a merge queue's commit belongs to no branch yet"
A_TAG = "a git tag has no cache of its own; its branch has"
NO_BRANCH = "this run belongs to no branch"
FORK = trust.FORK.reason
NOWHERE = trust.NOWHERE.reason

IN_DEVELOP: Fields = {"branch": "feature/socks", "target_branch": "develop", "pull_request": 42}
HATS_IN_DEVELOP: Fields = {
    "branch": "feature/hats",
    "target_branch": "develop",
    "pull_request": 43,
}
OF_A_FORK: Fields = {"fork": True, "untrusted": FORK}
QUEUED: Fields = {"target_branch": "main", "pull_request": 42, "passing": QUEUE}
QUEUES_BRANCH = f"gh-readonly-queue/main/pr-42-{SHA}"

OUTPUTS = {
    "digest": "sha256:1",
    "tags": "r.example/shop:main,r.example/shop:latest",
    "cache-written": "",
    "cache-write-error": "it's $HOME; 5% \\n",
    "metadata": '{"long": "json"}',
}
LINES = [
    "WARMBUILD_DIGEST=sha256:1",
    "WARMBUILD_TAGS=r.example/shop:main,r.example/shop:latest",
    "WARMBUILD_CACHE_WRITTEN=",
    f"WARMBUILD_CACHE_WRITE_ERROR={shlex.quote(OUTPUTS['cache-write-error'])}",
]


def unknown(name: str) -> str:
    return f"{name} does not say whether the pull request comes from a fork"


def context(
    env: Mapping[str, str], read_text: Callable[[str], str | None] | None = None
) -> RunContext:
    return ci.detect(env).context(env, "/", read_text or dict[str, str]().get)


def decide(given: Inputs, run: RunContext) -> CachePlan:
    return cache_of(given, run)


def check_caches(given: Inputs, run: RunContext, reads: Refs, writes: str, why_not: str) -> None:
    """Fail unless a run reads and writes these caches, or says why it writes none."""
    found = decide(given, run)

    def tag(item: CacheRef) -> str:
        return str(item.ref).removeprefix(f"{naming.repository(given)}:")

    assert [(tag(item), item.reason) for item in found.read] == reads
    assert (tag(found.write) if found.write else "") == writes
    assert found.write is None or found.write.reason == OWN
    assert [note for note in found.notes if note.startswith("no cache is written")] == (
        [f"no cache is written: {why_not}"] if why_not else []
    )


def check_run(run: RunContext, name: str, expected: Fields) -> None:
    """Fail unless a run stands where it should; what each event has is left out of `expected`."""
    told: Fields = {
        "ci": name,
        "commit": SHA,
        "event": run.event,
        "default_branch": run.default_branch and "main",
    }
    assert run == run_of({**told, **expected})


def run_of(fields: Fields) -> RunContext:
    """Return a run that is trusted, unless `untrusted` says why it is not."""
    known = {name: value for name, value in fields.items() if name != "untrusted"}
    trusted = fields.get("trust", trust.TRUSTED)
    if reason := str(fields.get("untrusted", "")):
        trusted = Trust(reason=reason)
    return RunContext(**{**known, "trust": trusted})  # type: ignore[arg-type]


def check_trust(parsed: Callable[..., Inputs], run: RunContext, mode: str) -> None:
    """Fail if untrusted code may write a cache, or push an image."""
    assert not run.fork or run.trust.is_untrusted
    for told in (run, run.told(branch="main", default_branch="main")):
        found = decide(parsed(cache=mode), told)
        assert not (told.trust.is_untrusted and (found.write or found.destinations))
        assert planned(parsed(), told).push is not told.trust.is_untrusted


def detected(env: Mapping[str, str]) -> list[str]:
    """Return all CI systems that this environment may be of, but for the last resort."""
    found = [provider.name for provider in ci.PROVIDERS if provider.detect(env)]
    assert ci.detect(env).name == found[0]
    return found[:-1]
