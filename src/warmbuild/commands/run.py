"""Run: the argument of every command."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from warmbuild.commands.clock import Clock
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.ci.provider import Provider
    from warmbuild.inputs.values import Inputs
    from warmbuild.log import Log
    from warmbuild.mounts import Mounts
    from warmbuild.process import Runner
    from warmbuild.report.collector import Collector
    from warmbuild.run_context import RunContext


@frozen
class Run:
    """One run of warmbuild."""

    inputs: Inputs
    context: RunContext
    env: Mapping[str, str]  # The whole environment of this process
    log: Log
    provider: Provider  # The CI system
    runner: Runner  # Starts other programs
    mounts: Mounts  # What its container shares with the job
    clock: Clock = field(default_factory=Clock)
    collector: Collector | None = None  # Where its trace goes
