"""Boots the pods of a builder, and says what becomes of them."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.builder import leftovers, owner
from warmbuild.builder.leftovers import Life
from warmbuild.cluster import client, pods, pool, rights
from warmbuild.cluster.client import RefusedError
from warmbuild.errors import EngineError
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from warmbuild.builder.leftovers import Candidate
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
_NOT_FOUND: Final = 404
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
        begun = [self._start(one) for one in self.pools]
        for one, is_begun in zip(self.pools, begun, strict=True):
            # Others may have less pods now than they are to have, and serve all the same.
            self._wait(one, least=one.replicas if is_begun or one.marks else 1)

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

    def _start(self, one: Pool) -> bool:
        """Give a node its replicas if it has none: the node of this run, or one that rests.

        Returns whether it had none.
        """
        there = self.cluster.call("GET", one.path)
        differs = pool.difference(there, one)
        if differs and one.name not in self._known:
            self.log.line(differs)
        begins = self.held and bool(one.replicas) and pool.rests(there)
        if begins:
            self.cluster.call("PATCH", one.path, pool.patch(one, there))
        return begins

    def _wait(self, one: Pool, *, least: int) -> None:
        begun, since, said = time.monotonic(), dict[str, float](), ""
        while True:
            there = self.cluster.call("GET", one.path)
            found = self._pods(one)
            if pods.serve(found, max(1, least)):
                self._known[one.name] = found
                return
            now = time.monotonic()
            trouble = _trouble(there, found)
            # A trouble of another kind begins anew.
            since = {key: since.get(key, now) for key in ([trouble.advice] if trouble else [])}
            if trouble and now - since[trouble.advice] > (trouble.patience or one.seconds):
                raise EngineError(f"{trouble}.")
            if now - begun > one.seconds:
                why = f": {trouble}" if trouble else ""
                raise EngineError(
                    f"the builder has {pods.ready(found)} of {max(1, least)} pods after "
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
    marks = {owner.LABEL: owner.own()} if plan.cleanup and not plan.name else {}
    pools = tuple(
        replace(pool.pool(node, opts, cluster.namespace), marks=marks) for node, opts in nodes
    )
    patches = [rights.Right(verb="patch", resource=one.kind, group="apps") for one in pools]
    held = all(
        _may(cluster, right, one.namespace) for right, one in zip(patches, pools, strict=True)
    )
    return Fleet(cluster=cluster, pools=pools, held=held, log=log)


def left_behind(
    env: Mapping[str, str],
    keep: Callable[[str, bytes], str],
    driver_opts: Iterable[Sequence[str]],
    now: datetime,
) -> Iterator[Candidate]:
    """Yield the pods of builders that runs remove, in the namespaces of some nodes.

    Yields nothing if this account may not list them; raises EngineError if there is no cluster.
    """
    cluster = client.found(env, keep)
    for namespace in {pool.pool("", opts, cluster.namespace).namespace for opts in driver_opts}:
        for kind in pool.KINDS:
            path = pool.path(kind, namespace)
            try:
                listed = cluster.call("GET", path)
            except RefusedError:
                continue
            for made in map(pool.made, untrusted_json.children(listed, "items")):
                if made and (builder := leftovers.builder_of_pods(made.name)):
                    leftover = leftovers.pods(builder, now - made.when, _life(made.marks))
                    yield leftover, partial(_remove, cluster, namespace, kind, made)


def _life(marks: Mapping[str, str]) -> Life:
    text = marks.get(owner.LABEL, "")
    if owner.is_dead(text):
        return Life.DEAD
    return Life.ALIVE if owner.is_alive(text) else Life.UNKNOWN


def _remove(cluster: Cluster, namespace: str, kind: str, made: pool.Made) -> None:
    """Remove the pods of a node and its configuration; raises EngineError if it is refused.

    The pods go last: a removal that is cut short is found again by them.
    """
    paths = [f"/api/v1/namespaces/{namespace}/configmaps/{name}" for name in made.configurations]
    for path in (*paths, f"{pool.path(kind, namespace)}/{made.name}"):
        try:
            cluster.call("DELETE", path)
        except RefusedError as error:
            if error.status != _NOT_FOUND:
                raise EngineError(f"the cluster refuses it: {error}") from error


def _may(cluster: Cluster, right: Right, namespace: str) -> bool:
    """Return whether this account has a right; what cannot be asked is assumed."""
    try:
        answer = cluster.call("POST", rights.REVIEWS, rights.review(right, namespace))
    except RefusedError:
        return True
    status = answer.get("status")
    return isinstance(status, dict) and status.get("allowed") is True


def _trouble(made: Mapping[str, object], found: Sequence[Pod]) -> Trouble | None:
    return next((one.trouble for one in found if one.trouble and not one.is_going), None) or (
        None if found else pods.unmade(made)
    )
