"""Makes the plan of a build: tags, where the image goes, the builder, secrets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from warmbuild import csv_attributes, refs
from warmbuild.cache import settling
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.errors import InputError, InputProblem
from warmbuild.image import attestations, labels, tags
from warmbuild.inputs import build_context
from warmbuild.inputs.tag_rules import Flavor
from warmbuild.inputs.values import Inputs, Secret
from warmbuild.plan import builders
from warmbuild.plan.build_plan import BuildPlan

if TYPE_CHECKING:
    from warmbuild.image.tags import Tags
    from warmbuild.refs import Reference
    from warmbuild.run_context import RunContext


def make(inputs: Inputs, context: RunContext, cache: CachePlan) -> BuildPlan:
    """Decide what is not the cache: tags, where the image goes, the builder, secrets."""
    push, why_push = _push(inputs, context)
    load, why_load = _load(inputs, context, push=push)
    named, by_rule = _by_rule(inputs, context), _is_by_rule(inputs)
    tags, why_tags = _tags(inputs, context)
    if cache.write and cache.backend.name == "inline" and not (push or _outputs_push(inputs)):
        why = "no cache is written: an inline cache is pushed with its image, which is not pushed"
        cache = replace(cache, write=None, stages=(), history=(), notes=(*cache.notes, why))
    place = build_context.filled_in(inputs.context, context)
    named_contexts = tuple(build_context.filled_in(item, context) for item in inputs.build_contexts)
    urls = [item.partition("=")[2] for item in named_contexts]
    unasked = attestations.unasked(inputs, context)
    decided = BuildPlan(
        run=context,
        builder=builders.planned(inputs),
        cache=cache,
        context=place,
        file=inputs.file,
        target=inputs.target,
        platforms=inputs.platforms,
        build_args=inputs.build_args,
        labels=labels.labelled(context, named.version, inputs.labels) if by_rule else inputs.labels,
        annotations=labels.annotated(context, named.version, inputs.annotations)
        if by_rule and inputs.annotations
        else inputs.annotations,
        version=named.version or next((tag.rpartition(":")[2] for tag in tags), ""),
        secrets=(*inputs.secrets, *_git_token(inputs, context, (place, *urls))),
        tags=tags,
        push=push,
        load=load,
        pull=inputs.pull or cache.stale,
        no_cache=inputs.no_cache or cache.stale,
        no_cache_filters=inputs.no_cache_filters,
        attests=(*unasked, *attestations.attests(inputs, context)),
        unasked=unasked,
        outputs=inputs.outputs,
        add_hosts=inputs.add_hosts,
        allow=inputs.allow,
        build_contexts=named_contexts,
        call=inputs.call,
        cgroup_parent=inputs.cgroup_parent,
        network=inputs.network,
        shm_size=inputs.shm_size,
        ssh=inputs.ssh,
        ulimit=inputs.ulimit,
        notes=(
            *(note for note in (why_tags, *named.notes, why_push, why_load) if note),
            *builders.notes(inputs),
        ),
    )
    return decided if decided.makes_an_image else _asking(decided)


def _asking(plan: BuildPlan) -> BuildPlan:
    """Return a plan that makes nothing: buildx would push an empty image where it is told to."""
    why = f"no image is made, and no cache is read or written: call is {plan.call}"
    return replace(
        plan,
        cache=CachePlan(),
        tags=(),
        push=False,
        load=False,
        outputs=(),
        attests=(),
        unasked=(),
        notes=(why,),
    )


def repository(inputs: Inputs) -> Reference | None:
    """Return where the image goes, and so by default its cache: the first image's repository."""
    if inputs.image:
        return inputs.image[0]
    full = next((tag for tag in inputs.tags if not refs.is_tag(tag)), None)
    return replace(refs.parse(full), tag="", digest="") if full else None


def with_cache(plan: BuildPlan, cache: CachePlan) -> BuildPlan:
    """Return the same build with its cache settled; one that is stale is kept from a builder too.

    A builder that stays has a cache of its own.
    """
    return replace(
        plan, cache=cache, pull=plan.pull or cache.stale, no_cache=plan.no_cache or cache.stale
    )


def on_engine(plan: BuildPlan, *, has_store: bool) -> BuildPlan:
    """Return what of a build its builder can do; `has_store` is said of the engine's own alone.

    Raises InputError where nothing is left.
    """
    if has_store:
        return plan
    if len(plan.platforms) > 1:
        text = (
            f"{len(plan.platforms)} are asked for, and the driver docker builds for one unless the "
            "engine has the containerd image store; driver: docker-container builds for several."
        )
        raise InputError([InputProblem(name="platforms", text=text)])
    return replace(plan, cache=settling.in_graph_driver(plan.cache))


