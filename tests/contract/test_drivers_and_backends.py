"""What differs between drivers or backends is a field of their rows, and no comparison of names."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import warmbuild
from warmbuild.backends import BACKENDS
from warmbuild.drivers import DRIVERS

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES: Final = Path(warmbuild.__file__).parent
NAMES: Final = {*DRIVERS, *BACKENDS}
ROWS: Final = {"drivers.py", "backends.py", "inputs/table.py"}
MODULES: Final = sorted(
    {path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*.py")} - ROWS
)

# Names that are something else in a module as well: a type of `--output`, a part of a login, the
# host of docker-in-docker, or BuildKit's word for an export.
OTHERS: Final = {
    "bake/allowed.py": {"docker", "local"},
    "bake/bake_file.py": {"docker", "local"},
    "builder/engine_calls.py": {"docker"},
    "buildkit/command_line.py": {"docker", "registry"},
    "buildkit/progress.py": {"registry"},
    "cache/packing.py": {"docker", "registry"},
    "ci/github.py": {"registry"},
    "ci/gitlab.py": {"registry"},
    "image/attestations.py": {"docker", "local"},
    "inputs/checks.py": {"docker", "local", "registry"},
    "inputs/credentials.py": {"registry"},
    "inputs/logins.py": {"registry"},
    "inputs/registry_auth.py": {"registry"},
    "plan/build_plan.py": {"docker"},
    "plan/making.py": {"registry"},
    "plan/reproducibility.py": {"docker", "local", "registry"},
}


def literals(node: ast.AST) -> Iterator[ast.Constant]:
    """Yield the constants that are an expression, or the items of a tuple, list or set."""
    if isinstance(node, ast.Constant):
        yield node
    elif isinstance(node, ast.Tuple | ast.List | ast.Set):
        for item in node.elts:
            yield from literals(item)
    elif isinstance(node, ast.Call | ast.BinOp | ast.Starred):
        # frozenset([...]), one | another, and *names.
        for child in ast.iter_child_nodes(node):
            yield from literals(child)


def is_of_ci_system(node: ast.Compare) -> bool:
    """Say whether the name of a CI system is compared, of which one is `local`."""
    return isinstance(node.left, ast.Attribute) and node.left.attr == "ci"


def compared(source: str) -> set[str]:
    """Return the names that a module compares with, matches, or lists."""
    found: list[ast.Constant] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Compare() if not is_of_ci_system(node):
                for side in (node.left, *node.comparators):
                    found += literals(side)
            case ast.MatchValue(value=value):
                found += literals(value)
            case ast.Tuple() | ast.List() | ast.Set():
                found += (item for item in node.elts if isinstance(item, ast.Constant))
            case ast.Dict(keys=keys):
                found += (key for key in keys if isinstance(key, ast.Constant))
            case _:
                pass
    return {item.value for item in found if item.value in NAMES}


@pytest.mark.parametrize("module", MODULES)
def test_no_module_compares_with_a_name(module: str) -> None:
    found = compared((SOURCES / module).read_text(encoding="utf-8"))
    assert found <= OTHERS.get(module, set())


def test_what_is_excepted_is_there() -> None:
    for module, names in OTHERS.items():
        assert names <= compared((SOURCES / module).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('driver == "docker"', {"docker"}),
        ('"gha" != backend.name', {"gha"}),
        ('name in {"s3", "azblob"}', {"s3", "azblob"}),
        ('if name in (*OTHERS, "inline"): pass', {"inline"}),
        (
            'match driver:\n case "remote" | "kubernetes" if endpoint: pass',
            {"remote", "kubernetes"},
        ),
        ('OWN = ("inline", "local")', {"inline", "local"}),
        ('NOT_OF_DRIVER = {"docker": ("append",)}', {"docker"}),
        ('context.ci == "local"', set()),
        ('BACKENDS["registry"]', set()),
        ('row("docker")', set()),
    ],
)
def test_a_comparison_is_found(source: str, names: set[str]) -> None:
    assert compared(source) == names
