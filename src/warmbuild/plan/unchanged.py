"""Decides whether an image may be taken from an earlier build, as `skip-unchanged` asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild import refs

if TYPE_CHECKING:
    from collections.abc import Collection

    from warmbuild.plan.build_plan import BuildPlan


def why_not(decided: BuildPlan) -> str:
    """Return why an image has to be built whatever it is made of, or an empty text."""
    cache, trust = decided.cache, decided.run.trust
    obstacles = (
        (not decided.makes_an_image, "no image is made"),
        (trust.is_untrusted and decided.push, trust.reason),
        (not (decided.push and decided.tags), "the image is not pushed"),
        (decided.load, "the engine gets the image"),
        (decided.outputs, "outputs says where the result goes"),
        (decided.no_cache or decided.no_cache_filters, "steps have to run without a cache"),
        (cache.destinations, "cache-to says which cache is written"),
        (not cache.read, "there is no cache with a record that may be read"),
    )
    return next((reason for holds, reason in obstacles if holds), "")


def elsewhere(decided: BuildPlan, repositories: Collection[str]) -> str:
    """Return the first tag in a repository that does not have the image, or an empty text."""
    return next((tag for tag in decided.tags if refs.parse(tag).repository not in repositories), "")
