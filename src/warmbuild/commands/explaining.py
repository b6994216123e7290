"""Why steps run: by the records beside the caches of a run, before and after its build."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from warmbuild.cache import problems
from warmbuild.record import comparing, ran, record
from warmbuild.record.cause import Cause, Kind
from warmbuild.record.changed_files import Files
from warmbuild.record.differences import Against, Build
from warmbuild.record.predicting import Compared
from warmbuild.refs import Reference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.cache.cache_plan import Place
    from warmbuild.commands.recording import Beside, Known
    from warmbuild.record.comparing import Miss
    from warmbuild.record.record import Ran


def explained(builds: Sequence[Known], outcome: Outcome) -> Outcome:
    """Return an outcome with the causes of its misses."""
    known = {one.decided.name: one for one in builds}

    def told(done: Outcome) -> Outcome:
        one = known.get(done.name)
        if one is None:
            return done
        made = one.material.recipe({**one.images, **done.images}, b"")
        became = ran.ran(done.steps, made, one.compared(done))
        return replace(done, misses=misses(one, became, done))

    if outcome.targets:
        return replace(outcome, targets=tuple(map(told, outcome.targets)))
    return told(outcome)


def misses(
    one: Known, became: Mapping[tuple[str, int], Ran], done: Outcome | None = None
) -> tuple[Miss, ...]:
    """Return the first step of each stage that runs; `became` is what becomes of all steps."""
    decided, made = one.decided, one.material
    content = made.given.content
    images = {**one.images, **(done.images if done else {})}
    build = Build(
        recipe=made.recipe(images, b""),
        file=made.file,
        files=Files(marks=record.marks(content) if content else {}, ignored=made.ignored),
        images=images,
        platforms=decided.platforms,
        target=decided.stage,
    )
    failed = _failed(one, done) if done else {}
    unread = [why for why in decided.cache.unread if why.kind is not Kind.NOT_NEEDED]
    silent = [*unread, *failed.values(), *filter(None, map(_silent, one.read))]
    # Without a cache, no record tells why steps run.
    used = _against(one, done, failed) if one.read else ()
    ignored = () if decided.no_cache else one.ignored
    return comparing.misses(build, used, became, ignored=ignored, otherwise=silent)


def _against(one: Known, done: Outcome | None, failed: Mapping[str, Cause]) -> Sequence[Against]:
    """Return the records that a build is compared with: also of its branch's cache, if unread."""
    unread = {cause.names[0]: cause for cause in one.decided.cache.unread if cause.names}
    known = [(_name(beside.ref.ref), beside.record) for beside in one.read if beside.describes]
    write = one.decided.cache.write
    if write and one.own and _name(write.ref) in unread:
        known.insert(0, (_name(write.ref), one.own))
    return [
        Against(
            compared=Compared(record=made, now=one.recipe(made, done)),
            ref=ref,
            unread=unread.get(ref) or failed.get(ref),
        )
        for ref, made in known
        if made
    ]


def _failed(one: Known, done: Outcome) -> Mapping[str, Cause]:
    """Return the caches that BuildKit could not read, although the registry has them."""
    texts = [problem.text for problem in done.problems if problem.kind is problems.Kind.READ]
    cache = one.decided.cache
    found = {}
    for item in cache.read:
        names = tuple(f"{ref} is not read" for ref in (item.ref, cache.merged) if ref)
        if text := next((text for text in texts if text.startswith(names)), ""):
            ref = _name(item.ref)
            found[ref] = Cause(kind=Kind.UNREADABLE, text=text, names=(ref,))
    return found


def _silent(beside: Beside) -> Cause | None:
    """Return why the record of a cache that is read tells nothing; None if it tells something."""
    ref = _name(beside.ref.ref)
    if beside.record is None:
        text = f"{ref} cannot tell: {beside.why}"
        return Cause(kind=Kind.NO_RECORD, text=text, names=(ref,))
    if not beside.describes:
        text = f"{ref} cannot tell: its record is of another cache"
        return Cause(kind=Kind.OTHER_CACHE, text=text, names=(ref,))
    return None


def _name(place: Place) -> str:
    """Return how a cache is named, whatever it holds at the moment."""
    return str(replace(place, digest="") if isinstance(place, Reference) else place)
