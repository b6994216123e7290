"""The note in a merge request: one for each job, renewed by each run, and never worth a build."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from tests import gitlab_server
from tests.gitlab_server import (
    JOB_TOKEN,
    MAINTAINERS_TOKEN,
    MEMBER,
    PATH,
    READERS_TOKEN,
    TOKEN,
    GitLab,
)
from tests.integration import authority
from warmbuild import ci, trust
from warmbuild.build.outcomes import Outcome
from warmbuild.ci.provider import MergeRequest
from warmbuild.commands import build
from warmbuild.commands.run import Run
from warmbuild.log import Log
from warmbuild.mounts import Mounts
from warmbuild.process import started
from warmbuild.report import note_keeping
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from warmbuild.inputs.values import Inputs

DONE = Outcome(metadata="{}", notes=(), ending="pushed", tags=("r.io/a:main",), seconds=1.0)
MARKER = "<!-- warmbuild image%3A%20%5Ba%5D  -->"
NOTES = f"{PATH}/notes"
NO_NOTE = "warning: the merge request gets no note: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job of a pipeline in the merge request."""

    place: MergeRequest
    parsed: Callable[..., Inputs]
    capsys: pytest.CaptureFixture[str]

    def keep(self, token: str = TOKEN, *, done: Outcome = DONE, **inputs: str) -> str:
        """Keep a note, and return what the run says of it."""
        given = self.parsed(merge_request_token=token, **inputs)
        log = Log(ci.named("gitlab"))
        note_keeping.keep(done, self.place, given, log)
        assert log.warnings == []
        said = self.capsys.readouterr().out
        assert not any(one in said for one in (TOKEN, MAINTAINERS_TOKEN, READERS_TOKEN, JOB_TOKEN))
        assert said.count("\n") <= 1
        return said


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    with gitlab_server.serving() as server:
        yield server


@pytest.fixture
def job(gitlab: GitLab, parsed: Callable[..., Inputs], capsys: pytest.CaptureFixture[str]) -> Job:
    place = MergeRequest(
        api=gitlab.api,
        path=PATH,
        token=JOB_TOKEN,
        job="image: [a]",
        page="https://gitlab.example.com/a/-/jobs/1",
        commit="5f0c3a1e",
    )
    return Job(place=place, parsed=parsed, capsys=capsys)


def test_the_first_run_writes_a_note_and_the_next_one_renews_it(gitlab: GitLab, job: Job) -> None:
    assert job.keep() == ""
    (note,) = gitlab.notes
    assert note.body.splitlines()[:2] == [
        MARKER,
        "**warmbuild**: `pushed r.io/a:main: no steps, 1.0 s`",
    ]
    gitlab.write("looks good", MEMBER)
    assert job.keep(done=replace(DONE, seconds=2.0)) == ""
    assert [one.number for one in gitlab.notes][:1] == [note.number]
    assert len(gitlab.notes) == 2
    assert "no steps, 2.0 s" in note.body
    assert gitlab.asked == [
        *("GET /user", f"GET {NOTES}", f"POST {NOTES}"),
        *("GET /user", f"GET {NOTES}", f"PUT {NOTES}/{note.number}"),
    ]


def test_each_job_and_each_target_has_its_own(gitlab: GitLab, job: Job) -> None:
    other = replace(job, place=replace(job.place, job="image: [b]"))
    for _ in range(2):
        assert [one.keep(target=target) for one in (job, other) for target in ("", "web")] == [
            ""
        ] * 4
    assert len(gitlab.notes) == 4


def test_an_old_note_is_found_behind_many_newer_ones(gitlab: GitLab, job: Job) -> None:
    job.keep()
    for number in range(120):
        gitlab.write(f"comment {number}", MEMBER)
    job.keep()
    assert len(gitlab.notes) == 121
    assert gitlab.asked.count(f"GET {NOTES}") == 1 + 3
    job.keep()
    assert gitlab.asked.count(f"GET {NOTES}") == 1 + 3 + 1


def test_no_more_pages_are_read_than_a_run_has_time_for(gitlab: GitLab, job: Job) -> None:
    for number in range(700):
        gitlab.write(f"comment {number}", MEMBER)
    job.keep()
    assert gitlab.asked.count(f"GET {NOTES}") == 10
    job.keep()
    assert len(gitlab.notes) == 701


def test_a_note_of_somebody_else_stays_as_it_is(gitlab: GitLab, job: Job) -> None:
    """Also if the token could change it, as a maintainer's can."""
    theirs = gitlab.write(f"{MARKER}\nby hand", 41)
    assert job.keep(MAINTAINERS_TOKEN) == ""
    assert theirs.body == f"{MARKER}\nby hand"
    assert [one.author for one in gitlab.notes] == [41, MEMBER]


def test_the_token_of_a_job_may_write_none(gitlab: GitLab, job: Job) -> None:
    assert job.keep("") == (
        f"{NO_NOTE}GitLab says 401, for the token of a job may not write notes. Set "
        "INPUT_MERGE_REQUEST_TOKEN to a project access token with the scope api and the role "
        "Reporter\n"
    )
    assert gitlab.asked[-1] == f"POST {NOTES}"
    assert not any("authorization" in one for one in gitlab.headers)


@pytest.mark.parametrize(("token", "status"), [("glpat-expired", 401), (READERS_TOKEN, 403)])
def test_a_token_that_is_refused_is_a_warning(token: str, status: int, job: Job) -> None:
    assert job.keep(token) == (
        f"{NO_NOTE}GitLab says {status}. Check that the token in merge-request-token has the scope "
        "api, at least the role Reporter in this project, and has not expired\n"
    )


