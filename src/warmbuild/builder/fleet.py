"""Boots the pods of a builder, and says what becomes of them."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import field
from typing import TYPE_CHECKING, Final

from warmbuild.cluster import client, pods, pool, rights
from warmbuild.cluster.client import RefusedError
from warmbuild.errors import EngineError
from warmbuild.frozen import frozen

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

# What buildx says if another run has made the same pool in the same moment.
MADE_BY_ANOTHER: Final = "already exists"
# Seconds between two looks at pods.
_GLANCE: Final = 0.2
# Seconds in which Kubernetes notices that a pod has ended.
_MOMENT: Final = 3.0
# Seconds after which the log says what keeps pods from being ready.
_PATIENCE: Final = 3.0


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
        for one in self.pools:
            self._start(one)
        for one in self.pools:
            self._wait(one)

    def lost(self) -> str:
        """Return why the connection to a pod was lost: which one has ended, if one has.

        Kubernetes may notice a moment later than buildx.
        """
        deadline = time.monotonic() + _MOMENT
        with suppress(EngineError, RefusedError):
            while True:
                for one in self.pools:
                    if said := pods.lost(self._known.get(one.name, ()), self._pods(one)):
                        return said
                if time.monotonic() > deadline:
                    break
                time.sleep(_GLANCE)
        return "the connection to the builder is lost, though all of its pods are there"

    def refusal(self, plan: BuilderPlan, made: Boot) -> EngineError:
        """Return the error that explains why buildx could not create a builder."""
        namespace = self.pools[0].namespace
        needed = rights.needed(
            self.pools[0],
            configured=bool(plan.config or plan.config_inline),
            removed=plan.cleanup and not plan.name,
        )
        missing = [one for one in needed if not _may(self.cluster, one, namespace)]
        if not missing:
            said = "\n".join(f"  | {line}" for line in made.output.splitlines())
            return EngineError(f"the builder does not start. buildx says:\n{said}")
        return EngineError(
            f"this account may not {', '.join(map(str, missing))} in the namespace {namespace}. "
            f"A builder needs this role there:\n\n{rights.role(needed, namespace)}\n"
        )

    def _start(self, one: Pool) -> None:
        """Give a node its replicas if it has none: the node of this run, or one that rests."""
        if not self.held or not one.replicas:
            return
        owner = self.cluster.call("GET", one.path)
        spec = owner.get("spec")
        if isinstance(spec, dict) and spec.get("replicas") == 0:
            self.cluster.call("PATCH", one.path, pool.patch(one))

    def _wait(self, one: Pool) -> None:
        begun, since, said = time.monotonic(), dict[str, float](), ""
        while True:
            owner = self.cluster.call("GET", one.path)
            found = self._pods(one)
            if pods.ready(found) >= max(1, one.replicas):
                self._known[one.name] = found
                return
            now = time.monotonic()
            trouble = _trouble(owner, found)
            # A trouble of another kind begins anew.
            since = {key: since.get(key, now) for key in ([trouble.advice] if trouble else [])}
            if trouble and now - since[trouble.advice] > (trouble.patience or one.seconds):
                raise EngineError(f"{trouble}.")
            if now - begun > one.seconds:
                why = f": {trouble}" if trouble else ""
                raise EngineError(
                    f"the builder has {pods.ready(found)} of {one.replicas} pods after "
                    f"{one.seconds:.0f} s{why}."
                )
            if trouble and trouble.text != said and now - since[trouble.advice] > _PATIENCE:
                said = trouble.text
                self.log.line(f"waiting for the builder: {said}")
            time.sleep(_GLANCE)

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

    cluster = client.found(env, keep)
    nodes = [(name + "0", plan.driver_opts)]
    nodes += [
        (node.name or f"{name}{number}", node.driver_opts)
        for number, node in enumerate(plan.appended, start=1)
    ]
    pools = tuple(pool.pool(node, opts, cluster.namespace) for node, opts in nodes)
    patches = [rights.Right(verb="patch", resource=one.kind, group="apps") for one in pools]
    held = all(
        _may(cluster, right, one.namespace) for right, one in zip(patches, pools, strict=True)
    )
    return Fleet(cluster=cluster, pools=pools, held=held, log=log)


def _may(cluster: Cluster, right: Right, namespace: str) -> bool:
    """Return whether this account has a right; what cannot be asked is assumed."""
    try:
        answer = cluster.call("POST", rights.REVIEWS, rights.review(right, namespace))
    except RefusedError:
        return True
    status = answer.get("status")
    return isinstance(status, dict) and status.get("allowed") is True


def _trouble(owner: Mapping[str, object], found: Sequence[Pod]) -> Trouble | None:
    return next((one.trouble for one in found if one.trouble and not one.is_going), None) or (
        None if found else pods.unmade(owner)
    )
