"""The manifests of examples/kubernetes, applied as they are but for what the lab does not have."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.fleet.cluster import wait
from tests.integration.conftest import ROOT, of_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.fleet.cluster import Cluster
    from tests.fleet.conftest import Fleet
    from tests.integration.conftest import Ended, Lab

EXAMPLES: Final = ROOT / "examples" / "kubernetes"
CLAIM: Final = "persistent-volume-claim.requests.storage=1Gi"
# By the end of the variable that docker/setup-buildx-action has for it.
FILES: Final = {"CACERT": "ca.pem", "CERT": "cert.pem", "KEY": "key.pem"}


def example(file: str, lab: Lab, replicas: int = 1) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file, for small nodes with small volumes and without a Docker Hub."""
    config = of_part(lab, "kubernetes", "buildkitd_config")["buildkitd_config"]
    for one in yaml.safe_load_all((EXAMPLES / file).read_text()):
        if one["kind"] == "ConfigMap":
            with open(config) as more:  # noqa: PTH123 (a path in a setting)
                one["data"]["buildkitd.toml"] += more.read()
        if one["kind"] == "StatefulSet":
            spec = one["spec"]
            spec["replicas"] = replicas
            spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] = "1Gi"
            (container,) = spec["template"]["spec"]["containers"]
            container["resources"] = {"requests": {"cpu": "100m"}}
        yield one


