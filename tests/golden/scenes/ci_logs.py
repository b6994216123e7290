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
# Forms of the log, by what asks for them.
_FORMS: Final = {
    "quiet": ("--quiet",),
    "json": ("--log-format=json",),
    "quiet and json": ("--quiet", "--log-format", "json"),
}
_FAILED: Final = lines(
    STEP, vertex("[2/2] RUN make", error="exit code: 2", log="::error::not a command\n##vso[x]\n")
)
_WARNING: Final[dict[str, machine.Said]] = {"build": STEP, "rm": (1, "ERROR: no such builder")}
_ERROR: Final[dict[str, machine.Said]] = {"build": (1, _FAILED)}


def _scenes() -> Iterator[Scene]:
    for name in _SYSTEMS:
        yield Scene(title=f"{name}, a warning", said=_built(name, buildx=_WARNING))
        yield Scene(title=f"{name}, an error", said=_built(name, buildx=_ERROR))
    for form, flags in _FORMS.items():
        yield Scene(title=f"{form}, a warning", said=_built("github", *flags, buildx=_WARNING))
        yield Scene(title=f"{form}, an error", said=_built("github", *flags, buildx=_ERROR))
        said = machine.run("build", *flags, "--imgae=x", "--ci=github")
        yield Scene(title=f"{form}, a wrong input", said=said)


def _built(name: str, *flags: str, buildx: dict[str, machine.Said]) -> str:
    """Return a build's log; of the outputs in it one stands for all."""
    said = machine.built(f"--ci={name}", "--cache=off", "--context=.", *flags, buildx=buildx)
    kept = (
        line
        for line in said.splitlines()
        if "task.setvariable" not in line or "WARMBUILD_TAGS" in line
    )
    return "\n".join(kept)


SUBJECT = Subject(name="ci_logs", about="Logs as CI systems get them.", scenes=_scenes)
