"""The outputs: one table, each row with its renderers for a plan and for a build."""

from __future__ import annotations

import json
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Final

from warmbuild import secret_texts
from warmbuild.buildkit import command_line
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.frozen import frozen
from warmbuild.image import labels
from warmbuild.report import steps_json
from warmbuild.report.plain_text import hit_ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.buildkit.answers import Inspected
    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan

    # Items are separated as the inputs say.
    Value = str | tuple[str, ...]


@frozen
class Planned:
    """What the outputs show without a build."""

    plans: Sequence[BuildPlan]
    files: Mapping[str, str]  # Paths of the bake definitions, by output

    @property
    def image(self) -> BuildPlan | None:
        """The plan of the only image; None if a file defines the images."""
        return None if self.plans[0].name else self.plans[0]

    @property
    def cache(self) -> CachePlan:
        """The caches of that image; empty without one."""
        return self.image.cache if self.image else CachePlan()


@dataclass(frozen=True, slots=True)
class Output:
    """One row of the table."""

    name: str
    help: str
    _: KW_ONLY
    of_image: Callable[[BuildPlan], Value] | None = None
    """Renders the plan of one image, with or without a build."""
    of_outcome: Callable[[Outcome], Value] | None = None
    """Renders the outcome of a build; if omitted, the output is empty after a build."""
    of_plan: Callable[[Planned], Value | None] | None = None
    """Renders plans without a build; if omitted or if it returns None, the output is left out."""

    def after_build(self, done: Outcome) -> Value:
        """Return the value after a build."""
        if self.of_image:
            return self.of_image(done.image) if done.image else ""
        return self.of_outcome(done) if self.of_outcome else ""

    def without_build(self, planned: Planned) -> Value | None:
        """Return the value without a build; None if the output is left out."""
        if self.of_image:
            return self.of_image(planned.image) if planned.image else None
        return self.of_plan(planned) if self.of_plan else None


def outputs(done: Outcome, inputs: Inputs) -> Mapping[str, str]:
    """Return every output by name."""
    return _joined({row.name: row.after_build(done) for row in OUTPUTS.values()}, inputs)


def plan_outputs(
    plans: Sequence[BuildPlan], files: Mapping[str, str], inputs: Inputs
) -> Mapping[str, str]:
    """Return the outputs without a build; `files` are the bake definitions' paths, by output."""
    planned = Planned(plans=plans, files=files)
    return _joined({row.name: row.without_build(planned) for row in OUTPUTS.values()}, inputs)


def variables(outputs: Mapping[str, str], inputs: Inputs) -> Mapping[str, str]:
    """Return the variables that docker/metadata-action sets for later steps, if they are asked for.

    They are if there are rules for tags, which are that action's. A variable has the value of an
    output, and no other name than these.
    """
    is_of_files = inputs.bake_files or inputs.compose_files
    if not inputs.tag_rules or not inputs.set_output_env or is_of_files:
        return {}
    given = {name: outputs[name] for name in _OF_METADATA if name in outputs}
    return {
        f"DOCKER_METADATA_OUTPUT_{name.upper().replace('-', '_')}": value
        for name, value in given.items()
    }


def _joined(values: Mapping[str, Value | None], inputs: Inputs) -> Mapping[str, str]:
    """Return the values that there are, with the items of each as the inputs separate them."""
    separators = {
        "tags": inputs.sep_tags or ("\n" if inputs.tag_rules else ","),
        "tag-names": inputs.sep_tags,
        "labels": inputs.sep_labels,
        "annotations": inputs.sep_annotations,
    }
    return {
        name: value if isinstance(value, str) else (separators[name] or "\n").join(value)
        for name, value in values.items()
        if value is not None
    }


def without_secrets(plan: BuildPlan) -> BuildPlan:
    """Return a plan for other tools whose caches hold no secrets."""
    cache = plan.cache
    return replace(
        plan,
        cache=replace(
            cache,
            options=tuple(map(secret_texts.left_out, cache.options)),
            sources=tuple(map(secret_texts.left_out, cache.sources)),
            destinations=tuple(map(secret_texts.left_out, cache.destinations)),
        ),
    )


def _tags(plan: BuildPlan) -> tuple[str, ...]:
    return plan.tags or plan.bare_tags


def _names(plan: BuildPlan) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag.rpartition(":")[2] for tag in _tags(plan)))


def _image_json(plan: BuildPlan) -> str:
    """Return tags, labels and annotations in the form of docker/metadata-action's `json`."""
    tags, pairs = {"tags": _tags(plan), "tag-names": _names(plan)}, map(labels.pair, plan.labels)
    return _line({**tags, "labels": dict(pairs), "annotations": plan.told_annotations})


def _write_error(done: Outcome) -> str:
    return " ".join(done.cache_error.split())


def _age(done: Outcome) -> str:
    return "" if done.cache_age is None else str(int(done.cache_age.total_seconds()))


def _nodes(builder: Inspected) -> str:
    """Return a builder's nodes in the form of docker/setup-buildx-action; empty without nodes."""
    found = [
        {
            "name": node.name,
            "endpoint": node.endpoint,
            "driver-opts": node.driver_opts,
            "status": node.status,
            "buildkitd-flags": node.flags,
            "buildkit": node.buildkit,
            "platforms": ",".join(node.meant_for),
        }
        for node in builder.nodes
    ]
    return _line(found) if found else ""


