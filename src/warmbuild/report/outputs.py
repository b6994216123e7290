"""The outputs: one table, and the values that plan and outcome give them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from warmbuild.buildkit import command_line
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.image import labels
from warmbuild.report.hits import hit_ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.buildkit.answers import Inspected
    from warmbuild.plan.build_plan import BuildPlan


def as_json(plan: BuildPlan) -> str:
    """Return tags, labels and annotations as docker/metadata-action's output `json` has them."""
    found = {
        "tags": list(plan.tags),
        "tag-names": list(names(plan)),
        "labels": dict(map(labels.pair, plan.labels)),
        "annotations": list(plan.annotations),
    }
    return json.dumps(found, separators=(",", ":"))


def named_outputs(plan: BuildPlan) -> Mapping[str, str]:
    """Return the outputs of docker/metadata-action; lists have an item a line, as there."""
    return {
        "version": plan.version,
        "tag-names": "\n".join(names(plan)),
        "labels": "\n".join(plan.labels),
        "annotations": "\n".join(plan.annotations),
        "json": as_json(plan),
    }


def names(plan: BuildPlan) -> tuple[str, ...]:
    """Return the names of the tags, each once."""
    return tuple(dict.fromkeys(tag.rpartition(":")[2] for tag in plan.tags))


# The outputs and what they hold: the table behind action.yml, the component and the docs.
OUTPUTS: Final[Mapping[str, str]] = {
    "digest": "Digest of the image, or of its index.",
    "imageid": "ID of the image, as --iidfile has it.",
    "metadata": "What buildx says of the build, as JSON in one line.",
    "tags": "Full references that the image got, separated by commas.",
    "version": "Name of the first tag: of several by rule the one of the highest priority.",
    "tag-names": "Names of the tags, one a line.",
    "labels": "Labels of the image, one a line.",
    "annotations": "Annotations of the image, one a line.",
    "json": "Tags, labels and annotations as JSON in one line.",
    "cache-read": "Cache refs that were found and imported, separated by commas.",
    "cache-written": "Cache ref that was written, or nothing.",
    "cache-write-error": "Why the cache was not written where it should have been, or nothing.",
    "cache-age": "Age of the oldest result in the caches that were read and used, in seconds.",
    "cache-hits": "Number of steps that came from a cache.",
    "cache-steps": "Number of steps of the Dockerfile that the build needed, FROM not counted.",
    "cache-hit-ratio": "Steps from a cache by steps, from 0.00 to 1.00.",
    "targets": "What became of each target of bake-files or compose-files, as JSON in one line.",
    "cache-from": "With plan-only: the cache sources, one a line, as docker/build-push-action "
    "takes them.",
    "cache-to": "With plan-only: the cache destinations, one a line, in the same way.",
    "bake-file": "With plan-only: a bake definition of caches, tags, labels and annotations, as "
    "docker/bake-action takes it.",
    "bake-file-tags": "With plan-only: a bake definition of the tags alone.",
    "bake-file-labels": "With plan-only: a bake definition of the labels alone.",
    "bake-file-annotations": "With plan-only: a bake definition of the annotations alone.",
    "name": "Name of the builder, as docker/setup-buildx-action has it.",
    "driver": "Driver of the builder.",
    "platforms": "Platforms that the builder's nodes are for, separated by commas.",
    "nodes": "The builder's nodes as JSON in one line, as docker/setup-buildx-action has them.",
}
# The outputs that `naming.outputs` has.
_NAMED: Final = ("version", "tag-names", "labels", "annotations", "json")


def outputs(outcome: Outcome) -> Mapping[str, str]:
    """Return every output by name; empty are those of a plan alone."""
    hits, steps, ratio = hit_ratio(outcome.steps)
    age = outcome.cache_age
    return {
        "digest": outcome.digest,
        "imageid": outcome.image_id,
        "metadata": outcome.metadata,
        "tags": ",".join(outcome.tags),
        **{name: outcome.named.get(name, "") for name in _NAMED},
        "cache-read": ",".join(outcome.cache_read),
        "cache-written": outcome.cache_written,
        "cache-write-error": " ".join(outcome.cache_error.split()),
        "cache-age": "" if age is None else str(int(age.total_seconds())),
        "cache-hits": str(hits),
        "cache-steps": str(steps),
        "cache-hit-ratio": f"{ratio:.2f}",
        "targets": _line({one.name: _of_target(one) for one in outcome.targets}),
        "cache-from": "",
        "cache-to": "",
        "bake-file": "",
        "bake-file-tags": "",
        "bake-file-labels": "",
        "bake-file-annotations": "",
        "name": outcome.builder.name,
        "driver": outcome.builder.driver,
        "platforms": ",".join(outcome.builder.platforms),
        "nodes": _nodes(outcome.builder),
    }


def _nodes(builder: Inspected) -> str:
    """Return a builder's nodes as docker/setup-buildx-action has them."""
    found = [
        {
            "name": node.name,
            "endpoint": node.endpoint,
            "driver-opts": node.driver_opts,
            "status": node.status,
            "buildkitd-flags": node.flags,
            "buildkit": node.buildkit,
            "platforms": ",".join(node.platforms),
        }
        for node in builder.nodes
    ]
    return _line(found) if found else ""


def _of_target(outcome: Outcome) -> Mapping[str, object]:
    """Return a target's outputs: lists and numbers, for it is read as JSON."""
    hits, steps, ratio = hit_ratio(outcome.steps)
    return {
        "digest": outcome.digest,
        "imageid": outcome.image_id,
        "tags": outcome.tags,
        "cache-read": outcome.cache_read,
        "cache-written": outcome.cache_written,
        "cache-write-error": " ".join(outcome.cache_error.split()),
        "cache-hits": hits,
        "cache-steps": steps,
        "cache-hit-ratio": round(ratio, 2),
    }


def plan_outputs(plans: Sequence[BuildPlan], files: Mapping[str, str]) -> Mapping[str, str]:
    """Return what a plan hands on: of one build its caches, of several each target's.

    `files` are the bake definitions, by output.
    """
    is_one = not plans[0].name
    cache = plans[0].cache if is_one else CachePlan()
    return {
        "tags": ",".join(tag for plan in plans for tag in plan.tags),
        **(named_outputs(plans[0]) if is_one else {}),
        "targets": _line(
            {plan.name: _caches(plan.cache) for plan in plans if plan.name and not plan.linked}
        ),
        "cache-from": "\n".join(command_line.cache_from(cache)),
        "cache-to": "\n".join(command_line.cache_to(cache)),
        **files,
    }


def _caches(cache: CachePlan) -> Mapping[str, object]:
    return {"cache-from": command_line.cache_from(cache), "cache-to": command_line.cache_to(cache)}


def _line(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
