"""The outcome as a page of HTML that needs no network, of the files in `html` beside this module.

BuildKit's names, the lines that steps write, and records are what others wrote. They reach the page
as escaped text, or as JSON that no tag can end; each line is cut, and shows what is not printable.
The page's own policy allows its style and its script alone, by their digests.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from itertools import groupby
from typing import TYPE_CHECKING, Final

import jinja2
from markupsafe import Markup

from warmbuild import __version__
from warmbuild.buildkit import vertices
from warmbuild.phases import Phase
from warmbuild.record.cause import shown
from warmbuild.record.earlier import Change
from warmbuild.report import plain_text, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.build.timeline import Bar, Part, Timeline
    from warmbuild.record.earlier import Comparison, Pair
    from warmbuild.record.record import Ran
    from warmbuild.report.rows import Row

_LOADER: Final = jinja2.PackageLoader("warmbuild.report", "html")
# Characters of all names, commands and last lines in rows, and how many parts all rows have; and
# the least and the most of these that one row has. So the page of 3,000 steps is below 5 MB.
_NAMES: Final = (300_000, 80, 200)
_COMMANDS: Final = (450_000, 120, 8_000)
_TAILS: Final = (600_000, 240, 20_000)
_PARTS: Final = (6_000, 2, 100)
# Characters of a name elsewhere, of a text in one line, and of an error.
_SHORT: Final = 200
_LINE: Final = 1_000
_TEXT: Final = 20_000
# Rows of a table, and those of a page that shows them all at first.
_MOST: Final = 200
_FEW: Final = 80
# Percent of the time that a bar has at least, so that it is seen; marks on the axis.
_NARROWEST: Final = 0.3
_MARKS: Final = 6
_COLOR: Final = re.compile(r"\x1b\[[0-9;:]*m")
_LINE_ENDS: Final = re.compile(r"\r\n|\n|\r")
# What would end a tag, or a line of JavaScript.
_ESCAPES: Final = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}
_UNITS: Final = ("B", "kB", "MB")
_DOWNLOADS: Final = ("sha256:", "transferring ")
_MANIFEST: Final = "pushing manifest for "


def page(done: Outcome, redact: Callable[[str], str]) -> str:
    """Return an outcome, as it may be shown, as a page.

    Names of images and caches stay in such an outcome; `redact` hides secrets in them, too.
    """
    environment = jinja2.Environment(
        loader=_LOADER,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: redact(value) if type(value) is str else value,
    )
    style, script = (_LOADER.get_source(environment, f"page.{kind}")[0] for kind in ("css", "js"))
    found, whole = rows.rows(done), done.timeline
    run = done.image.run if done.image else None
    return environment.get_template(
        "page.html"
    ).render(
        version=__version__,
        style=Markup(style),  # noqa: S704 (a file of ours)
        script=Markup(script),  # noqa: S704 (a file of ours)
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'",
        run=_line(f"{run.branch or run.tag} {run.commit:.12}".strip()) if run else "",
        result="stopped" if done.is_stopped else "failed" if done.error else "good",
        headline=_line(_capital(plain_text.headline(done)), _LINE),
        facts=[(_capital(name), _line(text, _LINE)) for name, text in plain_text.facts(done)],
        error=_text(done.error, _TEXT),
        warnings=[_line(text, _LINE) for text in done.warnings],
        notes=[_line(text, _LINE) for text in done.notes],
        phases=list(_phases(whole)),
        took=_seconds(whole.ended - whole.begun),
        path_took=_seconds(rows.length_of_path(found)),
        marks=list(_marks(whole)),
        lanes=list(_lanes(found, whole)),
        count=len(found),
        is_small=len(found) <= _FEW,
        transfers=list(_transfers(found))[:_MOST],
        comparisons=[
            _compared(one.name, one.earlier) for one in done.targets or (done,) if one.earlier
        ],
        data=Markup(_json(list(_details(found, whole, redact)))),  # noqa: S704 (escaped)
    )


def _phases(whole: Timeline) -> Iterator[Mapping[str, object]]:
    """Yield the phases that were, each beside the one before; what is short is added up."""
    total = sum(whole.phases.values())
    taken = {
        (_kind(phase), phase.value): seconds
        for phase, seconds in whole.phases.items()
        if seconds >= plain_text.LONG
    }
    if (rest := total - sum(taken.values())) >= plain_text.LONG / 2:
        taken["rest", "the rest"] = rest
    begun = 0.0
    for (kind, name), seconds in taken.items():
        yield {
            "kind": kind,
            "name": name,
            "took": _seconds(seconds),
            "share": f"{100 * seconds / total:.0f} %",
            "x": _percent(begun / total),
            "width": _percent(seconds / total),
        }
        begun += seconds


def _kind(phase: Phase) -> str:
    return phase.name.lower()


def _marks(whole: Timeline) -> Iterator[Mapping[str, str]]:
    """Yield round times for the axis."""
    total = whole.ended - whole.begun
    if total <= 0:
        return
    steps = (base * 10.0**power for power in range(-3, 9) for base in (1, 2, 5))
    step = next(step for step in steps if total / step <= _MARKS)
    for number in range(int(total / step) + 1):
        at = number * step
        # The last one would not fit to the right of its line.
        side = "end" if at / total > 1 - 0.5 / _MARKS else "start" if not number else "middle"
        yield {"x": _percent(at / total), "text": f"{at:g} s", "side": side}


def _lanes(found: Sequence[Row], whole: Timeline) -> Iterator[Mapping[str, object]]:
    """Yield lanes; what was cached, and what is no step and was short, is apart."""
    longest = _share(_NAMES, len(found))
    for name, group in groupby(enumerate(found), key=lambda pair: pair[1].lane):
        inside = list(group)
        parts: dict[str, list[Mapping[str, object]]] = {"long": [], "short": [], "cached": []}
        for number, row in inside:
            is_short = row.state == "other" and row.seconds < plain_text.LONG
            part = "cached" if row.state == "cached" else "short" if is_short else "long"
            shown_row = {"number": number, "name": _line(row.name, longest)}
            parts[part].append({**shown_row, **_shown(row, whole)})
        took = _seconds(sum(row.seconds for _, row in inside))
        yield {"name": _line(name), "took": took, **parts}


def _shown(row: Row, whole: Timeline) -> Mapping[str, object]:
    """Return what a row shows beside its name, before it is opened."""
    usual = row.step.usual if row.step else 0.0
    saved = f"saved {_seconds(usual)}" if usual >= plain_text.LONG else "cached"
    return {
        "kind": _kind(row.bar.phase),
        "state": row.state,
        "position": row.bar.position,
        "took": saved if row.bar.cached else _seconds(row.seconds),
        "origin": _line(row.step.origin) if row.step else "",
        "is_critical": any(row.critical),
        "bars": [
            {**_place(bar, whole), "is_critical": critical}
            for bar, critical in zip(row.bars, row.critical, strict=True)
        ],
    }


def _place(bar: Bar, whole: Timeline) -> Mapping[str, str]:
    """Return where a bar is, in percent of the time."""
    total = whole.ended - whole.begun
    width = max(100 * bar.seconds / total, _NARROWEST) if total > 0 else 0.0
    begun = 100 * (bar.begun - whole.begun) / total if total > 0 else 0.0
    return {"x": f"{min(begun, 100 - width):.2f}%", "width": f"{width:.2f}%"}


def _details(
    found: Sequence[Row], whole: Timeline, redact: Callable[[str], str]
) -> Iterator[Mapping[str, object]]:
    """Yield what rows show once they are opened, by their numbers."""
    count, spoken = len(found), sum(1 for row in found if row.bar.tail)
    for row in found:
        bar = row.bar
        parts = {part.name: part for bar in row.bars for part in bar.parts}
        tail = "" if bar.cached else "\n".join(bar.tail)
        most = _TAILS[2] if row.state == "failed" else _share(_TAILS, spoken)
        yield {
            "command": redact(_text(row.name, _share(_COMMANDS, count))),
            "facts": [(_capital(name), redact(text)) for name, text in _facts(row, whole)],
            "tail": redact(_text(tail[-most:], most)),
            "parts": [
                (redact(_line(one.name)), _seconds(one.ended - one.begun), _bytes(one.size))
                for one in list(parts.values())[: _share(_PARTS, count)]
            ],
        }


def _share(bounds: tuple[int, int, int], count: int) -> int:
    """Return how much one of several has; `bounds` are for all, and the least and most of one."""
    whole, least, most = bounds
    return min(max(whole // max(1, count), least), most)


def _facts(row: Row, whole: Timeline) -> Iterator[tuple[str, str]]:
    bar, step = row.bar, row.step
    if row.state == "cached":
        yield "result", "cached"
    else:
        ended = row.bars[-1].ended - whole.begun
        took = f"{_seconds(row.seconds)}, from {bar.begun - whole.begun:.1f} to {_seconds(ended)}"
        yield "failed after" if row.state == "failed" else "took", took
    if any(row.critical):
        yield "critical path", "yes"
    if bar.error:
        yield "error", _line(bar.error, _LINE)
    if step and step.origin:
        yield "from the cache", _line(step.origin, _LINE)
    if step and step.usual:
        yield "took before", _seconds(step.usual)
    for name, text in row.why:
        yield name, _line(text, _LINE)
    if bar.waited >= plain_text.LONG:
        yield "waited for layers", _seconds(bar.waited)
    if step and step.line:
        yield "line", str(step.line)
    if bar.prefix or bar.target:
        yield "stage", _line(row.lane)
    yield "phase", bar.phase.value


def _transfers(found: Iterable[Row]) -> Iterator[Mapping[str, str]]:
    """Yield what was moved: contexts and images in, caches in and out, images out."""
    for row in found:
        bar = row.bar
        parts = [part for one in row.bars for part in one.parts]
        moved = {part.name: part for part in parts if part.name.startswith(_DOWNLOADS)}
        kind = {
            Phase.PULL: "pull",
            Phase.CONTEXT: "context",
            Phase.PUSH: "push",
            Phase.IMPORT: "cache import",
            Phase.CACHE: "cache export",
        }.get(bar.phase)
        is_moved = {
            Phase.PULL: bool(moved),
            Phase.CONTEXT: "context" in bar.name or "from client" in bar.name,
            Phase.CACHE: bar.name.startswith(vertices.EXPORT),
        }.get(bar.phase, True)
        if kind is None or not is_moved:
            continue
        yield {
            "kind": kind,
            "name": _line(_pushed(parts) or row.name.removeprefix(vertices.IMPORT)),
            "bytes": _bytes(sum(part.size for part in moved.values())),
            "took": _seconds(row.seconds),
            "result": "failed" if row.state == "failed" else "",
        }


def _pushed(parts: Iterable[Part]) -> str:
    """Return the refs that were pushed, without their digests."""
    refs = (one.name.removeprefix(_MANIFEST).partition("@")[0] for one in parts if _is_ref(one))
    return ", ".join(dict.fromkeys(refs))


def _is_ref(part: Part) -> bool:
    return part.name.startswith(_MANIFEST)


def _compared(name: str, beside: Comparison) -> Mapping[str, object]:
    """Return what differs from an earlier build, the longest time first."""
    pairs = [one for one in beside.pairs if _differs(one)]
    pairs.sort(key=lambda one: -max(_ran(one.now), _ran(one.then)))
    same = len(beside.pairs) - len(pairs)
    return {
        "name": _line(name),
        "source": _line(beside.source.text, _LINE),
        "same": same,
        "more": max(0, len(pairs) - _MOST),
        "rows": [
            {
                "stage": _line(one.stage),
                "title": _line(one.title),
                "change": ": ".join(filter(None, (one.change.value, _line(", ".join(one.parts))))),
                "then": _became(one.then),
                "now": _became(one.now),
            }
            for one in pairs[:_MOST]
        ],
    }


def _differs(pair: Pair) -> bool:
    is_slower = abs(_ran(pair.now) - _ran(pair.then)) >= plain_text.LONG
    return pair.change is not Change.SAME or is_slower


def _ran(one: Ran | None) -> float:
    """Return the seconds that a step ran, as far as is known, in this build or before it."""
    return one.seconds if one else 0.0


def _became(one: Ran | None) -> str:
    if one is None:
        return ""
    return "cached" if one.cached else _seconds(one.seconds)


def _seconds(taken: float) -> str:
    return f"{taken:.1f} s"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _bytes(size: float) -> str:
    """Return a size in decimal units; empty if it is not known."""
    if not size:
        return ""
    for unit in _UNITS:
        if size < 1000:  # noqa: PLR2004 (the next unit)
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _line(text: str, longest: int = _SHORT) -> str:
    """Return what others wrote in one line, of so many characters."""
    return shown(" ".join(_COLOR.sub("", text).split()), longest)


def _text(text: str, longest: int) -> str:
    """Return what others wrote, of so many characters, with its lines."""
    cut = text[:longest] + "…" * (len(text) > longest)
    lines = _LINE_ENDS.split(_COLOR.sub("", cut).expandtabs(4))
    return "\n".join(shown(line, _LINE) for line in lines)


def _hash(text: str) -> str:
    """Return the digest of an element's text, as a policy has it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _json(value: object) -> str:
    """Return JSON that may be the text of an element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_ESCAPES)
