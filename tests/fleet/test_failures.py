"""What a run says of a cluster that does not give it a builder: what happened, and what to do."""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.fleet.cluster import wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.fleet.cluster import Cluster
    from tests.fleet.conftest import Fleet
    from tests.integration.conftest import Ended, Registry

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


def event(of: Mapping[str, Any], reason: str, message: str) -> dict[str, Any]:
    """Return an event of an object, as cluster-autoscaler writes one."""
    metadata = of["metadata"]
    names = {name: metadata[name] for name in ("name", "namespace", "uid")}
    return {
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{secrets.token_hex(4)}"},
        "involvedObject": {"kind": "Pod", "apiVersion": "v1", **names},
        "type": "Normal",
        "reason": reason,
        "message": message,
    }


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

    def test_a_slow_boot_without_hope_is_not_waited_for(
        self,
        fleet: Fleet,
        registry: Registry,
        small: Path,
        repository: str,
        as_account: Callable[..., dict[str, str]],
    ) -> None:
        ended = fleet.build(
            small,
            image=repository,
            extra=as_account(("patch", "apps/deployments")),
            driver_opts=f"image={registry.host}/nowhere:v1",
        )
        refused(ended, "the pod .* cannot pull the image .*not found", SOON + 10)


def enforce(cluster: Cluster, level: str) -> None:
    """Have Pod Security enforce a level in the namespace."""
    labels = {"pod-security.kubernetes.io/enforce": level}
    path = f"api/v1/namespaces/{cluster.namespace}"
    cluster.call("PATCH", path, {"metadata": {"labels": labels}})


