"""Rooms import downwards, decisions are pure, each dependency has one home, each module one name.

The contracts in pyproject.toml hold the order of the rooms and what is pure; what they cannot see
is here.
"""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from warmbuild import ci, vendors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCES = Path(ci.__file__).parents[1]
CONFIGURATION = SOURCES.parents[1] / "pyproject.toml"
MODULES = {
    ".".join(path.relative_to(SOURCES.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in SOURCES.rglob("*.py")
}


@cache
def nodes(module: str) -> tuple[ast.AST, ...]:
    """Return all nodes of a module's tree."""
    return tuple(ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))))


def contract(name: str) -> dict[str, Any]:
    text = CONFIGURATION.read_text(encoding="utf-8")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    return next(one for one in contracts if one["id"] == name)


def matching(expressions: list[str]) -> set[str]:
    """Return the modules that expressions of import-linter with or without `*` match."""

    def matches(module: str, expression: str) -> bool:
        room, _, rest = expression.partition(".*")
        below = module.removeprefix(f"{room}.")
        return expression == module or (
            expression != room and below != module and (rest == "*" or "." not in below)
        )

    return {one for one in MODULES if any(matches(one, expression) for expression in expressions)}


def pure_modules() -> set[str]:
    """Return the pure modules: a module that is named is what it is named, whatever its room is."""
    rules = contract("pure")
    named_as_pure = set(rules["source_modules"]) & set(MODULES)
    named_as_shell = set(rules["forbidden_modules"]) & set(MODULES)
    shell = (matching(rules["forbidden_modules"]) - named_as_pure) | named_as_shell
    return matching(rules["source_modules"]) - shell


PURE = pure_modules()


def called_imports(module: str) -> Iterator[tuple[str, str]]:
    """Yield the name given to the function, and the module that the function imports."""
    for node in nodes(module):
        if isinstance(node, ast.Call):
            function = ast.unparse(node.func)
            is_literal = bool(node.args) and isinstance(node.args[0], ast.Constant)
            if is_literal and function.endswith(("lazy.module", "import_module")):
                yield function, ast.literal_eval(node.args[0])


@cache
def imports(module: str) -> set[str]:
    """Return what a module imports anywhere in it, as dotted names."""
    found = {name for _, name in called_imports(module)}
    for node in nodes(module):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def packages(module: str) -> set[str]:
    return {name.partition(".")[0] for name in imports(module)}


def names_of_modules(module: str) -> Iterator[tuple[str, str]]:
    """Yield each module that a module imports or imports later, and what it calls it."""
    for node in nodes(module):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    whole = alias.name if alias.asname else alias.name.partition(".")[0]
                    yield whole, alias.asname or whole
            case ast.ImportFrom(module=package, names=names):
                for alias in names:
                    if (name := f"{package}.{alias.name}") in MODULES:
                        yield name, alias.asname or alias.name
            case ast.Assign(targets=[ast.Name(id=variable)], value=ast.Call() as call):
                if ast.unparse(call.func) == "lazy.module":
                    yield ast.literal_eval(call.args[0]), variable
            case _:
                pass


def functions(module: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda]:
    for node in nodes(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node


def own_names(function: ast.AST) -> Iterator[str]:
    """Yield the arguments and local variables of a function, but not names that imports give."""
    for node in ast.walk(function):
        match node:
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name
            case _:
                pass


def reads(module: str, owner: str, attribute: str) -> bool:
    """Say whether a module has `owner.attribute`, or imports it."""
    return f"{owner}.{attribute}" in imports(module) or any(
        isinstance(node, ast.Attribute)
        and node.attr == attribute
        and isinstance(node.value, ast.Name)
        and node.value.id == owner
        for node in nodes(module)
    )


def test_the_contracts_hold(run: Callable[..., str]) -> None:
    assert "0 broken" in run("lint-imports", "--no-cache", "--no-logo")


def test_each_module_is_pure_or_not() -> None:
    rules = contract("pure")
    told = matching(rules["source_modules"]) | matching(rules["forbidden_modules"])
    # The package itself holds the version.
    assert set(MODULES) - told == {"warmbuild", "warmbuild.__main__"}
    assert {"warmbuild.refs", "warmbuild.report.markdown", "warmbuild.build.outcomes"} <= PURE
    assert not {"warmbuild.report.publishing", "warmbuild.build.solve", "warmbuild.ci"} & PURE


@pytest.mark.parametrize("module", sorted(PURE))
def test_a_pure_module_imports_nothing_later_that_it_may_not_import(module: str) -> None:
    forbidden = set(contract("pure")["forbidden_modules"]) - set(MODULES)
    shell = set(MODULES) - PURE - {"warmbuild"}
    later = {name for _, name in called_imports(module)}
    assert {name.partition(".")[0] for name in later} & forbidden == set()
    assert later & shell == set()


@pytest.mark.parametrize(
    ("package", "homes"),
    [
        ("subprocess", {"process"}),
        # Credentials and credential helpers are read as Docker's own SDK reads them.
        ("docker", {"builder.engine", "registry.credential_helpers"}),
        # The docker SDK lets exceptions of requests through.
        ("requests", {"registry.exchange", "registry.credential_helpers"}),
        ("actions_toolkit", {"ci.github"}),
        ("rich", {"build.terminal"}),
        ("boto3", {"registry.aws"}),
        ("botocore", {"registry.aws"}),
        ("jinja2", {"report.page"}),
        ("markupsafe", {"report.page"}),
        ("opentelemetry", {"report.traces"}),
        (
            "yaml",
            {
                "inputs.bounded_yaml",
                "inputs.registry_auth",
                "bake.compose_paths",
            },
        ),
    ],
)
def test_a_dependency_has_one_home(package: str, homes: set[str]) -> None:
    assert {module for module in MODULES if package in packages(module)} == {
        f"warmbuild.{home}" for home in homes
    }


@pytest.mark.parametrize(("owner", "attribute"), [("os", "environ"), ("sys", "argv")])
def test_the_process_is_read_in_one_place(owner: str, attribute: str) -> None:
    assert {module for module in MODULES if reads(module, owner, attribute)} == {"warmbuild.cli"}


def test_third_parties_are_imported_later_in_one_way() -> None:
    called = {(module, how) for module in MODULES for how, _ in called_imports(module)}
    assert {module for module, how in called if how != "lazy.module"} == set()


def test_no_import_is_in_a_function() -> None:
    found = {
        (module, node.lineno)
        for module in MODULES
        for function in functions(module)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert found == set()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_is_imported_under_its_own_name(module: str) -> None:
    aliases = {
        (name, called)
        for name, called in names_of_modules(module)
        if called != name.rpartition(".")[2]
    }
    assert aliases == set()


def test_no_argument_or_local_variable_has_the_name_of_an_imported_module() -> None:
    found: set[tuple[str, str]] = set()
    for module in MODULES:
        own = {name for function in functions(module) for name in own_names(function)}
        found |= {(module, name) for name in own & {name for _, name in names_of_modules(module)}}
    assert found == set()


def test_no_loop_is_an_assignment() -> None:
    found = {
        (module, ast.unparse(node.target))
        for module in MODULES
        for node in nodes(module)
        if isinstance(node, ast.For | ast.comprehension)
        and isinstance(node.iter, ast.List | ast.Tuple | ast.Set)
        and len(node.iter.elts) == 1
        and not isinstance(node.iter.elts[0], ast.Starred)
    }
    assert found == set()


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
