"""Finds the pods that runs were to remove and left in a cluster, and removes them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.builder import leftovers, owner
from warmbuild.builder.leftovers import Life
from warmbuild.cluster import client, pool
from warmbuild.cluster.client import RefusedError
from warmbuild.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from warmbuild.builder.leftovers import Candidate
    from warmbuild.cluster.client import Cluster, Keeping

_NOT_FOUND: Final = 404


def left_behind(
    env: Mapping[str, str],
    keeping: Keeping,
    driver_opts: Iterable[Sequence[str]],
    now: datetime,
) -> Iterator[Candidate]:
    """Yield the pods of builders that runs remove, in the namespaces of some nodes.

    Yields nothing if this account may not list them; raises EngineError if there is no cluster.
    """
    cluster = client.found(env, keeping)
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
