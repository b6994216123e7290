"""Which cache refs are read and which one is written, each with its reason: the heart.

Read near, then far; write only your own; untrusted code writes nothing. `decide` says what a run
would try, and `settle`, once the registry was asked, what of it BuildKit gets to see.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import backends
from warmbuild.cache import permission
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.cache.places import Places
from warmbuild.cache.problems import Kind, Problem

if TYPE_CHECKING:
    from warmbuild.cache.cache_plan import CacheRef
    from warmbuild.cache.permission import Facts
    from warmbuild.inputs.values import Inputs
    from warmbuild.refs import Reference
    from warmbuild.run_context import RunContext

# What is asked for where nobody says which branch is the default one.
USUAL_DEFAULT_BRANCHES: Final = ("main", "master")


def decide(
    inputs: Inputs, context: RunContext, repository: Reference | None, facts: Facts
) -> CachePlan:
    """Return every ref that this run would try; `repository` is where the image goes.

    The table of `docs/cache.md`: own branch, target branch, fallbacks, default branch.
    """
    if inputs.cache == "off":
        decided = CachePlan(notes=("the cache is off: cache is off",))
    elif inputs.cache_from or inputs.cache_to:
        decided = _explicit(inputs, context, facts)
    else:
        decided = _automatic(inputs, context, inputs.cache_repository or repository, facts)
    return replace(decided, stale=inputs.refresh)


def _automatic(
    inputs: Inputs, context: RunContext, home: Reference | None, facts: Facts
) -> CachePlan:
    """Choose the refs of branches in the repository `home`."""
    backend, places = inputs.cache_backend, Places(inputs, home)
    if home is None and backend.is_in_registry:
        return CachePlan(notes=("no cache: there is neither an image nor a cache-repository",))
    branches = _reads(inputs, context)
    near = tuple(ref for branch, reason in branches for ref in places.read(branch, reason))
    read, unread, problems = _readable(inputs, facts, near)
    may = permission.may_write(inputs, context, facts, reads=bool(read))
    if may.is_problem:
        problems = (*problems, Problem(kind=Kind.WRITE, text=may.reason))
    is_apart = bool(may.branch) and permission.has_nodes_apart(inputs)
    own = (may.branch, may.reason)
    platforms = tuple(places.platforms(*own)) if is_apart else ()
    # An export of its own would have to read what the filters kept from the build, or lose it.
    is_filtered = bool(may.branch and read and inputs.no_cache_filters)
    beside = is_filtered and inputs.cache_export == "after"
    notes = (
        unread,
        "" if may.branch or may.is_problem else may.reason,
        "the cache is written beside the image, for no-cache-filters is given" if beside else "",
    )
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
        read=read,
        write=next(iter(platforms), places.written(*own)) if may.branch else None,
        stages=tuple(places.stages(*own)) if may.branch else (),
        history=tuple(places.history(*own)) if may.branch and not platforms else (),
        mode=inputs.cache_mode,
        imports=inputs.cache_import,
        after=bool(platforms) or (inputs.cache_export == "after" and not is_filtered),
        max_age=inputs.cache_max_age,
        notes=tuple(filter(None, notes)),
        problems=tuple(dict.fromkeys(problems)),
    )


def _readable(
    inputs: Inputs, facts: Facts, near: tuple[CacheRef, ...]
) -> tuple[tuple[CacheRef, ...], str, tuple[Problem, ...]]:
    """Return the refs that may be read, else why not: as a note, or as a problem."""
    reasons = (
        (inputs.cache == "write-only", "cache is write-only"),
        (inputs.refresh, "refresh is on"),
        (inputs.no_cache, "no-cache is on"),
    )
    for holds, reason in reasons:
        if holds:
            return (), f"no cache is read: {reason}", ()
    backend = inputs.cache_backend
    if permission.missing_variables(inputs, facts):
        return (), "", (Problem(kind=Kind.READ, text=permission.lacks_variables(inputs, facts)),)
    if not facts.has_image_store and not backend.read_by_graph_driver:
        text = f"no cache is read: {permission.NO_STORE} reads none of the backend {backend.name}"
        return (), "", (Problem(kind=Kind.READ, text=text),)
    return near, "", ()


def _reads(inputs: Inputs, context: RunContext) -> list[tuple[str, str]]:
    """Return (branch, reason), near before far, each branch once."""
    own = _own(context)
    wanted: list[tuple[str, str]] = []
    if own:
        wanted.append((own, "this branch's own cache"))
    if context.tagged and not context.untrusted:
        wanted.append((context.tagged, "the branch that the tag is on"))
    if context.merged and not (context.tag or context.untrusted):
        wanted.append((context.merged, "the branch that was merged"))
    if context.target_branch:
        wanted.append((context.target_branch, "the branch that this one goes into"))
    wanted += [(branch, "named by cache-fallback") for branch in inputs.cache_fallback]
    if context.default_branch:
        wanted.append((context.default_branch, "the default branch"))
    else:
        wanted += [
            (branch, "often the default branch, which nobody names here")
            for branch in USUAL_DEFAULT_BRANCHES
        ]
    first: dict[str, str] = {}
    for branch, reason in wanted:
        first.setdefault(branch, reason)
    return list(first.items())


def _own(context: RunContext) -> str:
    """Return the branch whose cache is this run's own; nobody's on a tag or in untrusted code."""
    return "" if context.tag or context.untrusted else context.branch


def _explicit(inputs: Inputs, context: RunContext, facts: Facts) -> CachePlan:
    """Pass the user's own sources and destinations on, but for what may not be written.

    One of the two is enough to turn the automatic refs off: who gives a source alone wants no
    export, as with docker/build-push-action.
    """
    destinations, problems = inputs.cache_to, []
    if context.untrusted:
        destinations = tuple(to for to in destinations if _untrusted_may_write(to))
        problems = [
            Problem(kind=Kind.ADVICE, text=f"cache-to {to} is left out: {context.untrusted}")
            for to in inputs.cache_to
            if to not in destinations
        ]
    in_images = tuple(to for to in destinations if _lies_in_image(to))
    if not facts.has_image_store and in_images != destinations:
        destinations = in_images
        problems.append(Problem(kind=Kind.WRITE, text=permission.WITHOUT_STORE))
    return CachePlan(
        sources=() if inputs.refresh else inputs.cache_from,
        destinations=destinations,
        notes=("cache-from and cache-to are given, so no refs are chosen",),
        problems=tuple(problems),
    )


def _untrusted_may_write(entry: str) -> bool:
    backend = backends.of_entry(entry)
    return backend is not None and backend.untrusted_may_write


def _lies_in_image(entry: str) -> bool:
    backend = backends.of_entry(entry)
    return backend is not None and backend.lies_in_image
