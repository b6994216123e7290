"""A plan and its outcome as text, Markdown, JSON and output values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from warmbuild import attempts, bake, buildx, naming, policy, records, refs, vendors
from warmbuild import plan as calls
from warmbuild.buildx import Inspected
from warmbuild.errors import BuildError, EngineError, RegistryError, WarmbuildError
from warmbuild.policy import CachePlan
from warmbuild.progress import hit_ratio
from warmbuild.vendors import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from warmbuild.context import RunContext
    from warmbuild.lints import Finding
    from warmbuild.plan import BuilderPlan, BuildPlan
    from warmbuild.policy import CacheRef
    from warmbuild.progress import Failure, Progress, Step, Transfer

# The outputs and what they hold: the table behind action.yml, the component and the docs.
OUTPUTS: Final[Mapping[str, str]] = {
    "digest": "Digest of the image, or of its index.",
    "imageid": "ID of the image, as --iidfile has it.",
    "metadata": "What buildx says of the build, as JSON in one line.",
    "tags": "Full references that the image got, separated by commas.",
    "version": "Name of the first tag: of several by rule the one of the highest priority.",
    "tag-names": "Names of the tags, one a line.",
    "labels": "Labels of the image, one a line.",
    "annotations": "Annotations of the image, one a line.",
    "json": "Tags, labels and annotations as JSON in one line.",
    "cache-read": "Cache refs that were found and imported, separated by commas.",
    "cache-written": "Cache ref that was written, or nothing.",
    "cache-write-error": "Why the cache was not written where it should have been, or nothing.",
    "cache-age": "Age of the oldest result in the caches that were read and used, in seconds.",
    "cache-hits": "Number of steps that came from a cache.",
    "cache-steps": "Number of steps of the Dockerfile that the build needed, FROM not counted.",
    "cache-hit-ratio": "Steps from a cache by steps, from 0.00 to 1.00.",
    "targets": "What became of each target of bake-files or compose-files, as JSON in one line.",
    "cache-from": "With plan-only: the cache sources, one a line, as docker/build-push-action "
    "takes them.",
    "cache-to": "With plan-only: the cache destinations, one a line, in the same way.",
    "bake-file": "With plan-only: a bake definition of caches, tags, labels and annotations, as "
    "docker/bake-action takes it.",
    "bake-file-tags": "With plan-only: a bake definition of the tags alone.",
    "bake-file-labels": "With plan-only: a bake definition of the labels alone.",
    "bake-file-annotations": "With plan-only: a bake definition of the annotations alone.",
    "name": "Name of the builder, as docker/setup-buildx-action has it.",
    "driver": "Driver of the builder.",
    "platforms": "Platforms that the builder's nodes are for, separated by commas.",
    "nodes": "The builder's nodes as JSON in one line, as docker/setup-buildx-action has them.",
}

# What a plan alone has.
NO_BUILDER: Final = Inspected()
# The outputs that `naming.outputs` has.
_NAMED: Final = ("version", "tag-names", "labels", "annotations", "json")
_LONGEST_INSTRUCTION: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a build did; `lost` are the warnings of caches that could not be read or written.

    One of several `targets` has their sums; each of these has a `name`. `named` are the outputs
    that say how the image is called.
    """

    digest: str
    image_id: str
    metadata: str
    tags: tuple[str, ...]
    steps: tuple[Step, ...]
    cache_read: tuple[str, ...]
    cache_written: str
    cache_error: str
    cache_age: timedelta | None
    seconds: float
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    lost: tuple[str, ...]
    name: str = ""
    targets: tuple[Outcome, ...] = ()
    named: Mapping[str, str] = field(default_factory=dict)
    builder: Inspected = NO_BUILDER


