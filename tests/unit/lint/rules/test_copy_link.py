from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.lint.checked import check
from warmbuild.buildkit.progress import Step, Unpacked
from warmbuild.lint.case import Done, Sources

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
# As in examples/flask.
FLASK = """\
FROM python:3.13-slim
WORKDIR /srv
COPY requirements.txt .
RUN pip install -r requirements.txt
COPY  app \\
   app
COPY tool .
"""
TEXT = (
    "COPY app app waited 9.5 s for layers to be unpacked, which nothing in it needs. Set link: "
    "true, or write COPY --link here (and on line 7)."
)


def ran(instruction: str, prefix: str = "", *, cached: bool = False) -> Step:
    return Step(
        prefix=prefix,
        position="5/6",
        instruction=instruction,
        cached=cached,
        seconds=None if cached else 0.2,
        error="",
    )


def unpacked(begun: float, seconds: float, prefix: str = "") -> Unpacked:
    start = BEGUN + timedelta(seconds=begun)
    return Unpacked(prefix=prefix, begun=start, ended=start + timedelta(seconds=seconds))


EDIT = (
    ran("WORKDIR /srv", cached=True),
    ran("RUN pip install -r requirements.txt", cached=True),
    ran("COPY  app    app"),
    ran("COPY tool ."),
)
LAYERS = (unpacked(0, 6.0), unpacked(5, 4.0), unpacked(20, 0.5))


def found(
    text: str = FLASK,
    steps: tuple[Step, ...] = EDIT,
    layers: tuple[Unpacked, ...] = LAYERS,
    **given: str,
) -> list[tuple[int, str, str]]:
    sources = Sources(directories={"app": True, "tool": False, "requirements.txt": False})
    done = Done(steps=steps, unpacked=layers)
    findings = check(text, {"lint": "true", **given}, sources, done=done)
    return [(finding.line, finding.rule, finding.text) for finding in findings]


def test_an_edit_waited_for_layers() -> None:
    assert found() == [(5, "copy-link", TEXT)]


def test_only_what_runs_from_the_edit_on_is_named() -> None:
    assert found(steps=(*EDIT[:2], ran("COPY app app", cached=True), EDIT[3])) == [
        (7, "copy-link", TEXT.replace("app app", "tool .").replace(" (and on line 7)", ""))
    ]


@pytest.mark.parametrize(
    ("steps", "layers", "given"),
    [
        pytest.param(EDIT, (unpacked(0, 0.9),), {}, id="too short to matter"),
        pytest.param(EDIT, (unpacked(0, 9, "build"),), {}, id="of another stage"),
        pytest.param(EDIT[:2], LAYERS, {}, id="no step ran"),
        pytest.param((ran("RUN pip install"), *EDIT[2:]), LAYERS, {}, id="a step that needs them"),
        pytest.param(EDIT, LAYERS, {"link": "true"}, id="the input is set"),
        pytest.param(EDIT, LAYERS, {"outputs": "type=tar,dest=a"}, id="an output of files"),
        pytest.param(EDIT, LAYERS, {"sbom": "true"}, id="an SBOM"),
        pytest.param(EDIT, LAYERS, {"build-args": "BUILDKIT_SYNTAX=a"}, id="another frontend"),
        pytest.param(EDIT, LAYERS, {"target": "none"}, id="no stage"),
    ],
)
def test_what_is_not_reported(
    steps: tuple[Step, ...], layers: tuple[Unpacked, ...], given: dict[str, str]
) -> None:
    assert found(steps=steps, layers=layers, **given) == []


def test_a_dockerfile_in_which_nothing_can_be_linked() -> None:
    assert found(FLASK.replace("app\n", "app --chmod=700\n") + "RUN true\n") == []


@pytest.mark.parametrize("prefix", ["stage-1", "linux/arm64 stage-1"])
def test_the_steps_and_layers_of_the_images_own_stages_count(prefix: str) -> None:
    text = "FROM a AS build\nRUN b\nFROM a\nWORKDIR /c\nCOPY --from=build /d /d\n"
    steps = (ran("RUN b", "build"), ran("COPY --from=build /d /d", prefix))
    (only,) = found(text, steps, (unpacked(0, 2, prefix), unpacked(0, 9, "build")))
    assert only[0] == 5
    assert "waited 2.0 s" in only[2]


def test_nothing_is_reported_before_the_build() -> None:
    assert check(FLASK) == ()
