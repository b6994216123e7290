"""Decides whether an image may be taken from an earlier build, as `skip-unchanged` asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild import refs
from warmbuild.cache import records

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.record.record import Record


def why_not(decided: BuildPlan, outputs: Collection[str]) -> str:
    """Return why an image has to be built whatever it is made of, or an empty text.

    `outputs` are those that inputs and files ask for.
    """
    cache, trust, builder = decided.cache, decided.run.trust, decided.builder
    obstacles = (
        (not decided.makes_an_image, "no image is made"),
        (trust.is_untrusted and decided.push, trust.reason),
        (not (decided.push and decided.tags), "the image is not pushed"),
        (decided.load, "the engine gets the image too"),
        (outputs, "outputs says where the result goes"),
        (not builder.cleanup, "later steps may use the builder"),
        (decided.no_cache or decided.no_cache_filters, "steps have to run without a cache"),
        (cache.sources or cache.destinations, "cache-from or cache-to is given"),
        (not cache.backend.store, f"the backend {cache.backend.name} keeps no records"),
        (not cache.read, "there is no cache that may be read"),
    )
    return next((reason for holds, reason in obstacles if holds), "")


def why_not_of(decided: BuildPlan, made: Record, now: datetime) -> str:
    """Return why the image of a record cannot be taken, as what its build did; or an empty text."""
    has_image = refs.is_digest(made.image.digest)
    there = made.image.repositories
    place = next((tag for tag in decided.tags if refs.parse(tag).repository not in there), "")
    age, most = now - made.made, decided.cache.max_age
    obstacles = (
        (not has_image, "pushed no image"),
        (place, f"did not push its image to the repository of {place}"),
        (most and age > most, f"is {records.age_text(age)} old, more than cache-max-age allows"),
    )
    return next((reason for holds, reason in obstacles if holds), "")
