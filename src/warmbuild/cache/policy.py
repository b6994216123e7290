"""Which cache refs are read and which one is written, each with its reason: the heart.

Read near, then far; write only your own; untrusted code writes nothing. `decide` says what a run
would try, and `settle`, once the registry was asked, what of it BuildKit gets to see.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.cache.places import Places

if TYPE_CHECKING:
    from collections.abc import Collection

    from warmbuild.inputs.values import Inputs
    from warmbuild.refs import Reference
    from warmbuild.run_context import RunContext

# What is asked for where nobody says which branch is the default one.
USUAL_DEFAULT_BRANCHES: Final = ("main", "master")
# Cache backends whose destination no other run reads; see `Explicit caches` in docs/cache.md.
_OWN_BACKENDS: Final = ("inline", "local")


def decide(inputs: Inputs, context: RunContext, repository: Reference | None) -> CachePlan:
    """Return every ref that this run would try; `repository` is where the image goes.

    The table of `docs/cache.md`: own branch, target branch, fallbacks, default branch.
    """
    return replace(_decide(inputs, context, repository), stale=inputs.refresh)


def _decide(inputs: Inputs, context: RunContext, repository: Reference | None) -> CachePlan:
    if inputs.cache == "off":
        return CachePlan(notes=("the cache is off: cache is off",))
    if inputs.cache_from or inputs.cache_to:
        return _explicit(inputs, context)
    home = inputs.cache_repository or repository
    if home is None and inputs.cache_backend.source == "ref":
        return CachePlan(notes=("no cache: there is neither an image nor a cache-repository",))
    refs_of = Places(inputs, home)
    notes: list[str] = []
    wanted = _reads(inputs, context)
    named = tuple(ref.ref for branch, reason in wanted for ref in refs_of.read(branch, reason))
    write, why_not = _write(inputs, context)
    why_no_read = (
        "cache is write-only"
        if inputs.cache == "write-only"
        else "refresh is on"
        if inputs.refresh
        else "no-cache is on"
        if inputs.no_cache
        else ""
    )
    if why_no_read:
        wanted = []
        notes.append(f"no cache is read: {why_no_read}")
    if why_not:
        notes.append(f"no cache is written: {why_not}")
    # An export of its own would have to read what the filters kept from the build, or lose it.
    is_filtered = bool(write and wanted and inputs.no_cache_filters)
    if is_filtered and inputs.cache_export == "after":
        notes.append("the cache is written beside the image, for no-cache-filters is given")
    platforms = tuple(refs_of.platforms(*write)) if write and _has_nodes_apart(inputs) else ()
    if platforms and is_filtered:
        notes.append("no cache is written: no-cache-filters, and nodes for a platform each")
        write, platforms = None, ()
    return CachePlan(
        backend=inputs.cache_backend,
        options=inputs.cache_options,
        prefix=inputs.cache_tag_prefix,
        platforms=platforms,
        named=named,
        read=tuple(ref for branch, reason in wanted for ref in refs_of.read(branch, reason)),
        write=next(iter(platforms), refs_of.written(*write)) if write else None,
        stages=tuple(refs_of.stages(*write)) if write else (),
        history=tuple(refs_of.history(*write)) if write and not platforms else (),
        mode=inputs.cache_mode,
        imports=inputs.cache_import,
        after=bool(platforms) or (inputs.cache_export == "after" and not is_filtered),
        max_age=inputs.cache_max_age,
        notes=tuple(notes),
    )


def _has_nodes_apart(inputs: Inputs) -> bool:
    """Say whether nodes of a builder export a cache each; one that is inline is in one image.

    Targets of files are built in calls that are not taken apart, and a plan alone is another's.
    """
    is_alone = not (inputs.bake_files or inputs.compose_files or inputs.plan_only)
    is_inline = inputs.cache_backend.name == "inline"
    return bool(inputs.append) and len(set(inputs.platforms)) > 1 and is_alone and not is_inline


def with_variables(plan: CachePlan, known: Collection[str]) -> CachePlan:
    """Take note of which of the backend's variables the environment has.

    The cache is given up where one is missing that nothing works without: a CI system sets it, so
    a user can do no more than choose another backend.
    """
    backend = plan.backend
    found = tuple(
        (name, variable) for name, variable in backend.passed.items() if variable in known
    )
    there = {*known, *(option.partition("=")[0] for option in plan.options)}
    missing = [names[0] for names in backend.variables if there.isdisjoint(names)]
    if not missing or not (plan.read or plan.write):
        return replace(plan, secrets=found)
    warning = (
        f"no cache is read or written: the backend {backend.name} needs {' and '.join(missing)}, "
        "which GitHub Actions sets for actions, and not for `run` steps"
    )
    return replace(
        plan,
        read=(),
        write=None,
        platforms=(),
        warnings=(*plan.warnings, warning),
        lost=(*plan.lost, warning),
        write_error=warning if plan.write else "",
    )


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


def _write(inputs: Inputs, context: RunContext) -> tuple[tuple[str, str] | None, str]:
    """Return (branch, reason) of the ref to write, or None and why nothing is written."""
    forced = inputs.cache in {"read-write", "write-only"}
    obstacles = (
        (inputs.cache == "read-only", "cache is read-only"),
        (context.untrusted, context.untrusted),
        (context.tag, "a tag has no cache of its own; its branch has"),
        (context.passing and not forced, context.passing),
        (not context.branch, "this run belongs to no branch"),
        (
            context.ci == "local" and not forced and inputs.cache_backend.name != "local",
            "a local run leaves the shared cache alone; cache: read-write writes it",
        ),
    )
    why_not = next((reason for stands, reason in obstacles if stands), "")
    return (None, why_not) if why_not else ((context.branch, "this branch's own cache"), "")


def _explicit(inputs: Inputs, context: RunContext) -> CachePlan:
    """Pass the user's own sources and destinations on, but for what untrusted code may not write.

    One of the two is enough to turn the automatic refs off: who gives a source alone wants no
    export, as with docker/build-push-action.
    """
    destinations = inputs.cache_to
    warnings: tuple[str, ...] = ()
    if context.untrusted:
        destinations = tuple(to for to in destinations if backend(to) in _OWN_BACKENDS)
        warnings = tuple(
            f"cache-to {to} is left out: {context.untrusted}"
            for to in inputs.cache_to
            if to not in destinations
        )
    return CachePlan(
        sources=() if inputs.refresh else inputs.cache_from,
        destinations=destinations,
        notes=("cache-from and cache-to are given, so no refs are chosen",),
        warnings=warnings,
    )


def backend(entry: str) -> str:
    """Return the backend of a cache-from or cache-to entry, `registry` for a bare reference."""
    return dict(csv_attributes.pairs(entry)).get("type", "registry")
