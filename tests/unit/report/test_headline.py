from __future__ import annotations

from dataclasses import replace

import pytest

from warmbuild.build.outcomes import Outcome
from warmbuild.buildkit.progress import Failure, Step
from warmbuild.phases import Phase
from warmbuild.report import plain_text

RAN = Step(prefix="", position="2/2", instruction="RUN a", cached=False, seconds=3, error="")
HIT = replace(RAN, cached=True, seconds=None, usual=40.0)
BUILT = Outcome(
    ending="pushed",
    tags=("r.io/a:1", "r.io/a:2", "r.io/a:3"),
    steps=(HIT, HIT, RAN),
    seconds=41.26,
    metadata="{}",
    notes=(),
)
ERROR = "the build failed"


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (BUILT, "pushed r.io/a:1 and 2 more tags: 1 of 3 steps run, 2 cached, 41.3 s"),
        (
            replace(BUILT, tags=BUILT.tags[:2]),
            "pushed r.io/a:1 and 1 more tag: 1 of 3 steps run, 2 cached, 41.3 s",
        ),
        (replace(BUILT, tags=()), "pushed: 1 of 3 steps run, 2 cached, 41.3 s"),
        (replace(BUILT, ending="", tags=()), "1 of 3 steps run, 2 cached, 41.3 s"),
        (replace(BUILT, steps=(), tags=()), "pushed: no steps, 41.3 s"),
        (replace(BUILT, unbuilt=True), "nothing was built, 41.3 s"),
        (
            replace(BUILT, targets=(BUILT, BUILT)),
            "pushed 2 images: 1 of 3 steps run, 2 cached, 41.3 s",
        ),
        (
            replace(BUILT, ending="", error=ERROR),
            "failed after 41.3 s, 1 of 3 steps run, 2 cached",
        ),
        (
            replace(BUILT, error="terminated", is_stopped=True, tags=("r.io/a:1",)),
            "pushed r.io/a:1: stopped after 41.3 s, 1 of 3 steps run, 2 cached",
        ),
        (
            replace(
                BUILT,
                ending="",
                error=ERROR,
                failure=Failure(
                    title="[3/3] RUN make", error="exit 1", tail=(), source="Dockerfile:3"
                ),
            ),
            "failed after 41.3 s in [3/3] RUN make (Dockerfile:3), 1 of 3 steps run, 2 cached",
        ),
    ],
)
def test_the_headline(outcome: Outcome, expected: str) -> None:
    assert plain_text.headline(outcome) == expected


def test_where_the_time_went_adds_up() -> None:
    phases = {
        Phase.START: 0.16,
        Phase.PULL: 2.0,
        Phase.STEPS: 3.04,
        Phase.PUSH: 0.05,
        Phase.REMOVAL: 0.06,
    }
    said = plain_text.phases_text(phases)
    assert said == "start 0.2 s, pull and unpack 2.0 s, steps 3.0 s, the rest 0.1 s"
    assert plain_text.phases_text({Phase.START: 0.04}) == ""
    assert plain_text.phases_text({}) == ""


def test_what_was_saved_is_that_of_cached_steps() -> None:
    assert BUILT.saved == 80
    said = plain_text.outcome_text(BUILT).splitlines()
    assert "  saved          about 80 s that the cached steps took before" in said
    assert "saved" not in plain_text.outcome_text(replace(BUILT, steps=(RAN,)))


def test_a_step_that_targets_share_saves_its_time_once() -> None:
    one = replace(BUILT, steps=(HIT,))
    assert replace(BUILT, targets=(one, one)).saved == 40


def test_of_a_run_that_failed_before_any_step_its_error_says_all() -> None:
    nothing = Outcome(metadata="{}", notes=(), error="the engine is gone")
    assert plain_text.outcome_text(nothing) == ""


def test_no_cache_is_read_or_written_by_a_build_that_failed() -> None:
    said = plain_text.outcome_text(replace(BUILT, ending="", error=ERROR))
    assert "cache" not in said.partition("\n")[2].replace("the cached steps", "")
