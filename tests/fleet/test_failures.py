"""What a run says of a cluster that does not give it a builder: what happened, and what to do."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.fleet.cluster import wait

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.fleet.cluster import Cluster
    from tests.fleet.conftest import Fleet
    from tests.integration.conftest import Ended

# Seconds in which a run ends that cannot be helped, with what Kubernetes needs to say so.
SOON: Final = 15.0
# What a builder of one run needs, as `{resource: verbs}`, with the group `apps` before a slash.
RIGHTS: Final[Mapping[str, Sequence[str]]] = {
    "apps/deployments": ("get", "create", "delete", "patch"),
    "configmaps": ("create", "update", "delete"),
    "pods": ("list",),
    "pods/exec": ("create",),
}
SLOW: Final = "buildx alone starts the pods, and most are ready after 32 s"
NEEDED: Final = [
    (verb, resource)
    for resource, verbs in RIGHTS.items()
    for verb in verbs
    if (verb, resource) != ("patch", "apps/deployments")
]


def rules(*without: tuple[str, str]) -> Sequence[Mapping[str, object]]:
    """Return the rules of a role that lacks some verbs on some resources."""
    kept = {
        resource: [verb for verb in verbs if (verb, resource) not in without]
        for resource, verbs in RIGHTS.items()
    }
    return [
        {
            "apiGroups": ["apps" if resource.startswith("apps/") else ""],
            "resources": [resource.removeprefix("apps/")],
            "verbs": verbs,
        }
        for resource, verbs in kept.items()
        if verbs
    ]


@pytest.fixture
def as_account(cluster: Cluster, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Make an account that lacks some rights; returns what a run has as that account."""

    def make(*without: tuple[str, str]) -> dict[str, str]:
        return {"KUBECONFIG": str(cluster.account("ci", rules(*without), tmp_path))}

    return make


def changed(kubeconfig: str, directory: Path, **members: object) -> dict[str, str]:
    """Return what a run has with a kubeconfig of which some members of the cluster differ."""
    return written(kubeconfig, directory, cluster=members)


def written(
    kubeconfig: str,
    directory: Path,
    *,
    cluster: Mapping[str, object] | None = None,
    user: Mapping[str, object] | None = None,
) -> dict[str, str]:
    """Return what a run has with a changed kubeconfig; None leaves a member out."""
    with open(kubeconfig) as file:  # noqa: PTH123 (a text)
        read = json.load(file)
    of_cluster = read["clusters"][0]["cluster"] | (cluster or {})
    read["clusters"][0]["cluster"] = {k: v for k, v in of_cluster.items() if v is not None}
    read["users"][0]["user"] = user if user is not None else read["users"][0]["user"]
    path = directory / "changed.kubeconfig"
    path.write_text(json.dumps(read))
    return {"KUBECONFIG": str(path)}


def refused(ended: Ended, said: str, seconds: float = SOON) -> str:
    """Return the error of a run that had no builder, which has to match, and came soon."""
    assert ended.code == 3, ended.log
    assert "Traceback" not in ended.log
    assert "this is a bug" not in ended.log
    error = ended.log[ended.log.index("error: ") :]
    assert re.search(said, error), ended.log
    assert ended.seconds < seconds, ended.log
    return error


def pasted(error: str) -> Sequence[dict[str, Any]]:
    """Return the objects that an error says to apply."""
    read: dict[str, Any] = yaml.safe_load(error[error.index("apiVersion: v1\n") :])
    assert read["kind"] == "List"
    found: list[dict[str, Any]] = read["items"]
    return found


