"""Removes what killed runs have left behind: on demand, and beside each build."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from warmbuild import lazy, signals
from warmbuild.builder import engine, engine_calls, environment, leftovers, owner, private_directory
from warmbuild.builder.private_directory import Private
from warmbuild.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from warmbuild.builder import left_pods
    from warmbuild.builder.leftovers import Candidate
    from warmbuild.cluster import client
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuilderPlan

else:
    # Most builders are no pods.
    left_pods = lazy.module("warmbuild.builder.left_pods")
    client = lazy.module("warmbuild.cluster.client")

# A build removes what is this old if it cannot tell whether the owner is dead, for example because
# the owner ran in another container. Few jobs take longer, and their builders have a client.
AGE: Final = timedelta(days=1)
# How long a build has to last for the engine to be asked, in seconds: a rebuild from the cache is
# shorter.
_LEISURE: Final = 1.0
# How long a build that has ended waits for the removal beside it, in seconds.
_PATIENCE: Final = 0.2


def cleanup(env: Mapping[str, str], log: Log, *, older_than: timedelta, dry_run: bool) -> None:
    """Remove what is old enough and certainly unused; say of everything why it goes or stays."""
    kinds = [
        ("builders", chain(_directories(), _builders(environment.of_engine(env)))),
        *([("pods", _pods_of_account(env, log))] if client.is_known(env) else []),
    ]
    is_empty = True
    for kind, found in kinds:
        try:
            for _, line in _collected(found, older_than, dry_run=dry_run):
                log.line(line)
                is_empty = False
        except EngineError as error:
            log.warning(f"{kind} of killed runs are not looked for: {error}")
            is_empty = False
    if is_empty:
        log.line("no run has left anything behind")


@contextmanager
def beside(plan: BuilderPlan, env: Mapping[str, str], log: Log) -> Iterator[None]:
    """Remove what dead runs have left while the block runs; report only what is removed.

    It neither fails nor delays the run, and leaves to the next one what it does not get to.
    """
    is_local = plan.driver.has_container and not plan.endpoint
    done: list[str] = []
    over = threading.Event()

    def collect(found: Iterator[Candidate]) -> None:
        collected = _collected(found, AGE, dry_run=False, at_once=True)
        done.extend(line for goes, line in collected if goes)

    def collect_all() -> None:
        collect(_directories())
        if not (is_local or plan.driver.in_cluster) or over.wait(_LEISURE):
            return
        # The directory that certificates are written to goes with the run.
        with suppress(EngineError, OSError):
            if plan.driver.in_cluster:
                collect(_pods(plan, env, log))
            elif _may_be_left(env):
                collect(_builders(env))

    thread = signals.start_thread(collect_all)
    try:
        yield
    finally:
        over.set()
        thread.join(_PATIENCE)
        for line in tuple(done):
            log.line(line)


def _may_be_left(env: Mapping[str, str]) -> bool:
    """Return whether a builder may go; loading the docker SDK takes longer."""
    at, now = engine_calls.address(env), datetime.now(UTC)
    return at is None or any(
        owner.is_dead(one.labels.get(owner.LABEL, ""))
        or (leftovers.builder_of(one.name) and now - one.created >= AGE)
        for one in engine_calls.volumes(at)
    )


def _directories() -> Iterator[Candidate]:
    return private_directory.left_behind(time.time())


def _builders(env: Mapping[str, str]) -> Iterator[Candidate]:
    yield from engine.left_behind(engine.connect(env, wait=False), datetime.now(UTC))


def _pods(plan: BuilderPlan, env: Mapping[str, str], log: Log) -> Iterator[Candidate]:
    """Yield what is in the namespaces of a plan; the environment is that of its buildx."""
    private = Private(root=Path(env["BUILDX_CONFIG"]).parent)

    def keep(name: str, content: bytes) -> str:
        path = private.file(f"cleanup-{name}")
        private.write(path, content)
        return str(path)

    nodes = (plan.driver_opts, *(node.driver_opts for node in plan.appended))
    keeping = client.Keeping(keep=keep, hide=log.hide)
    yield from left_pods.left_behind(env, keeping, nodes, datetime.now(UTC))


def _pods_of_account(env: Mapping[str, str], log: Log) -> Iterator[Candidate]:
    """Yield what is in the namespace of the kubeconfig, or of this pod."""
    with TemporaryDirectory() as directory:

        def keep(name: str, content: bytes) -> str:
            path = Path(directory, name)
            path.write_bytes(content)
            return str(path)

        keeping = client.Keeping(keep=keep, hide=log.hide)
        yield from left_pods.left_behind(env, keeping, [()], datetime.now(UTC))


def _collected(
    found: Iterable[Candidate], older_than: timedelta, *, dry_run: bool, at_once: bool = False
) -> Iterator[tuple[bool, str]]:
    """Remove what goes; yield of everything whether it goes, and a line that says why."""
    for leftover, remove in found:
        decided = leftovers.verdict(leftover, older_than, at_once=at_once)
        how = "stays"
        if decided.removes and dry_run:
            how = "would be removed"
        elif decided.removes:
            how = "is removed"
            try:
                remove()
            except EngineError as error:
                yield True, f"{leftover.name} cannot be removed: {error}"
                continue
        yield decided.removes, f"{leftover.name} {how}: {decided.why}"
