"""What an account has to be allowed for a builder in pods, and the role that allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from warmbuild.cluster.pool import Pool

REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@frozen
class Right:
    """One verb on one resource of a namespace."""

    verb: str
    resource: str  # with a subresource perhaps, `pods/exec`
    group: str = ""

    def __str__(self) -> str:
        """Name it as kubectl does."""
        group = f".{self.group}" if self.group else ""
        return f"{self.verb} {self.resource}{group}"


def needed(pool: Pool, *, configured: bool, removed: bool) -> Sequence[Right]:
    """Return what a run needs for a builder that it creates.

    `configured` is whether its daemon has a configuration, and `removed` whether it is removed.
    """
    verbs = ["get", "create", "patch", *(["delete"] if removed else [])]
    found = [Right(verb=verb, resource=pool.kind, group="apps") for verb in verbs]
    if configured:
        verbs = ["create", "update", *(["delete"] if removed else [])]
        found += [Right(verb=verb, resource="configmaps") for verb in verbs]
    return (
        *found,
        Right(verb="list", resource="pods"),
        Right(verb="create", resource="pods/exec"),
    )


def review(right: Right, namespace: str) -> Mapping[str, object]:
    """Return the question whether this account has a right."""
    resource, _, below = right.resource.partition("/")
    attributes = {
        "namespace": namespace,
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": below,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }


def role(rights: Iterable[Right], namespace: str) -> str:
    """Return the role with some rights, as YAML."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        verbs.setdefault((right.group, right.resource), []).append(right.verb)
    lines = [
        "apiVersion: rbac.authorization.k8s.io/v1",
        "kind: Role",
        f"metadata: {{name: warmbuild, namespace: {namespace}}}",
        "rules:",
    ]
    for (group, resource), each in verbs.items():
        lines.append(f'- {{apiGroups: ["{group}"], resources: [{resource}], verbs: {_list(each)}}}')
    return "\n".join(lines)


def _list(items: Sequence[str]) -> str:
    return f"[{', '.join(items)}]"
