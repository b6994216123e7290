"""Why steps run: by the records beside the caches of a run, before and after its build."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild.cache import problems
from warmbuild.project.dockerfile import Dockerfile
from warmbuild.record import comparing, earlier, predicting, ran, record
from warmbuild.record.cause import Cause, Kind, shown
from warmbuild.record.changed_files import Files
from warmbuild.record.differences import Against, Build
from warmbuild.record.earlier import Comparison
from warmbuild.record.explanation import Explanation, source
from warmbuild.record.predicting import Compared, Fate, Forecast
from warmbuild.record.record import Ran
from warmbuild.refs import Reference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.cache.cache_plan import Place
    from warmbuild.commands.recording import Known
    from warmbuild.record.miss import Miss
    from warmbuild.record.record import Record

# What is compared, unless it is the last build of a branch.
FILES: Final = "the files here"


def explained(builds: Sequence[Known], outcome: Outcome) -> Outcome:
    """Return an outcome with the causes of its misses, and where its hits came from."""
    known = {one.decided.name: one for one in builds}
    if outcome.targets:
        told = (_told(known.get(done.name), done) for done in outcome.targets)
        return replace(outcome, targets=tuple(told))
    return _told(known.get(outcome.name), outcome)


def _told(one: Known | None, done: Outcome) -> Outcome:
    if one is None or not done.steps:
        return done
    made = one.material.recipe({**one.images, **done.images}, b"")
    became = ran.ran(done.steps, made, one.compared(done))
    lines = {(step.stage, step.position): step.line for step in made.steps}
    origins = _origins(one, done)
    steps = [
        replace(
            step,
            line=lines.get(place, 0),
            origin=origins.get(place, "") if step.cached else "",
            usual=became[place].seconds if step.cached and place in became else 0.0,
        )
        if place
        else step
        for step, place in zip(done.steps, ran.places(done.steps, made), strict=True)
    ]
    is_warm = all(step.cached for step in steps)
    found = () if is_warm else misses(one, became, done)
    return replace(done, steps=tuple(steps), misses=found, earlier=_earlier(one, done, became))


def _earlier(one: Known, done: Outcome, became: Mapping[tuple[str, int], Ran]) -> Comparison | None:
    """Return a build beside the last one of the default branch; None if no record of that is read.

    A branch's own cache is the first one of the branch that is read.
    """
    branch = one.decided.run.default_branch
    of_branch = (beside for beside in one.read if branch and beside.ref.branch == branch)
    beside = next((beside for beside in of_branch if beside.record), None)
    if beside is None or beside.record is None:
        return None
    compared = Compared(record=beside.record, now=one.recipe(beside.record, done))
    return Comparison(
        source=source(_name(beside.ref.ref), beside.record),
        pairs=earlier.pairs(compared, became),
    )


def _origins(one: Known, done: Outcome) -> Mapping[tuple[str, int], str]:
    """Return the nearest cache whose record has each step, by stage and position."""
    origins: dict[tuple[str, int], str] = {}
    for beside in one.read:
        if beside.record and beside.describes:
            keys = {step.key for step in beside.record.recipe.steps if step.key}
            for step in one.recipe(beside.record, done).steps:
                if step.key in keys:
                    origins.setdefault((step.stage, step.position), _name(beside.ref.ref))
    return origins


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
    # Without a cache, no record tells why steps run.
    used = _against(one, done, failed) if one.read else ()
    ignored = () if decided.no_cache else one.ignored
    otherwise = (*failed.values(), *_silent(one))
    return comparing.misses(build, used, became, ignored=ignored, otherwise=otherwise)


def explanation(one: Known, of: str, against: str) -> Explanation:
    """Return what becomes of the steps of a build, and why.

    If `of` names a branch, the last build of that branch takes the place of the files here. If
    `against` names one, the caches of these branches are the only ones that are read.
    """
    if of:
        return _of_records(one, of, against)
    if against:
        one = replace(one, own=None)
    steps = one.forecast
    if not steps:
        # What a cache without a record has is unknown, and so is what a builder has.
        recipe = one.material.recipe(one.images, b"")
        steps = tuple(Forecast(step=step, fate=Fate.UNKNOWN) for step in recipe.steps)
    notes = [cause.text for cause in _silent(one)]
    notes += [one.material.given.unknown] if one.material.given.unknown else []
    return Explanation(
        name=one.decided.name,
        subject=FILES,
        sources=tuple(
            source(_name(beside.ref.ref), beside.record)
            for beside in one.read
            if beside.record and beside.describes
        ),
        steps=steps,
        misses=misses(one, _fates(steps)),
        notes=tuple(notes),
    )


def _of_records(one: Known, of: str, against: str) -> Explanation:
    """Return what would become of the last build of a branch beside that of another one."""
    name, subject = one.decided.name, f"the last build of {shown(of)}"
    found = {beside.ref.branch: beside for beside in reversed(one.read) if beside.record}
    now, then = found.get(of), found.get(against)
    notes = [cause.text for cause in _silent(one)]
    if now is None or then is None or now.record is None or then.record is None:
        return Explanation(name=name, subject=subject, notes=tuple(notes))
    built, known = now.record, then.record
    sources = (source(_name(then.ref.ref), known),)
    subject = source(_name(now.ref.ref), built).text
    if built.salt != known.salt:
        note = "neither build has read the record of the other, so their values cannot be compared"
        return Explanation(name=name, subject=subject, sources=sources, notes=(*notes, note))
    compared = Compared(record=known, now=built.recipe)
    steps = tuple(_as_it_ran(step, built) for step in predicting.forecast([compared]))
    build = Build(
        recipe=built.recipe,
        file=Dockerfile(syntax="", arguments=(), stages=()),
        files=Files(marks=built.files, ignored=built.ignored, folded=built.folded),
        images=built.images,
        platforms=built.platforms,
        target=built.stage,
    )
    told = [Against(compared=compared, ref=_name(then.ref.ref))]
    return Explanation(
        name=name,
        subject=subject,
        sources=sources,
        steps=steps,
        misses=comparing.misses(build, told, _fates(steps)),
        notes=tuple(notes),
    )


def _as_it_ran(one: Forecast, built: Record) -> Forecast:
    done = built.ran.get((one.step.stage, one.step.position))
    return replace(one, seconds=done.seconds) if done else one


def _fates(steps: Sequence[Forecast]) -> Mapping[tuple[str, int], Ran]:
    """Return what becomes of steps as if they had run."""
    return {
        (one.step.stage, one.step.position): Ran(
            cached=one.fate is Fate.CACHED, seconds=one.seconds
        )
        for one in steps
    }


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


def _silent(one: Known) -> Sequence[Cause]:
    """Return why records of caches tell nothing, and why caches are not read.

    That there is none yet comes last, because it is so for each new branch.
    """
    found: list[Cause] = []
    for beside in one.read:
        kind, why = Kind.OTHER_CACHE, "its record is of another cache"
        if beside.record is None:
            kind, why = Kind.NO_RECORD, beside.why
        if not beside.describes:
            ref = _name(beside.ref.ref)
            found.append(Cause(kind=kind, text=f"{ref} cannot tell: {why}", names=(ref,)))
    unread = [why for why in one.decided.cache.unread if why.kind is not Kind.NOT_NEEDED]
    return [*found, *sorted(unread, key=lambda why: why.kind is Kind.MISSING)]


def _name(place: Place) -> str:
    """Return how a cache is named, whatever it holds at the moment."""
    return str(replace(place, digest="") if isinstance(place, Reference) else place)
