"""Caches of `ghcr.io/me/app` as tests need them: refs, reasons, and what a registry answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from warmbuild import refs
from warmbuild.cache import settling
from warmbuild.cache.probe import Missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from warmbuild.cache.cache_plan import CachePlan, CacheRef, Place
    from warmbuild.cache.probe import Answer
    from warmbuild.refs import Reference

REPOSITORY = "ghcr.io/me/app"
FEATURE = refs.parse(f"{REPOSITORY}:cache-feature")
MAIN = refs.parse(f"{REPOSITORY}:cache-main")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

# Reasons to read a ref.
OWN = "this branch's own cache"
TARGET = "the target branch"
FALLBACK = "named by cache-fallback"
DEFAULT = "the default branch"
GUESS = "a common default branch; the actual one is not known"

# How the cache of FEATURE is exported.
EXPORT = (
    f"type=registry,ref={FEATURE},mode=max,image-manifest=true,oci-mediatypes=true,"
    "ignore-error=true"
)

# The inputs that each backend needs.
BACKEND_INPUTS: Mapping[str, Mapping[str, str]] = {
    "registry": {},
    "inline": {},
    "local": {"cache_dir": "/c"},
    "gha": {},
    "s3": {"cache_options": "bucket=b,region=r"},
    "azblob": {"cache_options": "account_url=https://a"},
}


def read(plan: CachePlan) -> list[tuple[str, str]]:
    """Return tags and reasons of the refs that are read."""
    return [(str(item.ref).removeprefix(f"{REPOSITORY}:"), item.reason) for item in plan.read]


def written(plan: CachePlan) -> str | None:
    """Return the tag that is written."""
    return str(plan.write.ref).removeprefix(f"{REPOSITORY}:") if plan.write else None


def keys(items: Iterable[CacheRef]) -> list[str]:
    """Return what follows the prefix in the tags of refs."""
    return [str(item.ref).removeprefix(f"{REPOSITORY}:cache-") for item in items]


def at(key: str) -> Reference:
    """Return the ref of a key, which is what follows the prefix."""
    return refs.parse(f"{REPOSITORY}:cache-{key}")


def answered(plan: CachePlan, **answers: Answer) -> CachePlan:
    """Settle a plan with the registry's answers by key; it has no others."""
    given: dict[Place, Answer] = {at(key): answer for key, answer in answers.items()}
    assert set(given) <= set(plan.asked)
    return settling.settle(plan, {place: given.get(place, Missing()) for place in plan.asked}, NOW)
