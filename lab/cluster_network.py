"""The network of the cluster: a namespace, and a pair of interfaces between it and the machine."""

from __future__ import annotations

from pathlib import Path

from lab.commands import run

NAMESPACE = "warmbuild-lab"
OUTSIDE = "warmbuild-lab1"
# The machine as pods see it, and the nodes as the machine sees them.
HOST = "172.31.251.1"
NODE = "172.31.251.2"
NETWORK = "172.31.251.0/24"
PODS = "172.31.252.0/24"
SERVICES = "172.31.253.0/24"
# Starts a program in the namespace.
INSIDE = ("nsenter", f"--net=/run/netns/{NAMESPACE}")
# Docker forwards nothing that it does not know.
_RULES = (
    ("filter", "FORWARD", "-i", OUTSIDE, "-j", "ACCEPT"),
    ("filter", "FORWARD", "-o", OUTSIDE, "-j", "ACCEPT"),
    ("nat", "POSTROUTING", "-s", NETWORK, "!", "-o", OUTSIDE, "-j", "MASQUERADE"),
)


def make() -> None:
    """Make the namespace and what connects it."""
    run(["ip", "netns", "add", NAMESPACE])
    pair = ["type", "veth", "peer", "name", "eth0", "netns", NAMESPACE]
    run(["ip", "link", "add", "name", OUTSIDE, *pair])
    run(["ip", "address", "add", f"{HOST}/24", "dev", OUTSIDE])
    run(["ip", "link", "set", OUTSIDE, "up"])
    for network in (PODS, SERVICES):
        run(["ip", "route", "add", network, "via", NODE])
    for argv in (
        ["ip", "link", "set", "lo", "up"],
        ["ip", "address", "add", f"{NODE}/24", "dev", "eth0"],
        ["ip", "link", "set", "eth0", "up"],
        ["ip", "route", "add", "default", "via", HOST],
        ["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"],
    ):
        run([*INSIDE, *argv])
    for table, chain, *rule in _RULES:
        run(["iptables", "--table", table, "--insert", chain, *rule])


def remove() -> None:
    """Remove what `make` has made, if it is there; all in the namespace goes with it."""
    if not Path("/sys/class/net", OUTSIDE).exists() and not Path("/run/netns", NAMESPACE).exists():
        return
    for table, chain, *rule in _RULES:
        listed = run(["iptables", "--table", table, "--list-rules", chain])
        if " ".join(["-A", chain, *rule]) in listed.splitlines():
            run(["iptables", "--table", table, "--delete", chain, *rule])
    if Path("/sys/class/net", OUTSIDE).exists():
        run(["ip", "link", "delete", OUTSIDE])
    if Path("/run/netns", NAMESPACE).exists():
        run(["ip", "netns", "delete", NAMESPACE])
