"""Asks a cluster what the account of a run may do there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.cluster import rights
from warmbuild.cluster.client import RefusedError
from warmbuild.errors import EngineError
from warmbuild.vendors.refusal import excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.cluster.client import Cluster
    from warmbuild.cluster.pool import Pool
    from warmbuild.cluster.rights import Right

# Who asks, if the cluster does not say.
_UNKNOWN: Final = "NAME"


def missing(cluster: Cluster, needed: Sequence[Right], one: Pool) -> Sequence[Right]:
    """Return the rights that an account lacks in the namespace of pods."""
    return [right for right in needed if not _may(cluster, right, one.namespace)]


def forbidden(
    cluster: Cluster, lacking: Sequence[Right], needed: Sequence[Right], one: Pool
) -> EngineError:
    """Return the error that names what an account may not do, with what lets it."""
    account = _name(cluster)
    role = rights.role((*needed, rights.EVENTS), one.namespace, account)
    return EngineError(
        f"the account {account} may not {', '.join(map(str, lacking))} in the namespace "
        f"{one.namespace}. A builder needs these rights, which an administrator gives by kubectl "
        f"apply:\n\n{role}\n"
    )


def _name(cluster: Cluster) -> str:
    try:
        answer = cluster.call("POST", rights.WHO, rights.ASKED)
    except RefusedError:
        return _UNKNOWN
    user = untrusted_json.child(untrusted_json.child(answer, "status"), "userInfo")
    return excerpt(untrusted_json.text(user, "username")) or _UNKNOWN


def _may(cluster: Cluster, right: Right, namespace: str) -> bool:
    """Return whether this account has a right; what cannot be asked is assumed."""
    try:
        answer = cluster.call("POST", rights.REVIEWS, rights.review(right, namespace))
    except RefusedError:
        return True
    return untrusted_json.child(answer, "status").get("allowed") is True
