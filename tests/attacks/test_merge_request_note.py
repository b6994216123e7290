"""Somebody who wants the token of the note, or its author's rights.

The server is a true one of this machine that speaks GitLab's API.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from tests import gitlab_server
from tests.attacks.hostile import answer, hostile
from tests.gitlab_server import JOB_TOKEN, PATH, TOKEN
from warmbuild import ci
from warmbuild.build.outcomes import Outcome
from warmbuild.buildkit.progress import Failure
from warmbuild.ci.provider import MergeRequest
from warmbuild.commands import build
from warmbuild.commands.run import Run
from warmbuild.log import Log
from warmbuild.mounts import Mounts
from warmbuild.process import started
from warmbuild.report import note_keeping

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs

GITLAB: Final = ci.named("gitlab")
DONE: Final = Outcome(metadata="{}", notes=(), seconds=1.0)


def place(api: str) -> MergeRequest:
    return MergeRequest(api=api, path=PATH, token=JOB_TOKEN, job="image", page="", commit="5f0c")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize("token", [TOKEN, ""], ids=["a token", "the job's"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_have_the_token_of_the_note_sent_elsewhere(
    status: int, token: str, parsed: Callable[..., Inputs], capsys: pytest.CaptureFixture[str]
) -> None:
    """What answers for GitLab redirects to a server of theirs."""
    with hostile(lambda _, __: answer(200, b"{}")) as theirs:
        location = f"http://{theirs.host}/api/v4/user"
        with hostile(lambda _, __: answer(status, location=location)) as gitlab:
            log = Log(GITLAB)
            inputs = parsed(merge_request_token=token)
            note_keeping.keep(DONE, place(f"http://{gitlab.host}/api/v4"), inputs, log)
    assert theirs.asked == []
    assert f"GitLab says {status}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "env",
    [
        pytest.param({"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "99"}, id="built in the parent"),
        pytest.param(
            {"CI_PROJECT_ID": "99", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "99"}, id="in the fork"
        ),
        pytest.param({"CI_PIPELINE_SOURCE": "made_up_event"}, id="an unknown event"),
    ],
)
def test_have_a_note_written_by_a_fork(env: dict[str, str], parsed: Callable[..., Inputs]) -> None:
    """A merge request of their fork switches the note on, and what it says is theirs."""
    with gitlab_server.serving() as gitlab:
        given = {
            "GITLAB_CI": "true",
            "CI_API_V4_URL": gitlab.api,
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_PROJECT_ID": "12",
            "CI_MERGE_REQUEST_PROJECT_ID": "12",
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "12",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "x",
            "CI_MERGE_REQUEST_IID": "7",
            "CI_JOB_TOKEN": JOB_TOKEN,
        }
        inputs = parsed(merge_request_note="true", merge_request_token=TOKEN)
        for asked, mine in ((True, given), (False, given | env)):
            context = GITLAB.context(mine, "/", dict[str, str]().get)
            run = Run(
                inputs=inputs,
                context=context,
                env=mine,
                log=Log(GITLAB),
                provider=GITLAB,
                runner=started,
                mounts=Mounts(),
            )
            gitlab.asked.clear()
            build._keep_note(run, DONE)  # noqa: SLF001 (no build is needed)
            assert bool(gitlab.asked) is asked


def test_have_the_note_merge_and_call_everybody(parsed: Callable[..., Inputs]) -> None:
    """A step of theirs has lines that GitLab takes for commands of the note's author."""
    evil = "RUN x`\n/merge\n\n@all <img src=x onerror=alert(1)> [x](javascript:alert(1))\n/approve"
    failure = Failure(title=evil, error=evil, tail=(evil,), source="")
    done = replace(DONE, error=evil, failure=failure, tags=(evil,), cache_read=(evil,))
    with gitlab_server.serving() as gitlab:
        inputs = parsed(merge_request_token=TOKEN)
        note_keeping.keep(done, replace(place(gitlab.api), job=evil), inputs, Log(GITLAB))
        (note,) = gitlab.notes
    comment, _, text = note.body.partition("\n")
    outside = "".join(text.split("`")[::2])
    assert comment.endswith(" -->")
    assert not any(line.lstrip().startswith("/") for line in note.body.splitlines())
    assert not any(one in outside for one in ("@all", "<img", "[x]", "javascript"))


def test_have_the_note_hide_behind_another(parsed: Callable[..., Inputs]) -> None:
    """They write a note that begins as the run's own does, so that it is taken for it."""
    with gitlab_server.serving() as gitlab:
        theirs = gitlab.write("<!-- warmbuild image  -->\nAll is well.", author=66)
        note_keeping.keep(DONE, place(gitlab.api), parsed(merge_request_token=TOKEN), Log(GITLAB))
        assert [theirs.body, len(gitlab.notes)] == ["<!-- warmbuild image  -->\nAll is well.", 2]


def test_read_a_secret_in_the_note(parsed: Callable[..., Inputs]) -> None:
    """A step of theirs fails with a secret of the run in its name."""
    failure = Failure(title="RUN hunter2", error="hunter2", tail=(), source="")
    log = Log(GITLAB)
    log.hide(["hunter2"])
    with gitlab_server.serving() as gitlab:
        done = replace(DONE, error="hunter2", failure=failure)
        note_keeping.keep(done, place(gitlab.api), parsed(merge_request_token=TOKEN), log)
        assert "hunter2" not in gitlab.notes[0].body
        assert "RUN ***" in gitlab.notes[0].body
