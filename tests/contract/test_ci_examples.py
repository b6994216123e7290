"""Every pipeline of examples/ci is one that its system takes, and hands warmbuild what it needs."""

from __future__ import annotations

import ast
import itertools
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.pipelines import DOCKER_RUN, EXAMPLES, IMAGE, PIPELINES, Pipeline
from warmbuild import __version__, ci
from warmbuild.ci import gitlab, variables
from warmbuild.inputs.parsing import gather, parse
from warmbuild.inputs.table import BY_NAME, TABLE, variable
from warmbuild.report.outputs import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IN_DOCKER = [pipeline for pipeline in PIPELINES if not pipeline.job.in_image]
# What a module reads of the environment.
NAME = re.compile(r"[A-Z]+_[A-Z0-9_]+|[A-Z]{6,}|bamboo_\w+")
SECRET = {variable(row.name) for row in TABLE if row.secret}


def path_of(pipeline: Pipeline) -> str:
    return pipeline.path


def passed(pipeline: Pipeline) -> set[str]:
    """Return the variables that the container gets of the job's."""
    words = shlex.split(pipeline.docker_run)
    return {word for option, word in itertools.pairwise(words) if option == "-e"}


def read_by(root: Path, name: str) -> set[str]:
    """Return the variables that a module of a CI system reads."""
    tree = ast.parse((root / f"src/warmbuild/ci/{name}.py").read_text())
    texts = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {text for text in texts if NAME.fullmatch(text)}


def test_every_pipeline_and_every_system_is_in_the_table() -> None:
    found = sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*.*"))
    found += [str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("Jenkinsfile")]
    assert sorted({*found} - {"README.md"}) == sorted(map(path_of, PIPELINES))
    assert {pipeline.ci for pipeline in PIPELINES} == {*ci.NAMES} - {"github", "gitlab", "local"}


@pytest.mark.parametrize(
    "pipeline", [pipeline for pipeline in PIPELINES if pipeline.schema], ids=path_of
)
def test_the_system_takes_it(pipeline: Pipeline, run: Callable[..., str]) -> None:
    schema = f"--builtin-schema=vendor.{pipeline.schema}"
    run("check-jsonschema", schema, *pipeline.options, EXAMPLES / pipeline.path)


@pytest.mark.parametrize("pipeline", PIPELINES, ids=path_of)
def test_it_begins_with_where_it_goes_and_what_it_needs(pipeline: Pipeline) -> None:
    first, *lines = pipeline.text.splitlines()
    assert re.match(r"(#|//) \S*[.\w/]+.*: |// Jenkinsfile of .*: ", first)
    header = "\n".join(line for line in lines[:20] if line.startswith(("#", "//")))
    assert "Needs " in header
    assert f"v{__version__}" in pipeline.text
    assert set(re.findall(r"warmbuild[:@]v?(\d\S*)", pipeline.text)) == {__version__}


@pytest.mark.parametrize("pipeline", IN_DOCKER, ids=path_of)
def test_it_runs_the_image_with_the_socket_and_the_checkout(pipeline: Pipeline) -> None:
    assert pipeline.docker_run.startswith(DOCKER_RUN)
    words = shlex.split(pipeline.docker_run)
    assert words[-1] == "build"
    assert IMAGE.fullmatch(words[-2])
    options = words[3:-2]
    assert set(options[::2]) == {"-v", "-w", "-e"}
    assert "/var/run/docker.sock:/var/run/docker.sock" in options
    assert ("$PWD:$PWD", "-w", "$PWD") in zip(options, options[1:], options[2:], strict=False)


@pytest.mark.parametrize("pipeline", IN_DOCKER, ids=path_of)
def test_no_value_is_an_argument(pipeline: Pipeline) -> None:
    values = [name for name in passed(pipeline) if not re.fullmatch(r"\w+", name)]
    # Where the login is mounted, and no secret.
    assert values == (["DOCKER_CONFIG=/login"] if pipeline.ci == "azure" else [])


@pytest.mark.parametrize("pipeline", IN_DOCKER, ids=path_of)
def test_all_that_the_module_reads_is_passed_on(pipeline: Pipeline, root: Path) -> None:
    own = {name for name in passed(pipeline) if re.fullmatch(r"(?!INPUT_)\w+", name)}
    assert own == read_by(root, pipeline.ci)


@pytest.mark.parametrize("pipeline", PIPELINES, ids=path_of)
def test_inputs_are_of_the_table_and_go_together(pipeline: Pipeline) -> None:
    exported = re.findall(r"export (INPUT_\w+)=(\S*)", pipeline.job.script)
    given = {**pipeline.job.environment, **dict(exported)}
    given = {name: value for name, value in given.items() if name.startswith("INPUT_")}
    if not pipeline.job.in_image:
        assert set(given) - passed(pipeline) == set()
        given |= {name: "x" for name in passed(pipeline) - set(given) if name.startswith("INPUT_")}
    assert given
    assert set(gather({}, given)) <= set(BY_NAME)
    parse(gather({}, given), {})


@pytest.mark.parametrize("pipeline", PIPELINES, ids=path_of)
def test_no_secret_is_written_into_it(pipeline: Pipeline) -> None:
    for name in SECRET:
        for value in re.findall(rf"{name}\b[=:] *(\S+)", pipeline.text):
            assert value.startswith(('"$', "registry_")), value


@pytest.mark.parametrize("pipeline", PIPELINES, ids=path_of)
def test_outputs_that_it_reads_are_there(pipeline: Pipeline) -> None:
    read = set(re.findall(r"WARMBUILD_([A-Z_]+)", pipeline.text))
    assert {name.lower().replace("_", "-") for name in read} <= set(OUTPUTS) - {"metadata"}


def test_circleci_keys_are_new_for_each_commit_and_found_by_what_they_begin_with() -> None:
    (pipeline,) = [one for one in PIPELINES if one.path == "circleci/save-cache.yml"]
    (saved,) = re.findall(r"key: (.*)", pipeline.text)
    own, default = re.findall(r"- (warmbuild-v1-.*)", pipeline.text)
    assert saved == f"{own}{{{{ .Revision }}}}"
    assert default == own.replace("{{ .Branch }}", "main")
    # No branch's name has them, so that no key begins as another branch's does.
    assert own.endswith("..")


def test_the_docs_have_every_system_and_every_pipeline(root: Path) -> None:
    text = (root / "docs/ci.md").read_text()
    told = text.split("## What each tells")[1].split("\n## ", maxsplit=1)[0]
    assert {*re.findall(r"^\| `(\w+)` \|", told, re.MULTILINE)} == {*ci.NAMES} - {"local"}
    links = re.findall(r"\]\(([^)#]+)", text)
    assert [link for link in links if not (root / "docs" / link).exists()] == []
    assert {f"../examples/ci/{pipeline.path}" for pipeline in PIPELINES} <= {*links}


def test_the_docs_have_gitlabs_files_and_the_order_of_its_variables(root: Path) -> None:
    text = (root / "docs/ci.md").read_text().split("### On GitLab")[1].split("\n## ")[0]
    named = {path.name for path in gitlab.PROVIDER.output_files({"CI_PROJECT_DIR": "/"})}
    assert {*re.findall(r"^\| `([\w.-]+)` \|", text, re.MULTILINE)} == named
    told = text.split("in this order: ")[1].split(", and then")[0]
    env = gitlab.dotenv(dict.fromkeys(reversed([*OUTPUTS]), "x")).splitlines()
    names = [line.partition("=")[0] for line in env]
    assert [variables.variable(name.strip("`")) for name in told.split(", ")] == names
