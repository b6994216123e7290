"""Every front door has the inputs, outputs and exit codes that the program has."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from warmbuild import __version__, cli, errors
from warmbuild.ci import gitlab
from warmbuild.errors import WarmbuildError
from warmbuild.inputs.table import TABLE, variable
from warmbuild.report.outputs import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable

    Yaml = dict[str, Any]

NAMES = [row.name for row in TABLE]
PUBLIC = [row.name for row in TABLE if not row.secret]
# What the component asks for the job, and warmbuild never sees.
OF_THE_JOB = ["stage", "job-name", "dind", "dind-image", "warmbuild-image"]
TEMPLATE = "gitlab-component/templates/build.yml"
IMAGE = f"ghcr.io/warmbuild/warmbuild:v{__version__}"
PUBLISHED = re.compile(rf"docker://({re.escape(IMAGE)}@sha256:[0-9a-f]{{64}})")


def test_front_doors_are_as_the_generator_writes_them(run: Callable[..., str]) -> None:
    assert run(sys.executable, "docs/generate.py", "--check") == ""


class TestAction:
    @pytest.fixture
    def action(self, documents: Callable[[str], list[Yaml]]) -> Yaml:
        (document,) = documents("action.yml")
        return document

    def test_inputs(self, action: Yaml) -> None:
        assert list(action["inputs"]) == NAMES

    def test_defaults(self, action: Yaml) -> None:
        defaults = {name: row.get("default", "") for name, row in action["inputs"].items()}
        assert defaults == {row.name: row.action_default or row.default for row in TABLE}

    def test_outputs(self, action: Yaml) -> None:
        assert list(action["outputs"]) == list(OUTPUTS)

    def test_image_is_the_checkout_or_a_digest_of_this_version(self, action: Yaml) -> None:
        image = action["runs"].pop("image")
        assert action["runs"] == {"using": "docker", "args": ["build"]}
        assert image == "Dockerfile" or PUBLISHED.fullmatch(image)


class TestComponent:
    @pytest.fixture
    def header(self, documents: Callable[[str], list[Yaml]]) -> Yaml:
        return documents(TEMPLATE)[0]

    def test_inputs_are_those_of_the_table_but_the_secret_ones(self, header: Yaml) -> None:
        assert sorted(header["spec"]["inputs"]) == sorted(OF_THE_JOB + PUBLIC)

    def test_defaults(self, header: Yaml) -> None:
        rows = header["spec"]["inputs"]
        defaults = {name: rows[name]["default"] for name in PUBLIC}
        table = {row.name: row.default for row in TABLE if not row.secret}
        assert defaults == table | {"report-file": gitlab.REPORT}

    def test_image_is_that_of_the_action_or_of_this_version(
        self, header: Yaml, documents: Callable[[str], list[Yaml]]
    ) -> None:
        named = PUBLISHED.fullmatch(documents("action.yml")[0]["runs"]["image"])
        image = header["spec"]["inputs"]["warmbuild-image"]["default"]
        assert image == (named[1] if named else IMAGE)

    def test_every_input_reaches_the_program(self, documents: Callable[[str], list[Yaml]]) -> None:
        job = documents(TEMPLATE)[1]["$[[ inputs.job-name ]]"]
        assert job["variables"] == {variable(name): f"$[[ inputs.{name} ]]" for name in PUBLIC}

    def test_readme_tells_where_secrets_go(self, read: Callable[[str], str]) -> None:
        text = read("gitlab-component/README.md")
        secret = [variable(row.name) for row in TABLE if row.secret]
        assert [name for name in secret if f"`{name}`" not in text] == []


@pytest.mark.parametrize("command", ["build", "plan"])
def test_help_has_every_input_that_is_not_secret(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"], {})
    assert ended.value.code == 0
    flags = re.findall(r"^  --([a-z-]+)", capsys.readouterr().out, re.MULTILINE)
    assert [name for name in flags if name in NAMES] == PUBLIC


def test_reference_has_every_input_output_and_exit_code(read: Callable[[str], str]) -> None:
    rows = re.findall(r"^\| `?([a-z0-9-]*[a-z0-9])`? \|", read("docs/reference.md"), re.MULTILINE)
    codes = [str(code) for code in (0, *sorted(_exit_codes()), 130)]
    assert rows == [*NAMES, *OUTPUTS, *codes]


def _exit_codes() -> set[int]:
    return {
        value.exit_code
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, WarmbuildError)
    }
