"""What is left of a cache plan once the registry has answered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, assert_never

from warmbuild.cache import packing, records
from warmbuild.cache.probe import Answer, Found, Missing, NotACache, Refused, Silent, Unasked
from warmbuild.cache.problems import Kind, Problem
from warmbuild.record import cause
from warmbuild.record.cause import Cause
from warmbuild.refs import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from warmbuild.cache.cache_plan import CachePlan, CacheRef, Place

# Size in bytes at which a manifest or configuration comes near BuildKit's limit.
LARGE: Final = 800_000


def settle(plan: CachePlan, answers: Mapping[Place, Answer], now: datetime) -> CachePlan:
    """Keep what the registry holds, pinned by digest, and drop what would fail or hang.

    BuildKit waits without limit for a registry that does not answer, so it gets none of its refs. A
    ref that holds something other than a cache is not overwritten.
    """
    if not plan.backend.asked:
        note = f"the backend {plan.backend.name} cannot be queried, so BuildKit gets every ref"
        return replace(plan, notes=(*plan.notes, note)) if plan.read else plan
    settled = _settle_writes(_settle_reads(plan, answers, now), answers)
    return replace(settled, repacks=plan.lazy and not packing.has_lazy(settled))


def must_be_one(plan: CachePlan) -> bool:
    """Return whether the caches have to be merged, because BuildKit loses steps among several.

    What is unknown cannot be merged, and may not exist: then BuildKit gets all of them.
    """
    is_known = all(item.found for item in plan.read)
    return plan.imports == "auto" and len(plan.read) > 1 and plan.backend.merged and is_known


def unmerged(plan: CachePlan, why: str) -> CachePlan:
    """Return the plan for caches that cannot be merged, with notes that say why.

    It reads the nearest cache alone. If the nearest branch has a cache for each platform, it reads
    all of these: they share no step. It also reads all inline caches, because the nearest one lacks
    the steps of stages.
    """
    if plan.backend.lies_in_image:
        return replace(plan, notes=(*plan.notes, f"BuildKit may miss some cached steps: {why}"))
    first = plan.read[0]
    kept = [first]
    if first.beside:
        kept = [item for item in plan.read if item.beside and item.branch == first.branch]
    left = tuple(
        _unread(item, cause.Kind.NOT_READ, f"is not read: {why}")
        for item in plan.read
        if item not in kept
    )
    return replace(
        plan,
        read=tuple(kept),
        unread=(*plan.unread, *left),
        notes=(*plan.notes, *(one.text for one in left)),
    )


def shifted(plan: CachePlan, written: Found) -> tuple[tuple[Reference, Found], ...]:
    """Return the tags that older generations get now that a new one is written.

    A generation that equals a younger one is dropped.
    """
    kept = {_identity(written): written}
    for item in ((plan.write,) if plan.write else ()) + plan.history:
        if item.found:
            kept.setdefault(_identity(item.found), item.found)
    older = list(kept.values())[1:]
    return tuple(
        (item.ref, found)
        for item, found in zip(plan.history, older, strict=False)
        if isinstance(item.ref, Reference) and item.found != found
    )


def _identity(found: Found) -> str:
    """Return what stays the same if a cache is read and exported again: annotations do not."""
    return found.config or found.digest


def _settle_reads(plan: CachePlan, answers: Mapping[Place, Answer], now: datetime) -> CachePlan:
    kept: list[CacheRef] = []
    unread: list[Cause] = []
    notes: list[str] = []
    advice: list[Problem] = []
    for item in plan.read:
        match answers[item.ref]:
            case Found() as found:
                advice += _of_size(item.ref, found.size)
                why_not = _too_old(plan, item, found, now)
                if why_not := why_not or _why_not_with(plan, kept, item, found):
                    unread.append(why_not)
                else:
                    kept.append(_pinned(item, found))
            case Missing():
                if not item.beside:
                    unread.append(_unread(item, cause.Kind.MISSING, "does not exist yet"))
            case Unasked():
                notes.append(f"{item.ref} is left to BuildKit: only it may reach the registry")
                kept.append(item)
            case NotACache() as image if _is_empty(plan, image):
                why = "is not read: its image contains no cache"
                unread.append(_unread(item, cause.Kind.MISSING, why))
            case Refused(reason=reason) | Silent(reason=reason) | NotACache(reason=reason):
                unread.append(_unread(item, cause.Kind.UNREADABLE, f"is not read: {reason}"))
            case _ as never:
                assert_never(never)
    lost = [one.text for one in unread if one.kind is cause.Kind.UNREADABLE]
    notes += [one.text for one in unread if one.kind is not cause.Kind.UNREADABLE]
    all_old = not kept and any(one.kind is cause.Kind.TOO_OLD for one in unread)
    if all_old:
        notes.append("every step runs on freshly pulled base images because every cache is too old")
    advice += [Problem(kind=Kind.READ, text=text) for text in lost]
    return replace(
        plan,
        read=tuple(kept),
        stale=plan.stale or all_old,
        unread=(*plan.unread, *unread),
        notes=(*plan.notes, *notes),
        problems=tuple(dict.fromkeys((*plan.problems, *advice))),
    )


def _settle_writes(plan: CachePlan, answers: Mapping[Place, Answer]) -> CachePlan:
    """Keep the refs that may be written, with what they hold now; note why others may not."""
    if plan.write is None:
        return plan
    refused: list[Problem] = []

    def writable(items: Sequence[CacheRef]) -> tuple[CacheRef, ...]:
        kept: list[CacheRef] = []
        for item in items:
            answer = answers[item.ref]
            if isinstance(answer, Silent | NotACache) and not _is_empty(plan, answer):
                text = f"{item.ref} is not written: {answer.reason}"
                refused.append(Problem(kind=Kind.WRITE, text=text))
            else:
                found = answer if isinstance(answer, Found) else None
                kept.append(replace(item, found=found, vendor=answer.vendor))
        return tuple(kept)

    written = writable(plan.platforms or (plan.write,))
    unasked = any(isinstance(answers[item.ref], Unasked) for item in plan.history)
    text = "cache-history has no effect: only BuildKit may reach the registry"
    return replace(
        plan,
        write=next(iter(written), None),
        platforms=written if plan.platforms else (),
        stages=writable(plan.stages) if written else (),
        history=writable(plan.history) if written and not unasked else (),
        notes=(*plan.notes, text) if unasked else plan.notes,
        problems=(*plan.problems, *refused),
    )


def _is_empty(plan: CachePlan, answer: Answer) -> bool:
    """Return whether an image holds no cache as the backend inline writes it without layers."""
    return plan.backend.lies_in_image and isinstance(answer, NotACache) and answer.is_image


def _pinned(item: CacheRef, found: Found) -> CacheRef:
    """Return a ref as BuildKit gets it: by digest, for its tag may move meanwhile."""
    ref = item.ref
    if isinstance(ref, Reference):
        ref = replace(ref, digest=found.digest)
    return replace(item, ref=ref, found=found)


def _too_old(plan: CachePlan, item: CacheRef, found: Found, now: datetime) -> Cause | None:
    """Return why a cache is too old to be read; None if it is not."""
    oldest = records.oldest(found.records)
    if plan.max_age is None or oldest is None or now - oldest <= plan.max_age:
        return None
    age = records.age_text(now - oldest)
    why = f"is not read: its oldest result is {age} old, more than cache-max-age allows"
    return _unread(item, cause.Kind.TOO_OLD, why)


def _why_not_with(
    plan: CachePlan, kept: Sequence[CacheRef], item: CacheRef, found: Found
) -> Cause | None:
    """Return why a cache is not read together with those kept; None if it is."""
    if plan.imports == "union" or not kept:
        return None
    if plan.imports == "first" and item.branch != kept[0].branch:
        why = "is not read: cache-import is first, and a nearer ref exists"
        return _unread(item, cause.Kind.NOT_READ, why)
    these = records.joined(found.records)
    for near in kept:
        theirs = records.joined(near.found.records if near.found else ())
        if these.records and records.holds(theirs, these):
            why = f"is not read: {near.ref} has all of its steps"
            return _unread(item, cause.Kind.NOT_NEEDED, why)
        if records.contradict(theirs, these):
            why = f"is not read: it has other results than {near.ref} for the same steps"
            return _unread(item, cause.Kind.CONTRADICTS, why)
    return None


def _unread(item: CacheRef, kind: cause.Kind, why: str) -> Cause:
    ref = item.ref
    name = replace(ref, digest="") if isinstance(ref, Reference) else ref
    return Cause(kind=kind, text=f"{ref} {why}", names=(str(name),))


def _of_size(ref: Place, size: int) -> Iterator[Problem]:
    """Yield the problem of a cache that is soon too large for BuildKit."""
    if size > LARGE:
        text = (
            f"the manifest or configuration of {ref} has {size / 1000:.0f} kB, and BuildKit reads "
            "no more than 1048 kB; split the cache by cache-scope, or build fewer stages in one "
            "image"
        )
        yield Problem(kind=Kind.ADVICE, text=text)
