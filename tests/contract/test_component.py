"""The component is one that GitLab takes, and that works on both kinds of runner.

The rules are those of GitLab's "CI/CD components" and "CI/CD inputs", which no offline tool checks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from warmbuild.ci import gitlab

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Yaml = dict[str, Any]
    # Fills in the template with some inputs given, and returns what an including project gets.
    Include = Callable[..., Yaml]

BLOCK = re.compile(r"\$\[\[\s*(?P<expression>\S.*?)\s*\]\]")
PROJECT = "gitlab-component"
TEMPLATE = f"{PROJECT}/templates/build.yml"
TYPES: Mapping[str, type] = {"string": str, "number": int, "boolean": bool, "array": list}
GLOBAL_KEYWORDS = {
    "after_script",
    "before_script",
    "cache",
    "default",
    "image",
    "include",
    "services",
    "stages",
    "variables",
    "workflow",
}


def interpolate(node: object, values: Mapping[str, object]) -> object:
    """Fill in the inputs as GitLab does: a whole value keeps its type, a part becomes text."""
    if isinstance(node, dict):
        return {interpolate(key, values): interpolate(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [interpolate(item, values) for item in node]
    if not isinstance(node, str):
        return node
    if whole := BLOCK.fullmatch(node):
        return values[whole["expression"]]
    return BLOCK.sub(lambda part: _text(values[part["expression"]]), node)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.fixture
def inputs(documents: Callable[[str], list[Yaml]]) -> Yaml:
    rows: Yaml = documents(TEMPLATE)[0]["spec"]["inputs"]
    return rows


@pytest.fixture
def include(documents: Callable[[str], list[Yaml]], inputs: Yaml) -> Include:
    def filled(**given: object) -> Yaml:
        values = {f"inputs.{name}": row["default"] for name, row in inputs.items()}
        values |= {f"inputs.{name.replace('_', '-')}": value for name, value in given.items()}
        jobs = interpolate(documents(TEMPLATE)[1], values)
        assert isinstance(jobs, dict)
        return jobs

    return filled


class TestHeader:
    def test_every_template_has_a_path_that_gitlab_takes(self, root: Path) -> None:
        accepted = re.compile(r"templates/[\w-]+(/template)?\.yml")
        project = root / PROJECT
        files = [str(path.relative_to(project)) for path in (project / "templates").rglob("*.*")]
        assert files == ["templates/build.yml"]
        assert all(accepted.fullmatch(file) for file in files)

    def test_there_are_two_documents_and_the_first_is_a_spec(
        self, documents: Callable[[str], list[Yaml]]
    ) -> None:
        header, _ = documents(TEMPLATE)
        assert list(header) == ["spec"]
        assert set(header["spec"]) <= {"inputs", "component", "description"}

    def test_inputs_are_of_a_form_that_gitlab_takes(self, inputs: Yaml) -> None:
        assert inputs
        for name, row in inputs.items():
            # A regex would have to be RE2, and rules have a checklist of their own.
            assert set(row) <= {"default", "description", "options", "type"}, name
            assert len(row["description"]) <= 1024, name
            assert isinstance(row["default"], TYPES[row.get("type", "string")]), name

    def test_options_are_of_a_form_that_gitlab_takes(self, inputs: Yaml) -> None:
        for name, row in inputs.items():
            if options := row.get("options"):
                assert row.get("type", "string") == "string", name
                assert len(options) <= 50, name
                assert all(isinstance(option, str) for option in options), name
                assert row["default"] in options, name

    def test_an_input_that_warmbuild_decides_by_itself_may_be_left_out(self, inputs: Yaml) -> None:
        assert [name for name, row in inputs.items() if "default" not in row] == []


class TestBody:
    def test_every_input_is_used_and_every_use_is_an_input(
        self, inputs: Yaml, read: Callable[[str], str]
    ) -> None:
        used = {found["expression"] for found in BLOCK.finditer(read(TEMPLATE))}
        assert used == {f"inputs.{name}" for name in inputs}

    def test_it_has_no_global_keyword(self, include: Include) -> None:
        assert set(include()) & GLOBAL_KEYWORDS == set()

    @pytest.mark.parametrize("dind", [True, False], ids=["docker-in-docker", "socket"])
    def test_what_an_including_project_gets_is_a_pipeline(
        self, *, dind: bool, include: Include, tmp_path: Path, check_gitlab: Callable[[Path], str]
    ) -> None:
        pipeline = tmp_path / "pipeline.yml"
        jobs = include(dind=dind, build_args='A="1"\nB=2')
        pipeline.write_text(yaml.safe_dump(jobs), encoding="utf-8")
        check_gitlab(pipeline)

    def test_docker_in_docker_has_a_service_with_certificates(self, include: Include) -> None:
        jobs = include(dind=True, dind_image="mirror/docker:dind")
        assert jobs[jobs["warmbuild"]["extends"]] == {
            "services": [{"name": "mirror/docker:dind", "alias": "docker"}],
            "variables": {
                "DOCKER_TLS_CERTDIR": "/certs",
                "DOCKER_HOST": "tcp://docker:2376",
                "DOCKER_TLS_VERIFY": "1",
                "DOCKER_CERT_PATH": "/certs/client",
            },
        }

    def test_a_socket_needs_no_service_and_no_variable(self, include: Include) -> None:
        jobs = include(dind=False)
        assert jobs[jobs["warmbuild"]["extends"]] == {"services": []}

    def test_it_can_be_included_twice(self, include: Include) -> None:
        assert set(include(job_name="one")) & set(include(job_name="two")) == set()

    def test_the_job(self, include: Include) -> None:
        job = include(stage="images", warmbuild_image="mirror/warmbuild:v1.0.0")["warmbuild"]
        variables = job.pop("variables")
        assert all(isinstance(value, str) for value in variables.values())
        assert variables["INPUT_REPORT_FILE"] == gitlab.REPORT
        assert job == {
            "extends": ".warmbuild-dind-true",
            "stage": "images",
            "image": {"name": "mirror/warmbuild:v1.0.0", "entrypoint": [""]},
            "inherit": {"default": ["interruptible", "retry", "tags", "timeout"]},
            "script": ["python -m warmbuild build"],
            "artifacts": {
                "when": "always",
                "expose_as": "warmbuild",
                "paths": [gitlab.REPORT, gitlab.SUMMARY, gitlab.OUTPUTS],
                "reports": {
                    "dotenv": gitlab.DOTENV,
                    "metrics": gitlab.METRICS,
                    "codequality": gitlab.CODE_QUALITY,
                },
            },
        }


class TestProject:
    def test_readme_has_the_sections_of_the_catalog(
        self, root: Path, read: Callable[[str], str]
    ) -> None:
        lines = read(f"{PROJECT}/README.md").splitlines()
        components = [path.stem for path in (root / PROJECT / "templates").iterdir()]
        headlines = [line for line in lines if line.startswith("#")]
        assert headlines == [
            "# warmbuild",
            "## Components",
            *(f"### {component}" for component in components),
            "## Contribute",
        ]

    def test_examples_name_a_version(self, read: Callable[[str], str]) -> None:
        references = re.findall(r"component: (\S+)", read(f"{PROJECT}/README.md"))
        assert references
        assert all(re.search(r"/build@\d+\.\d+\.\d+$", reference) for reference in references)

    def test_no_file_is_tied_to_one_gitlab(self, root: Path) -> None:
        tied = [
            str(path)
            for path in (root / PROJECT).rglob("*")
            if path.is_file() and "gitlab.com" in path.read_text(encoding="utf-8")
        ]
        assert tied == []
