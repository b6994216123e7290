from __future__ import annotations

from warmbuild.build.outcomes import Outcome
from warmbuild.build.timeline import Bar, Part, Timeline
from warmbuild.buildkit.progress import Step
from warmbuild.phases import Phase
from warmbuild.report import measured


def part(name: str, size: int) -> Part:
    return Part(name=name, begun=0.0, ended=1.0, size=size)


def bar(number: int, phase: Phase, *parts: Part) -> Bar:
    return Bar(number=number, phase=phase, name="x", begun=0.0, ended=1.0, parts=parts)


def test_the_numbers_of_a_run() -> None:
    layer = part("sha256:a", 100)
    bars = (
        bar(1, Phase.CONTEXT, part("transferring context:", 7)),
        # Two times at which one vertex was pulled.
        bar(2, Phase.PULL, layer, part("extracting sha256:a", 100)),
        bar(2, Phase.PULL, layer, part("sha256:b", 20)),
        bar(3, Phase.PUSH, part("pushing layers", 0)),
    )
    steps = tuple(
        Step(prefix="", position="", instruction="RUN", cached=cached, seconds=None, error="")
        for cached in (True, False)
    )
    done = Outcome(
        metadata="{}",
        notes=(),
        steps=steps,
        seconds=12.5,
        timeline=Timeline(bars=bars, phases={Phase.PULL: 2.0, Phase.STEPS: 10.5}),
    )
    assert [(one.name, one.phase, one.value) for one in measured.measures(done)] == [
        ("seconds", "", 12.5),
        ("steps", "", 2),
        ("steps_cached", "", 1),
        ("hit_ratio", "", 0.5),
        ("phase_seconds", "pull and unpack", 2.0),
        ("phase_seconds", "steps", 10.5),
        ("phase_bytes", "context", 7),
        ("phase_bytes", "pull and unpack", 120),
    ]
