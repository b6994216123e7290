from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from tests import reports
from warmbuild.build.outcomes import Outcome, shown, together
from warmbuild.build.timeline import Bar, Part, Timeline
from warmbuild.buildkit.progress import Failure
from warmbuild.phases import Phase, Span
from warmbuild.record.miss import Saving
from warmbuild.report import rows
from warmbuild.report.page import page

VOID = frozenset({"br", "img", "input", "link", "meta", "rect", "line"})
SECRET = "hunter2-hunter2"


class Read(HTMLParser):
    """The texts of a page by the names of their elements, and its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.within: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.within += [] if tag in VOID else [tag]
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.within.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.within[-1] if self.within else "", data))

    def of(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


def made(done: Outcome) -> Read:
    read = Read(page(shown(done, str), str))
    assert read.within == []
    return read


def data(read: Read) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(read.of("script")[0])
    return found


def text(read: Read) -> str:
    words = (text for tag, text in read.texts if tag not in {"script", "style"})
    return " ".join(" ".join(words).split())


def test_a_page_begins_with_the_headline() -> None:
    read = made(reports.usual())
    title = "Pushed ghcr.io/me/app:b: 2 of 4 steps run, 2 cached, 12.0 s"
    assert read.of("title")[0] == f"warmbuild: {title}"
    assert title in read.of("bdi")


def test_a_policy_allows_the_style_and_the_script_that_are_there() -> None:
    read = made(reports.usual())
    (policy,) = [value for _, name, value in read.attributes if "default-src" in value]
    _, script = read.of("script")
    for kind, content in (("style", read.of("style")[0]), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'; ")


def test_a_page_names_no_address_and_has_no_style_or_handler_in_an_attribute() -> None:
    for done in (reports.usual(), reports.hostile()):
        read = made(done)
        names = {name for _, name, _ in read.attributes}
        assert not any(name.startswith("on") or name in {"style", "src"} for name in names)
        assert [value for _, name, value in read.attributes if name == "href"] == ["data:,"]
        tags = {tag for tag, _, _ in read.attributes}
        assert not tags & {"img", "iframe", "object", "embed", "base", "a"}


@pytest.mark.parametrize("end", ["</script", "<!--", "<script", "\u2028", "\u2029", "&", "\u202e"])
def test_json_has_nothing_that_ends_a_tag_or_a_line(end: str) -> None:
    written = page(reports.hostile(), str)
    begun = written.index('<script type="application/json" id="data">') + 42
    inside = written[begun : written.index("</script>", begun)]
    assert end not in inside
    assert json.loads(inside)


def test_hostile_texts_are_whole_and_harmless() -> None:
    read = made(reports.hostile())
    assert "RUN echo </script><img src=x onerror=alert(1)>" in text(read)
    assert "RUN echo '\"><svg onload=alert(1)> {{ 7 * 7 }} {% raw %} ${alert(1)}" in text(read)
    assert "RUN echo \\u202egpj.exe\\u202c" in text(read)
    # A file has no half of a character.
    assert page(reports.hostile(), str).encode()


def test_secrets_are_hidden_everywhere() -> None:
    def in_text(one: str) -> str:
        return f"{one} {SECRET}"

    usual = reports.usual()
    bars = tuple(
        replace(
            bar,
            name=in_text(bar.name),
            target=SECRET,
            prefix=in_text(bar.prefix),
            instruction=in_text(bar.instruction),
            error=SECRET,
            tail=(SECRET,),
            parts=(Part(name=SECRET, begun=0.0, ended=1.0, size=1),),
        )
        for bar in usual.timeline.bars
    )
    steps = tuple(
        replace(
            one,
            prefix=in_text(one.prefix),
            instruction=in_text(one.instruction),
            error=SECRET,
            origin=SECRET,
        )
        for one in usual.steps
    )
    earlier = usual.earlier
    assert earlier
    told = tuple(replace(one, stage=SECRET, title=SECRET) for one in earlier.pairs)
    done = replace(
        usual,
        name=SECRET,
        digest=SECRET,
        tags=(SECRET,),
        cache_read=(SECRET,),
        cache_written=SECRET,
        notes=(SECRET,),
        warnings=(SECRET,),
        error=SECRET,
        failure=Failure(title=SECRET, error=SECRET, tail=(SECRET,), source=SECRET),
        steps=steps,
        misses=tuple(replace(one, step=SECRET, stage=SECRET) for one in usual.misses),
        earlier=replace(
            earlier, pairs=told, source=replace(earlier.source, branch=SECRET, ref=SECRET)
        ),
        timeline=replace(usual.timeline, bars=bars),
    )

    def redact(one: str) -> str:
        return one.replace(SECRET, "***")

    written = page(shown(done, redact), redact)
    assert "***" in written
    assert SECRET not in written


def test_rows_are_in_lanes_and_tell_what_is_known() -> None:
    found = rows.rows(reports.usual())
    assert [(row.lane, row.name, row.state, any(row.critical)) for row in found] == [
        ("warmbuild", "start", "other", True),
        ("warmbuild", "boot", "other", True),
        ("warmbuild", "removal", "other", True),
        ("sources", "[internal] load build context", "other", True),
        ("build", "WORKDIR /srv", "cached", False),
        ("build", "RUN apt-get install curl", "cached", False),
        ("build", "layers of RUN apt-get install curl", "other", True),
        ("build", "COPY . .", "ran", True),
        ("build", "RUN make", "ran", True),
        ("image", "exporting to image", "other", True),
        ("image", "pushing the image", "other", True),
    ]
    assert rows.length_of_path(found) == 11.5


def test_details_are_those_of_their_rows() -> None:
    read = made(reports.usual())
    by_command = {one["command"]: one for one in data(read)}
    copied = dict(by_command["COPY . ."]["facts"])
    assert copied == {
        "Took": "1.0 s, from 4.5 to 5.5 s",
        "Critical path": "yes",
        "Not cached": "src/app.py changed",
        "Waited for layers": "1.5 s",
        "Line": "4",
        "Stage": "build",
        "Phase": "steps",
    }
    assert by_command["COPY . ."]["tail"] == "last line of 4/9"
    cached = dict(by_command["RUN apt-get install curl"]["facts"])
    assert (cached["Result"], cached["From the cache"]) == ("cached", reports.CACHE)
    layers = by_command["layers of RUN apt-get install curl"]
    assert layers["parts"] == [
        ["sha256:abc", "1.0 s", "57.2 MB"],
        ["extracting sha256:abc", "0.5 s", ""],
    ]


def test_short_phases_are_added_up() -> None:
    usual = reports.usual()
    phases = {Phase.START: 0.06, Phase.BOOT: 0.07, Phase.STEPS: 9.87}
    shown_text = text(made(replace(usual, timeline=replace(usual.timeline, phases=phases))))
    assert "steps 9.9 s 99 % the rest 0.1 s 1 %" in shown_text


def test_a_row_tells_what_would_have_saved_it() -> None:
    usual = reports.usual()
    saving = Saving(text="copy src alone", seconds=3.0)
    misses = tuple(replace(one, saving=saving) for one in usual.misses)
    rows_of = {row.bar.instruction: row for row in rows.rows(replace(usual, misses=misses))}
    assert list(rows_of["COPY . ."].why) == [
        ("not cached", "src/app.py changed"),
        ("to save it", "copy src alone"),
    ]


def test_a_comparison_has_what_differs() -> None:
    shown_text = text(made(reports.usual()))
    begun = shown_text.index("Compared with")
    assert shown_text[begun : shown_text.index("Transfers")].strip() == (
        "Compared with the default branch ghcr.io/me/app:cache-main (branch main, commit 0a1b2c3d, "
        "2026-01-02 03:04 UTC) Step Change Then Now build RUN make all removed 9.0 s "
        "build COPY . . changed: files 0.5 s 3.0 s build RUN make new 3.0 s "
        "The other 2 steps are as they were."
    )


def test_transfers_have_bytes_where_they_are_known() -> None:
    shown_text = text(made(reports.usual()))
    assert shown_text[shown_text.index("Transfers") : shown_text.index("Notes")].strip() == (
        "Transfers Kind What Bytes Took context [internal] load build context 2.5 MB 0.5 s "
        "pull layers of RUN apt-get install curl 57.2 MB 1.5 s push ghcr.io/me/app:b unknown 1.0 s"
    )


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        pytest.param(
            Outcome(metadata="{}", notes=()), "warmbuild: No steps, 0.0 s", id="of nothing"
        ),
        pytest.param(
            Outcome(metadata="{}", notes=(), error="no engine answers", is_stopped=True),
            "Why it stopped no engine answers",
            id="of a run that was stopped",
        ),
        pytest.param(
            Outcome(
                metadata="{}",
                notes=(),
                error="no engine answers",
                timeline=Timeline(
                    begun=1.0,
                    ended=3.0,
                    own=(Span(phase=Phase.START, begun=1.0, ended=3.0),),
                    phases={Phase.START: 2.0},
                ),
            ),
            "Why it failed no engine answers",
            id="of a run that failed before its build",
        ),
    ],
)
def test_there_is_a_page_of_every_outcome(done: Outcome, expected: str) -> None:
    assert expected in text(made(done))


def test_targets_have_lanes_and_comparisons_of_their_own() -> None:
    usual = reports.usual()
    bars = tuple(
        replace(bar, target="web, api" if bar.position else "") for bar in usual.timeline.bars
    )
    targets = [replace(usual, name=name) for name in ("web", "api")]
    done = replace(
        together(targets, metadata="{}", steps=usual.steps),
        timeline=replace(usual.timeline, bars=bars),
    )
    found = made(done)
    assert "web, api · build" in found.of("bdi")
    assert "Compared with the default branch: api" in text(found)
    (copied,) = [one for one in data(found) if one["command"] == "COPY . ."]
    assert ["Not cached", "src/app.py changed"] in copied["facts"]


def test_three_thousand_steps_fit_into_five_megabytes() -> None:
    written = page(reports.many(3000), str).encode()
    assert len(written) < 5_000_000
    assert written.count(b'class="row') == 3000


def test_a_failed_step_has_more_of_its_last_lines_than_others() -> None:
    done = reports.many(3000)
    *others, before, last = done.timeline.bars
    bars = (*others, replace(before, error="exit code: 1"), last)
    found = data(made(replace(done, timeline=replace(done.timeline, bars=bars))))
    lines = {"Failed after" in dict(one["facts"]): one["tail"] for one in found if one["tail"]}
    assert lines[True].splitlines() == list(before.tail)
    assert len(lines[False]) < 400


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, "unknown"), (999, "999 B"), (1_000, "1.0 kB"), (57_249_000, "57.2 MB"), (2.5e9, "2.5 GB")],
)
def test_sizes_are_decimal(size: int, expected: str) -> None:
    part = Part(name="sha256:a", begun=0.0, ended=1.0, size=size)
    bar = Bar(number=1, phase=Phase.PULL, name="pull", begun=0.0, ended=1.0, parts=(part,))
    done = Outcome(metadata="{}", notes=(), timeline=Timeline(begun=0.0, ended=1.0, bars=(bar,)))
    assert f"pull pull {expected} 1.0 s" in text(made(done))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.5, ["0 s", "0.1 s", "0.2 s", "0.3 s", "0.4 s", "0.5 s"]),
        (12, ["0 s", "2 s", "4 s", "6 s", "8 s", "10 s", "12 s"]),
        (3600, ["0 s", "1000 s", "2000 s", "3000 s"]),
    ],
)
def test_an_axis_has_round_times(seconds: float, expected: list[str]) -> None:
    bar = Bar(number=1, phase=Phase.CONTEXT, name="a", begun=0.0, ended=seconds)
    whole = Timeline(begun=0.0, ended=seconds, bars=(bar,))
    read = made(Outcome(metadata="{}", notes=(), timeline=whole))
    assert read.of("text") == expected


def test_bars_stay_within_the_time() -> None:
    pattern = r'<rect class="bar[^>]*x="([\d.]+)%"[^>]*width="([\d.]+)%"'
    found = re.findall(pattern, page(reports.usual(), str))
    assert len(found) == 9
    assert all(float(x) + float(width) <= 100.01 for x, width in found)
    assert all(float(width) >= 0.3 for _, width in found)
