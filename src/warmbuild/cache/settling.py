"""What is left of a cache plan once the registry has answered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, assert_never

from warmbuild.cache import records
from warmbuild.cache.age import age_text
from warmbuild.cache.probe import Answer, Found, Missing, NotACache, Refused, Silent
from warmbuild.cache.problems import Kind, Problem
from warmbuild.refs import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from warmbuild.cache.cache_plan import CachePlan, CacheRef, Place

# Where the size of a configuration is worth a warning, in bytes.
LARGE: Final = 800_000


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


def must_be_one(plan: CachePlan) -> bool:
    """Say whether what is read has to become one cache, for BuildKit loses steps among several."""
    return plan.imports == "auto" and len(plan.read) > 1 and plan.backend.merged


def as_one(plan: CachePlan, merged: Reference) -> CachePlan:
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


def shifted(plan: CachePlan, written: Found) -> tuple[tuple[Reference, Found], ...]:
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
        if isinstance(item.ref, Reference) and item.found != found
    )


def _identity(found: Found) -> str:
    """Return what two manifests of the same cache have in common.

    The manifest of a cache that was read and written again differs by its annotations.
    """
    return found.config or found.digest


def _settle_reads(plan: CachePlan, answers: Mapping[Place, Answer], now: datetime) -> CachePlan:
    kept: list[CacheRef] = []
    notes: list[str] = []
    advice: list[Problem] = []
    lost: list[Problem] = []
    old: list[CacheRef] = []
    for candidate in plan.read:
        match answers[candidate.ref]:
            case Found() as found:
                if found.size > LARGE:
                    text = _too_large(candidate.ref, found.size)
                    advice.append(Problem(kind=Kind.ADVICE, text=text))
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
                text = f"{candidate.ref} is not read: {reason}"
                lost.append(Problem(kind=Kind.READ, text=text))
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
        problems=tuple(dict.fromkeys((*plan.problems, *advice, *lost))),
    )


def _settle_write(plan: CachePlan, answers: Mapping[Place, Answer]) -> CachePlan:
    if plan.write is None:
        return plan
    refused: list[Problem] = []
    written = tuple(_writable(plan, plan.platforms or [plan.write], answers, refused))
    beside = (plan.stages, plan.history) if written else ((), ())
    stages, history = (tuple(_writable(plan, items, answers, refused)) for items in beside)
    return replace(
        plan,
        write=next(iter(written), None),
        platforms=written if plan.platforms else (),
        stages=stages,
        history=history,
        problems=(*plan.problems, *refused),
    )


def _writable(
    plan: CachePlan,
    items: Sequence[CacheRef],
    answers: Mapping[Place, Answer],
    refused: list[Problem],
) -> Iterator[CacheRef]:
    """Return the refs that may be written, with what is there; say of others why they may not."""
    for item in items:
        answer = answers[item.ref]
        if isinstance(answer, Silent | NotACache) and not _is_empty(plan, answer):
            text = f"{item.ref} is not written: {answer.reason}"
            refused.append(Problem(kind=Kind.WRITE, text=text))
        else:
            found = answer if isinstance(answer, Found) else None
            yield replace(item, found=found, vendor=answer.vendor)


def _is_empty(plan: CachePlan, answer: Answer) -> bool:
    """Say whether an answer is what the backend inline writes where no step makes a layer."""
    return plan.backend.lies_in_image and isinstance(answer, NotACache) and answer.is_image


def _pinned(candidate: CacheRef, found: Found) -> CacheRef:
    """Return a ref as BuildKit gets it: what is there now, whatever comes there meanwhile."""
    ref = candidate.ref
    if isinstance(ref, Reference):
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
