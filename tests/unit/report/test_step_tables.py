"""Tables of steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from warmbuild.build.outcomes import Outcome
from warmbuild.build.timeline import Bar
from warmbuild.buildkit.progress import Step
from warmbuild.phases import Phase
from warmbuild.record.cause import Cause, Kind
from warmbuild.record.miss import Miss
from warmbuild.report import step_tables

RAN = Step(
    prefix="build", position="3/3", instruction="RUN make", cached=False, seconds=1.26, error=""
)
HIT = replace(RAN, position="2/3", instruction="RUN npm ci", cached=True)
BAR = Bar(
    number=1,
    phase=Phase.STEPS,
    name="",
    prefix="build",
    position="3/3",
    instruction="RUN make",
    begun=1.0,
    ended=4.0,
)


def tables(
    *steps: Step,
    bars: tuple[Bar, ...] = (),
    room: int = 9999,
    **more: Any,  # noqa: ANN401 (of the outcome)
) -> list[str]:
    done = Outcome(metadata="", notes=(), steps=steps, **more)
    return list(step_tables.tables(done, bars, room))


def row(step: Step, *bars: Bar, **more: Any) -> str:  # noqa: ANN401 (of the outcome)
    """Return what a table says of a step: cache and time."""
    line = tables(step, bars=bars, **more)[0].splitlines()[-1 - 2 * step.cached]
    return line.split(" | ", 2)[2].removesuffix(" |")


def test_what_is_said_of_a_step() -> None:
    assert row(RAN) == "miss | 1.3 s"
    assert row(RAN, replace(BAR, waited=3.1)) == "miss | 1.3 s, after 3.1 s of pull and unpack"
    assert row(RAN, replace(BAR, waited=3.1, position="2/3")) == "miss | 1.3 s"
    assert row(HIT) == "hit | "
    hit = replace(HIT, origin="ghcr.io/me/app:cache-main@sha256:1", usual=9.04)
    assert row(hit) == "hit, `app:cache-main` | saved 9.0 s"
    assert row(replace(RAN, error="exit code: 1")) == "**failed** | 1.3 s"
    assert row(replace(RAN, error="context canceled")) == "stopped | 1.3 s"
    assert row(replace(RAN, seconds=0.0), BAR, error="terminated") == "stopped | 3.0 s"
    assert row(replace(RAN, seconds=None)) == "miss | 0.0 s"


def test_why_a_step_ran() -> None:
    cause = Cause(kind=Kind.FILE_CHANGED, text="a|b changed")
    misses = (Miss(stage="build", line=4, step="RUN make", causes=(cause,)),)
    assert row(replace(RAN, line=4), misses=misses) == r"miss: `a\|b` changed | 1.3 s"
    assert row(replace(RAN, line=5), misses=misses) == "miss | 1.3 s"


def test_a_table_for_each_stage_and_platform() -> None:
    others = [replace(RAN, position=f"{number}/25") for number in range(21)]
    long = [replace(one, prefix="linux/arm64 long") for one in others]
    first, second, third = tables(HIT, RAN, replace(HIT, prefix=""), *long)
    assert first.splitlines() == [
        "`build` 1 of 2 steps run, 1 cached",
        "",
        "| Step | Instruction | Cache | Took |",
        "| --- | --- | --- | ---: |",
        "| 2/3 | `RUN npm ci` | hit |  |",
        "| 3/3 | `RUN make` | miss | 1.3 s |",
    ]
    assert second.startswith("<details>\n<summary>0 of 1 steps run, 1 cached</summary>\n")
    assert "<code>linux/arm64 long</code> 21 of 21 steps run, 0 cached</summary>" in third


def test_a_single_stage_without_a_name_has_no_caption() -> None:
    assert tables(replace(RAN, prefix=""))[0].startswith("| Step |")
    assert tables(RAN)[0].startswith("`build` 1 of 1 steps run, 0 cached\n\n| Step |")


def test_what_has_no_room_is_left_out() -> None:
    slow = replace(RAN, position="1/3", seconds=9.0)
    failed = replace(RAN, position="2/3", seconds=0.1, error="no")
    quick = replace(RAN, seconds=0.5)
    steps = (HIT, quick, slow, failed)
    (text,) = tables(*steps, room=120)
    assert [one[2:5] for one in text.splitlines() if "RUN" in one] == ["3/3", "1/3", "2/3"]
    assert text.endswith("\n\nLeft out for want of room: 1 from the cache.")
    (text,) = tables(*steps, room=80)
    assert [one[2:5] for one in text.splitlines() if "RUN" in one] == ["1/3", "2/3"]
    assert text.endswith("\n\nLeft out for want of room: 1 from the cache and 1 that ran.")
    assert tables(*steps, room=0) == [
        (
            "`build` 3 of 4 steps run, 1 cached\n\n"
            "Left out for want of room: 1 from the cache and 3 that ran."
        )
    ]
