"""What an image is called: tags, version, labels and annotations, decided in one place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from warmbuild import refs
from warmbuild.errors import InputError, InputProblem
from warmbuild.frozen import frozen
from warmbuild.image import labels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warmbuild.image.tags import Tags
    from warmbuild.inputs.values import Inputs
    from warmbuild.refs import Reference
    from warmbuild.run_context import RunContext


@frozen
class Naming:
    """The names of one image, and its labels and annotations."""

    tags: tuple[str, ...]  # Full references: each name under each image, then those given in full
    bare_tags: tuple[str, ...]  # The names, if there is no image to put them under
    version: str  # Name of the first tag
    labels: tuple[str, ...]
    annotations: tuple[str, ...]
    told_annotations: tuple[str, ...]  # Those that the outputs tell, and not only the image's
    notes: tuple[str, ...]  # How the names came about, and which tag rules failed
    is_nameless: bool  # Whether tag rules are given and none applies to this run


def decide(inputs: Inputs, context: RunContext, applied: Tags) -> Naming:
    """Return how an image is called; `applied` holds the names that the tag rules made.

    With tag rules, labels and annotations are docker/metadata-action's. Without, they are the given
    ones, and pull request, git tag, branch or commit names the image. The image has annotations
    only if some are given.
    """
    context = context.naming
    by_rule, prefix = bool(inputs.tag_rules), inputs.cache_tag_prefix
    derived, reason = list(applied.names), ""
    if inputs.image and not inputs.tags and not by_rule:
        derived, reason = _default_names(context)
    renamed = {name: refs.image_tag_apart(name, prefix) for name in derived}
    notes = [
        f"tagged {new}, not {name}: the tags of caches begin with {prefix}"
        for name, new in renamed.items()
        if new != name
    ]
    names = [*(tag for tag in inputs.tags if refs.is_tag(tag)), *renamed.values()]
    named = [replace(image, tag=name) for image in inputs.image for name in names]
    full = [refs.parse(tag) for tag in inputs.tags if not refs.is_tag(tag)]
    _check_apart((*named, *full), inputs)
    tags = tuple(dict.fromkeys(map(str, (*named, *full))))
    is_bare = by_rule and not (tags or inputs.image or inputs.has_files)
    bare = tuple(renamed.values()) if is_bare else ()
    version, given = applied.version, inputs.annotations
    levels = inputs.annotations_levels
    told = labels.annotated(context, version, given, levels) if by_rule else given
    return Naming(
        tags=tags,
        bare_tags=bare,
        version=version or next((tag.rpartition(":")[2] for tag in tags), ""),
        labels=labels.labelled(context, version, inputs.labels) if by_rule else inputs.labels,
        annotations=told if given else (),
        told_annotations=told,
        notes=tuple(filter(None, (reason, context.naming_note, *notes, *applied.notes))),
        is_nameless=by_rule and not (tags or bare),
    )


def repository(inputs: Inputs) -> Reference | None:
    """Return where the first image goes and, by default, its cache."""
    if inputs.image:
        return inputs.image[0]
    full = next((tag for tag in inputs.tags if not refs.is_tag(tag)), None)
    return replace(refs.parse(full), tag="", digest="") if full else None


def _check_apart(tags: Iterable[Reference], inputs: Inputs) -> None:
    """Raise InputError for tags that are the names of caches in the caches' repository."""
    home, prefix = inputs.cache_repository or repository(inputs), inputs.cache_tag_prefix
    if inputs.cache == "off" or not inputs.cache_backend.is_in_registry or home is None:
        return
    problems = [
        InputProblem(
            name="tags",
            text=f"{tag.tag!r} begins with {prefix!r}, and such tags are caches in "
            f"{tag.repository}; use another tag, cache-tag-prefix or cache-repository.",
        )
        for tag in dict.fromkeys(tags)
        if tag.repository == home.repository and tag.tag.startswith(prefix)
    ]
    if problems:
        raise InputError(problems)


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
        reason = "tagged by the commit, because its branch is unknown"
        return [f"sha-{context.short_commit}"], reason
    return ["latest"], "tagged latest, because neither branch nor git tag is known"
