"""docs/architecture.md tells of the rooms that are there, of their order, and of what is pure."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGE = "docs/architecture.md"


def _rows(text: str, header: str) -> list[list[str]]:
    """Return the rows of the table whose header begins with these words."""
    table = text.partition(f"| {header} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


@pytest.fixture(scope="session")
def rooms(read: Callable[[str], str]) -> dict[str, str]:
    """Return the kind of each room, in the order of the page."""
    return {name.strip("`/"): kind for name, _, kind in _rows(read(PAGE), "Room")}


@pytest.fixture(scope="session")
def layers(read: Callable[[str], str]) -> list[list[str]]:
    """Return the layers of the contract, from the top down."""
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    contract = next(one for one in contracts if one["id"] == "layers")
    return [re.findall(r"\w+", layer) for layer in contract["layers"]]


def test_the_rooms_are_the_packages_and_modules_of_the_root(
    root: Path, rooms: dict[str, str]
) -> None:
    source = root / "src" / "warmbuild"
    packages = {path.parent.name for path in source.glob("*/__init__.py")}
    modules = {path.stem for path in source.glob("*.py")} - {"__init__"}
    assert set(rooms) == packages | modules


def test_a_package_is_told_from_a_module(root: Path, read: Callable[[str], str]) -> None:
    names = [row[0].strip("`") for row in _rows(read(PAGE), "Room")]
    source = root / "src" / "warmbuild"
    assert [name for name in names if (source / name).is_dir()] == [
        name for name in names if name.endswith("/")
    ]


def test_the_rooms_are_in_the_order_of_the_layers(
    rooms: dict[str, str], layers: list[list[str]]
) -> None:
    assert list(rooms) == [name for layer in layers for name in layer]


def test_the_order_that_is_told_is_the_one_that_is_held(
    read: Callable[[str], str], layers: list[list[str]]
) -> None:
    section = read(PAGE).partition("## Who may import whom")[2]
    told = section.split("```")[1].strip().splitlines()
    assert told == [*map(" | ".join, layers[1:-1]), "the other modules"]


def test_what_is_pure_is_what_the_contract_holds(
    root: Path, read: Callable[[str], str], rooms: dict[str, str]
) -> None:
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    contract = next(one for one in contracts if one["id"] == "pure")
    named: dict[str, list[str]] = {
        "pure": contract["source_modules"],
        "shell": contract["forbidden_modules"],
    }
    # `python -m warmbuild` is imported by nothing.
    for room in sorted(set(rooms) - {"__main__"}):
        kind, _, others = rooms[room].partition(", but ")
        other = "shell" if kind == "pure" else "pure"
        assert f"warmbuild.{room}" in named[kind]
        if (root / "src" / "warmbuild" / room).is_dir():
            assert f"warmbuild.{room}.**" in named[kind]
        told = {f"warmbuild.{room}.{name}" for name in re.findall(r"\w+", others)}
        inside = {name for name in named[other] if name.startswith(f"warmbuild.{room}.")}
        assert inside == told


def test_files_that_a_change_touches_are_there(root: Path, read: Callable[[str], str]) -> None:
    rows = _rows(read(PAGE), "A new …")
    files = {name for row in rows for name in re.findall(r"`([\w/]+\.py)`", row[1])}
    missing = {
        name
        for name in files
        if not (root / "src" / "warmbuild" / name).exists() and "NAME" not in name
    }
    assert missing == set()
    assert {"ci/NAME.py", "inputs/table.py", "drivers.py"} <= files
