"""The note in a merge request on GitLab: its text, how it is found, and what a refusal means.

GitLab takes a line that begins with a slash for a command of the note's author, and a name behind
an @ for somebody to be notified. So what others wrote is in one line with the rest, as code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from warmbuild import untrusted_json
from warmbuild.report import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from warmbuild.build.outcomes import Outcome

# Images of a bake file that have a row of their own.
_MOST_ROWS: Final = 50
# Characters of what others wrote.
_LONGEST: Final = 200
_REFUSED: Final = (401, 403, 404)


def marker(job: str, target: str) -> str:
    """Return the comment by which a later run finds the note of a job and a target.

    Nothing that is quoted in an address ends a comment.
    """
    return f"<!-- warmbuild {quote(job, safe='')} {quote(target, safe='')} -->"


def text(outcome: Outcome, first: str, last: str) -> str:
    """Return the note between its first line and its last."""
    images = outcome.targets or (outcome,)
    blocks = [[first, f"**warmbuild**: {_code(plain_text.headline(outcome))}"]]
    if any(one.steps or one.tags for one in images):
        header = "| Image | Steps run | Cached | Cache read | Cache written |"
        rows = map(_row, images[:_MOST_ROWS])
        blocks.append([header, "| --- | ---: | ---: | --- | --- |", *rows])
    rest = len(images) - _MOST_ROWS
    blocks.append([f"And {rest} more images."] if rest > 0 else [])
    facts = [f"- error {_code(outcome.error)}"] if outcome.error else []
    for one in images[:_MOST_ROWS]:
        of = f"{_code(one.name)}: " if one.name else ""
        facts += [f"- {of}{name} {_code(why)}" for name, why in plain_text.miss_rows(one)]
    where = plain_text.phases_text(outcome.timeline.phases)
    facts += [f"- time {_code(where)}"] if where else []
    return "\n\n".join("\n".join(block) for block in (*blocks, facts, [last]) if block)


def job_link(job: str, page: str, commit: str) -> str:
    """Return the last line: which job has written the note, and of which commit."""
    # A name is code, and in a link's address a space and a parenthesis would end it.
    link = f"[{_code(job)}]({quote(page, safe=':/%')})" if page else _code(job)
    return f"Job {link}, commit {_code(commit)}"


def own(notes: Iterable[Mapping[str, object]], first: str, author: int) -> int:
    """Return the number of the note that begins with that line and is of that user; 0 if none is.

    Anybody may write such a line.
    """
    for note in notes:
        written = untrusted_json.text(note, "body").startswith(first)
        if written and untrusted_json.number(untrusted_json.child(note, "author"), "id") == author:
            return untrusted_json.number(note, "id")
    return 0


def refusal(status: int, *, is_of_job: bool) -> str:
    """Return what GitLab's status means, and what to do about it.

    `is_of_job` says whether the token is the job's, which may read notes and not write them
    (GitLab's "CI/CD job token").
    """
    said = f"GitLab says {status}"
    if status not in _REFUSED:
        return said
    if is_of_job:
        return (
            f"{said}, for the token of a job may not write notes. Set INPUT_MERGE_REQUEST_TOKEN to "
            "a project access token with the scope api and the role Reporter"
        )
    return (
        f"{said}. Check that the token in merge-request-token has the scope api, at least the role "
        "Reporter in this project, and has not expired"
    )


def _row(one: Outcome) -> str:
    hits, steps, _ = plain_text.hit_ratio(one.steps)
    tags = one.tags or (one.image.tags if one.image else ())
    cells = [
        _code(one.name) or _all(tags[:1]) or "not named",
        str(steps - hits),
        str(hits),
        _all(one.cache_read) or "nothing",
        _all([one.cache_written] if one.cache_written else []) or "nothing",
    ]
    return f"| {' | '.join(cells)} |"


def _all(texts: Sequence[str]) -> str:
    return "<br>".join(map(_code, texts))


def _code(text: str) -> str:
    """Return a text as code in one line, where a backtick would end it, and a pipe a cell."""
    shown = " ".join(text.replace("`", "'").split())
    shown = shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
    return f"`{shown}`".replace("|", "\\|") if shown else ""
