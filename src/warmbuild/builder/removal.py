"""Removes the builder of a run at its end, unless another job builds in it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from warmbuild import signals
from warmbuild.builder import engine, engine_calls
from warmbuild.builder.leftovers import Verdict
from warmbuild.buildkit import builder_commands
from warmbuild.errors import EngineError
from warmbuild.signals import shielded

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.builder.engine import Container
    from warmbuild.builder.environment import Buildx
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuilderPlan

# How long the last client of this run may take to leave the builder, in seconds: the engine
# notices some milliseconds after a client that it has gone.
_GOODBYE: Final = 1.0
_GLANCE: Final = 0.05
# How long an engine may be gone if the builder never came up, in seconds.
_MOMENT: Final = 1.0
# How long to wait for the engine to delete the state, in seconds. It goes on without this run, for
# seconds if many files lie on a disk.
_LET_GO: Final = 0.25


def remove(plan: BuilderPlan, name: str, buildx: Buildx, log: Log, *, up: bool) -> None:
    """Remove a builder that this run asked for, unless it is to stay.

    A job that connects in the milliseconds between the engine's answer and the removal loses the
    builder: buildx boots it again for a job whose build has not begun.
    """
    failure, decided = "", decide(plan, None)
    with shielded():
        try:
            if plan.is_shared:
                there = {"DOCKER_HOST": plan.endpoint} if plan.endpoint else {}
                env = {**buildx.env, **there}
                reach = partial(engine.connect, env, wait=False, patience=_patience())
                client = engine_calls.once_there(reach, patience=_restart(up=up))
                found = _once_left(partial(engine.container, client, name))
                decided = decide(plan, found)
                if found and decided.removes:
                    engine.remove(client, name, found, keep_state=plan.keep_state)
        except EngineError as error:
            failure, decided = str(error), Verdict(removes=False)
        # For buildx a builder is its name, under which another job may boot the next one.
        if decided.removes and (plan.appended or not plan.is_shared):
            failure = _of_this_run(plan, name, buildx, up=up)
    # A builder that never came up has been reported, and may leave nothing to remove.
    if failure and (up or signals.is_stopped()):
        log.left_behind(f"the builder {name} could not be removed: {failure}")
    elif decided.why and up:
        log.line(f"the builder {name} stays: {decided.why}")


def _of_this_run(plan: BuilderPlan, name: str, buildx: Buildx, *, up: bool) -> str:
    """Remove a builder that no other run knows; return why that failed, if it did.

    buildx would wait until the last file of the state is deleted: 1 to 3 s of a run on disk.
    """
    at = engine_calls.address(buildx.env)
    is_one_here = plan.driver.has_container and not (plan.appended or plan.endpoint)
    if at and is_one_here and not plan.name:
        try:
            engine_calls.remove_builder(
                at, name, patience=_LET_GO, most=_patience(), restart=_restart(up=up)
            )
        except EngineError as error:
            # buildx would wait for the same engine. What the engine refuses, buildx may do in its
            # own way, and it says why it cannot.
            if isinstance(error.__cause__, TimeoutError):
                return str(error)
        else:
            return ""
    command = builder_commands.remove(name, keep_state=plan.keep_state)
    try:
        removal = buildx.run(command, patience=_patience())
    except EngineError as error:
        return str(error)
    return removal.output if removal.code else ""


def _restart(*, up: bool) -> float:
    """Return how long the engine may be gone, in seconds; there may be none if it never was up."""
    patience = signals.HURRY if signals.is_stopped() else engine_calls.RESTART
    return patience if up else _MOMENT


def _patience() -> float:
    """Return how long a step of the removal may take, in seconds."""
    return signals.HURRY if signals.is_stopped() else engine_calls.REMOVAL_TIMEOUT


def decide(plan: BuilderPlan, found: Container | None) -> Verdict:
    """Decide whether this run removes its builder; the container is that of a shared one.

    The last one of several runs that share a builder removes it.
    """
    if not plan.is_shared:
        # A builder that only connects is not known to anybody else.
        return Verdict(removes=plan.cleanup and (not plan.name or plan.driver.connects))
    if found is None:
        return Verdict(removes=True)
    if builder_commands.TEMPORARY not in found.env:
        # It was there before this run.
        return Verdict(removes=False)
    if found.connections:
        why = "another job is connected to it; the last job that uses it removes it"
        return Verdict(removes=False, why=why)
    return Verdict(removes=True)


def _once_left(look: Callable[[], Container | None]) -> Container | None:
    """Return the builder's container, once this run's own clients have left it."""
    deadline = time.monotonic() + _GOODBYE
    found = look()
    while found and found.connections and time.monotonic() < deadline:
        time.sleep(_GLANCE)
        found = look()
    return found