def _target(done: Outcome) -> Mapping[str, object]:
    """Return a target's outputs as JSON has them: lists and numbers."""
    hits, steps, ratio = hit_ratio(done.steps)
    return {
        "digest": done.digest,
        "imageid": done.image_id,
        "tags": done.tags,
        "changed": done.changed,
        "misses": steps_json.misses(done.misses),
        "cache-read": done.cache_read,
        "cache-written": done.cache_written,
        "cache-write-error": _write_error(done),
        "cache-hits": hits,
        "cache-steps": steps,
        "cache-hit-ratio": round(ratio, 2),
    }


def _target_caches(planned: Planned) -> str:
    return _line(
        {
            plan.name: {
                "cache-from": command_line.cache_from(plan.cache),
                "cache-to": command_line.cache_to(plan.cache),
            }
            for plan in planned.plans
            if plan.name and not plan.linked
        }
    )


def _bake_file(name: str, content: str) -> Output:
    text = f"With plan-only: a bake definition of {content}."
    return Output(name, text, of_plan=lambda planned: planned.files.get(name))


def _line(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


# What docker/metadata-action has as outputs.
_OF_METADATA: Final = (
    *("version", "tags", "tag-names", "labels", "annotations", "json"),
    *("bake-file-tags", "bake-file-labels", "bake-file-annotations", "bake-file"),
)
# The table behind action.yml, the component and the docs.
_ROWS: Final = (
    Output("digest", "Digest of the image, or of its index.", of_outcome=lambda done: done.digest),
    Output(
        "imageid", "ID of the image, as --iidfile has it.", of_outcome=lambda done: done.image_id
    ),
    Output(
        "metadata",
        "What buildx says of the build, as JSON in one line.",
        of_outcome=lambda done: done.metadata,
    ),
    Output(
        "tags",
        "Full references of the image, separated by newlines if rules make them, and by commas if "
        "not. With plan-only and no image, their names.",
        of_outcome=lambda done: done.tags,
        of_plan=lambda planned: tuple(tag for plan in planned.plans for tag in _tags(plan)),
    ),
    Output(
        "version",
        "Name of the first tag; if rules make several, the one with the highest priority.",
        of_image=lambda plan: plan.version,
    ),
    Output("tag-names", "Names of the tags, one a line.", of_image=_names),
    Output("labels", "Labels of the image, one a line.", of_image=lambda plan: plan.labels),
    Output(
        "annotations",
        "Annotations of the image, one a line. If there are rules for tags, also those of "
        "docker/metadata-action, even if the image does not get them.",
        of_image=lambda plan: plan.told_annotations,
    ),
    Output("json", "Tags, labels and annotations as JSON in one line.", of_image=_image_json),
    Output(
        "changed",
        "Whether the image may differ from the last one of its branch: true or false.",
        of_outcome=lambda done: str(done.changed).lower(),
    ),
    Output(
        "cache-read",
        "Cache refs that were found and imported, separated by commas.",
        of_outcome=lambda done: ",".join(done.cache_read),
    ),
    Output(
        "cache-written",
        "Cache ref that was written; empty if none was.",
        of_outcome=lambda done: done.cache_written,
    ),
    Output(
        "cache-write-error",
        "Why the cache was not written although it should have been; empty if nothing failed.",
        of_outcome=_write_error,
    ),
    Output(
        "cache-age",
        "Age of the oldest result in the caches that were read and used, in seconds.",
        of_outcome=_age,
    ),
    Output(
        "cache-hits",
        "Number of steps that came from a cache.",
        of_outcome=lambda done: str(hit_ratio(done.steps)[0]),
    ),
    Output(
        "cache-steps",
        "Number of steps of the Dockerfile that the build needed, FROM not counted.",
        of_outcome=lambda done: str(hit_ratio(done.steps)[1]),
    ),
    Output(
        "cache-hit-ratio",
        "cache-hits divided by cache-steps, from 0.00 to 1.00.",
        of_outcome=lambda done: f"{hit_ratio(done.steps)[2]:.2f}",
    ),
    Output(
        "misses",
        "The first step of each stage that ran, with the causes and what would have saved it, as "
        "JSON in one line; see docs/explain.md.",
        of_outcome=lambda done: _line(steps_json.misses(done.misses)),
    ),
    Output(
        "targets",
        "Outcome of each target of bake-files or compose-files, as JSON in one line.",
        of_outcome=lambda done: _line({one.name: _target(one) for one in done.targets}),
        of_plan=_target_caches,
    ),
    Output(
        "cache-from",
        "With plan-only: the cache sources, one a line, as docker/build-push-action takes them.",
        of_plan=lambda planned: "\n".join(command_line.cache_from(planned.cache)),
    ),
    Output(
        "cache-to",
        "With plan-only: the cache destinations, one a line, in the same form.",
        of_plan=lambda planned: "\n".join(command_line.cache_to(planned.cache)),
    ),
    _bake_file("bake-file", "caches, tags, labels and annotations, as docker/bake-action takes it"),
    _bake_file("bake-file-tags", "the tags alone"),
    _bake_file("bake-file-labels", "the labels alone"),
    _bake_file("bake-file-annotations", "the annotations alone"),
    Output(
        "name",
        "Name of the builder, as docker/setup-buildx-action has it.",
        of_outcome=lambda done: done.builder.name,
    ),
    Output("driver", "Driver of the builder.", of_outcome=lambda done: done.builder.driver),
    Output(
        "platforms",
        "Platforms of the builder's nodes, separated by commas.",
        of_outcome=lambda done: ",".join(done.builder.meant_for),
    ),
    Output(
        "nodes",
        "The builder's nodes as JSON in one line, as docker/setup-buildx-action has them.",
        of_outcome=lambda done: _nodes(done.builder),
    ),
)
OUTPUTS: Final[Mapping[str, Output]] = {row.name: row for row in _ROWS}
