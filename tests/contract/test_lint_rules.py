"""The lint rules are the modules of their folder, in the order of the table."""

from __future__ import annotations

from pathlib import Path

from warmbuild.inputs.table import LINT_RULES
from warmbuild.lint import checking, rules


def test_the_rules_are_the_modules_of_their_folder() -> None:
    folder = {path.stem for path in Path(rules.__file__).parent.glob("*.py")} - {"__init__"}
    assert folder == {name.replace("-", "_") for name in LINT_RULES}
    assert len(folder) == len(LINT_RULES)


def test_each_rule_has_the_name_of_its_module() -> None:
    assert tuple(rule.name for rule in checking.RULES) == LINT_RULES