class TestNoCluster:
    def test_without_a_kubeconfig(self, fleet: Fleet, small: Path, repository: str) -> None:
        ended = fleet.build(small, image=repository, extra={"KUBECONFIG": ""})
        refused(ended, r"no cluster is known .*KUBECONFIG is not set, and there is no ~/.kube/con")

    def test_with_a_kubeconfig_that_is_not_there(
        self, fleet: Fleet, small: Path, repository: str
    ) -> None:
        ended = fleet.build(small, image=repository, extra={"KUBECONFIG": "/nowhere/config"})
        refused(ended, "KUBECONFIG names /nowhere/config, which cannot be read")

    def test_with_several_kubeconfigs(self, fleet: Fleet, small: Path, repository: str) -> None:
        several = ":".join([fleet.environment["KUBECONFIG"], "/etc/other"])
        ended = fleet.build(small, image=repository, extra={"KUBECONFIG": several})
        refused(ended, "KUBECONFIG names several files, .*, and buildx takes one")

    def test_with_a_server_that_does_not_listen(
        self, fleet: Fleet, small: Path, repository: str, tmp_path: Path, unused_port: int
    ) -> None:
        server = f"https://127.0.0.1:{unused_port}"
        extra = changed(fleet.environment["KUBECONFIG"], tmp_path, server=server)
        ended = fleet.build(small, image=repository, extra=extra)
        refused(ended, f"the API server of the cluster at {server} cannot be reached. Check KUBE")

    def test_with_an_authority_that_is_not_its_own(
        self, fleet: Fleet, small: Path, repository: str, tmp_path: Path
    ) -> None:
        members = {"certificate-authority": None, "certificate-authority-data": None}
        extra = written(fleet.environment["KUBECONFIG"], tmp_path, cluster=members)
        ended = fleet.build(small, image=repository, extra=extra)
        refused(ended, "has a certificate that is not trusted here")

    def test_with_a_token_of_another_cluster(
        self, fleet: Fleet, small: Path, repository: str, tmp_path: Path
    ) -> None:
        user = {"token": "a-token-of-another-cluster"}
        extra = written(fleet.environment["KUBECONFIG"], tmp_path, user=user)
        ended = fleet.build(small, image=repository, extra=extra)
        error = refused(ended, "does not know this account .*: the token in KUBECONFIG may have ex")
        assert user["token"] not in ended.log
        assert "Unauthorized" in error

    def test_with_a_name_of_the_server_for_tls_buildx_boots_alone(
        self, fleet: Fleet, small: Path, repository: str, tmp_path: Path
    ) -> None:
        name = {"tls-server-name": "kubernetes.default"}
        extra = written(fleet.environment["KUBECONFIG"], tmp_path, cluster=name)
        ended = fleet.build(small, image=repository, extra=extra)
        assert (
            f"note: the kubeconfig has tls-server-name, which warmbuild does not follow: {SLOW}"
            in ended.log
        )


class TestRights:
    @pytest.mark.parametrize(("verb", "resource"), NEEDED)
    def test_each_is_named_and_the_role_of_the_log_is_enough(
        self,
        fleet: Fleet,
        cluster: Cluster,
        small: Path,
        repository: str,
        as_account: Callable[..., dict[str, str]],
        verb: str,
        resource: str,
    ) -> None:
        # A builder with a name may find its configuration there.
        name = "ci" if verb == "update" else ""
        extra = as_account((verb, resource))
        ended = fleet.build(small, image=repository, extra=extra, builder=name)
        shown = resource.removeprefix("apps/") + (".apps" if resource.startswith("apps/") else "")
        account = f"system:serviceaccount:{cluster.namespace}:ci"
        error = refused(ended, f"the account {account} may not {verb} {shown} in the namespace")
        assert cluster.content() == []
        cluster.create(*pasted(error))
        fleet.succeed(small, image=repository, extra=extra, builder=name)

    def test_without_any_all_are_named(
        self,
        fleet: Fleet,
        cluster: Cluster,
        small: Path,
        repository: str,
        as_account: Callable[..., dict[str, str]],
    ) -> None:
        extra = as_account(*((verb, resource) for resource in RIGHTS for verb in RIGHTS[resource]))
        error = refused(
            fleet.build(small, image=repository, extra=extra),
            "may not get deployments.apps, list pods, create pods/exec, create deployments.apps",
        )
        cluster.create(*pasted(error))
        assert SLOW not in fleet.succeed(small, image=repository, extra=extra).log

    def test_without_that_of_the_fast_boot_buildx_boots_alone(
        self,
        fleet: Fleet,
        cluster: Cluster,
        small: Path,
        repository: str,
        as_account: Callable[..., dict[str, str]],
    ) -> None:
        extra = as_account(("patch", "apps/deployments"))
        ended = fleet.succeed(small, image=repository, extra=extra)
        where = f"in the namespace {cluster.namespace}"
        assert f"note: this account may not patch deployments.apps {where}: {SLOW}" in ended.log
        assert "replicas=0" not in ended.log
        wait(lambda: cluster.content() == [])
