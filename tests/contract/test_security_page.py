"""docs/security.md lists the attacks that the tests carry out, in the tests' own words."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ROW = re.compile(
    r"^\| (?!they want|---)(?P<wants>[^|]+) \| (?P<how>(?:\\\||[^|])+) \|", re.MULTILINE
)


def _plain(text: str) -> str:
    """Return a text without what no name of a function can have."""
    return re.sub(r"[^a-z0-9]+", " ", text.replace("'", "").lower()).strip()


def _attacks(root: Path) -> list[tuple[str, str]]:
    """Return what each attack wants, and how, by the name and the docstring of its test."""
    found = []
    for path in sorted((root / "tests" / "attacks").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                how = " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
                found.append((_plain(node.name.removeprefix("test_")), how))
    return found


def test_every_attack_is_on_the_page(read: Callable[[str], str], root: Path) -> None:
    rows = [
        (_plain(row["wants"]), row["how"].replace("\\|", "|"))
        for row in _ROW.finditer(read("docs/security.md"))
    ]
    assert sorted(rows) == sorted(_attacks(root))
    assert len(rows) >= 100


def test_links_lead_somewhere(read: Callable[[str], str], root: Path) -> None:
    for page, place in (("docs/security.md", root / "docs"), ("SECURITY.md", root)):
        targets = re.findall(r"\]\((?!http)([^)#]+)", read(page))
        assert targets
        assert [name for name in targets if not (place / name).exists()] == []