def _push(inputs: Inputs, context: RunContext) -> tuple[bool, str]:
    nameless = _is_by_rule(inputs) and not _tags(inputs, context)[0]
    if nameless and inputs.push and not (inputs.bake_files or inputs.compose_files):
        text = "no rule gives this run's image a name, and it cannot be pushed without one: add "
        raise InputError(
            [InputProblem(name="tags", text=f"{text}type=ref,event=branch, or type=sha.")]
        )
    if inputs.push is not None:
        return inputs.push, ""
    if nameless:
        return False, "the image is not pushed: no rule gives this run's image a name"
    if inputs.outputs:
        return False, "the result goes where outputs says; push: true pushes the image as well"
    if context.untrusted:
        return False, f"the image is not pushed: {context.untrusted}; push: true pushes it"
    if context.ci == "local":
        return False, "the image is not pushed: this is a local run; push: true pushes it"
    return True, ""


def _outputs_push(inputs: Inputs) -> bool:
    """Say whether an output of the user's own pushes the image."""
    return any(
        {("type", "registry"), ("push", "true")} & set(csv_attributes.pairs(entry))
        for entry in inputs.outputs
    )


def _load(inputs: Inputs, context: RunContext, *, push: bool) -> tuple[bool, str]:
    if inputs.load is not None:
        return inputs.load, ""
    if inputs.outputs:
        return False, ""
    if context.ci == "local" and not push and len(inputs.platforms) <= 1:
        return True, "the image is loaded into the engine, since it is not pushed"
    return False, ""


def _tags(inputs: Inputs, context: RunContext) -> tuple[tuple[str, ...], str]:
    """Return full references, every name under every image, and why where nobody named them."""
    names = [tag for tag in inputs.tags if refs.is_tag(tag)]
    names += _by_rule(inputs, context).names
    full = [refs.parse(tag) for tag in inputs.tags if not refs.is_tag(tag)]
    reason = ""
    if inputs.image and not inputs.tags and not _is_by_rule(inputs):
        names, reason = _names(context)
    named = [replace(image, tag=name) for image in inputs.image for name in names]
    return tuple(dict.fromkeys(str(reference) for reference in (*named, *full))), reason


def _is_by_rule(inputs: Inputs) -> bool:
    """Say whether names and labels are docker/metadata-action's and not warmbuild's own."""
    return bool(inputs.tag_rules) or inputs.flavor != Flavor()


def _by_rule(inputs: Inputs, context: RunContext) -> Tags:
    return tags.apply(inputs.tag_rules, inputs.flavor, context, context.begun)


def tags_of_target(inputs: Inputs, context: RunContext, target: str) -> tuple[str, ...]:
    """Return the references of a target that has no tags of its own: theirs begin with its name."""
    named = map(refs.parse, _tags(inputs, context)[0])
    return tuple(str(replace(one, tag=refs.image_tag(f"{target}-{one.tag}"))) for one in named)


def _names(context: RunContext) -> tuple[list[str], str]:
    if context.pull_request is not None:
        return [f"pr-{context.pull_request}"], "tagged by the pull request's number"
    if context.tag:
        return [refs.image_tag(context.tag)], "tagged as the git tag"
    if not context.branch and context.ci != "local" and context.commit:
        return [f"sha-{context.commit[:7]}"], "tagged by the commit, which is on no known branch"
    if not context.branch:
        return ["latest"], "tagged latest, since neither branch nor tag is known"
    name = refs.image_tag(context.branch)
    if context.branch == context.default_branch:
        return [name, "latest"], "tagged by the branch, and latest as it is the default one"
    return [name], "tagged by the branch"


def _git_token(inputs: Inputs, context: RunContext, sources: tuple[str, ...]) -> tuple[Secret, ...]:
    """Return the token for git contexts on the server that gave it, and for no other one.

    BuildKit takes it as the secret GIT_AUTH_TOKEN.<host>; a secret of the user's own wins.
    """
    hosts = {build_context.host(source) for source in sources}
    ours = any(secret.id.startswith("GIT_AUTH_TOKEN") for secret in inputs.secrets)
    if not inputs.github_token or not context.server or context.server not in hosts or ours:
        return ()
    return (Secret(id=f"GIT_AUTH_TOKEN.{context.server}", value=inputs.github_token),)