@pytest.mark.parametrize("asked", ["GET /user", f"GET {NOTES}", "POST", "PUT"])
@pytest.mark.parametrize("status", [404, 429, 500])
def test_a_refusal_of_any_request_is_one_warning(
    status: int, asked: str, gitlab: GitLab, job: Job
) -> None:
    if asked == "PUT":
        job.keep()
    gitlab.faults[asked] = lambda: (status, {"Retry-After": "60"}, b"<html>")
    assert job.keep().startswith(f"{NO_NOTE}GitLab says {status}")
    assert len(gitlab.notes) == (asked == "PUT")


@pytest.mark.parametrize("asked", ["GET /user", f"GET {NOTES}"])
@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 200, b'"' + b"x" * 2_000_000])
def test_garbage_is_a_warning(body: bytes, asked: str, gitlab: GitLab, job: Job) -> None:
    gitlab.faults[asked] = lambda: (200, {}, body)
    assert (
        job.keep() == f"{NO_NOTE}GitLab answers with something other than JSON, or with too much\n"
    )
    assert gitlab.notes == []


def test_a_user_without_a_number_is_a_warning(gitlab: GitLab, job: Job) -> None:
    """Else the run would find no note of its own, and write another one each time."""
    gitlab.faults["GET /user"] = lambda: (200, {}, b"[]")
    assert job.keep() == f"{NO_NOTE}GitLab does not say whose token it is\n"


def test_pages_without_an_end_are_left(gitlab: GitLab, job: Job) -> None:
    gitlab.faults[f"GET {NOTES}"] = lambda: (200, {"X-Next-Page": "1"}, b"[]")
    assert job.keep() == ""
    assert len(gitlab.notes) == 1


def test_a_server_that_hangs_costs_a_few_seconds(
    gitlab: GitLab, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(note_keeping, "_ANSWER", 1.0)
    gitlab.faults[f"GET {NOTES}"] = gitlab.hang
    begun = time.monotonic()
    assert job.keep() == f"{NO_NOTE}GitLab does not answer within 1 s\n"
    assert time.monotonic() - begun < 5


def test_all_requests_together_are_bounded(
    gitlab: GitLab, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(note_keeping, "_ALL", 0.6)

    def slow() -> tuple[int, dict[str, str], bytes]:
        gitlab.stopped.wait(0.25)
        page = gitlab.asked.count(f"GET {NOTES}") + 1
        return 200, {"X-Next-Page": str(page)}, b"[]"

    gitlab.faults[f"GET {NOTES}"] = slow
    assert "GitLab does not answer in time" in job.keep()
    assert len(gitlab.asked) < 6


def test_nobody_listens(gitlab: GitLab, job: Job, unused_port: int) -> None:
    there = replace(job, place=replace(job.place, api=f"http://127.0.0.1:{unused_port}/api/v4"))
    assert there.keep() == f"{NO_NOTE}GitLab cannot be reached\n"
    assert gitlab.asked == []


@pytest.mark.parametrize("is_known", [True, False])
def test_a_server_with_an_authority_of_its_own(
    job: Job,
    tmp_path: Path,
    is_known: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    server = authority.make(tmp_path) / "server"
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(server / "cert.pem", server / "key.pem")
    known = str(server / "ca.pem") if is_known else ""
    with gitlab_server.serving(tls) as gitlab:
        place = replace(job.place, api=gitlab.api, authorities=known)
        said = replace(job, place=place).keep()
        assert ("certificate that is not trusted here" in said) is not is_known
        assert len(gitlab.notes) == is_known


def test_a_file_of_authorities_that_is_gone(job: Job) -> None:
    place = replace(job.place, authorities="/gone/ca.pem", api="https://127.0.0.1:1/api/v4")
    assert replace(job, place=place).keep() == f"{NO_NOTE}GitLab cannot be reached\n"


@pytest.mark.parametrize("api", ["http://[", "http://:x", "http://", "https://127.0.0.1:99999"])
def test_a_url_that_is_none(api: str, job: Job) -> None:
    assert replace(job, place=replace(job.place, api=api)).keep().startswith(NO_NOTE)


@pytest.mark.parametrize("token", ["two\nlines", "€"])
def test_a_token_that_no_header_can_hold(token: str, gitlab: GitLab, job: Job) -> None:
    assert job.keep(token).startswith(NO_NOTE)
    assert gitlab.asked == []


@pytest.mark.parametrize(
    ("given", "env", "done", "asked"),
    [
        pytest.param("true", {}, DONE, True, id="asked for"),
        pytest.param("false", {}, DONE, False, id="not asked for"),
        pytest.param("true", {"CI_MERGE_REQUEST_IID": ""}, DONE, False, id="on a branch"),
        pytest.param("true", {}, replace(DONE, error="x"), True, id="failed"),
        pytest.param("true", {}, replace(DONE, error="x", is_stopped=True), False, id="stopped"),
    ],
)
def test_which_runs_keep_a_note(
    given: str,
    env: dict[str, str],
    done: Outcome,
    asked: bool,  # noqa: FBT001 (a row of the table)
    gitlab: GitLab,
    parsed: Callable[..., Inputs],
) -> None:
    variables = {
        "CI_API_V4_URL": gitlab.api,
        "CI_PROJECT_ID": "12",
        "CI_MERGE_REQUEST_PROJECT_ID": "12",
        "CI_MERGE_REQUEST_IID": "7",
    }
    provider = ci.named("gitlab")
    run = Run(
        inputs=parsed(merge_request_note=given, merge_request_token=TOKEN),
        context=RunContext(ci="gitlab", trust=trust.TRUSTED),
        env=variables | env,
        log=Log(provider),
        provider=provider,
        runner=started,
        mounts=Mounts(),
    )
    build._keep_note(run, done)  # noqa: SLF001 (no build is needed)
    assert bool(gitlab.notes) is asked
