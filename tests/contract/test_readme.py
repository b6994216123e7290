"""What README.md tells people to copy is what the front doors take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from warmbuild import __version__
from warmbuild.inputs.parsing import gather
from warmbuild.inputs.table import BY_NAME
from warmbuild.report.outputs import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def readme(read: Callable[[str], str]) -> str:
    return read("README.md")


@pytest.fixture(scope="module")
def snippets(readme: str) -> list[str]:
    """Return the code blocks that are there to be copied, in their order."""
    return re.findall(r"```(?:yaml|sh)\n(.*?)```", readme, re.DOTALL)


def test_the_github_snippet_is_a_workflow_of_this_action(
    snippets: list[str], tmp_path: Path, run: Callable[..., str]
) -> None:
    workflow = tmp_path / "workflow.yml"
    workflow.write_text(snippets[0])
    run("check-jsonschema", "--builtin-schema=vendor.github-workflows", workflow)
    steps: list[dict[str, Any]] = yaml.safe_load(snippets[0])["jobs"]["image"]["steps"]
    assert steps[1]["uses"] == f"warmbuild/warmbuild@v{__version__}"
    assert set(steps[1]["with"]) <= set(BY_NAME)


def test_the_gitlab_snippet_includes_this_component(snippets: list[str]) -> None:
    (include,) = yaml.safe_load(snippets[1])["include"]
    assert include["component"].endswith(f"/build@{__version__}")


def test_the_docker_snippet_sets_inputs_of_the_table(snippets: list[str]) -> None:
    variables = re.findall(r"-e (INPUT_\w+)", snippets[2])
    assert set(gather({}, dict.fromkeys(variables, "x"))) <= set(BY_NAME)
    assert snippets[2].rstrip().endswith(f":v{__version__}")


def test_the_readme_names_every_output(readme: str) -> None:
    assert [name for name in OUTPUTS if f"`{name}`" not in readme] == []


def test_inputs_that_the_readme_names_are_in_the_table(readme: str) -> None:
    table = readme.split("## Inputs")[1].split("## Outputs", maxsplit=1)[0]
    cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"`([\w-]+)`", cell)}
    assert len(named) > 15
    assert named <= set(BY_NAME)


def test_links_lead_somewhere(readme: str, root: Path) -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", readme)
    assert targets
    assert [target for target in targets if not (root / target).exists()] == []
