"""Plan and outcome as text for the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.cache import kept_mounts, records
from warmbuild.phases import Phase
from warmbuild.record import cause, miss

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.buildkit.progress import Step
    from warmbuild.cache.cache_plan import CacheRef
    from warmbuild.finding import Finding
    from warmbuild.plan.build_plan import BuildPlan

# What is said of the steps of an image that an earlier build has made.
NOTHING: Final = "nothing was built"
# Characters of the name of a step in a headline.
_SHORT: Final = 80
# Seconds that are worth a word.
LONG: Final = 0.1


def plan_text(*plans: BuildPlan, warns: bool = True) -> str:
    """Return the decisions, each with its reason; without warnings if these are said apart."""
    first = plans[0]
    run, builder = first.run, first.builder
    where = [run.event or run.ci]
    where += [f"branch {run.branch}"] if run.branch else []
    where += [f"tag {run.tag}"] if run.tag else []
    where += [f"pull request {run.pull_request}"] if run.pull_request is not None else []
    where += [f"into {run.target_branch}"] if run.target_branch else []
    where += [f"default branch {run.default_branch}"] if run.default_branch else []
    level, reason = run.trust.level.name.lower(), run.trust.reason
    rows = [
        ("run", f"{run.ci}: {', '.join(where)}"),
        ("trust", f"{level}: {reason}" if reason else level),
    ]
    for plan in plans:
        rows += _target_rows(plan)
    endpoints = " and ".join((builder.endpoint, *(node.endpoint for node in builder.appended)))
    rows.append(("builder", builder.name or builder.driver.description or endpoints))
    for plan in plans:
        of = f"{plan.name}: " if plan.name else ""
        rows += [("note", f"{of}{note}") for note in (*plan.notes, *plan.cache.notes)]
        rows += [("warning", f"{of}{warning}") for warning in plan.warnings if warns]
    if warns:
        rows += [("warning", f"{at.file}:{at.line}: {finding(at)}") for at in findings(plans)]
    return "\n".join(f"{name:<12}{value}" for name, value in rows)


def _target_rows(plan: BuildPlan) -> Sequence[tuple[str, str]]:
    cache = plan.cache
    rows = (
        [("target", f"{plan.name}{', a dependency' if plan.linked else ''}")] if plan.name else []
    )
    rows += [("image", tag) for tag in plan.tags]
    rows += [("tag", name) for name in plan.bare_tags]
    rows += [] if plan.linked else [("push", "yes" if plan.push else "no")]
    rows += [("cache read", _because(read)) for read in cache.read]
    rows += [("cache read", source) for source in cache.sources]
    written = cache.platforms or ((cache.write,) if cache.write else ())
    rows += [("cache write", _because(item)) for item in written]
    rows += [("cache write", destination) for destination in cache.destinations]
    return rows


def findings(plans: Sequence[BuildPlan]) -> Sequence[Finding]:
    """Return what the lints found; what several images share is listed once."""
    found = [one for plan in plans for one in plan.findings]
    return tuple({(one.rule, one.file, one.line, one.about): one for one in found}.values())


def finding(found: Finding) -> str:
    """Return what a lint found, with the name that switches it off."""
    return f"{found.text} [{found.rule}]"


def _because(item: CacheRef) -> str:
    return f"{item.ref} ({item.reason})"


def hit_ratio(steps: Iterable[Step]) -> tuple[int, int, float]:
    """Return (cached steps, all steps, their ratio); the ratio of no steps is 0."""
    flags = [step.cached for step in steps]
    return sum(flags), len(flags), (sum(flags) / len(flags) if flags else 0.0)


def headline(outcome: Outcome) -> str:
    """Return how a run has ended, in a sentence without its full stop."""
    hits, steps, _ = hit_ratio(outcome.steps)
    done = f"{steps - hits} of {steps} steps run, {hits} cached" if steps else "no steps"
    took = f"{outcome.seconds:.1f} s"
    if outcome.error:
        step, source = failed_step(outcome), outcome.failure.source if outcome.failure else ""
        where = f" in {step}" * bool(step) + f" ({source})" * bool(source)
        end = f"{'stopped' if outcome.is_stopped else 'failed'} after {took}{where}"
        return f"{_ending(outcome)}{end}, {done}"
    if outcome.unbuilt:
        return f"{NOTHING}, {took}"
    return f"{_ending(outcome)}{done}, {took}"


def _ending(outcome: Outcome) -> str:
    """Return what became of the image, or of several, before what was done for that."""
    if len(outcome.targets) > 1:
        return f"{outcome.ending or 'built'} {len(outcome.targets)} images: "
    if not (outcome.ending and outcome.tags):
        return f"{outcome.ending}: " if outcome.ending else ""
    first, *others = outcome.tags
    more = f" and {len(others)} more tag{'s' if len(others) > 1 else ''}" if others else ""
    return f"{outcome.ending} {first}{more}: "


def failed_step(outcome: Outcome) -> str:
    """Return the name of what failed, as a headline has it; an empty text if that is not known."""
    return cause.shown(outcome.failure.title, _SHORT) if outcome.failure else ""


def outcome_text(outcome: Outcome) -> str:
    """Return the outcome for the log: the headline, and then a row for each fact.

    Of a run that failed before a build began, its error says all.
    """
    if outcome.error and not (outcome.steps or outcome.ending):
        return ""
    where = phases_text(outcome.timeline.phases)
    rows = [*facts(outcome), *([("time", where)] if where else [])]
    return "\n".join((f"warmbuild: {headline(outcome)}", *map(_row, rows)))


def facts(outcome: Outcome) -> Sequence[tuple[str, str]]:
    """Return names and values: images, caches, and what there is to save, of each target.

    An image that is not out has none.
    """
    rows: list[tuple[str, str]] = []
    for one in outcome.targets:
        hits, count, _ = hit_ratio(one.steps)
        done = f"{count - hits} of {count} run, {hits} cached"
        rows += [("target", one.name), ("steps", NOTHING if one.unbuilt else done)]
        rows += _outcome_rows(one)
    is_out = outcome.digest or not outcome.error
    rows += _outcome_rows(outcome) if is_out and not outcome.targets else []
    if saved := saved_text(outcome):
        rows.append(("saved", saved))
    return [*rows, *mount_rows(outcome)]


def mount_rows(outcome: Outcome) -> Sequence[tuple[str, str]]:
    """Return what became of each cache mount, and whether that has paid."""
    rows = [("cache mount", kept_mounts.text(one)) for one in outcome.mounts]
    if outcome.mounts_saved or outcome.mounts_cost:
        rows.append(("mounts saved", mounts_text(outcome)))
    return rows


def mounts_text(outcome: Outcome) -> str:
    """Return what cache mounts have saved and cost."""
    saved = f"{outcome.mounts_saved:.1f} s" if outcome.mounts_saved > 0 else "nothing"
    yet = "" if any(one.restored for one in outcome.mounts) else " yet"
    return f"{saved}{yet}, for {outcome.mounts_cost:.1f} s to restore and save them"


def _row(row: tuple[str, str]) -> str:
    name, value = row
    return f"  {name:<15}{value}"


def saved_text(outcome: Outcome) -> str:
    """Return what the cached steps have saved; an empty text if that is little or not known."""
    saved = outcome.saved
    if saved < 1:
        return ""
    phases = outcome.timeline.phases
    cost = sum(phases.get(phase, 0.0) for phase in (Phase.IMPORT, Phase.CACHE))
    beside = f"; the cache took {cost:.1f} s to read and write" if cost >= LONG else ""
    return f"about {saved:.0f} s that the cached steps took before{beside}"


def phases_text(phases: Mapping[Phase, float]) -> str:
    """Return where the time went."""
    return ", ".join(f"{name} {taken:.1f} s" for name, taken in long_phases(phases).items())


def long_phases(phases: Mapping[Phase, float]) -> Mapping[str, float]:
    """Return the seconds of each phase by its name; what is short is added up."""
    long = {phase.value: taken for phase, taken in phases.items() if taken >= LONG}
    rest = sum(phases.values()) - sum(long.values())
    return {**long, "the rest": rest} if rest >= LONG else long


def _outcome_rows(outcome: Outcome) -> Sequence[tuple[str, str]]:
    rows = [("digest", outcome.digest)] if outcome.digest else []
    rows += [("tag", tag) for tag in outcome.tags]
    rows += [("cache read", ref) for ref in outcome.cache_read] or [("cache read", "nothing")]
    if outcome.cache_age is not None:
        rows.append(("cache age", records.age_text(outcome.cache_age)))
    rows.append(("cache written", outcome.cache_written or "nothing"))
    return [*rows, *miss_rows(outcome)]


def miss_rows(outcome: Outcome) -> Sequence[tuple[str, str]]:
    """Return why the most expensive step ran, and what would have saved the most."""
    worst, best = miss.costliest(outcome.misses), miss.best_saving(outcome.misses)
    cost = f"{worst.place}: {worst.why} ({worst.seconds:.1f} s)" if worst else ""
    return [*([("missed", cost)] if cost else []), *([("to save it", best.text)] if best else [])]
