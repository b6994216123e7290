"""The summary."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from warmbuild.build import outcomes
from warmbuild.build.outcomes import Outcome
from warmbuild.build.timeline import Bar, Part, Timeline
from warmbuild.buildkit.progress import Failure, Step
from warmbuild.finding import Finding
from warmbuild.phases import Phase
from warmbuild.record.cause import Cause, Kind
from warmbuild.record.miss import Miss, Saving
from warmbuild.report import markdown

SECRET = "hunter2"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
STEP = Step(
    prefix="build", position="2/2", instruction="RUN make", cached=False, seconds=1.26, error=""
)
MISS = Miss(
    stage="build",
    line=3,
    step="COPY . .",
    causes=(Cause(kind=Kind.FILE_CHANGED, text="a_b changed", names=("a_b",)),),
    seconds=1.26,
)
SAVING = Saving(text="add a_b to .dockerignore", seconds=1.2)
FINDING = Finding(
    rule="apt", severity="minor", file="Dockerfile", line=3, text="it waits", about=""
)
NOTHING = Outcome(metadata="{}", notes=(), seconds=12.34)
DONE = replace(
    NOTHING,
    ending="pushed",
    digest=DIGEST,
    image_id="sha256:2",
    tags=("r.io/a:1", "r.io/a:2"),
    cache_read=(f"r.io/a:cache-main@{DIGEST}",),
    cache_written="r.io/a:cache-x",
    cache_age=timedelta(hours=5, minutes=3),
    images={"alpine:3": DIGEST},
)
WHERE = Timeline(
    ended=12.0, phases={Phase.START: 1.0, Phase.STEPS: 10.92, Phase.PULL: 0.06, Phase.PUSH: 0.02}
)


def bar(phase: Phase, *parts: tuple[str, int], **more: Any) -> Bar:  # noqa: ANN401 (of the bar)
    """Return a bar without a length, which is in no chart."""
    told = tuple(Part(name=name, begun=1, ended=1, size=size) for name, size in parts)
    given: dict[str, Any] = {
        "number": 1,
        "phase": phase,
        "name": "x",
        "begun": 1.0,
        "ended": 1.0,
        "parts": told,
    }
    return Bar(**(given | more))


def parts(outcome: Outcome, **given: str) -> list[str]:
    """Return the parts of a summary after its headline."""
    headline, *others = markdown.summary(outcome, given).removesuffix("\n").split("\n\n")
    assert headline.startswith("### warmbuild: ")
    return others


def test_a_summary_of_nothing_is_its_headline() -> None:
    assert markdown.summary(NOTHING) == "### warmbuild: no steps, 12.3 s\n"


def test_what_became_of_an_image() -> None:
    facts, *others = parts(DONE)
    assert facts.splitlines() == [
        "- **Image:** `r.io/a:1`, `r.io/a:2`",
        "- **Digest:** `sha256:0123456789ab`",
        "- **Cache read:** `r.io/a:cache-main@sha256:0123456789ab`, 5 hours old",
        "- **Cache written:** `r.io/a:cache-x`",
    ]
    assert others == [
        "<details>\n<summary>Digests</summary>",
        (
            "| Of | Digest |\n"
            "| --- | --- |\n"
            f"| image | `{DIGEST}` |\n"
            "| ID of the image | `sha256:2` |\n"
            f"| r.io/a:cache-main | `{DIGEST}` |\n"
            f"| alpine:3 | `{DIGEST}` |"
        ),
        "</details>",
    ]


def test_what_was_read_and_written_of_caches() -> None:
    layers = ("sha256:a", 2_000_000), ("sha256:b", 500_000), ("extracting sha256:a", 9)
    place = {"position": "2/3", "instruction": "RUN a"}
    bars = (
        bar(Phase.PULL, *layers, **place),
        bar(Phase.PULL, layers[0], **place),
        bar(Phase.PULL, ("sha256:c", 7), position="1/3", instruction="FROM a"),
        bar(Phase.PULL, ("sha256:c", 7)),
        bar(Phase.CACHE, ("preparing build cache for export", 0), ("writing layer sha256:a", 0)),
    )
    facts, *_ = parts(replace(DONE, timeline=Timeline(bars=bars)))
    assert facts.splitlines()[2:] == [
        (
            "- **Cache read:** `r.io/a:cache-main@sha256:0123456789ab`, 5 hours old, 2.50MB in 2 "
            "layers pulled"
        ),
        "- **Cache written:** `r.io/a:cache-x`, 1 layer",
    ]


def test_why_steps_ran_and_what_would_have_saved_them() -> None:
    assert parts(replace(NOTHING, misses=(MISS,))) == [
        "**Missed:** line 3, COPY . .: `a_b` changed (1.3 s)"
    ]
    (tip,) = parts(replace(NOTHING, misses=(replace(MISS, saving=SAVING),)))
    assert tip.splitlines() == [
        "> [!TIP]",
        "> **Missed:** line 3, COPY . .: `a_b` changed (1.3 s)",
        ">",
        "> **To save it:** add `a_b` to .dockerignore",
    ]


def test_where_the_time_went() -> None:
    assert parts(replace(NOTHING, timeline=WHERE)) == [
        "| start | steps | total |\n| --- | --- | --- |\n| 1.0 s | 10.9 s | 12.0 s |"
    ]


def test_warnings_findings_and_notes_are_said_once() -> None:
    many = tuple(f"warning {number}" for number in range(22))
    done = replace(
        NOTHING, warnings=("a\nb", *many, "a\nb"), findings=(FINDING, FINDING), notes=("n_1", "n")
    )
    warnings, facts, finding = parts(done)
    assert warnings.splitlines()[:3] == ["> [!WARNING]", "> - a b", "> - warning 0"]
    assert warnings.splitlines()[21:] == ["> - and 3 more, which the log has"]
    assert facts == "- `n_1`\n- n"
    assert finding == "> [!NOTE]\n> Dockerfile:3: it waits `[apt]`".replace(
        "Dockerfile:3:", "`Dockerfile:3`:"
    )


def test_why_a_run_failed() -> None:
    failure = Failure(title="[2/2] RUN make", error="e", tail=("one", "two"), source="Dockerfile:9")
    text = "the build failed at Dockerfile:9 in [2/2] RUN make: e\n  | one\n  | two\nEmulate it."
    done = replace(NOTHING, error=text, failure=failure, steps=(replace(STEP, error="e"),))
    headline, *found = markdown.summary(done).split("\n\n")
    assert headline == (
        "### warmbuild: failed after 12.3 s in `[2/2] RUN make` (Dockerfile:9), 1 of 1 steps run, "
        "0 cached"
    )
    assert found[:2] == [
        "> [!CAUTION]\n> the build failed at Dockerfile:9 in `[2/2] RUN make`: e\n>\n> Emulate it.",
        "```text\none\ntwo\n```",
    ]
    assert parts(replace(NOTHING, error="terminated", is_stopped=True)) == []


def test_inputs_that_were_given() -> None:
    long = "\n".join(["x" * 300, "", *map(str, range(22))])
    _, table, _ = parts(NOTHING, a="1", secrets="", b=long)
    lines = "<br>".join(f"`{number}`" for number in range(18))
    assert table.splitlines()[2:] == [
        "| `a` | `1` |",
        "| `secrets` | not shown |",
        f"| `b` | `{'x' * 200}…`<br>{lines}<br>and 4 more lines |",
    ]


def test_several_images() -> None:
    place = {"position": "2/3", "instruction": "RUN a", "target": "web, job"}
    bars = (bar(Phase.PULL, ("sha256:a", 7), **place), bar(Phase.PULL, ("sha256:b", 7)))
    web = replace(DONE, name="web", steps=(STEP,))
    job = replace(DONE, name="j_b", unbuilt=True)
    done = outcomes.together([web, job], metadata="", steps=(STEP,))
    found = parts(replace(done, timeline=Timeline(bars=bars)))
    assert found[0] == "#### web: 0 of 1 steps cached"
    assert "7B in 1 layer pulled" in found[1]
    assert found[2] == "`build` 1 of 1 steps run, 0 cached"
    assert found[3].startswith("| Step |")
    assert found[4] == "#### `j_b`: nothing was built"
    assert "pulled" not in found[5]
    assert found[7].count(DIGEST) == 4


@pytest.mark.parametrize("name", ["x" * 500, "`\\|😀" * 100, "<\n" * 250])
def test_a_summary_is_short_enough(name: str) -> None:
    many = tuple(
        replace(
            STEP,
            prefix=f"{name} {number % 60}",
            position=f"{number}/3000",
            instruction=f"RUN {name}",
            cached=number % 3 > 0,
            origin=f"r.io/{name}",
            seconds=float(number),
            line=number,
        )
        for number in range(3000)
    )
    bars = tuple(
        replace(
            bar(Phase.STEPS),
            prefix=step.prefix,
            position=step.position,
            instruction=step.instruction,
            ended=float(number),
            waited=9.0,
        )
        for number, step in enumerate(many)
    )
    one = replace(
        DONE,
        steps=many,
        tags=(name,) * 3000,
        cache_read=(f"{name}@{DIGEST}",) * 3000,
        images={f"{number}{name}": DIGEST for number in range(3000)},
        misses=tuple(replace(MISS, line=number, step=name) for number in range(1, 3000)),
        notes=(name,) * 3000,
        warnings=tuple(f"{name} {number}" for number in range(3000)),
        findings=(replace(FINDING, text=name),),
        timeline=replace(WHERE, bars=bars),
        error="\n".join([name] * 3000),
        failure=Failure(title=name, error=name, tail=(name * 40,) * 12, source=name),
    )
    targets = tuple(replace(one, name=f"{name}{number}") for number in range(20))
    given: dict[str, Any] = {f"input-{number}": "\n".join([name] * 3000) for number in range(100)}
    for outcome in (one, replace(one, targets=targets)):
        # Secrets of one character make a text longer.
        for redact in (str, lambda text: text.replace("x", "***")):
            text = markdown.summary(outcome, given, redact)
            assert len(text.encode()) < 1024 * 1024
            assert "Left out for want of room: " in text
            assert text.count("<details>") == text.count("</details>")


def test_steps_of_3000_fit_if_their_names_are_usual() -> None:
    many = tuple(
        replace(STEP, position=f"{number}/3000", cached=number % 2 > 0, origin="r.io/a:cache-main")
        for number in range(3000)
    )
    text = markdown.summary(replace(DONE, steps=many))
    assert len(re.findall(r"^\| \d+/3000 \|", text, re.MULTILINE)) == 3000
    assert "eft out" not in text


def test_secrets_are_hidden_in_all_that_others_wrote() -> None:
    part = Part(name=SECRET, begun=0, ended=9, size=1)
    told = Bar(
        number=1,
        phase=Phase.STEPS,
        name=SECRET,
        prefix=SECRET,
        position="1/1",
        instruction=SECRET,
        begun=0,
        ended=9,
        error=SECRET,
        tail=(SECRET,),
        parts=(part,),
    )
    cause = Cause(kind=Kind.USER, text=SECRET, names=(SECRET,))
    one = replace(
        DONE,
        steps=(replace(STEP, prefix=SECRET, instruction=SECRET, error=SECRET),),
        misses=(
            replace(MISS, step=SECRET, causes=(cause,), saving=Saving(text=SECRET, seconds=1)),
        ),
        notes=(SECRET,),
        warnings=(SECRET,),
        findings=(replace(FINDING, file=SECRET, text=SECRET),),
        timeline=Timeline(bars=(told,)),
        error=SECRET,
        failure=Failure(title=SECRET, error=SECRET, tail=(SECRET,), source=SECRET),
    )
    for done in (one, replace(one, targets=(one,))):
        shown = outcomes.shown(done, lambda text: text.replace(SECRET, "***"))
        assert SECRET not in "".join(texts(done)).replace(SECRET, "")
        assert [text for text in texts(shown) if SECRET in text] == []


def texts(value: object) -> list[str]:
    """Return all texts in a value."""
    if isinstance(value, str):
        return [value]
    if is_dataclass(value):
        return [text for field in fields(value) for text in texts(getattr(value, field.name))]
    if isinstance(value, dict):
        return [text for pair in value.items() for text in texts(pair)]
    return [text for item in value for text in texts(item)] if isinstance(value, tuple) else []


def test_secrets_in_names_of_images_are_hidden_too() -> None:
    done = replace(NOTHING, tags=(f"r.io/{SECRET}:1",), ending="pushed", digest=DIGEST)
    text = markdown.summary(done, redact=lambda text: text.replace(SECRET, "***"))
    assert SECRET not in text
    assert "`r.io/***:1`" in text
