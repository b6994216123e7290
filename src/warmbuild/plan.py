"""BuildPlan: everything that a build will do, as one value that can be shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from warmbuild import attests, contexts, naming, nodes, policy, refs, tagrules
from warmbuild.errors import InputError, Problem
from warmbuild.inputs import DEFAULT_BUILDKIT_IMAGE, Secret
from warmbuild.policy import CachePlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.context import RunContext
    from warmbuild.inputs import Inputs
    from warmbuild.lints import Finding
    from warmbuild.nodes import Node

# What a daemon grants only where it is told to.
_ENTITLEMENTS: Final = ("security.insecure", "network.host")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderPlan:
    """The builder to use; an empty name means one of this run, under a name of its own.

    Its first node is described here, the others are `appended`. `emulated` are platforms that are
    emulated where no node serves them.
    """

    name: str
    version: str
    driver: str
    driver_opts: tuple[str, ...]
    endpoint: str
    platforms: tuple[str, ...]
    appended: tuple[Node, ...]
    image_mirrors: tuple[str, ...]
    flags: str
    config: str
    config_inline: str
    keep_state: bool
    cleanup: bool
    emulated: tuple[str, ...]
    qemu_image: str

    @property
    def is_fresh(self) -> bool:
        """Whether nothing can have been built with it before this run."""
        return not self.name and self.driver in nodes.STARTED


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """The build of one image, decided; `tags` are full references, `findings` are the lints'.

    `version` is the name of the first tag.

    Several are built in one call where a file says what is built: `name` is the target's name
    there and `definition` what the file says of it. One that is `linked` is built because others
    are made of it.

    `attests` are all attestations of the image, `unasked` those of them that nobody asked for. With
    a `call` there is no image: BuildKit answers a question.
    """

    run: RunContext
    builder: BuilderPlan
    cache: CachePlan
    context: str
    file: str
    target: str
    platforms: tuple[str, ...]
    build_args: tuple[str, ...]
    labels: tuple[str, ...]
    annotations: tuple[str, ...]
    secrets: tuple[Secret, ...]
    tags: tuple[str, ...]
    version: str
    push: bool
    load: bool
    pull: bool
    no_cache: bool
    no_cache_filters: tuple[str, ...]
    attests: tuple[str, ...]
    unasked: tuple[str, ...]
    outputs: tuple[str, ...]
    add_hosts: tuple[str, ...]
    allow: tuple[str, ...]
    build_contexts: tuple[str, ...]
    call: str
    cgroup_parent: str
    network: str
    shm_size: str
    ssh: tuple[str, ...]
    ulimit: tuple[str, ...]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    name: str = ""
    definition: Mapping[str, object] | None = None
    linked: bool = False

    @property
    def makes_an_image(self) -> bool:
        """Whether this is a build, and not a question."""
        return self.call in {"", "build"}


def make(inputs: Inputs, context: RunContext, cache: CachePlan) -> BuildPlan:
    """Decide what is not the cache: tags, where the image goes, the builder, secrets."""
    push, why_push = _push(inputs, context)
    load, why_load = _load(inputs, context, push=push)
    named, by_rule = _by_rule(inputs, context), _is_by_rule(inputs)
    tags, why_tags = _tags(inputs, context)
    if cache.write and cache.backend.name == "inline" and not (push or _outputs_push(inputs)):
        why = "no cache is written: an inline cache is pushed with its image, which is not pushed"
        cache = replace(cache, write=None, stages=(), history=(), notes=(*cache.notes, why))
    build_context = contexts.filled_in(inputs.context, context)
    build_contexts = tuple(contexts.filled_in(item, context) for item in inputs.build_contexts)
    urls = [item.partition("=")[2] for item in build_contexts]
    unasked = attests.unasked(inputs, context)
    decided = BuildPlan(
        run=context,
        builder=_builder(inputs),
        cache=cache,
        context=build_context,
        file=inputs.file,
        target=inputs.target,
        platforms=inputs.platforms,
        build_args=inputs.build_args,
        labels=naming.labelled(context, named.version, inputs.labels) if by_rule else inputs.labels,
        annotations=naming.annotated(context, named.version, inputs.annotations)
        if by_rule and inputs.annotations
        else inputs.annotations,
        version=named.version or next((tag.rpartition(":")[2] for tag in tags), ""),
        secrets=(*inputs.secrets, *_git_token(inputs, context, (build_context, *urls))),
        tags=tags,
        push=push,
        load=load,
        pull=inputs.pull or cache.stale,
        no_cache=inputs.no_cache or cache.stale,
        no_cache_filters=inputs.no_cache_filters,
        attests=(*unasked, *attests.attests(inputs, context)),
        unasked=unasked,
        outputs=inputs.outputs,
        add_hosts=inputs.add_hosts,
        allow=inputs.allow,
        build_contexts=build_contexts,
        call=inputs.call,
        cgroup_parent=inputs.cgroup_parent,
        network=inputs.network,
        shm_size=inputs.shm_size,
        ssh=inputs.ssh,
        ulimit=inputs.ulimit,
        notes=(
            *(note for note in (why_tags, *named.notes, why_push, why_load) if note),
            *_of_builder(inputs),
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


def repository(inputs: Inputs) -> refs.Reference | None:
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
        raise InputError([Problem(name="platforms", text=text)])
    return replace(plan, cache=policy.in_graph_driver(plan.cache))


def image_alone(plan: BuildPlan) -> BuildPlan:
    """Return the same build without the export of its cache, unless that lies in the image."""
    if plan.cache.backend.name == "inline":
        return plan
    return replace(plan, cache=replace(plan.cache, write=None, destinations=()))


def cache_alone(plan: BuildPlan) -> BuildPlan:
    """Return the export of a build's cache, for a builder that has just made its image."""
    return replace(_again(plan), push=False, load=False, tags=(), outputs=("type=cacheonly",))


