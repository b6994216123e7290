"""The result of a run as JSON, in a log of JSON: a public contract, see docs/log.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild.report.plain_text import hit_ratio

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.build.outcomes import Outcome


def result(done: Outcome) -> Mapping[str, object]:
    """Return what a run did; times are in seconds."""
    return {
        **_image(done),
        "error": done.error,
        "stopped": done.is_stopped,
        "seconds": round(done.seconds, 3),
        "saved": round(done.saved, 3),
        "mounts": {
            "saved": round(done.mounts_saved, 3),
            "cost": round(done.mounts_cost, 3),
            "each": [
                {
                    "id": one.mount.identity,
                    "restored": one.restored,
                    "saved": one.saved,
                    "unrestored": one.unrestored,
                    "unsaved": one.unsaved,
                }
                for one in done.mounts
            ],
        },
        "phases": {phase.value: round(taken, 3) for phase, taken in done.timeline.phases.items()},
        "warnings": len(done.warnings) + len(done.findings),
        "targets": [{"name": one.name, **_image(one)} for one in done.targets],
    }


def _image(done: Outcome) -> Mapping[str, object]:
    hits, count, _ = hit_ratio(done.steps)
    age = done.cache_age
    return {
        "ending": done.ending,
        "digest": done.digest,
        "tags": done.tags,
        "changed": done.changed,
        "steps": count,
        "cached": hits,
        "cache_read": done.cache_read,
        "cache_written": done.cache_written,
        "cache_age": None if age is None else round(age.total_seconds()),
    }
