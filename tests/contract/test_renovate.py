"""Everything that is pinned by hand is moved by Renovate: each expression finds what it is for."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from lab import versions
from tests.contract.conftest import ACTION_VALIDATOR
from warmbuild.inputs.table import DEFAULT_BUILDKIT_IMAGE, DEFAULT_QEMU_IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Chosen for what it has, not for being new; and those that are made from others.
BY_HAND = {"DEBIAN", "BUILDKIT_IMAGE", "REGISTRY_IMAGE"}


def python(expression: str) -> str:
    """Return an expression of RE2 as Python writes it."""
    return expression.replace("(?<", "(?P<")


@pytest.fixture(scope="module")
def config(read: Callable[[str], str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read(".github/renovate.json"))
    return found


@pytest.fixture(scope="module")
def names(root: Path, run: Callable[..., str]) -> list[str]:
    if not (root / ".git").exists():
        pytest.skip("this is no checkout of git")
    return run("git", "ls-files", "-z").strip("\0").split("\0")


@pytest.fixture(scope="module")
def pins(
    config: dict[str, Any], names: list[str], read: Callable[[str], str]
) -> list[tuple[str, str, str]]:
    """Return what Renovate finds with our expressions: file, package, version with its digest."""
    found = []
    for manager in config["customManagers"]:
        patterns = [re.compile(python(text.strip("/"))) for text in manager["managerFilePatterns"]]
        files = [name for name in names if any(pattern.search(name) for pattern in patterns)]
        assert files, manager["description"]
        for file in files:
            for expression in manager["matchStrings"]:
                matches = list(re.finditer(python(expression), read(file)))
                assert len(matches) == 1, (manager["description"], file)
                groups = matches[0].groupdict()
                package = groups.get("depName") or manager["depNameTemplate"]
                digest = groups.get("currentDigest")
                pin = groups["currentValue"] + (f"@{digest}" if digest else "")
                found.append((file, package, pin))
    return found


def test_each_expression_finds_its_pin(
    pins: list[tuple[str, str, str]], read: Callable[[str], str]
) -> None:
    tags = dict(re.findall(r"^ARG (\w+)_TAG=(\S+)$", read("Dockerfile"), re.MULTILINE))
    template = "gitlab-component/templates/build.yml"
    (engine,) = re.findall(r'"docker:(\S+-dind)"', read(template))
    (uv,) = re.findall(r"^UV := (\S+)$", read("Makefile"), re.MULTILINE)
    table = "src/warmbuild/inputs/table.py"
    buildkit = DEFAULT_BUILDKIT_IMAGE.split(":", maxsplit=1)
    assert set(pins) == {
        ("lab/versions.py", "github.com/docker/buildx", versions.BUILDX),
        ("lab/versions.py", "github.com/moby/buildkit", versions.BUILDKIT),
        ("lab/versions.py", "github.com/versity/versitygw", versions.VERSITYGW),
        ("lab/versions.py", "github.com/nektos/act", versions.ACT),
        ("lab/versions.py", "k8s.io/kubernetes", versions.KUBERNETES),
        ("lab/versions.py", "go", versions.GO),
        ("lab/versions.py", "github.com/distribution/distribution/v3", versions.REGISTRY),
        ("Dockerfile", "python", tags["PYTHON"]),
        ("Dockerfile", "docker/buildx-bin", tags["BUILDX"]),
        (table, *buildkit),
        ("examples/kubernetes/pool.yaml", *buildkit),
        ("examples/kubernetes/remote.yaml", *buildkit),
        (table, *DEFAULT_QEMU_IMAGE.removeprefix("docker.io/").split(":", maxsplit=1)),
        (template, "docker", engine),
        ("tests/contract/conftest.py", "@action-validator/cli", ACTION_VALIDATOR),
        ("Makefile", "uv", uv),
    }


def test_no_version_of_the_lab_is_forgotten(pins: list[tuple[str, str, str]]) -> None:
    of_lab = [pin for file, _, pin in pins if file == "lab/versions.py"]
    pinned = {
        name for name, value in vars(versions).items() if name.isupper() and isinstance(value, str)
    }
    assert len(of_lab) == len(pinned - BY_HAND)


def test_no_base_image_is_forgotten(
    pins: list[tuple[str, str, str]], read: Callable[[str], str]
) -> None:
    tags = re.findall(r"^ARG \w+_TAG=(\S+)$", read("Dockerfile"), re.MULTILINE)
    assert sorted(tags) == sorted(pin for file, _, pin in pins if file == "Dockerfile")


def test_no_pin_is_in_a_path_that_is_ignored(
    config: dict[str, Any], pins: list[tuple[str, str, str]]
) -> None:
    ignored = [path.removesuffix("**") for path in config["ignorePaths"]]
    assert [file for file, _, _ in pins if file.startswith(tuple(ignored))] == []


def test_the_locks_are_found(config: dict[str, Any], names: list[str]) -> None:
    (pattern,) = config["pip_requirements"]["managerFilePatterns"]
    found = [name for name in names if re.search(pattern.strip("/"), name)]
    assert found == ["requirements-dev.lock", "requirements.lock"]


def test_tools_of_go_are_looked_up(config: dict[str, Any], root: Path) -> None:
    """A tool's module is marked as indirect, and those are left alone unless they are named."""
    (rule,) = (rule for rule in config["packageRules"] if rule.get("enabled"))
    files = [path.read_text() for path in (root / "lab").glob("*/go.mod")]
    tools = {
        tool
        for text in files
        for tool in re.findall(r"^(?:tool )?\t?([\w./]+)/cmd/[\w-]+$", text, re.MULTILINE)
    }
    assert tools == set(rule["matchPackageNames"])


def test_all_of_kubernetes_has_one_version(root: Path) -> None:
    """Its parts are published with a 0 in the place of its major version."""
    text = (root / "lab" / "kubernetes" / "go.mod").read_text()
    (whole,) = re.findall(r"^require k8s\.io/kubernetes v(\S+)$", text, re.MULTILINE)
    parts = set(re.findall(r"^\tk8s\.io/\S+ => k8s\.io/\S+ v(\S+)$", text, re.MULTILINE))
    assert whole == versions.KUBERNETES
    assert parts == {f"0.{whole.partition('.')[2]}"}


def test_the_version_of_the_emulators_is_one_that_renovate_can_compare(
    config: dict[str, Any],
) -> None:
    (versioning,) = {
        manager["versioningTemplate"]
        for manager in config["customManagers"]
        if "versioningTemplate" in manager
    }
    tag = DEFAULT_QEMU_IMAGE.partition("@")[0].rpartition(":")[2]
    assert re.fullmatch(python(versioning.removeprefix("regex:")), tag)
