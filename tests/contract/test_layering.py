"""Decisions are pure, each dependency has one home, and the CI systems are those of the folder."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from warmbuild import ci, vendors

SOURCES = Path(ci.__file__).parents[1]
PURE = {
    "attempts",
    "attests",
    "backends",
    "bake",
    "buildx",
    "checks",
    "commands",
    "context",
    "contexts",
    "dockerfile",
    "errors",
    "gitindex",
    "ignorefile",
    "inputs",
    "lints",
    "lists",
    "logins",
    "loose",
    "merging",
    "naming",
    "nodes",
    "plan",
    "policy",
    "probe",
    "progress",
    "records",
    "redaction",
    "refs",
    "registryauth",
    "report",
    "retries",
    "tagrules",
    "targets",
    "templates",
}
IMPURE = {
    "actions_toolkit",
    "boto3",
    "botocore",
    "docker",
    "os",
    "requests",
    "socket",
    "subprocess",
    "time",
}
MODULES = {
    ".".join(path.relative_to(SOURCES).with_suffix("").parts): ast.parse(path.read_text())
    for path in SOURCES.rglob("*.py")
}

# Packages of which each module is pure.
PURE |= {name for name in MODULES if name.startswith("vendors.")}


def imports(module: str) -> set[str]:
    """Return what a module imports anywhere in it, as dotted names."""
    found: set[str] = set()
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found.add(ast.literal_eval(node.args[0]))
    return found


def packages(module: str) -> set[str]:
    return {name.partition(".")[0] for name in imports(module)}


def reads(module: str, owner: str, attribute: str) -> bool:
    """Say whether a module has `owner.attribute`, or imports it."""
    return f"{owner}.{attribute}" in imports(module) or any(
        isinstance(node, ast.Attribute)
        and node.attr == attribute
        and isinstance(node.value, ast.Name)
        and node.value.id == owner
        for node in ast.walk(MODULES[module])
    )


@pytest.mark.parametrize("module", sorted(PURE))
def test_a_pure_module_reaches_for_nothing_outside(module: str) -> None:
    assert packages(module) & IMPURE == set()


@pytest.mark.parametrize("module", sorted(PURE))
def test_a_pure_module_imports_pure_modules_alone(module: str) -> None:
    dotted = [name.split(".", 1)[1] for name in imports(module) if name.startswith("warmbuild.")]
    # A name is imported from a module, or is one; a package's is that of its `__init__`.
    ours = {way for name in dotted for way in (name, f"{name}.__init__", name.rpartition(".")[0])}
    assert ours & set(MODULES) <= PURE


@pytest.mark.parametrize(
    ("package", "homes"),
    [
        ("subprocess", {"process"}),
        ("docker", {"engine"}),
        # The docker SDK lets exceptions of requests through, and engine catches them.
        ("requests", {"registry", "engine"}),
        ("actions_toolkit", {"ci.github"}),
        ("boto3", {"aws"}),
        ("yaml", {"registryauth", "nodes"}),
    ],
)
def test_a_dependency_has_one_home(package: str, homes: set[str]) -> None:
    assert {module for module in MODULES if package in packages(module)} == homes


@pytest.mark.parametrize(("owner", "attribute"), [("os", "environ"), ("sys", "argv")])
def test_the_process_is_read_in_one_place(owner: str, attribute: str) -> None:
    assert {module for module in MODULES if reads(module, owner, attribute)} == {"cli"}


def test_the_ci_systems_are_the_modules_of_their_folder() -> None:
    folder = {path.stem for path in (SOURCES / "ci").glob("*.py")} - {
        *("__init__", "provider", "variables")
    }
    assert set(ci.NAMES) == folder
    assert len(ci.NAMES) == len(folder)
    assert ci.NAMES[-1] == "local"


def test_the_registries_are_the_modules_of_their_folder() -> None:
    folder = {path.stem for path in (SOURCES / "vendors").glob("*.py")}
    names = [module.__name__.rpartition(".")[2] for module in vendors.MODULES]
    assert set(names) == folder - {"__init__", "base", "refusal"}
    assert len(names) == len(set(names)) == len({vendor.name for vendor in vendors.VENDORS})
    assert names[-1] == "distribution"
