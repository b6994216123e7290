"""Makes the plan of a build: where the image goes, what the cache does, builder, secrets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from warmbuild import csv_attributes
from warmbuild.cache import packing, policy, problems
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.errors import InputError, InputProblem
from warmbuild.image import attestations, naming
from warmbuild.inputs import build_context
from warmbuild.inputs.values import Inputs, Secret
from warmbuild.plan import builders, reproducibility
from warmbuild.plan.build_plan import BuildPlan
from warmbuild.trust import Right

if TYPE_CHECKING:
    from warmbuild.cache.permission import Facts
    from warmbuild.image.naming import Naming
    from warmbuild.run_context import RunContext


def decide(inputs: Inputs, context: RunContext, facts: Facts) -> BuildPlan:
    """Decide everything about the build of one image.

    Raises InputError if an image has to be pushed and has no name, or if the builder cannot build
    the platforms together, or the engine load them.
    """
    named = naming.decide(inputs, context, facts.applied)
    push, why_push = _push(inputs, context, named)
    load, why_load = _load(inputs, context, named, push=push)
    pushes = push or any(
        {("type", "registry"), ("push", "true")} & set(csv_attributes.pairs(entry))
        for entry in inputs.outputs
    )
    cache = policy.decide(inputs, context, naming.repository(inputs), facts, pushes=pushes)
    main_context = build_context.filled_in(inputs.context, context)
    contexts = tuple(build_context.filled_in(item, context) for item in inputs.build_contexts)
    sources = (main_context, *(item.partition("=")[2] for item in contexts))
    default_attests = attestations.defaults(inputs, context)
    decided = BuildPlan(
        run=context,
        builder=builders.planned(inputs),
        cache=cache,
        context=main_context,
        file=inputs.file,
        stage=inputs.target,
        platforms=inputs.platforms,
        build_args=inputs.build_args,
        labels=named.labels,
        annotations=named.annotations,
        told_annotations=named.told_annotations,
        version=named.version,
        secrets=(*inputs.secrets, *_git_token(inputs, context, sources)),
        tags=named.tags,
        bare_tags=named.bare_tags,
        push=push,
        load=load,
        pull=inputs.pull or cache.stale,
        no_cache=inputs.no_cache or cache.stale,
        no_cache_filters=inputs.no_cache_filters,
        attests=(*default_attests, *attestations.attests(inputs, context)),
        default_attests=default_attests,
        outputs=packing.of_outputs(
            inputs.outputs,
            packing.of_inputs(inputs),
            is_image=push or (inputs.lazy and not load),
        ),
        passed=inputs.passed,
        build_contexts=contexts,
        call=inputs.call,
        notes=(
            *named.notes,
            *filter(None, (why_push, why_load)),
            *builders.notes(inputs, context.trust),
        ),
        problems=problems.advice(inputs.warnings),
    )
    if not decided.makes_an_image:
        return _asking(decided)
    _check_platforms(decided, facts)
    return reproducibility.applied(decided, inputs, facts)


def with_cache(plan: BuildPlan, cache: CachePlan) -> BuildPlan:
    """Return a build with its cache settled; if it is stale, the builder's own cache is too."""
    return replace(
        plan, cache=cache, pull=plan.pull or cache.stale, no_cache=plan.no_cache or cache.stale
    )


def _asking(plan: BuildPlan) -> BuildPlan:
    """Return a plan that makes nothing: buildx would push an empty image if it were told to."""
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


def _check_platforms(decided: BuildPlan, facts: Facts) -> None:
    """Raise InputError if an engine without the containerd image store takes one platform."""
    given, driver = f"{len(decided.platforms)} are given, but", decided.builder.driver
    if facts.has_image_store or len(decided.platforms) <= 1:
        return
    if driver.needs_image_store:
        text = (
            f"{given} the driver {driver.name} builds for one at a time unless the engine has the "
            "containerd image store; set driver: docker-container."
        )
    elif decided.loads_several:
        text = (
            f"{given} the engine loads one at a time, because it has no containerd image store; "
            "load one, or use outputs: type=oci,dest=FILE."
        )
    else:
        return
    raise InputError([InputProblem(name="platforms", text=text)])


def _push(inputs: Inputs, context: RunContext, named: Naming) -> tuple[bool, str]:
    """Return whether the image is pushed, and why not."""
    if named.is_nameless and inputs.push and not inputs.has_files:
        text = (
            "no tag rule applies to this run, and an image without a name cannot be pushed; add "
            "type=ref,event=branch or type=sha."
        )
        raise InputError([InputProblem(name="tags", text=text)])
    if inputs.push is not None:
        return inputs.push, ""
    obstacles = (
        (named.is_nameless, "no tag rule applies to this run"),
        (named.bare_tags, "there is none, only its names are asked for"),
        (inputs.outputs, "outputs says where the result goes; push: true pushes it as well"),
        (_is_unnamed(inputs, named), "it has no name; image or tags gives it one"),
        (why := context.trust.refuses(Right.PUSH_BY_DEFAULT), f"{why}; push: true pushes it"),
    )
    for holds, reason in obstacles:
        if holds:
            return False, f"the image is not pushed: {reason}"
    return True, ""


def _is_unnamed(inputs: Inputs, named: Naming) -> bool:
    """Return whether no input names the image; targets of files have names of their own."""
    return not (named.tags or named.is_nameless or inputs.has_files)


def _load(inputs: Inputs, context: RunContext, named: Naming, *, push: bool) -> tuple[bool, str]:
    """Return whether the image is loaded into the engine, and why."""
    if inputs.load is not None:
        return inputs.load, ""
    stays = push or inputs.outputs or len(inputs.platforms) > 1 or _is_unnamed(inputs, named)
    if context.trust.is_local and not stays:
        return True, "the image is loaded into the engine, because it is not pushed"
    return False, ""


def _git_token(inputs: Inputs, context: RunContext, sources: tuple[str, ...]) -> tuple[Secret, ...]:
    """Return the token for contexts of the run's own repository, and for no others.

    BuildKit takes it as the secret GIT_AUTH_TOKEN.<host>; a secret of the user's own wins.
    """
    is_given = any(secret.id.startswith("GIT_AUTH_TOKEN") for secret in inputs.secrets)
    if is_given or not inputs.github_token or context.trust.refuses(Right.HAVE_TOKEN):
        return ()
    if not context.server or not any(build_context.is_of(context, one) for one in sources):
        return ()
    return (Secret(id=f"GIT_AUTH_TOKEN.{context.server}", value=inputs.github_token),)
