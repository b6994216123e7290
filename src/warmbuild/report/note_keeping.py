"""Keeps one note in a merge request on GitLab, by its "Notes API".

A note is worth a few seconds and a warning, and no build: nothing here raises an error.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

from warmbuild import lazy, untrusted_json, whole_numbers
from warmbuild.build import outcomes
from warmbuild.frozen import frozen
from warmbuild.registry.transports import Transport
from warmbuild.report import note

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from warmbuild.build.outcomes import Outcome
    from warmbuild.ci.provider import MergeRequest
    from warmbuild.inputs.values import Inputs
    from warmbuild.log import Log
    from warmbuild.registry import exchange
else:
    # It imports requests.
    exchange = lazy.module("warmbuild.registry.exchange")

# Seconds of one answer, and of all.
_ANSWER: Final = 5.0
_ALL: Final = 15.0
# Notes of a page, and pages; the newest come first, and a run renews its own each time.
_PAGE: Final = 50
_PAGES: Final = 10


def keep(done: Outcome, place: MergeRequest, inputs: Inputs, log: Log) -> None:
    """Write the note of a job and its target, or renew it; a failure is a warning."""
    log.hide_here([place.token])
    targets = ",".join((*inputs.targets, *((inputs.target,) if inputs.target else ())))
    first = note.marker(place.job, targets)
    last = note.job_link(place.job, place.page, place.commit)
    text = log.redact(note.text(outcomes.shown(done, log.redact), first, last))
    server = _Server(place=place, token=inputs.merge_request_token, end=time.monotonic() + _ALL)
    try:
        server.write(first, text)
    except _FailedError as error:
        # The summary is written already.
        log.warning(f"the merge request gets no note: {error}", in_summary=False)


class _FailedError(Exception):
    """There is no note; the text says why."""


@frozen
class _Server:
    """GitLab, as a run may use it."""

    place: MergeRequest
    token: str  # the user's; empty for the job's
    end: float  # by the monotonic clock

    def write(self, first: str, text: str) -> None:
        """Renew the note that begins with this line, or write the first one."""
        found = note.own(self._notes(), first, self._author())
        method, path = ("PUT", f"/{found}") if found else ("POST", "")
        self._ask(method, f"{self.place.path}/notes{path}", json.dumps({"body": text}))

    def _author(self) -> int:
        """Return the number of the user whose token this is."""
        found = self._read(self._ask("GET", "/user" if self.token else "/job").body)
        known = found if isinstance(found, dict) else {}
        user = known if self.token else untrusted_json.child(known, "user")
        if not (number := untrusted_json.number(user, "id")):
            raise _FailedError("GitLab does not say whose token it is")
        return number

    def _notes(self) -> Iterator[Mapping[str, object]]:
        """Yield the notes, those that were changed last first."""
        page = 1
        for _ in range(_PAGES):
            query = f"order_by=updated_at&sort=desc&per_page={_PAGE}&page={page}"
            reply = self._ask("GET", f"{self.place.path}/notes?{query}")
            yield from untrusted_json.objects(self._read(reply.body))
            further = whole_numbers.read(reply.headers.get("x-next-page", ""))
            if not further or further <= page:
                return
            page = further

    def _read(self, body: bytes) -> object:
        try:
            return untrusted_json.anything(body)
        except ValueError as error:
            text = "GitLab answers with something other than JSON, or with too much"
            raise _FailedError(text) from error

    def _ask(self, method: str, path: str, content: str = "") -> exchange.Reply:
        """Send a request; raises _FailedError if it is not accepted in time.

        No redirect is followed, so the token stays with its server.
        """
        headers = {"Content-Type": "application/json"} if content else {}
        request = exchange.Request(
            method=method,
            url=f"{self.place.api}{path}",
            headers=headers if self.token else {**headers, "JOB-TOKEN": self.place.token},
            authorization=f"Bearer {self.token}" if self.token else "",
            content=content.encode(),
            is_final=True,
        )
        left = min(_ANSWER, self.end - time.monotonic())
        transport = Transport(verify=self.place.authorities or True)
        session = exchange.session(transport, request.url)
        try:
            reply = exchange.exchange(session, request, connect=_ANSWER, answer=_ANSWER, left=left)
        except exchange.SilentError as error:
            raise _FailedError(f"GitLab {error}") from error
        if not reply.is_ok:
            raise _FailedError(note.refusal(reply.status, is_of_job=not self.token))
        return reply
