"""Which cache refs are read and which one is written, each with its reason: the heart.

Read near, then far; write only your own; untrusted code writes nothing. `decide` returns what a run
would try. Once the registry has answered, `settling.settle` returns what of it BuildKit gets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import backends
from warmbuild.cache import packing, permission
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.cache.places import Places
from warmbuild.cache.problems import Kind, Problem
from warmbuild.inputs import builders
from warmbuild.record.cause import Cause
from warmbuild.trust import Right

if TYPE_CHECKING:
    from warmbuild.cache.permission import Facts
    from warmbuild.inputs.values import Inputs
    from warmbuild.refs import Reference
    from warmbuild.run_context import RunContext

_UNKNOWN_DEFAULT: Final = (
    "no cache is read: a tag reads only the default branch's, which is not known; set "
    "default-branch"
)
_GIVEN: Final = "cache-from or cache-to is given, so warmbuild chooses no cache refs"


def decide(
    inputs: Inputs, context: RunContext, repository: Reference | None, facts: Facts, *, pushes: bool
) -> CachePlan:
    """Return every ref that this run would try; `repository` is where the image goes.

    docs/cache.md has the table: own branch, target branch, fallbacks, default branch.
    """
    if inputs.cache == "off":
        decided = CachePlan(notes=("no cache is read or written: cache is off",))
    elif inputs.cache_from or inputs.cache_to:
        decided = _explicit(inputs, context, facts)
    else:
        home = inputs.cache_repository or repository
        decided = _automatic(inputs, context, home, facts, pushes=pushes)
    return replace(decided, stale=inputs.refresh)


def _automatic(
    inputs: Inputs, context: RunContext, home: Reference | None, facts: Facts, *, pushes: bool
) -> CachePlan:
    """Choose the refs of branches in the repository `home`."""
    backend, places = inputs.cache_backend, Places(inputs=inputs, home=home)
    if home is None and backend.is_in_registry:
        note = "no cache is read or written: neither an image nor cache-repository is given"
        return CachePlan(notes=(note,))
    near = tuple(ref for each in _branches(inputs, context) for ref in places.read(*each))
    reading = permission.may_read(inputs, facts)
    reads = reading.is_granted
    writing = permission.may_write(inputs, context, facts, reads=reads, pushes=pushes)
    writes = writing.is_granted
    own = (context.branch, writing.reason)
    is_apart = writes and permission.has_nodes_apart(inputs)
    platforms = tuple(places.platforms(*own)) if is_apart else ()
    why_together = _why_together(inputs, reads=reads and writes)
    is_after = inputs.cache_export == "after"
    unknown = "" if near or not reads else _UNKNOWN_DEFAULT
    why_not = reading.reason or unknown
    notes = [unknown] if unknown else []
    notes += [may.reason for may in (reading, writing) if not (may.is_granted or may.is_problem)]
    if why_together and is_after and writes and not is_apart:
        notes.append(f"the cache is exported with the image because {why_together}")
    return CachePlan(
        backend=backend,
        options=inputs.cache_options,
        secrets=tuple(
            (name, variable)
            for name, variable in backend.passed.items()
            if variable in (facts.variables or ())
        ),
        prefix=inputs.cache_tag_prefix,
        platforms=platforms,
        named=tuple(ref.ref for ref in near),
        read=near if reads else (),
        write=next(iter(platforms), places.written(*own)) if writes else None,
        stages=tuple(places.stages(*own)) if writes else (),
        history=tuple(places.history(*own)) if writes and not platforms else (),
        mode=inputs.cache_mode,
        imports=inputs.cache_import,
        mounts=inputs.cache_mounts,
        mounts_limit=inputs.cache_mounts_limit,
        packing=packing.of_inputs(inputs),
        lazy=inputs.lazy,
        unread=(Cause(kind=reading.kind, text=why_not),) if why_not else (),
        repacks=inputs.lazy,
        after=is_apart or (is_after and not why_together),
        max_age=inputs.cache_max_age,
        notes=tuple(notes),
        problems=tuple(
            Problem(kind=kind, text=may.reason)
            for kind, may in ((Kind.READ, reading), (Kind.WRITE, writing))
            if may.is_problem
        ),
    )


def _why_together(inputs: Inputs, *, reads: bool) -> str:
    """Return why the cache is exported with the image, whatever is asked for, if it has to be.

    A separate export would have to read what the filters kept from the build, or lose it. On a lazy
    builder it would run steps again, whose layers lie upon layers that are not unpacked, and so it
    would in a pod that has not built them.
    """
    if inputs.no_cache_filters and reads:
        return "no-cache-filters is given"
    if inputs.lazy:
        return "lazy is on"
    is_random = builders.driver_options(inputs.driver_opts).get("loadbalance") == "random"
    if inputs.driver.in_cluster and is_random:
        return "the next call may reach another pod (loadbalance=random)"
    return ""


def _branches(inputs: Inputs, context: RunContext) -> list[tuple[str, str]]:
    """Return the branches to read, near before far, each once and with its reason.

    What is read flows into what is written and pushed. So a default branch and a tag read no branch
    that somebody without write access to the default branch can name: in a commit's message, in a
    payload, or by giving a branch the default branch's usual name.
    """
    is_trusted = not context.trust.is_untrusted
    is_own = is_trusted and not context.tag
    is_told = is_trusted and inputs.cache_trust_merged
    is_guarded = is_trusted and (context.tag or context.branch in permission.COMMON_DEFAULTS)
    common = () if context.default_branch or is_guarded else permission.COMMON_DEFAULTS
    wanted = (
        (context.branch if is_own else "", permission.OWN),
        (context.tagged if is_told else "", "the branch that the tag is on"),
        (context.merged if is_told else "", "the branch that was merged"),
        (context.target_branch, "the target branch"),
        *((branch, "named by cache-fallback") for branch in inputs.cache_fallback),
        (context.default_branch, "the default branch"),
        *((branch, "a common default branch; the actual one is not known") for branch in common),
    )
    first: dict[str, str] = {}
    for branch, reason in wanted:
        if branch:
            first.setdefault(branch, reason)
    return list(first.items())


def _explicit(inputs: Inputs, context: RunContext, facts: Facts) -> CachePlan:
    """Pass on the user's own sources and destinations that are allowed.

    Either of them turns the automatic refs off: a source alone means no export, as with
    docker/build-push-action.
    """
    destinations, problems = inputs.cache_to, []
    found = {to: backends.of_entry(to) for to in inputs.cache_to}
    if untrusted := context.trust.refuses(Right.WRITE_CACHES):
        destinations = tuple(
            to for to in destinations if (backend := found[to]) and backend.untrusted_may_write
        )
        problems = [
            Problem(kind=Kind.ADVICE, text=f"cache-to {to} is ignored: {untrusted}")
            for to in inputs.cache_to
            if to not in destinations
        ]
    inline = tuple(to for to in destinations if (backend := found[to]) and backend.lies_in_image)
    if not facts.has_image_store and inline != destinations:
        destinations = inline
        problems.append(Problem(kind=Kind.WRITE, text=permission.NO_EXPORT))
    return CachePlan(
        sources=() if inputs.refresh else inputs.cache_from,
        destinations=destinations,
        notes=(_GIVEN,),
        problems=tuple(problems),
    )
