"""What was decided and done is handed to the log, the CI system, and the files asked for."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import plans
from warmbuild import ci, trust
from warmbuild.build.outcomes import Outcome
from warmbuild.errors import EngineError
from warmbuild.finding import Finding
from warmbuild.log import Log
from warmbuild.report import publishing
from warmbuild.report.outputs import OUTPUTS
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan

PUSH = RunContext(ci="gitlab", event="push", branch="x", default_branch="main", trust=trust.TRUSTED)
GITLAB = ci.named("gitlab")
LOCAL = ci.named("local")
FINDING = Finding(
    rule="apt",
    severity="minor",
    file="Dockerfile",
    line=3,
    text="it says hunter2",
    about="RUN",
)


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def log() -> Log:
    log = Log(LOCAL)
    log.hide(["hunter2"])
    return log


@pytest.fixture
def planned(parsed: Callable[..., Inputs]) -> Callable[..., BuildPlan]:
    return lambda **values: plans.planned(parsed(**values), PUSH)


@pytest.fixture
def done(planned: Callable[..., BuildPlan]) -> Outcome:
    outcome = Outcome(metadata="{}", notes=planned().notes)
    return replace(outcome, digest="sha256:1", tags=("r.io/a:1",), notes=("it says hunter2",))


def dotenv(project: Path) -> dict[str, str]:
    lines = (project / "warmbuild.env").read_text().splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


class TestOutcome:
    def test_it_goes_to_the_log_and_the_ci_system(
        self,
        parsed: Callable[..., Inputs],
        done: Outcome,
        log: Log,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        env = {"CI_PROJECT_DIR": str(tmp_path)}
        publishing.set_outputs(done, parsed(), env, GITLAB, log)
        assert dotenv(tmp_path)["WARMBUILD_DIGEST"] == "sha256:1"
        publishing.conclude(done, parsed(), env, GITLAB, log)
        said = capsys.readouterr().out
        assert "==" not in said
        assert "digest         sha256:1\n" in said

    def test_outputs_are_written_to_the_file_that_was_asked_for(
        self, parsed: Callable[..., Inputs], done: Outcome, log: Log, tmp_path: Path
    ) -> None:
        path = tmp_path / "out.json"
        publishing.set_outputs(done, parsed(output_file=str(path)), {}, LOCAL, log)
        written = json.loads(path.read_text())
        assert list(written) == list(OUTPUTS)
        assert written["tags"] == "r.io/a:1"
        # A file is written beside it and moved there, and nothing is left of that.
        assert [*tmp_path.iterdir()] == [path]

    @pytest.mark.parametrize(
        ("ci_system", "values", "names"),
        [
            pytest.param("local", {}, {"temporary/warmbuild-summary.md"}, id="a temporary file"),
            pytest.param("local", {"summary_file": "own.md"}, {"own.md"}, id="the file asked for"),
            pytest.param("github", {}, {"step.md"}, id="GitHub's alone"),
            pytest.param("gitlab", {}, {"warmbuild-summary.md"}, id="a file of the project"),
            pytest.param(
                "github", {"summary_file": "own.md"}, {"step.md", "own.md"}, id="GitHub's, too"
            ),
        ],
    )
    def test_where_the_summary_is_written(
        self,
        parsed: Callable[..., Inputs],
        done: Outcome,
        log: Log,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        ci_system: str,
        values: dict[str, str],
        names: set[str],
    ) -> None:
        (tmp_path / "temporary").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
        env = {"GITHUB_STEP_SUMMARY": str(tmp_path / "step.md"), "CI_PROJECT_DIR": str(tmp_path)}
        provider = ci.named(ci_system)
        assert publishing.conclude(done, parsed(**values), env, provider, log) == []
        written = {
            str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*.md")
        }
        assert set(written) == names
        assert "hunter2" not in "".join(written.values())

    def test_the_report_is_written_without_secrets(
        self, parsed: Callable[..., Inputs], done: Outcome, log: Log, tmp_path: Path
    ) -> None:
        path = tmp_path / "report.html"
        done = replace(done, tags=("r.io/hunter2:1",))
        assert publishing.conclude(done, parsed(report_file=str(path)), {}, LOCAL, log) == []
        written = path.read_text()
        assert written.startswith("<!doctype html>")
        assert "it says ***" in written
        assert "hunter2" not in written

    def test_a_report_that_cannot_be_written_is_told(
        self, parsed: Callable[..., Inputs], done: Outcome, log: Log, tmp_path: Path
    ) -> None:
        path = str(tmp_path / "none" / "report.html")
        assert publishing.conclude(done, parsed(report_file=path), {}, LOCAL, log) == [
            f"{path} cannot be written: No such file or directory"
        ]

    def test_a_file_that_cannot_be_written_is_an_error(
        self, parsed: Callable[..., Inputs], done: Outcome, log: Log, tmp_path: Path
    ) -> None:
        path = str(tmp_path / "none" / "out.json")
        with pytest.raises(EngineError) as raised:
            publishing.set_outputs(done, parsed(output_file=path), {}, LOCAL, log)
        assert str(raised.value) == (
            f"{path} cannot be written: No such file or directory; everything else is done, and "
            "the log has the outputs"
        )


class TestPlan:
    def test_it_is_handed_on_as_outputs_and_as_definitions_in_files(
        self,
        parsed: Callable[..., Inputs],
        planned: Callable[..., BuildPlan],
        log: Log,
        tmp_path: Path,
    ) -> None:
        env = {"CI_PROJECT_DIR": str(tmp_path)}
        path = tmp_path / "out.json"
        publishing.plan([planned()], parsed(output_file=str(path)), env, GITLAB, log)
        written = json.loads(path.read_text())
        assert written["cache-to"].startswith("type=registry,ref=ghcr.io/me/app:cache-x,")
        assert dotenv(tmp_path)["WARMBUILD_CACHE_TO"] == written["cache-to"]
        caches = json.loads(Path(written["bake-file"]).read_text())
        assert caches["target"]
        assert Path(written["bake-file"]).parent == tmp_path

    def test_the_definitions_alone_are_written_if_no_file_is_asked_for(
        self,
        parsed: Callable[..., Inputs],
        planned: Callable[..., BuildPlan],
        log: Log,
        tmp_path: Path,
    ) -> None:
        publishing.plan([planned()], parsed(), {}, LOCAL, log)
        assert {path.name.partition("-")[0] for path in tmp_path.iterdir()} == {"warmbuild"}

    def test_it_is_said_with_reasons_and_without_findings(
        self,
        planned: Callable[..., BuildPlan],
        log: Log,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        publishing.say_plan([replace(planned(), findings=(FINDING,))], log)
        said = capsys.readouterr().out
        assert said.startswith("== warmbuild: plan\n")
        assert "cache write ghcr.io/me/app:cache-x (this branch's own cache)" in said
        # What they cost is known after the build.
        assert "Dockerfile:3" not in said
        assert log.warnings == []


def test_findings_are_handed_to_the_ci_system_with_secrets_hidden(
    planned: Callable[..., BuildPlan], log: Log, tmp_path: Path
) -> None:
    decided = [replace(planned(), findings=(FINDING,))]
    publishing.findings(decided, {"CI_PROJECT_DIR": str(tmp_path)}, GITLAB, log)
    (report,) = tmp_path.iterdir()
    (found,) = json.loads(report.read_text())
    assert found["location"] == {"path": "Dockerfile", "lines": {"begin": 3}}
    assert "it says ***" in found["description"]


def test_a_finding_of_several_images_is_said_once(
    planned: Callable[..., BuildPlan], log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    costs = replace(FINDING, text=f"{FINDING.text} What runs again takes 5 s.")
    decided = [replace(planned(), findings=(one,)) for one in (FINDING, costs)]
    publishing.findings(decided, {}, LOCAL, log)
    said = "Dockerfile:3: it says *** What runs again takes 5 s. [apt]"
    # A summary has findings apart.
    assert log.warnings == []
    assert capsys.readouterr().out == f"warning: {said}\n"
