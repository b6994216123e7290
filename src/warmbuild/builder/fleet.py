"""Boots the pods of a builder, and says what becomes of them."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import field, replace
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.builder import owner
from warmbuild.cluster import account, client, pods, pool, rights
from warmbuild.cluster.client import ForeignError, Keeping, RefusedError
from warmbuild.errors import EngineError
from warmbuild.frozen import frozen
from warmbuild.process import LateError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.builder.private_directory import Private
    from warmbuild.buildkit.answers import Boot
    from warmbuild.cluster.client import Cluster
    from warmbuild.cluster.pods import Pod, Trouble
    from warmbuild.cluster.pool import Pool
    from warmbuild.cluster.rights import Right
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuilderPlan
    from warmbuild.process import Running

# What buildx says if another run has made the same pool in the same moment.
MADE_BY_ANOTHER: Final = "already exists"
_NO_NAMESPACE: Final = re.compile(r'namespaces "[^"]*" not found')
# Seconds between two looks at pods.
_GLANCE: Final = 0.2
_LONG_GLANCE: Final = 1.0
# Seconds in which Kubernetes notices that a pod has ended.
_MOMENT: Final = 3.0
# Seconds after which the log says what keeps pods from being ready.
_PATIENCE: Final = 3.0
_SLOW: Final = "buildx alone starts the pods, and most are ready after 32 s"


class _Waiting:
    """How long a run has waited for pods, and for what."""

    def __init__(self, log: Log) -> None:
        self._begun, self._log = time.monotonic(), log
        self._since: tuple[str, float] = ("", 0.0)
        self._said = ""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    @property
    def is_slow(self) -> bool:
        """Whether it takes longer than it should."""
        return self.seconds > _PATIENCE

    def see(self, trouble: Trouble | None) -> None:
        """Say what keeps pods from being ready; raises EngineError once there is no hope."""
        now, (kind, since) = time.monotonic(), self._since
        if trouble is None or trouble.advice != kind:
            since = now
        self._since = (trouble.advice if trouble else "", since)
        if trouble is None:
            return
        if trouble.patience and now - since > trouble.patience:
            raise EngineError(f"{trouble}.")
        if self.is_slow and trouble.text != self._said:
            self._said = trouble.text
            self._log.line(f"waiting for the builder: {trouble.text}")


@frozen
class Fleet:
    """The pods of a builder, by its nodes."""

    cluster: Cluster
    pools: tuple[Pool, ...]
    held: bool  # whether buildx is to make them without replicas
    log: Log
    _known: dict[str, Sequence[Pod]] = field(default_factory=dict)

    def boot(self) -> None:
        """Start pods and wait until they are ready; raises EngineError with what hinders them."""
        try:
            begun = [self._start(one) for one in self.pools]
            for one, is_begun in zip(self.pools, begun, strict=True):
                # Others may have less pods now than they are to have, and serve all the same.
                self._wait(one, least=one.replicas if is_begun or one.marks else 1)
        except RefusedError as error:
            raise EngineError(f"the cluster refuses a call for the builder: {error}.") from error

    def lost(self) -> str:
        """Return why the connection to a pod was lost: which one has ended, if one has.

        Kubernetes may notice a moment later than buildx.
        """
        if not self.pools:
            return "the connection to a pod broke"
        deadline = time.monotonic() + _MOMENT
        with suppress(EngineError, RefusedError):
            while True:
                for one in self.pools:
                    if said := pods.lost(self._known.get(one.name, ()), self._pods(one)):
                        return said
                if time.monotonic() > deadline:
                    break
                time.sleep(_GLANCE)
        return "the connection to a pod broke, though all pods of the builder are there"

    def watch(self, creation: Running) -> None:
        """Wait until buildx has started pods by itself; raises EngineError if it never will.

        buildx looks at nothing but the number of pods that are ready, and waits for minutes.
        """
        if self.held or not self.pools:
            return
        waiting = _Waiting(self.log)
        while waiting.seconds < max(one.seconds for one in self.pools):
            with suppress(LateError):
                creation.finish(_LONG_GLANCE)
                return
            # buildx may not have made all of them yet.
            with suppress(RefusedError):
                found = [self._trouble(one, self._owner(one)) for one in self.pools]
                waiting.see(next(filter(None, found), None))

    def refusal(self, plan: BuilderPlan, made: Boot) -> EngineError:
        """Return the error that explains why buildx could not create a builder."""
        said = "\n".join(f"  | {line}" for line in made.output.splitlines())
        with suppress(RefusedError):
            for one in self.pools:
                # A default configuration of buildx is none that the plan knows.
                exists = bool(plan.name) and _exists(self.cluster, one)
                needed = _needed(one, plan, exists=exists, configured=True)
                if lacking := account.missing(self.cluster, needed, one):
                    return account.forbidden(self.cluster, lacking, needed, one)
                if trouble := self._trouble(one, self._owner(one)):
                    return EngineError(f"{trouble}.")
        if _NO_NAMESPACE.search(made.error):
            said += "\nCreate the namespace, or name another one by namespace=NAME in driver-opts."
        return EngineError(f"the builder does not start. buildx says:\n{said}")

    def _start(self, one: Pool) -> bool:
        """Scale a node up if it has no replicas: one of this run, or a pool that was scaled to 0.

        Returns whether it had none.
        """
        there = self._owner(one)
        differs = pool.difference(there, one)
        if differs and one.name not in self._known:
            self.log.line(differs)
        begins = self.held and bool(one.replicas) and pool.rests(there)
        if begins:
            self.cluster.call("PATCH", one.path, pool.patch(one, there))
        return begins

    def _wait(self, one: Pool, *, least: int) -> None:
        waiting, least = _Waiting(self.log), max(1, least)
        while True:
            there, found = self._owner(one), self._pods(one)
            if pods.serve(found, least):
                self._known[one.name] = found
                return
            trouble = self._trouble(one, there, found, is_slow=waiting.is_slow)
            if waiting.seconds > one.seconds:
                why = f": {trouble}" if trouble else ""
                raise EngineError(
                    f"the builder has {pods.ready(found)} of {least} pods after "
                    f"{one.seconds:.0f} s{why}."
                )
            waiting.see(trouble)
            # Events are asked for as well.
            time.sleep(_LONG_GLANCE if waiting.is_slow else _GLANCE)

    def _trouble(
        self,
        one: Pool,
        there: Mapping[str, object],
        found: Sequence[Pod] | None = None,
        *,
        is_slow: bool = True,
    ) -> Trouble | None:
        """Return what keeps the pods of a node from being ready, from events if it takes long."""
        found = self._pods(one) if found is None else found
        late = [pod for pod in found if not (pod.is_ready or pod.is_going)]
        # Another pod takes the place of one that has ended.
        late.sort(key=lambda pod: pod.is_over)
        trouble = next((pod.trouble for pod in late if pod.trouble), None)
        trouble = trouble or (None if found else pods.unmade(there))
        if not is_slow or (trouble and not trouble.grows):
            return trouble
        uid = untrusted_json.text(untrusted_json.child(there, "metadata"), "uid")
        name, uid = (f"the pod {late[0].name}", late[0].uid) if late else ("the builder", uid)
        try:
            events = self.cluster.call("GET", one.events_path(uid))
        except RefusedError:
            return trouble
        if not trouble:
            return pods.told(name, events)
        # What adds nodes says so within seconds.
        waits = one.is_patient or pods.grows(events)
        return trouble if waits else pods.hopeless(trouble)

    def _owner(self, one: Pool) -> Mapping[str, object]:
        return self.cluster.call("GET", one.path)

    def _pods(self, one: Pool) -> Sequence[Pod]:
        return pods.pods(self.cluster.call("GET", one.pods_path))


def fleet(
    plan: BuilderPlan, name: str, env: Mapping[str, str], private: Private, log: Log
) -> Fleet:
    """Return the pods that a builder will have; raises EngineError if there is no cluster."""

    def keep(file: str, content: bytes) -> str:
        path = private.file(file)
        private.write(path, content)
        return str(path)

    cluster = client.found(env, Keeping(keep=keep, hide=log.hide))
    nodes = [(name + "0", plan.driver_opts)]
    nodes += [
        (node.name or f"{name}{number}", node.driver_opts)
        for number, node in enumerate(plan.appended, start=1)
    ]
    marks = {owner.LABEL: owner.own()} if plan.cleanup and not plan.name else {}
    pools = tuple(
        replace(pool.pool(node, opts, cluster.namespace), marks=marks) for node, opts in nodes
    )
    try:
        ways = [_is_held(cluster, one, plan, log) for one in pools]
    except ForeignError as error:
        log.line(f"note: {error}, which warmbuild does not follow: {_SLOW}")
        return Fleet(cluster=cluster, pools=(), held=False, log=log)
    return Fleet(cluster=cluster, pools=pools, held=all(ways), log=log)


def _is_held(cluster: Cluster, one: Pool, plan: BuilderPlan, log: Log) -> bool:
    """Return whether pods are started by the run itself; raises EngineError without the rights."""
    needed = _needed(one, plan, exists=bool(plan.name) and _exists(cluster, one))
    lacking = account.missing(cluster, needed, one)
    if any(right not in rights.of_boot(one) for right in lacking):
        raise account.forbidden(cluster, lacking, needed, one)
    for right in lacking:
        log.line(f"note: this account may not {right} in the namespace {one.namespace}: {_SLOW}")
    return not lacking


def _needed(
    one: Pool, plan: BuilderPlan, *, exists: bool, configured: bool = False
) -> Sequence[Right]:
    configured = configured or bool(plan.config or plan.config_inline)
    removed = plan.cleanup and not plan.name
    if exists:
        return rights.of_use(one)
    return rights.of_creation(one, configured=configured, removed=removed)


def _exists(cluster: Cluster, one: Pool) -> bool:
    try:
        cluster.call("GET", one.path)
    except RefusedError:
        return False
    return True
