"""The note in a merge request on GitLab, and files of CI systems that cannot be written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tests.golden import adapters, machine
from tests.golden.made_up import STEP, digest, lines, vertex
from tests.golden.scene import Scene, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import requests

    from tests.golden.machine import Reply

_API: Final = "gitlab.example.com/api/v4"
_NOTES: Final = f"{_API}/projects/12/merge_requests/7/notes"
_ENV: Final = {
    "GITLAB_CI": "true",
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_API_V4_URL": f"https://{_API}",
    "CI_PROJECT_ID": "12",
    "CI_MERGE_REQUEST_IID": "7",
    "CI_MERGE_REQUEST_PROJECT_ID": "12",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "12",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    "CI_JOB_TOKEN": "job-token",
    "CI_JOB_NAME": "image",
    "CI_JOB_URL": "https://gitlab.example.com/me/app/-/jobs/1",
    "CI_COMMIT_SHORT_SHA": "0a1b2c3d",
}
_TOKEN: Final = {"INPUT_MERGE_REQUEST_TOKEN": "project-token"}
_FORK: Final = {"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "13"}
_METADATA: Final = f'{{"containerimage.digest": "{digest("image")}"}}'
_KNOWN: Final[dict[str, Reply]] = {
    f"GET {_API}/user": (200, {}, '{"id": 9}'),
    f"GET {_API}/job": (200, {}, '{"user": {"id": 8}}'),
    f"GET {_NOTES}": (200, {}, "[]"),
}
_SUMMARY: Final = "warmbuild-summary.md"
_METRICS: Final = "warmbuild-metrics.txt"
_FAILED: Final = lines(STEP, vertex("[2/2] RUN make", error="exit code: 2"))


class _GitLab(machine.Keeping):
    """A GitLab that remembers the note that it gets."""

    note = ""

    def kept(
        self, request: requests.PreparedRequest, address: str, found: Reply | list[Reply]
    ) -> Reply | list[Reply]:
        if address.startswith(_NOTES) and request.method in {"POST", "PUT"}:
            self.note = json.loads(request.body or "{}")["body"]
        return found


def _scenes() -> Iterator[Scene]:
    builds: dict[str, machine.Said] = {
        "a step that runs": STEP,
        "a step that fails": (1, _FAILED),
    }
    for title, build in builds.items():
        server = _GitLab(_KNOWN)
        log = _built(server, _TOKEN, build)
        yield Scene(title=title, said=f"{log}\n-- note\n{server.note}")
    yield Scene(title="more images than a note has rows for", said=adapters.note_of_many())
    refused: dict[str, tuple[dict[str, Reply], dict[str, str]]] = {
        "the job's token": ({f"POST {_NOTES}": (401, {}, "{}")}, {}),
        "a token that may not": ({f"POST {_NOTES}": (403, {}, "{}")}, _TOKEN),
        "an error of the server": ({f"GET {_NOTES}": (500, {}, "{}")}, _TOKEN),
        "an answer that is a page": ({f"GET {_NOTES}": (200, {}, "<html>")}, _TOKEN),
        "a user without a number": ({f"GET {_API}/user": (200, {}, "{}")}, _TOKEN),
        "a fork": ({}, _TOKEN | _FORK),
    }
    usual = _built(_GitLab(_KNOWN), _TOKEN, STEP)
    for title, (replies, env) in refused.items():
        said = _built(_GitLab(_KNOWN | replies), env, STEP)
        yield Scene(title=title, said=machine.unusual(said, usual))
    yield Scene(title="GitLab, the numbers of a run", said=_written("gitlab", shown=_METRICS))
    for system, name in (("gitlab", _SUMMARY), ("gitlab", _METRICS), ("azure", _SUMMARY)):
        said = machine.unusual(_written(system, blocked=name), _written(system))
        yield Scene(title=f"{system}, no room for {name}", said=said)


def _built(server: _GitLab, env: dict[str, str], build: machine.Said) -> str:
    return machine.built(
        *("--merge-request-note", "--cache=off", "--context=."),
        env=_ENV | env,
        buildx={"build": build, "metadata": _METADATA},
        registries=server,
    )


def _written(system: str, *, blocked: str = "", shown: str = "") -> str:
    """Return what a build says that writes files; a directory may be where one has to be."""
    env: dict[str, str] = {}

    def prepare(job: Path) -> None:
        env.update(CI_PROJECT_DIR=str(job), SYSTEM_DEFAULTWORKINGDIRECTORY=str(job))

    return machine.built(
        *(f"--ci={system}", "--cache=off", "--context=."),
        env=env,
        files={f"{blocked}/x": ""} if blocked else {},
        buildx={"build": STEP, "metadata": _METADATA},
        prepare=prepare,
        shown=(shown,) if shown else (),
    )


SUBJECT = Subject(
    name="notes", about="Notes in merge requests, and files of CI systems.", scenes=_scenes
)