def image_first(plan: BuildPlan) -> BuildPlan:
    """Return what a build begins with: the image alone where its cache is written after it."""
    return image_alone(plan) if plan.cache.after else plan


def exports_after(plan: BuildPlan) -> bool:
    """Say whether a build has a cache to write once its image is out."""
    cache = plan.cache
    return cache.after and cache.backend.name != "inline" and writes(plan)


def writes(plan: BuildPlan) -> bool:
    """Say whether a build has a cache to write."""
    return bool(plan.cache.write or plan.cache.destinations)


def parts(plans: Sequence[BuildPlan]) -> tuple[tuple[BuildPlan, ...], ...]:
    """Return the calls that builds are carried out in, in their order, each with its builds."""
    calls = [tuple(map(image_first, plans))]
    apart = [part for plan in plans for part in by_platform(plan)]
    if apart:
        calls += [(cache_alone(part),) for part in apart]
    elif any(map(exports_after, plans)):
        calls.append(tuple(export_alone(plan, wanted=exports_after(plan)) for plan in plans))
    return (*calls, *((stage,) for plan in plans for stage in stages(plan)))


def by_platform(plan: BuildPlan) -> tuple[BuildPlan, ...]:
    """Return a build as one of each platform whose cache is written apart; none where none is."""
    return tuple(
        replace(
            plan,
            platforms=(item.platform,),
            cache=replace(plan.cache, write=item, platforms=()),
        )
        for item in plan.cache.platforms
    )


def export_alone(plan: BuildPlan, *, wanted: bool) -> BuildPlan:
    """Return a build's part in a call that writes caches: its own, or what others are made of."""
    return cache_alone(plan if wanted else image_alone(plan))


def stages(plan: BuildPlan) -> tuple[BuildPlan, ...]:
    """Return the builds that push the stages of an inline cache as images of their own."""
    return tuple(
        replace(
            again,
            cache=replace(again.cache, write=stage, stages=()),
            target=stage.stage,
            tags=(),
            load=False,
            attests=("type=provenance,disabled=true",),
            unasked=(),
            outputs=(),
            push=True,
        )
        for again in [_again(plan)]
        for stage in plan.cache.stages
    )


def _again(plan: BuildPlan) -> BuildPlan:
    """Return a build that finds all of its steps in the builder, as they ran there.

    Layers that the builder only knows of are still read from the cache that named them. Where
    steps had to run in any case that cache is left out, for it has others' results of them.
    """
    is_forced = plan.no_cache or bool(plan.no_cache_filters)
    cache = replace(plan.cache, read=(), sources=()) if is_forced else plan.cache
    return replace(plan, cache=cache, pull=False, no_cache=False, no_cache_filters=())


