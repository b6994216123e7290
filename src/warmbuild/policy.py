"""Which cache refs are read and which one is written, each with its reason: the heart.

Read near, then far; write only your own; untrusted code writes nothing. `decide` says what a run
would try, and `settle`, once the registry was asked, what of it BuildKit gets to see.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, assert_never

from warmbuild import lists, records, refs
from warmbuild.backends import BACKENDS, Backend
from warmbuild.probe import Found, Missing, NotACache, Refused, Silent

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from warmbuild.context import RunContext
    from warmbuild.inputs import Inputs
    from warmbuild.probe import Answer
    from warmbuild.vendors.base import Vendor

# What is asked for where nobody says which branch is the default one.
USUAL_DEFAULT_BRANCHES: Final = ("main", "master")
# Where the size of a configuration is worth a warning, in bytes.
LARGE: Final = 800_000

# Cache backends whose destination no other run reads; see `Explicit caches` in docs/cache.md.
_OWN_BACKENDS: Final = ("inline", "local")

# Backends whose caches are read one at a time, unless they are put together.
_MERGED: Final = ("registry", "local")

# What names a cache: a reference, or a directory, scope or name of the other backends.
Place = refs.Reference | str


# What an engine's own BuildKit imports while it keeps images in a graph driver.
_GRAPH_DRIVER_READS: Final = ("registry", "inline", "local")
_NO_STORE: Final = "the engine's own BuildKit without the containerd image store"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRef:
    """A cache ref and why it is read or written.

    `branch` is the one whose cache it is. `stage` is the stage that is built for it alone,
    `platform` the one that it is written of alone, and `beside` says that it stands beside its
    branch's own ref: an older generation, another platform's, a stage's. `found` is what the
    registry holds there, once it was asked, and `vendor` whose registry it is.
    """

    ref: Place
    reason: str
    branch: str = ""
    stage: str = ""
    beside: bool = False
    platform: str = ""
    found: Found | None = None
    vendor: Vendor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePlan:
    """What the build reads, near before far, and the one ref it writes.

    `merged` is what holds all that is read, where that is more than one; `named` are all caches
    that are of use to the run's branch, read or not.

    Nodes that build a platform each would overwrite each other's export, so each of `platforms` is
    then written to a ref of its own, of which `write` is the first.

    `stages` are what an inline cache writes beside its image, `history` the older generations of
    the ref that is written. `sources` and `destinations` are the user's own, passed on as they
    are; `mode` is BuildKit's. `options` are the backend's further attributes, `secrets` those that
    buildx does not find by itself, with the variables that hold them; `prefix` is what tags begin
    with. `stale` says that everything there is was too old, so that nothing may come from any
    cache. `notes` are decisions without a ref; `warnings` are what a user would want to mend, and
    `lost` those of them that are caches which could not be read or written; `write_error` is why
    the latter.
    """

    backend: Backend = BACKENDS["registry"]
    options: tuple[str, ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    prefix: str = ""
    read: tuple[CacheRef, ...] = ()
    merged: Place = ""
    named: tuple[Place, ...] = ()
    write: CacheRef | None = None
    platforms: tuple[CacheRef, ...] = ()
    stages: tuple[CacheRef, ...] = ()
    history: tuple[CacheRef, ...] = ()
    mode: str = "max"
    imports: str = "auto"
    after: bool = False
    max_age: timedelta | None = None
    stale: bool = False
    sources: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    write_error: str = ""

    @property
    def asked(self) -> tuple[Place, ...]:
        """Everything that has to be asked for before the plan can be settled."""
        if not self.backend.asked:
            return ()
        written = [self.write] if self.write else []
        items = (*self.read, *written, *self.platforms, *self.stages, *self.history)
        return tuple(dict.fromkeys(item.ref for item in items))


def decide(inputs: Inputs, context: RunContext, repository: refs.Reference | None) -> CachePlan:
    """Return every ref that this run would try; `repository` is where the image goes.

    The table of `docs/cache.md`: own branch, target branch, fallbacks, default branch.
    """
    return replace(_decide(inputs, context, repository), stale=inputs.refresh)


def _decide(inputs: Inputs, context: RunContext, repository: refs.Reference | None) -> CachePlan:
    if inputs.cache == "off":
        return CachePlan(notes=("the cache is off: cache is off",))
    if inputs.cache_from or inputs.cache_to:
        return _explicit(inputs, context)
    home = inputs.cache_repository or repository
    if home is None and inputs.cache_backend.source == "ref":
        return CachePlan(notes=("no cache: there is neither an image nor a cache-repository",))
    refs_of = _Places(inputs, home)
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


def settle(plan: CachePlan, answers: Mapping[Place, Answer], now: datetime) -> CachePlan:
    """Keep what the registry has, pinned by digest, and give up what would fail or hang.

    A registry that does not answer is kept from BuildKit altogether, for it would wait without
    limit; a ref that holds something else than a cache is left as it is.
    """
    if not plan.backend.asked:
        note = f"the backend {plan.backend.name} is not asked what it has, so all is read"
        return replace(plan, notes=(*plan.notes, note)) if plan.read else plan
    settled = _settle_reads(plan, answers, now)
    return _settle_write(settled, answers)


def in_graph_driver(plan: CachePlan) -> CachePlan:
    """Return what is left of a plan for an engine's own BuildKit without the containerd store.

    It writes a cache into an image alone, and reads one from a registry or a directory.
    """
    lost: list[str] = []
    kind = plan.backend.name
    write, read = plan.write, plan.read
    if read and kind not in _GRAPH_DRIVER_READS:
        lost.append(f"no cache is read: {_NO_STORE} reads none of the backend {kind}")
        read = ()
    not_written = [
        item for item in plan.destinations if dict(attributes(item)).get("type") != "inline"
    ]
    if (write and kind != "inline") or not_written:
        write = None if kind != "inline" else write
        lost.append(
            f"no cache is written: {_NO_STORE} writes one into an image alone "
            "(cache-backend: inline); driver: docker-container writes any"
        )
    return replace(
        plan,
        read=read,
        write=write,
        stages=plan.stages if write else (),
        history=plan.history if write else (),
        destinations=tuple(item for item in plan.destinations if item not in not_written),
        warnings=(*plan.warnings, *lost),
        lost=(*plan.lost, *lost),
        write_error=lost[-1] if lost and (plan.write or not_written) else plan.write_error,
    )


def must_be_one(plan: CachePlan) -> bool:
    """Say whether what is read has to become one cache, for BuildKit loses steps among several."""
    return plan.imports == "auto" and len(plan.read) > 1 and plan.backend.name in _MERGED


def rounds(plans: Sequence[CachePlan]) -> tuple[tuple[int, ...], ...]:
    """Return which of several images are built in one call, and which calls come one by one.

    Images that are built in one call share the steps that are the same. BuildKit looks such a step
    up in the cache of whichever came first (`solver.combinedCacheManager`, v0.32.2), and what lies
    upon it in another one's cache is then not found: 10 of 20 rebuilds of two targets missed a
    step. So images whose caches have a step in common are built one after the other, and those
    without a cache with the last of them, whose cache has what they share.
    """
    found: list[list[int]] = []
    for number, plan in enumerate(plans):
        if not (plan.read or plan.sources):
            continue
        fitting = (one for one in found if not any(_share(plans[other], plan) for other in one))
        if (one := next(fitting, None)) is not None:
            one.append(number)
        else:
            found.append([number])
    warm = {number for one in found for number in one}
    cold = [number for number in range(len(plans)) if number not in warm]
    *first, last = found or [[]]
    return tuple(tuple(one) for one in (*first, sorted((*last, *cold))) if one)


def _share(these: CachePlan, those: CachePlan) -> bool:
    """Say whether caches have a step in common, or cannot be asked whether they have."""
    mine, others = _steps(these), _steps(those)
    return mine is None or others is None or not mine.isdisjoint(others)


def _steps(plan: CachePlan) -> set[str] | None:
    """Return the digests of the steps in the caches that are read; None where nobody knows."""
    if plan.sources or any(read.found is None for read in plan.read):
        return None
    return {
        record.digest
        for read in plan.read
        if read.found
        for cache in read.found.records
        for record in cache.records
        if record.inputs
    }


def as_one(plan: CachePlan, merged: refs.Reference) -> CachePlan:
    """Read everything from where it was put together."""
    return replace(plan, merged=merged)


def nearest(plan: CachePlan, why: str) -> CachePlan:
    """Read the nearest cache alone, and say why the others are not read with it.

    Where a branch has none of its own but for those of single platforms, they are, for they have
    no step in common.
    """
    first = plan.read[0]
    kept = [first]
    if first.beside:
        kept = [item for item in plan.read if item.beside and item.branch == first.branch]
    left = tuple(f"{item.ref} is not read: {why}" for item in plan.read if item not in kept)
    return replace(plan, read=tuple(kept), notes=(*plan.notes, *left))


def shifted(plan: CachePlan, written: Found) -> tuple[tuple[refs.Reference, Found], ...]:
    """Return the tags that older generations get now that a new one is written.

    A generation that is the same as the new one, or as a younger one, is not kept twice.
    """
    assert plan.write  # noqa: S101 (for mypy: something was written)
    before = [plan.write.found, *(item.found for item in plan.history)]
    seen, kept = {_identity(written)}, []
    for found in before:
        if found and _identity(found) not in seen:
            seen.add(_identity(found))
            kept.append(found)
    return tuple(
        (item.ref, found)
        for item, found in zip(plan.history, kept, strict=False)
        if isinstance(item.ref, refs.Reference) and item.found != found
    )


def _identity(found: Found) -> str:
    """Return what two manifests of the same cache have in common.

    The manifest of a cache that was read and written again differs by its annotations.
    """
    return found.config or found.digest


def _settle_reads(plan: CachePlan, answers: Mapping[Place, Answer], now: datetime) -> CachePlan:
    kept: list[CacheRef] = []
    notes: list[str] = []
    warnings: list[str] = []
    lost: list[str] = []
    old: list[CacheRef] = []
    for candidate in plan.read:
        match answers[candidate.ref]:
            case Found() as found:
                if found.size > LARGE:
                    warnings.append(_too_large(candidate.ref, found.size))
                is_old = _is_old(found, plan.max_age, now)
                why_not = is_old or _why_not_with(kept, candidate, found, plan.imports)
                if why_not:
                    notes.append(f"{candidate.ref} is not read: {why_not}")
                    old += [candidate] if is_old else []
                else:
                    kept.append(_pinned(candidate, found))
            case Missing():
                if not candidate.beside:
                    notes.append(f"{candidate.ref} is not there yet")
            case NotACache() as image if _is_empty(plan, image):
                notes.append(f"{candidate.ref} is not read: its image has no cache in it")
            case Refused(reason=reason) | Silent(reason=reason) | NotACache(reason=reason):
                lost.append(f"{candidate.ref} is not read: {reason}")
            case _ as never:
                assert_never(never)
    stale = plan.stale or bool(old and not kept)
    if old and not kept:
        notes.append("all is built anew on new base images, for every cache is too old")
    return replace(
        plan,
        read=tuple(kept),
        stale=stale,
        notes=plan.notes + tuple(notes),
        warnings=(*plan.warnings, *dict.fromkeys((*warnings, *lost))),
        lost=tuple(dict.fromkeys(lost)),
    )


def _settle_write(plan: CachePlan, answers: Mapping[Place, Answer]) -> CachePlan:
    if plan.write is None:
        return plan
    lost: list[str] = []
    written = tuple(_writable(plan, plan.platforms or [plan.write], answers, lost))
    beside = (plan.stages, plan.history) if written else ((), ())
    stages, history = (tuple(_writable(plan, items, answers, lost)) for items in beside)
    return replace(
        plan,
        write=next(iter(written), None),
        platforms=written if plan.platforms else (),
        stages=stages,
        history=history,
        warnings=(*plan.warnings, *lost),
        lost=(*plan.lost, *lost),
        write_error="; ".join(lost),
    )


def _writable(
    plan: CachePlan, items: Sequence[CacheRef], answers: Mapping[Place, Answer], lost: list[str]
) -> Iterator[CacheRef]:
    """Return the refs that may be written, with what is there; say of others why they may not."""
    for item in items:
        answer = answers[item.ref]
        if isinstance(answer, Silent | NotACache) and not _is_empty(plan, answer):
            lost.append(f"{item.ref} is not written: {answer.reason}")
        else:
            found = answer if isinstance(answer, Found) else None
            yield replace(item, found=found, vendor=answer.vendor)


def _is_empty(plan: CachePlan, answer: Answer) -> bool:
    """Say whether an answer is what the backend inline writes where no step makes a layer."""
    return plan.backend.name == "inline" and isinstance(answer, NotACache) and answer.is_image


def _pinned(candidate: CacheRef, found: Found) -> CacheRef:
    """Return a ref as BuildKit gets it: what is there now, whatever comes there meanwhile."""
    ref = candidate.ref
    if isinstance(ref, refs.Reference):
        ref = replace(ref, digest=found.digest)
    return replace(candidate, ref=ref, found=found)


def _is_old(found: Found, max_age: timedelta | None, now: datetime) -> str:
    """Return why a cache is too old to be read, or an empty text."""
    oldest = records.oldest(found.records)
    if max_age is None or oldest is None or now - oldest <= max_age:
        return ""
    return f"its oldest result is {age_text(now - oldest)} old, and cache-max-age is less"


def _why_not_with(kept: Sequence[CacheRef], candidate: CacheRef, found: Found, imports: str) -> str:
    """Return why a cache is not read beside those that are, or an empty text."""
    if imports == "union" or not kept:
        return ""
    if imports == "first" and candidate.branch != kept[0].branch:
        return "a nearer ref is there"
    clash = next((item for item in kept if item.found and _contradict(item.found, found)), None)
    return f"it has other results than {clash.ref} for the same steps" if clash else ""


def _contradict(these: Found, those: Found) -> bool:
    return any(records.contradict(one, other) for one in these.records for other in those.records)


def _too_large(ref: Place, size: int) -> str:
    return (
        f"{ref} takes {size / 1000:.0f} kB to describe, and BuildKit reads no more than 1048 kB; "
        "keep parts of it apart by cache-scope, or build fewer stages in one image"
    )


def age_text(age: timedelta) -> str:
    """Return an age as people say it: 3 days, 5 hours, 12 minutes."""
    seconds = max(0, int(age.total_seconds()))
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds} second{'s' if seconds != 1 else ''}"


@dataclass(frozen=True, slots=True)
class _Places:
    """Names the caches of a branch for the backend of a run."""

    inputs: Inputs
    home: refs.Reference | None

    def read(self, branch: str, reason: str) -> Iterator[CacheRef]:
        """Return all that may be read of a branch, its own ref first."""
        own, *others = self._platforms()
        yield CacheRef(ref=self._place(branch, own), reason=reason, branch=branch)
        beside = list(self.stages(branch, reason)) + list(self.history(branch, reason))
        for platform in others:
            what = f"{platform} alone" if platform else "all platforms"
            place = self._place(branch, platform)
            beside.append(CacheRef(ref=place, reason=f"{reason}, {what}"))
        for item in beside:
            yield replace(item, branch=branch, beside=True)

    def written(self, branch: str, reason: str) -> CacheRef:
        """Return what a run writes."""
        own = self._platforms()[0]
        return CacheRef(ref=self._place(branch, own), reason=reason, branch=branch)

    def platforms(self, branch: str, reason: str) -> Iterator[CacheRef]:
        """Return the refs of single platforms, which jobs that build one each write too."""
        for platform in dict.fromkeys(self.inputs.platforms):
            place = self._place(branch, platform)
            why = f"{reason}, {platform} alone"
            yield CacheRef(ref=place, reason=why, branch=branch, platform=platform)

    def stages(self, branch: str, reason: str) -> Iterator[CacheRef]:
        """Return the refs of the stages that an inline cache keeps beside its image."""
        own = self._platforms()[0]
        for stage in dict.fromkeys(self.inputs.cache_stages):
            place = self._place(branch, own, stage=stage)
            yield CacheRef(ref=place, reason=f"{reason}, stage {stage}", stage=stage)

    def history(self, branch: str, reason: str) -> Iterator[CacheRef]:
        """Return the older generations of a branch's cache, the youngest first."""
        own = self._platforms()[0]
        for generation in range(1, self.inputs.cache_history):
            place = self._place(branch, own, generation=generation)
            yield CacheRef(ref=place, reason=f"{reason}, {generation} before it")

    def _platforms(self) -> tuple[str, ...]:
        """Return whose caches are of use, this run's own first; an empty text is all platforms'.

        Jobs that build one platform each would overwrite each other's cache under one name.
        """
        platforms = tuple(dict.fromkeys(self.inputs.platforms))
        return (platforms[0], "") if len(platforms) == 1 else ("", *platforms)

    def _place(self, branch: str, platform: str, *, stage: str = "", generation: int = 0) -> Place:
        inputs = self.inputs
        # The signs belong to no scope, stage, platform or version, so no two of them meet.
        marked = (("@", platform), ("+", stage), ("=", inputs.cache_version))
        scope = inputs.cache_scope + "".join(f"{sign}{value}" for sign, value in marked if value)
        tag = refs.cache_tag(
            prefix=inputs.cache_tag_prefix, scope=scope, branch=branch, generation=generation
        )
        if inputs.cache_backend.source == "ref" and self.home is not None:
            return replace(self.home, tag=tag)
        return f"{inputs.cache_dir.rstrip('/')}/{tag}" if inputs.cache_dir else tag


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
    return dict(attributes(entry)).get("type", "registry")


def attributes(entry: str) -> Sequence[tuple[str, str]]:
    """Split an entry as buildx does: CSV, names in lower case, a bare reference is `ref`."""
    pairs = [field.partition("=") for field in lists.fields(entry)]
    return [(name.lower(), value) if equals else ("ref", name) for name, equals, value in pairs]
