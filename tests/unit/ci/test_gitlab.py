from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from warmbuild.ci import gitlab
from warmbuild.ci.gitlab import PROVIDER
from warmbuild.ci.provider import LossError, MergeRequest
from warmbuild.finding import Finding
from warmbuild.lint import checking
from warmbuild.measure import Measure
from warmbuild.report.outputs import OUTPUTS

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


def published(tmp_path: Path, outputs: dict[str, str]) -> str:
    PROVIDER.publish({"CI_PROJECT_DIR": str(tmp_path)}, outputs)
    assert json.loads((tmp_path / "warmbuild.json").read_text()) == outputs
    return (tmp_path / "warmbuild.env").read_text()


@pytest.mark.parametrize(
    ("outputs", "lines"),
    [
        pytest.param(
            {"cache-hit-ratio": "1.00", "digest": "sha256:1"},
            ["DIGEST=sha256:1", "CACHE_HIT_RATIO=1.00"],
            id="the important first",
        ),
        pytest.param({"metadata": '{"a":"b c"}'}, ['METADATA={"a":"b\\u0020c"}'], id="JSON"),
        pytest.param(
            {"nodes": '["--debug --oci"]'}, ['NODES=["--debug\\u0020--oci"]'], id="flags in JSON"
        ),
        pytest.param(
            {"misses": '["RUN echo $HOME"]'},
            ['MISSES=["RUN\\u0020echo\\u0020\\u0024HOME"]'],
            id="a variable in JSON",
        ),
        pytest.param({"cache-write-error": "no $CI_JOB_TOKEN"}, [], id="a variable"),
        pytest.param({"cache-from": "a\nb", "cache-to": "c"}, ["CACHE_TO=c"], id="two lines"),
        pytest.param({"tags": "a:1\na:2"}, ["TAGS=a:1,a:2"], id="tags of two lines"),
        pytest.param({"digest": "", "targets": "{}", "misses": "[]"}, [], id="nothing"),
        pytest.param(
            {"metadata": "x" * 6000, "digest": "sha256:1", "labels": "a=b"},
            ["DIGEST=sha256:1", "LABELS=a=b"],
            id="one that is too long",
        ),
        pytest.param({"labels": "\udc80"}, ["LABELS=\\udc80"], id="a byte that is not UTF-8"),
    ],
)
def test_outputs_are_a_dotenv_file(
    outputs: dict[str, str], lines: list[str], tmp_path: Path
) -> None:
    assert published(tmp_path, outputs).splitlines() == [f"WARMBUILD_{line}" for line in lines]


def test_gitlab_takes_the_dotenv_file_whatever_the_outputs(tmp_path: Path) -> None:
    lines = published(tmp_path, dict.fromkeys(OUTPUTS, "x")).splitlines()
    assert len(lines) == 20
    assert lines[:3] == ["WARMBUILD_DIGEST=x", "WARMBUILD_TAGS=x", "WARMBUILD_VERSION=x"]


@pytest.mark.parametrize(
    ("length", "holds"), [pytest.param(5101, True, id="5119"), pytest.param(5102, False, id="5120")]
)
def test_the_dotenv_file_is_smaller_than_gitlabs_limit(
    length: int,
    holds: bool,  # noqa: FBT001 (a row of the table)
    tmp_path: Path,
) -> None:
    text = published(tmp_path, {"digest": "x" * length})
    assert (len(text) == 5119) is holds
    assert bool(text) is holds


def test_every_output_that_comes_first_is_one() -> None:
    assert set(gitlab._FIRST) <= set(OUTPUTS)  # noqa: SLF001 (a list of names)


def test_without_a_project_directory_there_are_no_outputs() -> None:
    PROVIDER.publish({}, {"digest": "sha256:1"})
    assert PROVIDER.output_files({}) == ()


def test_it_folds_each_section_apart(capsys: pytest.CaptureFixture[str]) -> None:
    PROVIDER.open_group("warmbuild: plan")
    PROVIDER.close_group("warmbuild: plan")
    written = capsys.readouterr().out
    start = r"\x1b\[0Ksection_start:\d+:warmbuild_plan\r\x1b\[0Kwarmbuild: plan\n"
    assert re.fullmatch(start + r"\x1b\[0Ksection_end:\d+:warmbuild_plan\r\x1b\[0K\n", written)


