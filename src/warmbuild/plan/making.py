"""Makes the plan of a build: where the image goes, what the cache does, builder, secrets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from warmbuild import csv_attributes, refs
from warmbuild.cache import policy
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.cache.permission import Facts
from warmbuild.errors import InputError, InputProblem
from warmbuild.image import attestations, naming
from warmbuild.inputs import build_context
from warmbuild.inputs.values import Inputs, Secret
from warmbuild.plan import builders
from warmbuild.plan.build_plan import BuildPlan

if TYPE_CHECKING:
    from warmbuild.image.naming import Naming
    from warmbuild.image.tags import Tags
    from warmbuild.refs import Reference
    from warmbuild.run_context import RunContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a plan needs to know beside inputs and context."""

    applied: Tags
    """What the rules for tags gave this run; they are applied once for all images."""
    variables: frozenset[str] | None
    """Environment variables that are set and not empty; None if they are not known."""
    has_image_store: bool = True
    """False if the engine's own BuildKit builds without the containerd image store."""


def decide(inputs: Inputs, context: RunContext, known: Known) -> BuildPlan:
    """Decide everything about the build of one image.

    Raises InputError for an image that has to be pushed and has no name, and for platforms that
    the builder cannot build together.
    """
    named = naming.decide(inputs, context, known.applied)
    push, why_push = _push(inputs, context, named)
    load, why_load = _load(inputs, context, push=push)
    _check_platforms(inputs, known)
    facts = Facts(
        variables=known.variables,
        pushes=push or _outputs_push(inputs),
        has_image_store=known.has_image_store,
    )
    cache = policy.decide(inputs, context, repository(inputs), facts)
    place = build_context.filled_in(inputs.context, context)
    named_contexts = tuple(build_context.filled_in(item, context) for item in inputs.build_contexts)
    urls = [item.partition("=")[2] for item in named_contexts]
    default_attests = attestations.defaults(inputs, context)
    decided = BuildPlan(
        run=context,
        builder=builders.planned(inputs),
        cache=cache,
        context=place,
        file=inputs.file,
        target=inputs.target,
        platforms=inputs.platforms,
        build_args=inputs.build_args,
        labels=named.labels,
        annotations=named.annotations,
        version=named.version,
        secrets=(*inputs.secrets, *_git_token(inputs, context, (place, *urls))),
        tags=named.tags,
        push=push,
        load=load,
        pull=inputs.pull or cache.stale,
        no_cache=inputs.no_cache or cache.stale,
        no_cache_filters=inputs.no_cache_filters,
        attests=(*default_attests, *attestations.attests(inputs, context)),
        default_attests=default_attests,
        outputs=inputs.outputs,
        passed=inputs.passed,
        build_contexts=named_contexts,
        call=inputs.call,
        notes=(
            *named.notes,
            *filter(None, (why_push, why_load)),
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
        default_attests=(),
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


def _check_platforms(inputs: Inputs, known: Known) -> None:
    if len(inputs.platforms) > 1 and not known.has_image_store:
        text = (
            f"{len(inputs.platforms)} are asked for, and the driver {inputs.driver.name} builds "
            "for one unless the engine has the containerd image store; driver: docker-container "
            "builds for several."
        )
        raise InputError([InputProblem(name="platforms", text=text)])


def _push(inputs: Inputs, context: RunContext, named: Naming) -> tuple[bool, str]:
    is_of_file = inputs.bake_files or inputs.compose_files
    if named.is_nameless and inputs.push and not is_of_file:
        text = "no rule gives this run's image a name, and it cannot be pushed without one: add "
        raise InputError(
            [InputProblem(name="tags", text=f"{text}type=ref,event=branch, or type=sha.")]
        )
    if inputs.push is not None:
        return inputs.push, ""
    if named.is_nameless:
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


def _git_token(inputs: Inputs, context: RunContext, sources: tuple[str, ...]) -> tuple[Secret, ...]:
    """Return the token for git contexts on the server that gave it, and for no other one.

    BuildKit takes it as the secret GIT_AUTH_TOKEN.<host>; a secret of the user's own wins.
    """
    hosts = {build_context.host(source) for source in sources}
    ours = any(secret.id.startswith("GIT_AUTH_TOKEN") for secret in inputs.secrets)
    if not inputs.github_token or not context.server or context.server not in hosts or ours:
        return ()
    return (Secret(id=f"GIT_AUTH_TOKEN.{context.server}", value=inputs.github_token),)