def is_remote(context: str) -> bool:
    """Say whether BuildKit fetches a build context itself: a URL, or git over ssh."""
    return "://" in context or context.startswith(("git@", "github.com/"))


def _push(inputs: Inputs, context: RunContext) -> tuple[bool, str]:
    nameless = _is_by_rule(inputs) and not _tags(inputs, context)[0]
    if nameless and inputs.push and not (inputs.bake_files or inputs.compose_files):
        text = "no rule gives this run's image a name, and it cannot be pushed without one: add "
        raise InputError([Problem(name="tags", text=f"{text}type=ref,event=branch, or type=sha.")])
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
        {("type", "registry"), ("push", "true")} & set(policy.attributes(entry))
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
    return bool(inputs.tag_rules) or inputs.flavor != tagrules.Flavor()


def _by_rule(inputs: Inputs, context: RunContext) -> tagrules.Tags:
    return tagrules.apply(inputs.tag_rules, inputs.flavor, context, context.begun)


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


def _builder(inputs: Inputs) -> BuilderPlan:
    wanted = inputs.qemu_platforms
    emulated = inputs.platforms if nodes.ALL in wanted else map(nodes.platform, wanted)
    return BuilderPlan(
        name=inputs.builder,
        version=inputs.version,
        driver=inputs.driver,
        driver_opts=_with_image(inputs.driver, inputs.driver_opts),
        endpoint=inputs.endpoint,
        platforms=inputs.node_platforms,
        appended=tuple(
            replace(
                node,
                driver_opts=_with_image(inputs.driver, node.driver_opts),
                flags=node.flags or _flags(inputs),
            )
            for node in inputs.append
        ),
        image_mirrors=inputs.buildkit_image_mirrors,
        flags=inputs.buildkitd_flags or _flags(inputs),
        config=inputs.buildkitd_config,
        config_inline=inputs.buildkitd_config_inline,
        keep_state=inputs.keep_state,
        cleanup=inputs.cleanup,
        emulated=tuple(dict.fromkeys(emulated)),
        qemu_image=inputs.qemu_image,
    )


def _with_image(driver: str, opts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the driver's options, with the BuildKit image where none is named."""
    # An option's line may hold several, as buildx reads them as CSV.
    is_named = any(opt.strip('" ').startswith("image=") for line in opts for opt in line.split(","))
    if is_named or driver not in nodes.STARTED:
        return opts
    return (f"image={DEFAULT_BUILDKIT_IMAGE}", *opts)


def _flags(inputs: Inputs) -> str:
    """Return the flags by which a daemon grants what the build is allowed.

    docker/setup-buildx-action has every daemon grant everything.
    """
    granted = [name for name in _ENTITLEMENTS if name in inputs.allow]
    if inputs.driver not in nodes.STARTED:
        return ""
    return " ".join(f"--allow-insecure-entitlement {name}" for name in granted)


def _of_builder(inputs: Inputs) -> tuple[str, ...]:
    """Say what the builder has no use for, or no means."""
    notes = [
        f"{name} does nothing: the builder is there for this run alone" for name in inputs.idle
    ]
    if inputs.driver == "docker" and inputs.cache_backend.name != "inline":
        notes.append(
            "the driver docker writes this cache where the engine has the containerd image store, "
            "and else none"
        )
    if nodes.ALL in inputs.qemu_platforms and not inputs.platforms:
        notes.append("qemu-platforms: all emulates nothing, for platforms asks for nothing")
    return tuple(notes)


def _git_token(inputs: Inputs, context: RunContext, sources: tuple[str, ...]) -> tuple[Secret, ...]:
    """Return the token for git contexts on the server that gave it, and for no other one.

    BuildKit takes it as the secret GIT_AUTH_TOKEN.<host>; a secret of the user's own wins.
    """
    hosts = {contexts.host(source) for source in sources}
    ours = any(secret.id.startswith("GIT_AUTH_TOKEN") for secret in inputs.secrets)
    if not inputs.github_token or not context.server or context.server not in hosts or ours:
        return ()
    return (Secret(id=f"GIT_AUTH_TOKEN.{context.server}", value=inputs.github_token),)
