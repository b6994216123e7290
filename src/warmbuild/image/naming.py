"""What an image is called: tags, version, labels and annotations, decided in one place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from warmbuild import refs
from warmbuild.frozen import frozen
from warmbuild.image import labels

if TYPE_CHECKING:
    from warmbuild.image.tags import Tags
    from warmbuild.inputs.values import Inputs
    from warmbuild.run_context import RunContext


@frozen
class Naming:
    """The names of one image, and its labels and annotations."""

    tags: tuple[str, ...]  # Full references: each name under each image, then those given in full
    version: str  # Name of the first tag
    labels: tuple[str, ...]
    annotations: tuple[str, ...]
    notes: tuple[str, ...]  # How the names came about, and which tag rules failed
    is_nameless: bool  # Whether tag rules are given and none applies to this run


def decide(inputs: Inputs, context: RunContext, applied: Tags) -> Naming:
    """Return how an image is called; `applied` holds the names that the tag rules made.

    With tag rules, labels and annotations are docker/metadata-action's. Without, they are the given
    ones, and pull request, git tag, branch or commit names the image.
    """
    by_rule = bool(inputs.tag_rules)
    names = [*(tag for tag in inputs.tags if refs.is_tag(tag)), *applied.names]
    reason = ""
    if inputs.image and not inputs.tags and not by_rule:
        names, reason = _default_names(context)
    named = [replace(image, tag=name) for image in inputs.image for name in names]
    full = [refs.parse(tag) for tag in inputs.tags if not refs.is_tag(tag)]
    tags = tuple(dict.fromkeys(map(str, (*named, *full))))
    version, given = applied.version, inputs.annotations
    return Naming(
        tags=tags,
        version=version or next((tag.rpartition(":")[2] for tag in tags), ""),
        labels=labels.labelled(context, version, inputs.labels) if by_rule else inputs.labels,
        annotations=labels.annotated(context, version, given) if by_rule and given else given,
        notes=tuple(filter(None, (reason, *applied.notes))),
        is_nameless=by_rule and not tags,
    )


def of_target(inputs: Inputs, context: RunContext, applied: Tags, target: str) -> tuple[str, ...]:
    """Return the references of a bake target without tags of its own: `<target>-<name>`."""
    named = map(refs.parse, decide(inputs, context, applied).tags)
    return tuple(str(replace(one, tag=refs.image_tag(f"{target}-{one.tag}"))) for one in named)


def _default_names(context: RunContext) -> tuple[list[str], str]:
    """Return the names of an image without tags or tag rules, and the reason."""
    if context.pull_request is not None:
        return [f"pr-{context.pull_request}"], "tagged by the pull request's number"
    if context.tag:
        return [refs.image_tag(context.tag)], "tagged by the git tag"
    if context.branch and context.branch == context.default_branch:
        reason = "tagged by the branch, and latest because it is the default branch"
        return [refs.image_tag(context.branch), "latest"], reason
    if context.branch:
        return [refs.image_tag(context.branch)], "tagged by the branch"
    if context.ci != "local" and context.commit:
        return [f"sha-{context.commit[:7]}"], "tagged by the commit, because its branch is unknown"
    return ["latest"], "tagged latest, because neither branch nor git tag is known"
