"""What an account has to be allowed for a builder in pods, and the role that allows it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from warmbuild.cluster.pool import Pool

REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
# Who asks; Kubernetes 1.28 and later answer.
WHO: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
ASKED: Final = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
_GROUP: Final = "rbac.authorization.k8s.io"
# What the name of a service account begins with.
_ACCOUNT: Final = "system:serviceaccount:"
_PLAIN: Final = re.compile(r"[a-z0-9.:-]+")


@frozen
class Right:
    """One verb on one resource of a namespace."""

    verb: str
    resource: str  # with a subresource perhaps, `pods/exec`
    group: str = ""
    name: str = ""  # of the object, for a role may allow no others

    def __str__(self) -> str:
        """Name it as kubectl does."""
        group = f".{self.group}" if self.group else ""
        return f"{self.verb} {self.resource}{group}"


# What says more of a pod than its status. No builder needs it.
EVENTS: Final = Right(verb="list", resource="events")


def of_use(pool: Pool) -> Sequence[Right]:
    """Return what a run needs to build in pods that are there."""
    return (
        _right("get", pool.kind, "apps", pool.name),
        _right("list", "pods"),
        _right("create", "pods/exec"),
    )


def of_creation(pool: Pool, *, configured: bool, removed: bool) -> Sequence[Right]:
    """Return what a run needs in order to create pods as well.

    `configured` is whether the daemon has a configuration, and `removed` whether the run removes
    all at its end.
    """
    found = [_right("create", pool.kind, "apps"), *of_boot(pool)]
    found += [_right("delete", pool.kind, "apps", pool.name)] if removed else []
    if configured:
        # buildx calls it so (driver/kubernetes/manifest/manifest.go).
        name = f"{pool.name}-config"
        found += [_right("create", "configmaps"), _right("update", "configmaps", name=name)]
        found += [_right("delete", "configmaps", name=name)] if removed else []
    return (*of_use(pool), *found)


def of_boot(pool: Pool) -> Sequence[Right]:
    """Return what only the fast boot needs."""
    return (_right("patch", pool.kind, "apps", pool.name),)


def review(right: Right, namespace: str) -> Mapping[str, object]:
    """Return the question whether this account has a right."""
    resource, _, below = right.resource.partition("/")
    attributes = {
        "namespace": namespace,
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": below,
        "name": right.name,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }


def role(rights: Iterable[Right], namespace: str, account: str) -> str:
    """Return YAML that gives some rights to an account, by its name as the API has it.

    The name has to be printable.
    It is one document, for a line of hyphens is a command of some CI systems.
    """
    verbs: dict[tuple[str, str], dict[str, None]] = {}
    for right in rights:
        verbs.setdefault((right.group, right.resource), {})[right.verb] = None
    name = f"metadata: {{name: warmbuild, namespace: {namespace}}}"
    lines = ["apiVersion: v1", "kind: List", "items:"]
    lines += [f"- apiVersion: {_GROUP}/v1", "  kind: Role", f"  {name}", "  rules:"]
    for (group, resource), each in verbs.items():
        lines.append(
            f'  - {{apiGroups: ["{group}"], resources: [{resource}], verbs: [{", ".join(each)}]}}'
        )
    lines += [f"- apiVersion: {_GROUP}/v1", "  kind: RoleBinding", f"  {name}"]
    lines += [f"  roleRef: {{apiGroup: {_GROUP}, kind: Role, name: warmbuild}}"]
    return "\n".join((*lines, f"  subjects: [{_subject(account)}]"))


def _subject(account: str) -> str:
    if account.startswith(_ACCOUNT) and _PLAIN.fullmatch(account):
        namespace, _, name = account.removeprefix(_ACCOUNT).partition(":")
        return f"{{kind: ServiceAccount, name: {name}, namespace: {namespace}}}"
    return f"{{apiGroup: {_GROUP}, kind: User, name: {json.dumps(account, ensure_ascii=False)}}}"


def _right(verb: str, resource: str, group: str = "", name: str = "") -> Right:
    return Right(verb=verb, resource=resource, group=group, name=name)
