from __future__ import annotations

from dataclasses import replace

import pytest

from tests.runs import PULL, SHOP, TAG
from warmbuild.build.outcomes import Outcome
from warmbuild.build.timeline import Bar, Part, Timeline
from warmbuild.buildkit.progress import Step
from warmbuild.phases import Phase, Span
from warmbuild.report import spans

EPOCH = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
LAYER = Part(name="sha256:1a 5MB / 5MB", begun=3.0, ended=4.0, size=5_000_000)
PULLED = Bar(
    number=1, phase=Phase.PULL, name="[1/2] FROM busybox", begun=3, ended=4.5, parts=(LAYER,)
)
RUN = Bar(
    number=2,
    phase=Phase.STEPS,
    name="[2/2] RUN make",
    position="2/2",
    begun=4.5,
    ended=6.0,
    waited=1.5,
)
WHERE = Timeline(
    begun=1.0,
    ended=8.0,
    own=(
        Span(phase=Phase.START, begun=1.0, ended=2.0),
        Span(phase=Phase.BUILDX, begun=2.0, ended=7.0),
        Span(phase=Phase.REPORT, begun=7.0, ended=8.0),
    ),
    bars=(PULLED, RUN),
    phases={
        Phase.START: 1.0,
        Phase.BUILDX: 2.0,
        Phase.PULL: 1.5,
        Phase.STEPS: 1.5,
        Phase.REPORT: 1.0,
    },
)
DONE = Outcome(
    metadata="{}",
    notes=(),
    tags=("r.io/me/app:1", "r.io/me/app:latest"),
    digest="sha256:d",
    image_id="sha256:i",
    cache_read=("r.io/me/app:cache-main",),
    steps=(
        Step(
            prefix="", position="2/2", instruction="RUN make", cached=False, seconds=1.5, error=""
        ),
    ),
    timeline=WHERE,
)


def rows(done: Outcome) -> list[tuple[str, str, float, float]]:
    """Return name, parent, and begin and end in seconds since the run began."""
    found = spans.spans(done, EPOCH)
    begun = found[0].begun
    return [
        (
            one.name,
            found[one.parent].name if one.parent >= 0 else "",
            (one.begun - begun) / SECOND,
            (one.ended - begun) / SECOND,
        )
        for one in found
    ]


def test_a_run_has_phases_that_have_what_buildkit_did_and_its_transfers() -> None:
    assert rows(DONE) == [
        ("warmbuild build", "", 0.0, 7.0),
        ("start", "warmbuild build", 0.0, 1.0),
        ("buildx", "warmbuild build", 1.0, 6.0),
        ("report", "warmbuild build", 6.0, 7.0),
        ("pull and unpack", "warmbuild build", 2.0, 3.5),
        ("steps", "warmbuild build", 3.5, 5.0),
        ("[1/2] FROM busybox", "pull and unpack", 2.0, 3.5),
        ("[2/2] RUN make", "steps", 3.5, 5.0),
        ("sha256:1a 5MB / 5MB", "[1/2] FROM busybox", 2.0, 3.0),
    ]


def test_times_are_those_of_the_epoch() -> None:
    run = spans.spans(DONE, EPOCH)[0]
    assert (run.begun, run.ended) == (EPOCH + SECOND, EPOCH + 8 * SECOND)


def test_the_seconds_of_phases_add_up_to_the_run() -> None:
    run, *others = spans.spans(DONE, EPOCH)
    seconds = [one.attributes.get("warmbuild.phase.seconds", 0.0) for one in others]
    assert sum(one for one in seconds if isinstance(one, float)) == (run.ended - run.begun) / SECOND


def test_what_is_said_of_a_run() -> None:
    assert spans.spans(DONE, EPOCH)[0].attributes == {
        "cicd.pipeline.task.name": "warmbuild",
        "cicd.pipeline.task.type": "build",
        "cicd.pipeline.task.run.result": "success",
        "warmbuild.steps.total": 1,
        "warmbuild.steps.cached": 0,
        "warmbuild.cache.read": ("r.io/me/app:cache-main",),
        "container.image.repo_digests": ("r.io/me/app@sha256:d",),
        "container.image.name": "r.io/me/app",
        "container.image.tags": ("1", "latest"),
        "container.image.id": "sha256:i",
    }


