"""The subjects, a module each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.golden.scenes import (
    bake,
    builder_states,
    builders,
    builds,
    cache_mounts,
    checkout,
    ci_logs,
    ci_systems,
    clusters,
    command_line,
    descriptions,
    forecasts,
    inputs,
    laziness,
    leftovers,
    links,
    lints,
    logins,
    misses,
    mounts,
    notes,
    outcomes,
    pages,
    plans,
    probing,
    reach,
    records,
    refusals,
    skipping,
    traces,
)

if TYPE_CHECKING:
    from tests.golden.scene import Subject

SUBJECTS: Final[tuple[Subject, ...]] = (
    descriptions.SUBJECT,
    command_line.SUBJECT,
    inputs.SUBJECT,
    ci_systems.SUBJECT,
    plans.SUBJECT,
    bake.SUBJECT,
    lints.SUBJECT,
    links.SUBJECT,
    laziness.SUBJECT,
    builders.SUBJECT,
    builder_states.SUBJECT,
    clusters.SUBJECT,
    leftovers.SUBJECT,
    logins.SUBJECT,
    reach.SUBJECT,
    probing.SUBJECT,
    builds.SUBJECT,
    refusals.SUBJECT,
    forecasts.SUBJECT,
    skipping.SUBJECT,
    records.SUBJECT,
    misses.SUBJECT,
    outcomes.SUBJECT,
    pages.SUBJECT,
    checkout.SUBJECT,
    mounts.SUBJECT,
    cache_mounts.SUBJECT,
    ci_logs.SUBJECT,
    notes.SUBJECT,
    traces.SUBJECT,
)
