"""The outputs: one table, each with what renders it from a plan or from what a build did."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from warmbuild.buildkit import command_line
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.image import labels
from warmbuild.report.hits import hit_ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.buildkit.answers import Inspected
    from warmbuild.plan.build_plan import BuildPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What is handed on without a build."""

    plans: Sequence[BuildPlan]
    files: Mapping[str, str]
    """Paths of the bake definitions, by output."""

    @property
    def image(self) -> BuildPlan | None:
        """The plan of one image that no file defines."""
        return None if self.plans[0].name else self.plans[0]

    @property
    def cache(self) -> CachePlan:
        """The caches of that image, or none."""
        return self.image.cache if self.image else CachePlan()


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One row of the table, with what renders it."""

    name: str
    help: str
    of_image: Callable[[BuildPlan], str] | None = None
    """Renders the plan of one image, with or without a build."""
    of_outcome: Callable[[Outcome], str] | None = None
    """Renders what a build did; if omitted, the output is empty after a build."""
    of_plan: Callable[[Planned], str | None] | None = None
    """Renders what is handed on without a build; if omitted or None, there is no such output."""

    def after_build(self, done: Outcome) -> str:
        """Return the value once a build is done."""
        if self.of_image:
            return self.of_image(done.image) if done.image else ""
        return self.of_outcome(done) if self.of_outcome else ""

    def without_build(self, planned: Planned) -> str | None:
        """Return the value if nothing is built."""
        if self.of_image:
            return self.of_image(planned.image) if planned.image else None
        return self.of_plan(planned) if self.of_plan else None


def outputs(done: Outcome) -> Mapping[str, str]:
    """Return every output by name."""
    return {row.name: row.after_build(done) for row in OUTPUTS.values()}


def plan_outputs(plans: Sequence[BuildPlan], files: Mapping[str, str]) -> Mapping[str, str]:
    """Return what a plan hands on: of one build its caches, of several each target's.

    `files` are the paths of the bake definitions, by output.
    """
    planned = Planned(plans=plans, files=files)
    values = ((row.name, row.without_build(planned)) for row in OUTPUTS.values())
    return {name: value for name, value in values if value is not None}


def _names(plan: BuildPlan) -> tuple[str, ...]:
    """Return the names of the tags, each once."""
    return tuple(dict.fromkeys(tag.rpartition(":")[2] for tag in plan.tags))


def _image_json(plan: BuildPlan) -> str:
    """Return tags, labels and annotations as docker/metadata-action's output `json` has them."""
    return _line(
        {
            "tags": plan.tags,
            "tag-names": _names(plan),
            "labels": dict(map(labels.pair, plan.labels)),
            "annotations": plan.annotations,
        }
    )


def _write_error(done: Outcome) -> str:
    return " ".join(done.cache_error.split())


def _age(done: Outcome) -> str:
    return "" if done.cache_age is None else str(int(done.cache_age.total_seconds()))


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


def _target(done: Outcome) -> Mapping[str, object]:
    """Return a target's outputs: lists and numbers, for it is read as JSON."""
    hits, steps, ratio = hit_ratio(done.steps)
    return {
        "digest": done.digest,
        "imageid": done.image_id,
        "tags": done.tags,
        "cache-read": done.cache_read,
        "cache-written": done.cache_written,
        "cache-write-error": _write_error(done),
        "cache-hits": hits,
        "cache-steps": steps,
        "cache-hit-ratio": round(ratio, 2),
    }


def _target_caches(planned: Planned) -> str:
    """Return the caches of each target."""
    caches = {plan.name: plan.cache for plan in planned.plans if plan.name and not plan.linked}
    return _line(
        {
            name: {
                "cache-from": command_line.cache_from(cache),
                "cache-to": command_line.cache_to(cache),
            }
            for name, cache in caches.items()
        }
    )