def test_several_images_have_no_name_of_their_own() -> None:
    other = replace(DONE, tags=("r.io/me/web:1",), digest="sha256:e")
    attributes = spans.spans(Outcome(metadata="{}", notes=(), targets=(DONE, other)), EPOCH)[0]
    assert {name for name in attributes.attributes if name.startswith("container.")} == {
        "container.image.repo_digests"
    }


def test_what_is_said_of_what_buildkit_did() -> None:
    found = {one.name: one.attributes for one in spans.spans(DONE, EPOCH)}
    assert found["[2/2] RUN make"] == {
        "warmbuild.step.cached": False,
        "cicd.pipeline.task.run.result": "success",
        "warmbuild.step.waited": 1.5,
    }
    assert found["[1/2] FROM busybox"] == {}
    assert found["sha256:1a 5MB / 5MB"] == {"warmbuild.transfer.size": 5_000_000}


@pytest.mark.parametrize(
    ("error_class", "result"),
    [("BuildError", "failure"), ("RegistryError", "error"), ("Stopped", "cancellation")],
)
def test_how_a_run_has_failed(error_class: str, result: str) -> None:
    failed = replace(RUN, error="exit code: 1", target="web")
    done = replace(
        DONE,
        error="the build failed\n  | no",
        error_class=error_class,
        timeline=replace(WHERE, bars=(failed,)),
    )
    run, *others = spans.spans(done, EPOCH)
    assert run.error == "the build failed\\n  | no"
    assert run.attributes["error.type"] == error_class
    assert run.attributes["cicd.pipeline.task.run.result"] == result
    assert others[-1].error == "exit code: 1"
    assert others[-1].attributes == {
        "warmbuild.target": "web",
        "warmbuild.step.cached": False,
        "cicd.pipeline.task.run.result": "failure",
        "warmbuild.step.waited": 1.5,
        "error.type": "BuildError",
    }


def test_transfers_are_left_out_first() -> None:
    layers = tuple(replace(LAYER, name=str(number)) for number in range(spans.MOST))
    many = replace(PULLED, parts=layers)
    found = spans.spans(replace(DONE, timeline=replace(WHERE, bars=(many, RUN))), EPOCH)
    assert len(found) == spans.MOST
    assert "[2/2] RUN make" in {one.name for one in found}


def test_a_push_has_its_transfers_and_the_export_around_it_does_not() -> None:
    pushed = Part(name="pushing layers", begun=5.0, ended=6.0, size=0)
    made = Part(name="exporting layers", begun=4.0, ended=5.0, size=0)
    bars = (
        Bar(number=3, phase=Phase.PUSH, name="exporting", begun=5, ended=6, parts=(pushed,)),
        Bar(number=3, phase=Phase.EXPORT, name="exporting", begun=4, ended=6, parts=(made, pushed)),
    )
    found = spans.spans(replace(DONE, timeline=replace(WHERE, bars=bars)), EPOCH)
    numbers = {one.name: one.parent for one in found}
    assert numbers["pushing layers"] < numbers["exporting layers"]
    assert [one.name for one in found].count("pushing layers") == 1


def test_a_long_name_is_cut_and_has_no_control_characters() -> None:
    long = replace(RUN, name="RUN \x1b[2J" + "x" * 100_000)
    found = spans.spans(replace(DONE, timeline=replace(WHERE, bars=(long,))), EPOCH)
    assert found[-1].name.startswith("RUN \\x1b[2Jxxx")
    assert len(found[-1].name) < 300


def test_the_origin_of_a_trace() -> None:
    assert spans.resource(SHOP, "1.2.3") == {
        "service.name": "warmbuild",
        "service.version": "1.2.3",
        "vcs.repository.url.full": "https://github.com/octo/shop",
        "vcs.ref.head.name": "main",
        "vcs.ref.head.type": "branch",
        "vcs.ref.head.revision": SHOP.commit,
    }
    assert spans.resource(TAG, "1")["vcs.ref.head.type"] == "tag"
    pull = spans.resource(PULL, "1")
    assert (pull["vcs.change.id"], pull["vcs.ref.base.name"]) == ("7", "develop")
