"""What docs/migrating.md shows is what the systems take, and what warmbuild has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests import migrating
from warmbuild import __version__
from warmbuild.inputs.parsing import gather
from warmbuild.inputs.table import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AFTER = [
    snippet for section in migrating.SECTIONS for snippet in migrating.snippets(section, "After")
]


def test_each_section_has_a_before_and_an_after() -> None:
    assert tuple(migrating.sections())[:-1] == migrating.SECTIONS
    for section in migrating.SECTIONS:
        assert migrating.snippets(section, "Before")
        assert migrating.snippets(section, "After")


def test_every_block_is_a_before_or_an_after() -> None:
    blocks = len(re.findall(r"^```\w+$", migrating.text(), re.MULTILINE))
    found = [migrating.snippets(section, "Before") for section in migrating.SECTIONS]
    assert blocks == sum(map(len, found)) + len(AFTER)


@pytest.mark.parametrize("word", ["Before", "After"])
@pytest.mark.parametrize(
    ("section", "schema"),
    [
        pytest.param(migrating.GITHUB, ["vendor.github-workflows"], id="github"),
        pytest.param(migrating.BAKE, ["vendor.github-workflows"], id="bake"),
        pytest.param(
            migrating.GITLAB,
            ["vendor.gitlab-ci", "--data-transform=gitlab-ci", "--regex-variant=nonunicode"],
            id="gitlab",
        ),
        pytest.param(migrating.CIRCLECI, ["vendor.circle-ci"], id="circleci"),
    ],
)
def test_the_system_takes_it(
    section: str, word: str, schema: list[str], run: Callable[..., str], tmp_path: Path
) -> None:
    for number, snippet in enumerate(migrating.snippets(section, word)):
        file = tmp_path / f"{number}.yml"
        file.write_text(snippet)
        name, *options = schema
        run("check-jsonschema", f"--builtin-schema={name}", *options, file)


@pytest.mark.parametrize(
    "snippet",
    [
        pytest.param(migrating.GITHUB_PLAIN, id="plain"),
        pytest.param(migrating.GITHUB_CARRIED_OVER, id="carried-over"),
        pytest.param(migrating.BAKE_AFTER, id="bake"),
    ],
)
def test_the_workflow_gives_inputs_that_there_are(snippet: str) -> None:
    assert set(_steps(snippet)[1]["with"]) <= set(BY_NAME)


@pytest.mark.parametrize(
    ("section", "after"),
    [
        pytest.param(migrating.GITHUB, migrating.GITHUB_CARRIED_OVER, id="carried-over"),
        pytest.param(migrating.BAKE, migrating.BAKE_AFTER, id="bake"),
    ],
)
def test_what_is_carried_over_is_what_was_there(section: str, after: str) -> None:
    """But for what one step handed to the next, and for the cache."""
    (before,) = migrating.snippets(section, "Before")
    own = _steps(after)[1]["with"]
    given = {
        name: text
        for step in _steps(before)
        for name, value in step.get("with", {}).items()
        if not name.startswith("cache-") and (text := _kept(str(value)))
    }
    assert own == given


def _kept(value: str) -> str:
    lines = value.splitlines(keepends=True)
    return "".join(line for line in lines if "steps.meta" not in line and ".cache-" not in line)


@pytest.mark.parametrize(
    "snippet",
    [
        pytest.param(migrating.CIRCLECI_AFTER, id="circleci"),
        pytest.param(migrating.COMPOSE_AFTER, id="compose"),
    ],
)
def test_the_script_sets_inputs_that_there_are(snippet: str) -> None:
    variables = set(re.findall(r"\b(INPUT_\w+)", snippet))
    passed = set(re.findall(r"-e (INPUT_\w+)", snippet))
    assert passed == variables
    given = gather({}, dict.fromkeys(variables, "x"))
    assert len(given) == len(variables)
    assert set(given) <= set(BY_NAME)


def test_all_name_this_version() -> None:
    found = [re.findall(r"warmbuild/\w+(?:/build)?[@:]v?(\d\S*)", snippet) for snippet in AFTER]
    assert found == [[__version__]] * len(AFTER)


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", migrating.text())
    assert targets
    assert [name for name in targets if not (migrating.PATH.parent / name).exists()] == []


def _steps(workflow: str) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = yaml.safe_load(workflow)["jobs"]["image"]["steps"]
    return steps
