"""Logs as each CI system gets them: groups, a warning, an error, and the outputs in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.golden import machine
from tests.golden.made_up import STEP, lines, vertex
from tests.golden.scene import Scene, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

# The CI systems by the name that --ci takes; the others log as a laptop does.
_SYSTEMS: Final = ("github", "gitea", "gitlab", "azure", "buildkite", "local")
_FAILED: Final = lines(
    STEP, vertex("[2/2] RUN make", error="exit code: 2", log="::error::not a command\n##vso[x]\n")
)


def _scenes() -> Iterator[Scene]:
    for name in _SYSTEMS:
        said = _built(name, {"build": STEP, "rm": (1, "ERROR: no such builder")})
        yield Scene(title=f"{name}, a warning", said=said)
        yield Scene(title=f"{name}, an error", said=_built(name, {"build": (1, _FAILED)}))


def _built(name: str, buildx: dict[str, machine.Said]) -> str:
    """Return a build's log; of the outputs in it one stands for all."""
    said = machine.built(f"--ci={name}", "--cache=off", "--context=.", buildx=buildx)
    kept = (
        line
        for line in said.splitlines()
        if "task.setvariable" not in line or "WARMBUILD_TAGS" in line
    )
    return "\n".join(kept)


SUBJECT = Subject(name="ci_logs", about="Logs as CI systems get them.", scenes=_scenes)
