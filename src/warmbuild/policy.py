"""Which cache refs are read and which one is written, each with its reason: the heart.

Read near, then far; write only your own; untrusted code writes nothing. `decide` says what a run
would try, and `settle`, once the registry was asked, what of it BuildKit gets to see.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, assert_never

from warmbuild import refs
from warmbuild.probe import Found, Missing, NotACache, Refused, Silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.context import RunContext
    from warmbuild.inputs import Inputs
    from warmbuild.probe import Answer

# What is asked for where nobody says which branch is the default one.
USUAL_DEFAULT_BRANCHES: Final = ("main", "master")

# Cache backends whose destination other runs read; see `Explicit caches` in docs/cache.md.
_SHARED_BACKENDS: Final = ("registry", "s3", "azblob")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRef:
    """A cache ref and why it is read or written."""

    ref: refs.Reference
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePlan:
    """What the build reads, near before far, and the one ref it writes.

    `sources` and `destinations` are the user's own, passed on as they are; `mode` is BuildKit's.
    `notes` are decisions without a ref; `warnings` are losses that a user would want to mend.
    """

    read: tuple[CacheRef, ...] = ()
    write: CacheRef | None = None
    mode: str = "max"
    union: bool = False
    sources: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def decide(inputs: Inputs, context: RunContext, repository: refs.Reference | None) -> CachePlan:
    """Return every ref that this run would try; `repository` is where the image goes.

    The table of `docs/cache.md`: own branch, target branch, fallbacks, default branch.
    """
    if inputs.cache == "off":
        return CachePlan(notes=("the cache is off: cache is off",))
    if inputs.cache_from or inputs.cache_to:
        return _explicit(inputs, context)
    home = inputs.cache_repository or repository
    if home is None:
        return CachePlan(notes=("no cache: there is neither an image nor a cache-repository",))
    scope = _scope(inputs)
    notes: list[str] = []
    read = [] if inputs.cache == "write-only" else _reads(inputs, context)
    write, why_not = _write(inputs, context)
    if inputs.cache == "write-only":
        notes.append("no cache is read: cache is write-only")
    elif inputs.no_cache:
        read = []
        notes.append("no cache is read: no-cache is on")
    if why_not:
        notes.append(f"no cache is written: {why_not}")

    def ref(branch: str) -> refs.Reference:
        tag = refs.cache_tag(prefix=inputs.cache_tag_prefix, scope=scope, branch=branch)
        return replace(home, tag=tag)

    return CachePlan(
        read=tuple(CacheRef(ref=ref(branch), reason=reason) for branch, reason in read),
        write=CacheRef(ref=ref(write[0]), reason=write[1]) if write else None,
        mode=inputs.cache_mode,
        union=inputs.cache_import == "union",
        notes=tuple(notes),
    )


def settle(plan: CachePlan, answers: Mapping[refs.Reference, Answer]) -> CachePlan:
    """Keep what the registry has, pinned by digest, and give up what would fail or hang.

    A registry that does not answer is kept from BuildKit altogether, for it would wait without
    limit; a ref that holds something else than a cache is left as it is.
    """
    kept: list[CacheRef] = []
    notes: list[str] = []
    warnings: list[str] = []
    for candidate in plan.read:
        match answers[candidate.ref]:
            case Found(digest=digest):
                if kept and not plan.union:
                    notes.append(f"{candidate.ref} is not read: a nearer ref is there")
                else:
                    pinned = replace(candidate.ref, digest=digest)
                    kept.append(replace(candidate, ref=pinned))
            case Missing():
                notes.append(f"{candidate.ref} is not there yet")
            case Refused(reason=reason) | Silent(reason=reason) | NotACache(reason=reason):
                warnings.append(f"{candidate.ref} is not read: {reason}")
            case _ as never:
                assert_never(never)
    write = plan.write
    if write:
        match answers[write.ref]:
            case Silent(reason=reason) | NotACache(reason=reason):
                warnings.append(f"{write.ref} is not written: {reason}")
                write = None
            case Found() | Missing() | Refused():
                pass
            case _ as never:
                assert_never(never)
    return replace(
        plan,
        read=tuple(kept),
        write=write,
        notes=plan.notes + tuple(notes),
        warnings=plan.warnings + tuple(dict.fromkeys(warnings)),
    )


def _reads(inputs: Inputs, context: RunContext) -> list[tuple[str, str]]:
    """Return (branch, reason), near before far, each branch once."""
    own = _own(context)
    wanted: list[tuple[str, str]] = []
    if own:
        wanted.append((own, "this branch's own cache"))
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
        (context.passing, context.passing),
        (not context.branch, "this run belongs to no branch"),
        (
            context.ci == "local" and not forced,
            "a local run leaves the shared cache alone; cache: read-write writes it",
        ),
    )
    why_not = next((reason for stands, reason in obstacles if stands), "")
    return (None, why_not) if why_not else ((context.branch, "this branch's own cache"), "")


def _scope(inputs: Inputs) -> str:
    """Return what keeps this cache apart: the scope, and the platform where there is one.

    Jobs that build one platform each would overwrite each other's cache otherwise.
    """
    platform = inputs.platforms if len(inputs.platforms) == 1 else ()
    return "/".join(part for part in (inputs.cache_scope, *platform) if part)


def _explicit(inputs: Inputs, context: RunContext) -> CachePlan:
    """Pass the user's own sources and destinations on, but for what untrusted code may not write.

    One of the two is enough to turn the automatic refs off: who gives a source alone wants no
    export, as with docker/build-push-action.
    """
    destinations = inputs.cache_to
    warnings: tuple[str, ...] = ()
    if context.untrusted:
        destinations = tuple(to for to in destinations if backend(to) not in _SHARED_BACKENDS)
        warnings = tuple(
            f"cache-to {to} is left out: {context.untrusted}"
            for to in inputs.cache_to
            if to not in destinations
        )
    return CachePlan(
        sources=inputs.cache_from,
        destinations=destinations,
        notes=("cache-from and cache-to are given, so no refs are chosen",),
        warnings=warnings,
    )


def backend(entry: str) -> str:
    """Return the backend of a cache-from or cache-to entry, `registry` for a bare reference."""
    return dict(attributes(entry)).get("type", "registry")


def attributes(entry: str) -> Sequence[tuple[str, str]]:
    """Split an entry as buildx does: CSV, names in lower case, a bare reference is `ref`."""
    fields = next(csv.reader([entry]), [])
    pairs = [field.partition("=") for field in fields]
    return [
        (name.strip().lower(), value) if equals else ("ref", name) for name, equals, value in pairs
    ]