def together(targets: Sequence[Outcome], *, metadata: str, steps: tuple[Step, ...]) -> Outcome:
    """Return what several targets did; a step that they share is one of `steps`."""
    ages = [one.cache_age for one in targets if one.cache_age is not None]
    written = [one.cache_written for one in targets if one.cache_written]
    errors = [f"{one.name}: {one.cache_error}" for one in targets if one.cache_error]
    only = targets[0] if len(targets) == 1 else None
    return Outcome(
        digest=only.digest if only else "",
        image_id=only.image_id if only else "",
        metadata=metadata,
        tags=tuple(tag for one in targets for tag in one.tags),
        steps=steps,
        cache_read=tuple(dict.fromkeys(ref for one in targets for ref in one.cache_read)),
        cache_written=",".join(written),
        cache_error="; ".join(errors),
        cache_age=max(ages, default=None),
        seconds=0.0,
        notes=tuple(f"{one.name}: {note}" for one in targets for note in one.notes),
        warnings=(),
        lost=tuple(dict.fromkeys(text for one in targets for text in one.lost)),
        targets=tuple(targets),
    )


def answer(plan: BuildPlan, metadata: str) -> Outcome:
    """Return the outcome of what made no image and had no cache: the answer is in the log."""
    return Outcome(
        digest="",
        image_id="",
        metadata=metadata,
        tags=(),
        steps=(),
        cache_read=(),
        cache_written="",
        cache_error="",
        cache_age=None,
        seconds=0.0,
        notes=(*plan.notes, *plan.cache.notes),
        warnings=(),
        lost=(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOutcome:
    """What became of the cache: refs that were read, the one that was written, what went wrong.

    `error` is why nothing was written where something should have been.
    """

    read: tuple[str, ...]
    written: str
    error: str
    warnings: tuple[str, ...]


def cache_outcome(
    plan: BuildPlan, *, imported: Progress, exported: Progress | None, failed: str = ""
) -> CacheOutcome:
    """Return what became of the cache, as the progress of the build and of its export have it.

    `exported` is None where no export was needed, and `failed` is why one came to nothing.
    """
    read, not_read = _imported(plan, imported)
    destinations = ",".join(_destinations(plan))
    exports = exported.exports() if exported else ()
    errors = list(dict.fromkeys(done.error for done in exports if done.error))
    errors += [failed] if failed and not errors else []
    said = [_advised(plan, export) for export in exports if export.error] or errors
    not_written = [f"no cache is written to {destinations}: {text}" for text in said]
    is_written = bool(exports) and not errors and _wrote(exports)
    return CacheOutcome(
        read=read,
        written=destinations if is_written else "",
        error="; ".join(errors),
        warnings=tuple(dict.fromkeys((*not_read, *not_written))),
    )


def several_outcomes(outcomes: Sequence[CacheOutcome]) -> CacheOutcome:
    """Return what became of caches that were written one after another, and read at once."""
    return CacheOutcome(
        read=outcomes[0].read,
        written=",".join(one.written for one in outcomes if one.written),
        error="; ".join(dict.fromkeys(one.error for one in outcomes if one.error)),
        warnings=tuple(dict.fromkeys(text for one in outcomes for text in one.warnings)),
    )


def _advised(plan: BuildPlan, failed: Transfer) -> str:
    """Return why an export failed, in one line, and what to do about it at that registry.

    BuildKit names the backend of an export and not its ref, so that one of several is nobody's.
    """
    text, write, run = " ".join(failed.error.split()), plan.cache.write, plan.run
    if failed.name != "registry":
        return text
    entries = [dict(policy.attributes(entry)) for entry in plan.cache.destinations]
    names = [str(write.ref)] if write else []
    names += [
        entry.get("ref", "") for entry in entries if entry.get("type", "registry") == "registry"
    ]
    try:
        (ref,) = map(refs.parse, names)
    except ValueError:
        return text
    own = run.ci if run.registry == ref.host else ""
    vendor = (write.vendor if write else None) or vendors.detect(ref.host, ci=own)
    return refusal.explained(text, vendor, ref, refusal.read(text), writing=True)


def inline_outcome(
    plan: BuildPlan, *, imported: Progress, written: Sequence[str], failed: Sequence[str]
) -> CacheOutcome:
    """Return what became of an inline cache: refs that were pushed, and why others were not."""
    read, not_read = _imported(plan, imported)
    return CacheOutcome(
        read=read,
        written=",".join(written),
        error="; ".join(failed),
        warnings=(*not_read, *failed),
    )


def _imported(plan: BuildPlan, imported: Progress) -> tuple[tuple[str, ...], list[str]]:
    """Return the caches that were read, and warnings for those that were not."""
    imports = imported.imports()
    read = tuple(done.name for done in imports if not done.error)
    failed = [f"{done.name} is not read: {done.error}" for done in imports if done.error]
    is_renamed = plan.cache.merged or plan.cache.backend.source != "ref"
    if plan.cache.read and is_renamed and not failed and read:
        # BuildKit calls what is no reference by a digest of its attributes, and knows of several
        # that are one by that one's name alone.
        read = tuple(str(item.ref) for item in plan.cache.read)
    return read, failed


def _wrote(exports: Sequence[Transfer]) -> bool:
    """Say whether anything was exported: a build without a layer leaves nothing to write."""
    return any(done.digest or done.name != "registry" for done in exports)


def _destinations(plan: BuildPlan) -> list[str]:
    written = [str(plan.cache.write.ref)] if plan.cache.write else []
    entries = [dict(policy.attributes(entry)) for entry in plan.cache.destinations]
    return [*written, *(entry.get("ref") or entry.get("type", "") for entry in entries)]


def cache_age(plan: BuildPlan, built: Progress, now: datetime) -> timedelta | None:
    """Return how old the oldest result is in the caches that steps came from; None without any."""
    failed = {done.name for done in built.imports() if done.error}
    oldest = records.oldest(
        one
        for read in plan.cache.read
        if read.found and str(read.ref) not in failed
        for one in read.found.records
    )
    if oldest is None or not any(step.cached for step in built.steps()):
        return None
    return max(now - oldest, timedelta())


def outputs(outcome: Outcome) -> Mapping[str, str]:
    """Return every output by name; empty are those of a plan alone."""
    hits, steps, ratio = hit_ratio(outcome.steps)
    age = outcome.cache_age
    return {
        "digest": outcome.digest,
        "imageid": outcome.image_id,
        "metadata": outcome.metadata,
        "tags": ",".join(outcome.tags),
        **{name: outcome.named.get(name, "") for name in _NAMED},
        "cache-read": ",".join(outcome.cache_read),
        "cache-written": outcome.cache_written,
        "cache-write-error": " ".join(outcome.cache_error.split()),
        "cache-age": "" if age is None else str(int(age.total_seconds())),
        "cache-hits": str(hits),
        "cache-steps": str(steps),
        "cache-hit-ratio": f"{ratio:.2f}",
        "targets": _line({one.name: _of_target(one) for one in outcome.targets}),
        "cache-from": "",
        "cache-to": "",
        "bake-file": "",
        "bake-file-tags": "",
        "bake-file-labels": "",
        "bake-file-annotations": "",
        "name": outcome.builder.name,
        "driver": outcome.builder.driver,
        "platforms": ",".join(outcome.builder.platforms),
        "nodes": _nodes(outcome.builder),
    }


def _nodes(builder: Inspected) -> str:
    """Return a builder's nodes as docker/setup-buildx-action has them."""
    found = [
        {
            "name": node.name,
            "endpoint": node.endpoint,
            "driver-opts": node.driver_opts,
            "status": node.status,
            "buildkitd-flags": node.flags,
            "buildkit": node.buildkit,
            "platforms": ",".join(node.platforms),
        }
        for node in builder.nodes
    ]
    return _line(found) if found else ""


def _of_target(outcome: Outcome) -> Mapping[str, object]:
    """Return a target's outputs: lists and numbers, for it is read as JSON."""
    hits, steps, ratio = hit_ratio(outcome.steps)
    return {
        "digest": outcome.digest,
        "imageid": outcome.image_id,
        "tags": outcome.tags,
        "cache-read": outcome.cache_read,
        "cache-written": outcome.cache_written,
        "cache-write-error": " ".join(outcome.cache_error.split()),
        "cache-hits": hits,
        "cache-steps": steps,
        "cache-hit-ratio": round(ratio, 2),
    }


def plan_outputs(plans: Sequence[BuildPlan], files: Mapping[str, str]) -> Mapping[str, str]:
    """Return what a plan hands on: of one build its caches, of several each target's.

    `files` are the bake definitions, by output.
    """
    is_one = not plans[0].name
    cache = plans[0].cache if is_one else CachePlan()
    return {
        "tags": ",".join(tag for plan in plans for tag in plan.tags),
        **(naming.outputs(plans[0]) if is_one else {}),
        "targets": _line(
            {plan.name: _caches(plan.cache) for plan in plans if plan.name and not plan.linked}
        ),
        "cache-from": "\n".join(buildx.cache_from(cache)),
        "cache-to": "\n".join(buildx.cache_to(cache)),
        **files,
    }


def _caches(cache: CachePlan) -> Mapping[str, object]:
    return {"cache-from": buildx.cache_from(cache), "cache-to": buildx.cache_to(cache)}


def _line(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def plan_text(*plans: BuildPlan) -> str:
    """Return the decisions for people, each with its reason."""
    first = plans[0]
    run, builder = first.run, first.builder
    where = [run.event or run.ci]
    where += [f"branch {run.branch}"] if run.branch else []
    where += [f"tag {run.tag}"] if run.tag else []
    where += [f"pull request {run.pull_request}"] if run.pull_request is not None else []
    where += [f"into {run.target_branch}"] if run.target_branch else []
    where += [f"default branch {run.default_branch}"] if run.default_branch else []
    where += ["from a fork"] if run.fork else []
    rows = [("run", f"{run.ci}: {', '.join(where)}")]
    for plan in plans:
        rows += _target_rows(plan)
    rows.append(("builder", _builder(builder)))
    for plan in plans:
        of = f"{plan.name}: " if plan.name else ""
        rows += [("note", f"{of}{note}") for note in (*plan.notes, *plan.cache.notes)]
        rows += [("warning", f"{of}{warning}") for warning in plan.cache.warnings]
    rows += [("warning", f"{at.file}:{at.line}: {finding(at)}") for at in findings(plans)]
    return "\n".join(f"{name:<12}{value}" for name, value in rows)


def _target_rows(plan: BuildPlan) -> Sequence[tuple[str, str]]:
    """Return what was decided for one image."""
    cache = plan.cache
    rows = [("target", f"{plan.name}{', for others' if plan.linked else ''}")] if plan.name else []
    rows += [("image", tag) for tag in plan.tags]
    rows += [] if plan.linked else [("push", "yes" if plan.push else "no")]
    rows += [("cache read", _because(read)) for read in cache.read]
    rows += [("cache read", source) for source in cache.sources]
    written = cache.platforms or ((cache.write,) if cache.write else ())
    rows += [("cache write", _because(item)) for item in written]
    rows += [("cache write", destination) for destination in cache.destinations]
    return rows


def findings(plans: Sequence[BuildPlan]) -> Sequence[Finding]:
    """Return what the lints found, once where several images are made of one file."""
    return tuple(dict.fromkeys(found for plan in plans for found in plan.findings))


def _builder(builder: BuilderPlan) -> str:
    if builder.name:
        return builder.name
    match builder.driver:
        case "docker":
            return "the engine's own"
        case "remote":
            return " and ".join([builder.endpoint, *(node.endpoint for node in builder.appended)])
        case driver:
            return f"a {driver} builder of this run"


def finding(found: Finding) -> str:
    """Return what a lint found, with the name that switches it off."""
    return f"{found.text} [{found.rule}]"


def _because(item: CacheRef) -> str:
    return f"{item.ref} ({item.reason})"


def plan_json(*plans: BuildPlan) -> str:
    """Return the decisions for programs: a public contract, see docs/plan.md."""
    first = plans[0]
    return json.dumps(
        {
            "argv": _arguments(plans),
            "commands": [_arguments(part) for part in calls.parts(plans)],
            "builder": _builder_json(first),
            **(_targets_json(plans) if first.name else _target_json(first)),
            "context": _context_json(first.run),
            "notes": [*first.notes, *first.cache.notes, *first.cache.warnings]
            if not first.name
            else [],
            "findings": [
                {"rule": found.rule, "file": found.file, "line": found.line, "text": found.text}
                for found in findings(plans)
            ],
        },
        indent=2,
    )


def _arguments(plans: Sequence[BuildPlan]) -> Sequence[str]:
    """Return a call of buildx; of several images the definition is not shown, which has secrets."""
    if plans[0].definition is None:
        return buildx.build(plans[0], buildx.PLACEHOLDERS)
    return bake.argv(plans, buildx.PLACEHOLDERS, "<definition>")


def _targets_json(plans: Sequence[BuildPlan]) -> Mapping[str, object]:
    return {
        "targets": {
            plan.name: {
                **_target_json(plan),
                "notes": [*plan.notes, *plan.cache.notes, *plan.cache.warnings],
            }
            for plan in plans
        }
    }


def _target_json(plan: BuildPlan) -> Mapping[str, object]:
    cache = plan.cache
    return {
        "cache": {
            "read": [{"ref": str(read.ref), "reason": read.reason} for read in cache.read],
            "write": (
                {"ref": str(cache.write.ref), "reason": cache.write.reason} if cache.write else None
            ),
            "from": buildx.cache_from(cache),
            "to": buildx.cache_to(cache),
        },
        "tags": plan.tags,
        "labels": dict(label.split("=", 1) for label in plan.labels),
        "annotations": plan.annotations,
    }


def _context_json(run: RunContext) -> Mapping[str, object]:
    return {
        "ci": run.ci,
        "branch": run.branch,
        "default_branch": run.default_branch,
        "target_branch": run.target_branch,
        "pull_request": run.pull_request,
        "tag": run.tag,
        "commit": run.commit,
        "fork": run.fork,
        "event": run.event,
    }


def _builder_json(plan: BuildPlan) -> Mapping[str, object] | None:
    """Return the builder that would be made; None where one is named that may be there already."""
    builder = plan.builder
    if builder.name:
        return None
    return {
        "driver": builder.driver,
        "driver-opts": builder.driver_opts,
        "buildkitd-flags": builder.flags,
        "cleanup": builder.cleanup,
    }


def headline(outcome: Outcome) -> str:
    """Return the build in one line."""
    hits, steps, _ = hit_ratio(outcome.steps)
    return (
        f"{steps - hits} of {steps} steps run, {hits} cached, {outcome.seconds:.1f} s"
        if steps
        else f"no steps, {outcome.seconds:.1f} s"
    )


def outcome_text(outcome: Outcome) -> str:
    """Return the outcome for the log."""
    if outcome.targets:
        return "\n".join([f"{'all':<15}{headline(outcome)}", *map(_target_text, outcome.targets)])
    rows = [("steps", headline(outcome))]
    return "\n".join(f"{name:<15}{value}" for name, value in (*rows, *_outcome_rows(outcome)))


def _target_text(outcome: Outcome) -> str:
    hits, steps, _ = hit_ratio(outcome.steps)
    rows = [("target", outcome.name), ("steps", f"{steps - hits} of {steps} run, {hits} cached")]
    return "\n".join(f"{name:<15}{value}" for name, value in (*rows, *_outcome_rows(outcome)))


def _outcome_rows(outcome: Outcome) -> Sequence[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    rows += [("digest", outcome.digest)] if outcome.digest else []
    rows += [("tag", tag) for tag in outcome.tags]
    rows += [("cache read", ref) for ref in outcome.cache_read] or [("cache read", "nothing")]
    if outcome.cache_age is not None:
        rows.append(("cache age", policy.age_text(outcome.cache_age)))
    rows.append(("cache written", outcome.cache_written or "nothing"))
    return rows


def summary(outcome: Outcome) -> str:
    """Return the outcome as Markdown: a line, a table of steps, what was decided and why."""
    lines = [f"### warmbuild: {headline(outcome)}", ""]
    for one in outcome.targets or (outcome,):
        lines += [f"#### {one.name}: {_ratio(one)}", ""] if one.name else []
        lines += _tables(one)
    lines += [f"> **Warning:** {_inline(warning)}\n" for warning in outcome.warnings]
    lines += [f"- {_inline(note)}" for note in outcome.notes]
    return "\n".join(lines) + "\n"


def _ratio(outcome: Outcome) -> str:
    hits, steps, _ = hit_ratio(outcome.steps)
    return f"{hits} of {steps} steps cached"


def _tables(outcome: Outcome) -> Sequence[str]:
    lines = [
        "| | |",
        "| --- | --- |",
        *(f"| Image | `{tag}` |" for tag in outcome.tags),
        *([f"| Digest | `{outcome.digest}` |"] if outcome.digest else []),
        f"| Cache read | {_code(outcome.cache_read)} |",
        f"| Cache written | {_code((outcome.cache_written,) if outcome.cache_written else ())} |",
        "",
    ]
    if outcome.steps:
        lines += ["| Step | Instruction | Took |", "| --- | --- | ---: |"]
        lines += [_step_row(step) for step in outcome.steps]
        lines.append("")
    return lines


def _step_row(step: Step) -> str:
    place = f"{step.prefix} {step.position}".strip()
    instruction = " ".join(step.instruction.split())
    if len(instruction) > _LONGEST_INSTRUCTION:
        instruction = instruction[: _LONGEST_INSTRUCTION - 1] + "…"
    took = "cached" if step.cached else f"{step.seconds or 0:.1f} s"
    return f"| {_inline(place)} | `{_inline(instruction.replace('`', chr(39)))}` | {took} |"


def _code(refs: Sequence[str]) -> str:
    return "<br>".join(f"`{ref}`" for ref in refs) or "nothing"


def _inline(text: str) -> str:
    """Keep a text from ending a table's cell or a paragraph."""
    return " ".join(text.split()).replace("|", "\\|")


def failure_error(failure: Failure) -> WarmbuildError:
    """Say what went wrong and what to do, in the class that has the right exit code."""
    text = failure.error.lower()
    if "no space left on device" in text:
        return EngineError(
            f"the builder's disk is full: {failure.error}. Free space on the engine's machine "
            "(docker system prune), or give it a larger disk."
        )
    if "exec format error" in "\n".join((text, *failure.tail)).lower():
        return BuildError(
            f"{_failed(failure)}\nA program of another processor was started and is not emulated: "
            "qemu-platforms emulates it, and a node of its own (append) builds faster."
        )
    if attempts.is_push(failure):
        return RegistryError(
            f"the image is built and was not pushed: {failure.error}. Check that the registry is "
            "there and that the login may write to this repository (inputs registry, username, "
            "password)."
        )
    return BuildError(_failed(failure))


def _failed(failure: Failure) -> str:
    parts = [f"the build failed{f' at {failure.source}' if failure.source else ''}"]
    parts += [f" in {failure.title}"] if failure.title else []
    parts.append(f": {failure.error}")
    parts += [f"\n  | {line}" for line in failure.tail]
    return "".join(parts)