def _line(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


# The table behind action.yml, the component and the docs.
OUTPUTS: Final[Mapping[str, Output]] = {
    output.name: output
    for output in (
        Output(
            name="digest",
            help="Digest of the image, or of its index.",
            of_outcome=lambda done: done.digest,
        ),
        Output(
            name="imageid",
            help="ID of the image, as --iidfile has it.",
            of_outcome=lambda done: done.image_id,
        ),
        Output(
            name="metadata",
            help="What buildx says of the build, as JSON in one line.",
            of_outcome=lambda done: done.metadata,
        ),
        Output(
            name="tags",
            help="Full references that the image got, separated by commas.",
            of_outcome=lambda done: ",".join(done.tags),
            of_plan=lambda planned: ",".join(tag for plan in planned.plans for tag in plan.tags),
        ),
        Output(
            name="version",
            help="Name of the first tag: of several by rule the one of the highest priority.",
            of_image=lambda plan: plan.version,
        ),
        Output(
            name="tag-names",
            help="Names of the tags, one a line.",
            of_image=lambda plan: "\n".join(_names(plan)),
        ),
        Output(
            name="labels",
            help="Labels of the image, one a line.",
            of_image=lambda plan: "\n".join(plan.labels),
        ),
        Output(
            name="annotations",
            help="Annotations of the image, one a line.",
            of_image=lambda plan: "\n".join(plan.annotations),
        ),
        Output(
            name="json",
            help="Tags, labels and annotations as JSON in one line.",
            of_image=_image_json,
        ),
        Output(
            name="cache-read",
            help="Cache refs that were found and imported, separated by commas.",
            of_outcome=lambda done: ",".join(done.cache_read),
        ),
        Output(
            name="cache-written",
            help="Cache ref that was written, or nothing.",
            of_outcome=lambda done: done.cache_written,
        ),
        Output(
            name="cache-write-error",
            help="Why the cache was not written where it should have been, or nothing.",
            of_outcome=_write_error,
        ),
        Output(
            name="cache-age",
            help="Age of the oldest result in the caches that were read and used, in seconds.",
            of_outcome=_age,
        ),
        Output(
            name="cache-hits",
            help="Number of steps that came from a cache.",
            of_outcome=lambda done: str(hit_ratio(done.steps)[0]),
        ),
        Output(
            name="cache-steps",
            help="Number of steps of the Dockerfile that the build needed, FROM not counted.",
            of_outcome=lambda done: str(hit_ratio(done.steps)[1]),
        ),
        Output(
            name="cache-hit-ratio",
            help="Steps from a cache by steps, from 0.00 to 1.00.",
            of_outcome=lambda done: f"{hit_ratio(done.steps)[2]:.2f}",
        ),
        Output(
            name="targets",
            help="What became of each target of bake-files or compose-files, as JSON in one line.",
            of_outcome=lambda done: _line({one.name: _target(one) for one in done.targets}),
            of_plan=_target_caches,
        ),
        Output(
            name="cache-from",
            help="With plan-only: the cache sources, one a line, as docker/build-push-action "
            "takes them.",
            of_plan=lambda planned: "\n".join(command_line.cache_from(planned.cache)),
        ),
        Output(
            name="cache-to",
            help="With plan-only: the cache destinations, one a line, in the same way.",
            of_plan=lambda planned: "\n".join(command_line.cache_to(planned.cache)),
        ),
        Output(
            name="bake-file",
            help="With plan-only: a bake definition of caches, tags, labels and annotations, as "
            "docker/bake-action takes it.",
            of_plan=lambda planned: planned.files.get("bake-file"),
        ),
        Output(
            name="bake-file-tags",
            help="With plan-only: a bake definition of the tags alone.",
            of_plan=lambda planned: planned.files.get("bake-file-tags"),
        ),
        Output(
            name="bake-file-labels",
            help="With plan-only: a bake definition of the labels alone.",
            of_plan=lambda planned: planned.files.get("bake-file-labels"),
        ),
        Output(
            name="bake-file-annotations",
            help="With plan-only: a bake definition of the annotations alone.",
            of_plan=lambda planned: planned.files.get("bake-file-annotations"),
        ),
        Output(
            name="name",
            help="Name of the builder, as docker/setup-buildx-action has it.",
            of_outcome=lambda done: done.builder.name,
        ),
        Output(
            name="driver",
            help="Driver of the builder.",
            of_outcome=lambda done: done.builder.driver,
        ),
        Output(
            name="platforms",
            help="Platforms that the builder's nodes are for, separated by commas.",
            of_outcome=lambda done: ",".join(done.builder.platforms),
        ),
        Output(
            name="nodes",
            help="The builder's nodes as JSON in one line, as docker/setup-buildx-action has them.",
            of_outcome=lambda done: _nodes(done.builder),
        ),
    )
}
