"""The outcome as a Markdown summary: first what happened, then why, then the details.

It is written for GitHub's page of a run, and read on other systems' pages, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.buildkit import vertices
from warmbuild.buildkit.plain_progress import size_text
from warmbuild.cache import records
from warmbuild.phases import Phase
from warmbuild.report import gantt, plain_text, step_tables
from warmbuild.report.inert import alert, around, code, codes, fence, folded, inline, short, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.build.timeline import Bar, Part

# In bytes of UTF-8. GitHub drops a summary of 1 MiB.
_MOST: Final = 1_000_000
# In bytes, of all rows of steps together.
_ROOM: Final = 400_000
# Warnings, findings, notes and names of each kind.
_LISTED: Final = 20
# Lines of an error, of which a step's own begin so.
_LINES: Final = 20
_OF_STEP: Final = "  | "
# Characters of a line of an input's value.
_LONGEST: Final = 200


def summary(
    outcome: Outcome,
    given: Mapping[str, str] | None = None,
    redact: Callable[[str], str] = str,
) -> str:
    """Return the outcome as Markdown of less than 1 MiB.

    `given` are the inputs that were given, with an empty value if it may be secret. `redact` hides
    secrets once more, because names of images and caches still hold them.
    """
    room, left_out, parts = _MOST, 0, []
    for part in map(redact, _parts(outcome, given or {})):
        size = len(part.encode()) + len("\n\n")
        left_out += size > room
        if size <= room:
            parts.append(part)
            room -= size
    if left_out:
        parts.append(f"Left out, because the summary would be too long: {left_out} of its parts.")
    return "\n\n".join(parts) + "\n"


def _parts(outcome: Outcome, given: Mapping[str, str]) -> Iterator[str]:
    yield f"### warmbuild: {around(plain_text.failed_step(outcome), plain_text.headline(outcome))}"
    yield from _failure(outcome)
    yield from _listed("WARNING", outcome.warnings)
    bars = outcome.timeline.bars
    if not outcome.targets:
        yield from _facts(outcome, bars)
    yield from _mounts(outcome)
    yield from _listed(
        "NOTE",
        [f"{one.file}:{one.line}: {plain_text.finding(one)}" for one in outcome.findings],
    )
    yield from _phases(outcome)
    for one in outcome.targets:
        hits, steps, _ = plain_text.hit_ratio(one.steps)
        done = plain_text.NOTHING if one.unbuilt else f"{hits} of {steps} steps cached"
        yield f"#### {inline(one.name)}: {done}"
        own = [bar for bar in bars if one.name in bar.target.split(", ")]
        yield from _facts(one, own)
        yield from step_tables.tables(one, own, _ROOM // len(outcome.targets))
    if not outcome.targets:
        yield from step_tables.tables(outcome, bars, _ROOM)
    chart, left_out = gantt.chart(outcome.timeline)
    if chart:
        more = f"\n\nWithout {left_out} that are shorter." if left_out else ""
        yield f"#### Timeline\n\n{chart}{more}"
    yield from _digests(outcome)
    yield from _given(given)


def _failure(outcome: Outcome) -> Iterator[str]:
    if not outcome.error or outcome.is_stopped:
        return
    title = outcome.failure.title if outcome.failure else ""
    told = [line for line in outcome.error.splitlines() if not line.startswith(_OF_STEP)]
    paragraphs = [around(title, line) for line in told[:_LINES] if line.strip()]
    yield alert("CAUTION", *paragraphs)
    if outcome.failure and outcome.failure.tail:
        yield fence(outcome.failure.tail)


def _listed(kind: str, texts: Sequence[str]) -> Iterator[str]:
    """Yield an alert with texts, each once."""
    found = [text for text in dict.fromkeys(texts) if text.strip()]
    shown = list(map(inline, found[:_LISTED]))
    if len(found) > _LISTED:
        shown.append(f"and {len(found) - _LISTED} more, which the log has")
    if shown:
        yield alert(kind, shown[0] if len(shown) == 1 else "\n> ".join(f"- {one}" for one in shown))


def _facts(outcome: Outcome, bars: Sequence[Bar]) -> Iterator[str]:
    """Yield what became of an image, and why its steps ran."""
    age = outcome.cache_age
    read = [short(codes(outcome.cache_read, _LISTED))]
    read += [f"{records.age_text(age)} old"] if age is not None else []
    read += _pulled(bars)
    written = [short(code(outcome.cache_written)), *_written(bars)]
    facts = {
        "Image": codes(outcome.tags, _LISTED),
        "Digest": short(code(outcome.digest)),
        "Cache read": ", ".join(read) if outcome.cache_read else "",
        "Cache written": ", ".join(written) if outcome.cache_written else "",
        "Saved": plain_text.saved_text(outcome),
    }
    lines = [f"- **{name}:** {text}" for name, text in facts.items() if text]
    lines += [f"- {inline(note)}" for note in outcome.notes[:_LISTED]]
    if lines:
        yield "\n".join(lines)
    why = [
        f"**{name.capitalize()}:** {inline(text)}" for name, text in plain_text.miss_rows(outcome)
    ]
    # What would have saved steps is worth an alert.
    yield from (alert("TIP", *why),) if len(why) > 1 else why


def _mounts(outcome: Outcome) -> Iterator[str]:
    """Yield what became of cache mounts, of all targets together."""
    lines = [
        f"- **{name.capitalize()}:** {inline(text)}"
        for name, text in plain_text.mount_rows(outcome)
    ]
    if lines:
        yield "\n".join(lines)


def _pulled(bars: Iterable[Bar]) -> Iterator[str]:
    """Yield what was pulled of caches, below steps that ran."""
    parts = {
        part.name: part.size
        for bar in bars
        if bar.phase is Phase.PULL and bar.position and not bar.instruction.startswith("FROM ")
        for part in bar.parts
        if part.name.startswith("sha256:")
    }
    if parts:
        yield f"{size_text(sum(parts.values()))} in {_layers(parts)} pulled"


def _written(bars: Iterable[Bar]) -> Iterator[str]:
    """Yield what was written into a cache; BuildKit does not tell how large it is."""
    parts = {part.name for bar in bars for part in bar.parts if vertices.is_written(part.name)}
    if parts:
        yield _layers(parts)


def _layers(parts: Iterable[str | Part]) -> str:
    count = len(list(parts))
    return f"{count} layer{'' if count == 1 else 's'}"


def _phases(outcome: Outcome) -> Iterator[str]:
    """Yield where the time went."""
    told = plain_text.long_phases(outcome.timeline.phases)
    if told:
        cells = {**told, "total": sum(outcome.timeline.phases.values())}
        yield table(tuple(cells), [[f"{taken:.1f} s" for taken in cells.values()]])


def _digests(outcome: Outcome) -> Iterator[str]:
    """Yield the digests as a whole."""
    rows: dict[tuple[str, str], None] = {}
    for one in outcome.targets or (outcome,):
        of = f"{one.name}: " if one.name else ""
        found = [(f"{of}image", one.digest), (f"{of}ID of the image", one.image_id)]
        found += [ref.partition("@")[::2] for ref in one.cache_read]
        found += one.images.items()
        rows |= dict.fromkeys(row for row in found if row[1])
    if rows:
        cells = [(inline(name), code(digest)) for name, digest in rows]
        yield folded("Digests", table(("Of", "Digest"), cells))


def _given(given: Mapping[str, str]) -> Iterator[str]:
    """Yield the inputs that were given."""
    rows = []
    for name, value in given.items():
        lines = value.strip().splitlines()
        more = f"<br>and {len(lines) - _LINES} more lines" if len(lines) > _LINES else ""
        shown = "<br>".join(text for line in lines[:_LINES] if (text := code(line, _LONGEST)))
        rows.append((code(name), f"{shown}{more}" or "not shown"))
    if rows:
        yield folded("Inputs", table(("Input", "Value"), rows))