class TestPods:
    """Each ends the run soon, and by what Kubernetes says of the pod."""

    @pytest.fixture
    def build(self, fleet: Fleet, small: Path, repository: str) -> Callable[..., Ended]:
        """Return a build whose driver has further options."""

        def run(*options: str) -> Ended:
            opts = "\n".join((fleet.environment["INPUT_DRIVER_OPTS"], *options))
            return fleet.build(small, image=repository, driver_opts=opts)

        return run

    @pytest.fixture(autouse=True)
    def _leaves_nothing(self, cluster: Cluster) -> Iterator[None]:
        yield
        # A claim outlives a stateful set if Kubernetes is not told otherwise.
        kinds = ("PersistentVolumeClaim",)
        wait(lambda: [one for one in cluster.content() if not one.startswith(kinds)] == [])

    def test_an_image_that_cannot_be_pulled(
        self, fleet: Fleet, small: Path, repository: str, registry: Registry
    ) -> None:
        image = f"{registry.host}/nowhere:v1"
        ended = fleet.build(small, image=repository, driver_opts=f"image={image}")
        error = refused(ended, f"the pod .* cannot pull the image {image}: .*not found")
        assert "Name an image that the nodes can pull, by image=REF in driver-opts" in error

    def test_a_name_that_no_image_has(self, build: Callable[..., Ended]) -> None:
        error = refused(build("image=NO:IMAGE:name"), "the pod .* cannot pull the image")
        assert "by image=REF" in error

    def test_no_room(self, build: Callable[..., Ended]) -> None:
        ended = build("requests.cpu=64", "timeout=20s")
        error = refused(
            ended, "no node takes the pod .*: 0/2 nodes are available: .*Insufficient", 30
        )
        assert "Lower requests.cpu or requests.memory in driver-opts" in error
        assert "waiting for the builder: no node takes the pod" in ended.log

    def test_no_room_is_not_waited_for_if_nothing_adds_a_node(
        self, build: Callable[..., Ended]
    ) -> None:
        refused(build("requests.cpu=64"), "no node takes the pod", 60)

    def test_a_node_that_is_being_added_is_waited_for(
        self, fleet: Fleet, cluster: Cluster, small: Path, repository: str
    ) -> None:
        opts = f"{fleet.environment['INPUT_DRIVER_OPTS']}\nrequests.cpu=64\ntimeout=55s"
        run = fleet.start(small, image=repository, driver_opts=opts)
        run.wait_for("^waiting for the builder: no node takes the pod")
        (pod,) = cluster.pods()
        cluster.create(event(pod, "TriggeredScaleUp", "pod triggered scale-up: [{pool 0->1}]"))
        refused(run.end(), "the builder has 0 of 1 pods after 55 s: no node takes the pod", 75)

    def test_a_selector_that_no_node_has(self, build: Callable[..., Ended]) -> None:
        error = refused(build("nodeselector=disk=fast", "timeout=5s"), "no node takes the pod")
        assert "Check nodeselector in driver-opts against the labels of the nodes" in error

    def test_a_full_quota(self, cluster: Cluster, build: Callable[..., Ended]) -> None:
        hard = {"hard": {"pods": "0"}}
        cluster.create({"kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": hard})
        error = refused(build(), "refuses to make the builder's pods: .*exceeded quota: none", 60)
        assert "wait until other pods have ended" in error

    def test_a_namespace_without_privileged_pods(
        self, cluster: Cluster, build: Callable[..., Ended]
    ) -> None:
        enforce(cluster, "restricted")
        error = refused(build(), "refuses to make the builder's pods: .*violates PodSecurity")
        assert "The namespace allows no privileged pods" in error

    def test_a_volume_claim_in_such_a_namespace(
        self, cluster: Cluster, build: Callable[..., Ended]
    ) -> None:
        enforce(cluster, "baseline")
        ended = build("persistent-volume-claim.requests.storage=1Gi")
        refused(ended, "refuses to make the builder's pods: .*violates PodSecurity")

    def test_a_service_account_that_is_not_there(self, build: Callable[..., Ended]) -> None:
        error = refused(build("serviceaccount=nobody"), "refuses to make .*nobody")
        assert "Create the service account there" in error

    def test_a_namespace_that_is_not_there(self, build: Callable[..., Ended]) -> None:
        error = refused(build("namespace=nowhere"), 'namespaces "nowhere" not found')
        assert "Create the namespace, or name another one by namespace=NAME" in error

    def test_a_claim_that_nothing_fulfils(self, build: Callable[..., Ended]) -> None:
        ended = build("persistent-volume-claim.requests.storage=900Ti", "timeout=10s")
        refused(ended, "no node takes the pod", 25)

    def test_a_daemon_without_memory(self, build: Callable[..., Ended]) -> None:
        error = refused(build("limits.memory=12Mi"), "the daemon of the pod .* ran out of memory")
        assert "Raise limits.memory in driver-opts" in error

    def test_a_daemon_that_ends(self, fleet: Fleet, small: Path, repository: str) -> None:
        flags = "--oci-worker=false --containerd-worker=false"
        ended = fleet.build(small, image=repository, buildkitd_flags=flags)
        error = refused(ended, "the daemon of the pod .* ended with exit code 1: .*no worker found")
        assert "kubectl describe pod" in error

    def test_an_option_that_is_none(self, build: Callable[..., Ended]) -> None:
        refused(build("requests.cpu=much"), "the builder does not start. buildx says:")


class TestBuilds:
    """Builders that end, or end a step, in the middle of a build."""

    def test_a_step_without_memory_is_killed_and_the_daemon_stays(
        self, fleet: Fleet, project: Callable[..., Path], repository: str
    ) -> None:
        fills = "FROM busybox:1.37\nRUN awk 'BEGIN { s = \"x\"; while (1) s = s s }'\n"
        opts = f"{fleet.environment['INPUT_DRIVER_OPTS']}\nlimits.memory=200Mi"
        ended = fleet.build(project(fills), image=repository, driver_opts=opts)
        assert ended.code == 4, ended.log
        assert "exit code: 137" in ended.errors[0]
        assert "give the machine or the builder more (memory or limits.memory" in ended.log

    def test_a_pod_that_fills_its_disk_is_evicted(
        self, fleet: Fleet, project: Callable[..., Path], repository: str
    ) -> None:
        fills = "FROM busybox:1.37\nRUN dd if=/dev/zero of=/x bs=1M count=300 && sleep 60\n"
        opts = f"{fleet.environment['INPUT_DRIVER_OPTS']}\nlimits.ephemeral-storage=100Mi"
        ended = fleet.build(project(fills), image=repository, driver_opts=opts)
        assert ended.code == 3, ended.log
        (warning,) = ended.warnings
        assert "was evicted: Pod ephemeral local storage usage exceeds the total" in warning
