"""How the programs of the lab's cluster are started: their options and their files."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab import cluster_network, images
from lab.commands import run
from lab.registries import PODS, PODS_HUB

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_PLUGINS = "/usr/lib/cni"
_PORT = 6443
_ETCD = "http://127.0.0.1:2379"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node: a kubelet with a containerd of its own. Its name is that of a processor."""

    name: str
    port: int  # of the kubelet
    first: str  # the address of its first pod, and of its last one
    last: str

    @property
    def cgroup(self) -> str:
        """The control group of its pods, below each controller's."""
        return f"warmbuild-lab-{self.name}"


NODES = (
    Node(name="amd64", port=10250, first="172.31.252.10", last="172.31.252.120"),
    Node(name="arm64", port=10260, first="172.31.252.130", last="172.31.252.250"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The files of a cluster, and the commands that start its programs."""

    root: Path

    @property
    def address(self) -> str:
        """The URL of the API server."""
        return f"https://{cluster_network.NODE}:{_PORT}"

    @property
    def kubeconfig(self) -> Path:
        """The file by which the administrator reaches the cluster."""
        return self.root / "kubeconfig"

    @property
    def buildkitd_config(self) -> Path:
        """The configuration of BuildKit's daemons in pods."""
        return self.root / "buildkitd.toml"

    @property
    def certificate(self) -> Path:
        """The certificate of the API server, which signs itself."""
        return self.root / "pki" / "apiserver.crt"

    @property
    def token(self) -> str:
        """The password of the administrator; empty if there is no cluster."""
        file = self.root / "token"
        return file.read_text() if file.exists() else ""

    def socket(self, node: Node) -> Path:
        """Return the socket of a node's containerd."""
        return self.of(node) / "containerd.sock"

    def of(self, node: Node) -> Path:
        """Return the directory of a node."""
        return self.root / node.name

    def etcd(self) -> Sequence[str]:
        """Return the command of the cluster's database."""
        options = [f"--listen-client-urls={_ETCD}", f"--advertise-client-urls={_ETCD}"]
        peers = "http://127.0.0.1:2380"
        options += [f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}"]
        options.append(f"--initial-cluster=default={peers}")
        return ["etcd", f"--data-dir={self.root / 'etcd'}", *options]

    def apiserver(self, programs: Path) -> Sequence[str]:
        """Return the command of the API server, which makes its own certificate."""
        key = self.root / "accounts.key"
        return [
            str(programs / "kube-apiserver"),
            f"--etcd-servers={_ETCD}",
            f"--bind-address={cluster_network.NODE}",
            f"--advertise-address={cluster_network.NODE}",
            f"--secure-port={_PORT}",
            f"--cert-dir={self.certificate.parent}",
            f"--service-cluster-ip-range={cluster_network.SERVICES}",
            f"--token-auth-file={self.root / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={self.root / 'client.crt'}",
            f"--kubelet-client-key={self.root / 'client.key'}",
            "--allow-privileged=true",
        ]

    def controllers(self, programs: Path) -> Mapping[str, Sequence[str]]:
        """Return the commands of what makes pods, places them and leads to services."""
        client = f"--kubeconfig={self.kubeconfig}"
        alone = "--leader-elect=false"
        return {
            "kube-controller-manager": [
                str(programs / "kube-controller-manager"),
                client,
                alone,
                f"--root-ca-file={self.certificate}",
                f"--service-account-private-key-file={self.root / 'accounts.key'}",
                "--use-service-account-credentials=true",
            ],
            "kube-scheduler": [str(programs / "kube-scheduler"), client, alone],
            "kube-proxy": [str(programs / "kube-proxy"), f"--config={self.root / 'proxy.json'}"],
        }

    def containerd(self, node: Node) -> Sequence[str]:
        """Return the command of a node's containerd."""
        return ["containerd", f"--config={self.of(node) / 'containerd.toml'}"]

    def kubelet(self, programs: Path, node: Node) -> Sequence[str]:
        """Return the command of a node's kubelet."""
        return [
            str(programs / "kubelet"),
            f"--config={self.of(node) / 'kubelet.json'}",
            f"--kubeconfig={self.kubeconfig}",
            f"--root-dir={self.of(node) / 'kubelet'}",
            f"--cert-dir={self.of(node) / 'pki'}",
            f"--hostname-override={node.name}",
            f"--node-ip={cluster_network.NODE}",
        ]


def configure(place: Place) -> None:
    """Write the files of a new cluster."""
    token = secrets.token_hex(16)
    (place.root / "token").write_text(token)
    (place.root / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
    run(["openssl", "genrsa", "-out", str(place.root / "accounts.key"), "2048"])
    client = place.root / "client"
    files = [f"-keyout={client}.key", f"-out={client}.crt"]
    run(["openssl", "req", "-x509", "-newkey=rsa:2048", "-noenc", "-subj=/CN=apiserver", *files])
    place.kubeconfig.write_text(json.dumps(kubeconfig(place, token), indent=2))
    _write_json(place.root / "proxy.json", _proxy(place))
    place.buildkitd_config.write_text(
        f'[registry."docker.io"]\nmirrors = ["{PODS_HUB.host}"]\n'
        + "".join(f'[registry."{one.host}"]\nhttp = true\n' for one in (PODS, PODS_HUB))
    )
    for node in NODES:
        directory = place.of(node)
        for host in ("docker.io", PODS.host, PODS_HUB.host):
            hosts = directory / "certs.d" / host / "hosts.toml"
            hosts.parent.mkdir(parents=True)
            served = PODS_HUB.address if host == "docker.io" else f"http://{host}"
            hosts.write_text(f'server = "{served}"\n[host."{served}"]\n')
        (directory / "cni").mkdir()
        _write_json(directory / "cni" / "warmbuild-lab.conflist", _network(directory, node))
        (directory / "containerd.toml").write_text(_containerd(place, node))
        _write_json(directory / "kubelet.json", _kubelet(place, node))


def kubeconfig(place: Place, token: str) -> Mapping[str, object]:
    """Return the content of a file by which the owner of a token reaches the cluster."""
    cluster = {"server": place.address, "certificate-authority": str(place.certificate)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": "lab", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
        "current-context": "lab",
    }


def _proxy(place: Place) -> Mapping[str, object]:
    # What the kernel counts is the machine's, and stays as it is.
    kept = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(place.kubeconfig)},
        "mode": "iptables",
        "hostnameOverride": NODES[0].name,
        "conntrack": kept,
        "clusterCIDR": cluster_network.PODS,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
    }


def _network(directory: Path, node: Node) -> Mapping[str, object]:
    pods = {"subnet": cluster_network.PODS, "rangeStart": node.first, "rangeEnd": node.last}
    bridge = {
        "type": "bridge",
        "bridge": "pods",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(directory / "addresses"),
            "ranges": [[pods]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return {"cniVersion": "1.0.0", "name": "warmbuild-lab", "plugins": [bridge]}


def _containerd(place: Place, node: Node) -> str:
    directory = place.of(node)
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""\
version = 2
root = "{directory}/containerd"
state = "{directory}/containerd-state"
[grpc]
address = "{place.socket(node)}"
[{cri}]
sandbox_image = "{images.PAUSE.name}"
# Without CAP_SYS_RESOURCE, as in many containers, no sandbox could start.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[{cri}.cni]
bin_dir = "{_PLUGINS}"
conf_dir = "{directory}/cni"
[{cri}.registry]
config_path = "{directory}/certs.d"
"""


def _kubelet(place: Place, node: Node) -> Mapping[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": cluster_network.NODE,
        "port": node.port,
        "healthzPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            # The API server alone has its key.
            "x509": {"clientCAFile": str(place.root / "client.crt")},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": f"unix://{place.socket(node)}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        # A kubelet removes the logs of pods that it does not know, such as those of the other one.
        "podLogsDir": str(place.of(node) / "logs"),
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "shutdownGracePeriod": "0s",
    }


def _write_json(file: Path, content: Mapping[str, object]) -> None:
    file.write_text(json.dumps(content, indent=2))