def test_the_summary_is_a_file_of_the_project(tmp_path: Path) -> None:
    env = {"CI_PROJECT_DIR": str(tmp_path)}
    assert PROVIDER.summarize(env, "# It is built\n")
    assert (tmp_path / "warmbuild-summary.md").read_text() == "# It is built\n"
    assert not PROVIDER.summarize({}, "# It is built\n")


def test_a_summary_that_cannot_be_written_is_lost(tmp_path: Path) -> None:
    with pytest.raises(LossError) as raised:
        PROVIDER.summarize({"CI_PROJECT_DIR": str(tmp_path / "gone")}, "x")
    assert str(raised.value) == (
        "the summary could not be written to warmbuild-summary.md: No such file or directory"
    )


MEASURES = (
    Measure(name="seconds", value=12.346),
    Measure(name="phase_seconds", phase="pull and unpack", value=2),
    Measure(name="phase_seconds", phase="steps", value=0.5),
    Measure(name="phase_bytes", phase="context", value=123456789),
)


@pytest.mark.parametrize(
    ("job", "label"),
    [
        pytest.param("image", "image", id="a word"),
        pytest.param("build: [amd64, #1]", "build:_[amd64,_1]", id="a job of a matrix"),
        pytest.param("a\"b'\\c\n", "a_b_c_", id="quotes"),
    ],
)
def test_numbers_are_openmetrics_text(job: str, label: str, tmp_path: Path) -> None:
    PROVIDER.measure({"CI_PROJECT_DIR": str(tmp_path), "CI_JOB_NAME": job}, MEASURES)
    text = (tmp_path / "warmbuild-metrics.txt").read_text()
    assert text == (
        "# TYPE warmbuild_seconds gauge\n"
        f'warmbuild_seconds{{job="{label}"}} 12.35\n'
        "# TYPE warmbuild_phase_seconds gauge\n"
        f'warmbuild_phase_seconds{{job="{label}",phase="pull_and_unpack"}} 2\n'
        f'warmbuild_phase_seconds{{job="{label}",phase="steps"}} 0.5\n'
        "# TYPE warmbuild_phase_bytes gauge\n"
        f'warmbuild_phase_bytes{{job="{label}",phase="context"}} 123456789\n'
        "# EOF\n"
    )


@pytest.mark.parametrize("job", ["image", "build: [amd64, #1]", "a\"b'\\c\n"])
def test_gitlab_reads_each_number(job: str) -> None:
    """By the rules of its `Parsers::Metrics::Generic`: no comments, and words as a shell has."""
    lines = gitlab.openmetrics(MEASURES, job).splitlines()
    words = [shlex.split(re.sub("#.*", "", line)) for line in lines]
    read = {name: float(value) for name, value in filter(None, words)}
    assert list(read.values()) == [12.35, 2, 0.5, 123456789]


IN_MERGE_REQUEST = {
    "CI_API_V4_URL": "https://gitlab.example.com/api/v4",
    "CI_PROJECT_ID": "12",
    "CI_MERGE_REQUEST_PROJECT_ID": "12",
    "CI_MERGE_REQUEST_IID": "7",
    "CI_JOB_TOKEN": "t",
    "CI_JOB_NAME": "image",
    "CI_JOB_URL": "https://gitlab.example.com/a/b/-/jobs/1",
    "CI_COMMIT_SHORT_SHA": "5f0c3a1e",
}


def test_the_merge_request_of_a_run() -> None:
    assert PROVIDER.merge_request(IN_MERGE_REQUEST) == MergeRequest(
        api="https://gitlab.example.com/api/v4",
        path="/projects/12/merge_requests/7",
        token="t",
        job="image",
        page="https://gitlab.example.com/a/b/-/jobs/1",
        commit="5f0c3a1e",
    )
    assert "'t'" not in repr(PROVIDER.merge_request(IN_MERGE_REQUEST))


@pytest.mark.parametrize(
    "env",
    [
        pytest.param({"CI_MERGE_REQUEST_IID": ""}, id="a branch"),
        pytest.param({"CI_MERGE_REQUEST_PROJECT_ID": "11"}, id="a fork that builds its own"),
        pytest.param({"CI_API_V4_URL": ""}, id="a container that is not told"),
        pytest.param({"CI_API_V4_URL": "/api/v4"}, id="no URL"),
        pytest.param({"CI_MERGE_REQUEST_IID": "7/../8"}, id="no number"),
    ],
)
def test_a_run_without_a_merge_request_of_this_project(env: dict[str, str]) -> None:
    assert PROVIDER.merge_request(IN_MERGE_REQUEST | env) is None


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
