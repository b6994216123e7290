"""The manifests of examples/kubernetes say what the sources do; tests/fleet applies them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from warmbuild.cluster import pool, rights
from warmbuild.inputs.table import DEFAULT_BUILDKIT_IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from warmbuild.cluster.rights import Right


@pytest.fixture
def examples(root: Path) -> Path:
    return root / "examples" / "kubernetes"


@pytest.fixture
def objects(examples: Path) -> Callable[[str], dict[str, dict[str, Any]]]:
    """Return what reads the objects of a file, by kind and name."""

    def read(file: str) -> dict[str, dict[str, Any]]:
        found = yaml.safe_load_all((examples / file).read_text())
        return {f"{one['kind']}/{one['metadata']['name']}": one for one in found}

    return read


def allowed(role: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Return what a role allows: verb, resource and group."""
    return {
        (verb, resource, group)
        for rule in role["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for group in rule["apiGroups"]
    }


def asked(each: Iterable[Right]) -> set[tuple[str, str, str]]:
    return {(one.verb, one.resource, one.group) for one in each}


def test_the_roles_give_what_runs_need_and_nothing_else(
    objects: Callable[[str], dict[str, dict[str, Any]]],
) -> None:
    roles = objects("jobs.yaml")
    pools = [
        pool.pool("ci0", opts, "ci")
        for opts in ([], ["persistent-volume-claim.requests.storage=1Gi"])
    ]
    used = {right for one in pools for right in asked(rights.of_use(one))}
    made = {
        right
        for one in pools
        for right in asked(rights.of_creation(one, configured=True, removed=True))
    }
    assert allowed(roles["Role/warmbuild-pool"]) == used | asked([rights.EVENTS])
    assert allowed(roles["Role/warmbuild-own"]) == made - used


@pytest.mark.parametrize(("file", "name"), [("pool.yaml", "ci0"), ("remote.yaml", "buildkitd")])
def test_daemons_are_as_ours(
    objects: Callable[[str], dict[str, dict[str, Any]]], file: str, name: str
) -> None:
    spec = objects(file)[f"StatefulSet/{name}"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert (container["name"], container["image"]) == ("buildkitd", DEFAULT_BUILDKIT_IMAGE)
    # buildx finds the pods of a node by this label.
    assert spec["selector"]["matchLabels"] == {"app": name}
    assert spec["template"]["metadata"]["labels"] == {"app": name}
    probe = container["startupProbe"]
    assert (probe["periodSeconds"], probe["timeoutSeconds"]) == (1, 60)
    assert {
        tuple(container[f"{one}Probe"]["exec"]["command"]) for one in ("startup", "liveness")
    } == {("buildctl", "debug", "workers")}


def test_every_file_is_told_of(examples: Path) -> None:
    page = (examples / "README.md").read_text()
    assert [path.name for path in examples.iterdir() if f"({path.name})" not in page] == [
        "README.md"
    ]


def test_the_script_is_what_shells_take(examples: Path, run: Callable[..., str]) -> None:
    run(str(Path(sys.executable).with_name("shellcheck")), str(examples / "certificates.sh"))