def certificates(namespace: str, directory: Path) -> Path:
    """Make the certificates of a namespace, as README.md says."""
    script = [str(EXAMPLES / "certificates.sh"), namespace, str(directory)]
    subprocess.run(script, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 (our own)
    return directory


def login(made: Path) -> dict[str, str]:
    """Return what logs in a client."""
    return {
        f"BUILDER_NODE_0_AUTH_TLS_{end}": (made / "client" / file).read_text()
        for end, file in FILES.items()
    }


@pytest.fixture
def made(cluster: Cluster, tmp_path: Path) -> Path:
    return certificates(cluster.namespace, tmp_path / "certificates")


@pytest.fixture
def remote(
    cluster: Cluster, lab: Lab, made: Path, volumes: Callable[[int], None]
) -> dict[str, str]:
    """Apply remote.yaml, and return the inputs by which its service is reached."""
    volumes(1)
    data = {
        file.name: base64.b64encode(file.read_bytes()).decode()
        for file in (made / "server").iterdir()
    }
    secret = {"kind": "Secret", "metadata": {"name": "buildkitd-certificates"}, "data": data}
    cluster.create(secret, *example("remote.yaml", lab))
    wait(cluster.ready)
    address = cluster.call("GET", cluster.path("Service", "buildkitd"))["spec"]["clusterIP"]
    return {
        "driver": "remote",
        "endpoint": f"tcp://{address}:1234",
        # The lab has no DNS, by whose names jobs reach services elsewhere.
        "driver_opts": f"servername=buildkitd.{cluster.namespace}.svc",
    }


def test_daemons_behind_a_service_keep_their_state_and_need_no_rights(
    fleet: Fleet,
    cluster: Cluster,
    small: Path,
    repository: str,
    made: Path,
    remote: dict[str, Any],
    volumes: Callable[[int], None],
) -> None:
    def build(**inputs: Any) -> Ended:  # noqa: ANN401 (as start takes them)
        return fleet.succeed(small, image=repository, extra=login(made), **remote, **inputs)

    assert build().cached == []
    cluster.kill("buildkitd-0")
    wait(lambda: cluster.ready() == ["buildkitd-0"])
    assert build(cache="off").executed == []
    # Without its claim, it has what the registry has.
    pool = cluster.path("StatefulSet", "buildkitd")
    cluster.call("PATCH", pool, {"spec": {"replicas": 0}})
    wait(lambda: not cluster.list("Pod"))
    cluster.call("DELETE", cluster.path("PersistentVolumeClaim", "state-buildkitd-0"))
    wait(lambda: not cluster.list("PersistentVolumeClaim"))
    volumes(1)
    cluster.call("PATCH", pool, {"spec": {"replicas": 1}})
    wait(lambda: cluster.ready() == ["buildkitd-0"])
    assert build().executed == []


def test_who_has_no_certificate_of_the_pool_is_not_let_in(
    fleet: Fleet,
    cluster: Cluster,
    small: Path,
    repository: str,
    made: Path,
    remote: dict[str, Any],
    tmp_path: Path,
) -> None:
    def refused(login: Mapping[str, str]) -> str:
        hasty: dict[str, Any] = {**remote, "driver_opts": f"{remote['driver_opts']}\ntimeout=3s"}
        ended = fleet.build(small, image=repository, extra=login, **hasty)
        assert (ended.code, len(ended.errors)) == (3, 1), ended.log
        return ended.errors[0]

    stranger = certificates(cluster.namespace, tmp_path / "theirs")
    authority = {"BUILDER_NODE_0_AUTH_TLS_CACERT": (made / "ca.pem").read_text()}
    words = "check the certificates"
    assert words in refused({**login(stranger), **authority})
    assert words in refused(login(stranger))
    assert words in refused({})


def test_a_pool_is_found_by_its_name_and_stays(
    fleet: Fleet,
    cluster: Cluster,
    lab: Lab,
    small: Path,
    repository: str,
    volumes: Callable[[int], None],
    tmp_path: Path,
) -> None:
    volumes(2)
    own = ("warmbuild-own",)
    jobs = [one for one in example("jobs.yaml", lab) if one["metadata"]["name"] not in own]
    cluster.create(*jobs, *example("pool.yaml", lab, replicas=2))
    wait(lambda: len(cluster.ready()) == 2)
    before = cluster.content()
    account = {"KUBECONFIG": str(cluster.config_of("warmbuild", tmp_path))}
    fleet.kept.add("ci")
    pool: dict[str, Any] = {"builder": "ci", "driver_opts": fleet.driver_opts(CLAIM)}
    cold = fleet.succeed(small, image=repository, extra=account, **pool)
    assert cold.cached == []
    again = fleet.succeed(small, image=repository, extra=account, cache="off", **pool)
    assert (again.executed, again.warnings) == ([], [])
    assert cluster.content() == before


def test_an_account_for_pods_of_ones_own_may_make_them(
    fleet: Fleet, cluster: Cluster, lab: Lab, small: Path, repository: str, tmp_path: Path
) -> None:
    cluster.create(*example("jobs.yaml", lab))
    account = {"KUBECONFIG": str(cluster.config_of("warmbuild", tmp_path))}
    ended = fleet.succeed(small, image=repository, extra=account)
    assert "this account may not" not in ended.log
    wait(lambda: not cluster.pods())


def test_policies_are_for_the_pods_that_they_are_meant_for(
    cluster: Cluster, lab: Lab, volumes: Callable[[int], None]
) -> None:
    """No policy is enforced here: the lab's network knows none."""
    volumes(1)
    cluster.create(*example("pool.yaml", lab), *example("untrusted-network.yaml", lab))
    wait(cluster.ready)
    for policy in cluster.list("NetworkPolicy"):
        labels = policy["spec"]["podSelector"].get("matchLabels", {})
        asked = ",".join(f"{name}%3D{value}" for name, value in labels.items())
        found = cluster.call("GET", f"{cluster.path('Pod')}?labelSelector={asked}")["items"]
        assert [pod["metadata"]["name"] for pod in found] == ["ci0-0"]


def test_namespaces_take_privileged_pods(cluster: Cluster, lab: Lab) -> None:
    made = list(example("namespaces.yaml", lab))
    for one in made:
        name = f"{cluster.namespace}-{one['metadata']['name']}"
        named = {**one, "metadata": {**one["metadata"], "name": name}}
        cluster.call("POST", "api/v1/namespaces", named)
        there = replace(cluster, namespace=name)
        privileged = {"name": "x", "image": "x", "securityContext": {"privileged": True}}
        pod = {"kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [privileged]}}
        there.create(pod)
        cluster.call("DELETE", f"api/v1/namespaces/{name}")
    assert len(made) == 2
