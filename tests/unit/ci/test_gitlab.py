from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from warmbuild.ci import gitlab
from warmbuild.ci.gitlab import PROVIDER
from warmbuild.finding import Finding
from warmbuild.lint import checking

if TYPE_CHECKING:
    from pathlib import Path


def test_the_registry_and_its_login_are_known() -> None:
    env = {
        "CI_REGISTRY": "r.io",
        "CI_REGISTRY_IMAGE": "r.io/group/app",
        "CI_REGISTRY_USER": "gitlab-ci-token",
        "CI_REGISTRY_PASSWORD": "t",
    }
    assert PROVIDER.known_inputs(env, {}) == {
        "image": "r.io/group/app",
        "registry": "r.io",
        "username": "gitlab-ci-token",
        "password": "t",
    }
    assert PROVIDER.known_inputs({}, {}) == {}
    assert PROVIDER.context(env, "/", dict[str, str]().get).registry == "r.io"


def test_outputs_are_a_dotenv_file(tmp_path: Path) -> None:
    env = {"CI_PROJECT_DIR": str(tmp_path)}
    PROVIDER.publish(env, {"cache-hit-ratio": "1.00", "metadata": '{"a":"b c"}'})
    text = (tmp_path / "warmbuild.env").read_text()
    assert text == ('WARMBUILD_CACHE_HIT_RATIO=1.00\nWARMBUILD_METADATA={"a":"b\\u0020c"}\n')


def test_nodes_have_no_space(tmp_path: Path) -> None:
    PROVIDER.publish({"CI_PROJECT_DIR": str(tmp_path)}, {"nodes": '["--debug --oci"]'})
    text = (tmp_path / "warmbuild.env").read_text()
    assert text == 'WARMBUILD_NODES=["--debug\\u0020--oci"]\n'


def test_metadata_that_is_too_long_is_left_out(tmp_path: Path) -> None:
    env = {"CI_PROJECT_DIR": str(tmp_path)}
    PROVIDER.publish(env, {"digest": "sha256:1", "metadata": "x" * 6000})
    assert (tmp_path / "warmbuild.env").read_text() == "WARMBUILD_DIGEST=sha256:1\n"


def test_no_output_has_several_lines(tmp_path: Path) -> None:
    outputs = {"cache-from": "a\nb", "cache-to": "c", "targets": '{"a":"b c"}'}
    PROVIDER.publish({"CI_PROJECT_DIR": str(tmp_path)}, outputs)
    written = (tmp_path / gitlab.DOTENV).read_text()
    assert written == 'WARMBUILD_CACHE_TO=c\nWARMBUILD_TARGETS={"a":"b\\u0020c"}\n'


def test_without_a_project_directory_there_are_no_outputs() -> None:
    PROVIDER.publish({}, {"digest": "sha256:1"})
    assert PROVIDER.output_files({}) == ()


def test_it_folds_sections(capsys: pytest.CaptureFixture[str]) -> None:
    PROVIDER.open_group("warmbuild: plan")
    PROVIDER.close_group()
    written = capsys.readouterr().out
    start = r"\x1b\[0Ksection_start:\d+:warmbuild\r\x1b\[0Kwarmbuild: plan\n"
    assert re.fullmatch(start + r"\x1b\[0Ksection_end:\d+:warmbuild\r\x1b\[0K\n", written)


@pytest.mark.parametrize(
    ("env", "file"),
    [
        ({}, ".gitlab-ci.yml"),
        ({"CI_CONFIG_PATH": "ci/build.yml"}, "ci/build.yml"),
        ({"CI_CONFIG_PATH": "ci.yml@group/project"}, ""),
        ({"CI_CONFIG_PATH": "https://x.io/ci.yml"}, ""),
    ],
)
def test_the_file_that_describes_a_run(env: dict[str, str], file: str) -> None:
    assert PROVIDER.pipeline_file(env) == file


def finding(**change: object) -> Finding:
    base = Finding(
        rule="early-copy", severity="minor", file="Dockerfile", line=5, text="late", about="npm ci"
    )
    return replace(base, **change)  # type: ignore[arg-type]


class TestCodeQuality:
    def test_it_is_of_gitlabs_format(self) -> None:
        (issue,) = json.loads(gitlab.code_quality([finding()]))
        fingerprint = issue.pop("fingerprint")
        assert len(fingerprint) == 64
        assert issue == {
            "description": "late",
            "check_name": "warmbuild/early-copy",
            "severity": "minor",
            "location": {"path": "Dockerfile", "lines": {"begin": 5}},
        }

    @pytest.mark.parametrize(
        ("other", "same"),
        [
            ({"line": 9, "text": "late (line 10)", "severity": "info"}, True),
            ({"about": "apt-get install"}, False),
            ({"file": "web/Dockerfile"}, False),
            ({"rule": "early-arg"}, False),
        ],
    )
    def test_a_finding_is_known_again_on_another_line(
        self,
        other: dict[str, object],
        same: bool,  # noqa: FBT001 (a row of the table)
    ) -> None:
        (one,) = json.loads(gitlab.code_quality([finding()]))
        (two,) = json.loads(gitlab.code_quality([finding(**other)]))
        assert (one["fingerprint"] == two["fingerprint"]) is same

    def test_two_alike_have_two_fingerprints(self) -> None:
        issues = json.loads(gitlab.code_quality([finding(), finding(line=9)]))
        assert len({issue["fingerprint"] for issue in issues}) == 2

    def test_every_severity_is_gitlabs(self) -> None:
        words = {"info", "minor", "major", "critical", "blocker"}
        assert {rule.severity for rule in checking.RULES} <= words

    def test_nothing_found_is_a_report_too(self) -> None:
        assert json.loads(gitlab.code_quality([])) == []
        assert json.loads(gitlab.code_quality([finding(file="")])) == []

    def test_gitlab_gets_a_report(self, tmp_path: Path) -> None:
        env = {"CI_PROJECT_DIR": str(tmp_path)}
        PROVIDER.publish_findings(env, [finding()])
        report = tmp_path / "gl-code-quality-report.json"
        assert json.loads(report.read_text())[0]["location"]["path"] == "Dockerfile"
        assert report in PROVIDER.output_files(env)

    def test_a_report_that_cannot_be_written_is_no_error(self, tmp_path: Path) -> None:
        PROVIDER.publish_findings({"CI_PROJECT_DIR": str(tmp_path / "gone")}, [finding()])
        PROVIDER.publish_findings({}, [finding()])
        assert list(tmp_path.iterdir()) == []
