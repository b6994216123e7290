from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbuild.build import outcomes
from warmbuild.build.outcomes import Outcome
from warmbuild.build.timeline import Timeline
from warmbuild.buildkit.progress import Failure, Step
from warmbuild.phases import Phase
from warmbuild.report import note

FIRST = "<!-- warmbuild image  -->"
STEPS = tuple(
    Step(
        prefix="",
        position=f"{at}/2",
        instruction=f"RUN {at}",
        cached=at == 1,
        seconds=None,
        error="",
    )
    for at in (1, 2)
)
DONE = Outcome(
    metadata="{}",
    notes=(),
    ending="pushed",
    tags=("r.io/a:main", "r.io/a:latest"),
    steps=STEPS,
    cache_read=("r.io/a:cache-main",),
    cache_written="r.io/a:cache-x",
    seconds=12.34,
    timeline=Timeline(phases={Phase.STEPS: 10.0, Phase.PUSH: 2.34}),
)


def test_an_image_is_a_row() -> None:
    assert note.text(DONE, FIRST, "Job `image`, commit `5f0c3a1e`").splitlines() == [
        FIRST,
        "**warmbuild**: `pushed r.io/a:main and 1 more tag: 1 of 2 steps run, 1 cached, 12.3 s`",
        "",
        "| Image | Steps run | Cached | Cache read | Cache written |",
        "| --- | ---: | ---: | --- | --- |",
        "| `r.io/a:main` | 1 | 1 | `r.io/a:cache-main` | `r.io/a:cache-x` |",
        "",
        "- time `steps 10.0 s, push 2.3 s`",
        "",
        "Job `image`, commit `5f0c3a1e`",
    ]


def test_each_target_is_a_row() -> None:
    targets = [replace(DONE, name="api"), replace(DONE, name="web", cache_read=(), tags=())]
    done = outcomes.together(targets, metadata="{}", steps=STEPS)
    rows = [line for line in note.text(done, FIRST, "").splitlines() if line.startswith("| `")]
    assert rows == [
        "| `api` | 1 | 1 | `r.io/a:cache-main` | `r.io/a:cache-x` |",
        "| `web` | 1 | 1 | nothing | `r.io/a:cache-x` |",
    ]


def test_a_note_does_not_grow_with_the_number_of_targets() -> None:
    targets = [replace(DONE, name=f"t{at}") for at in range(1000)]
    text = note.text(outcomes.together(targets, metadata="{}", steps=STEPS), FIRST, "")
    assert len(text) < 10_000
    assert "\n\nAnd 950 more images.\n\n" in text


def test_a_run_that_failed_before_it_built_has_no_table() -> None:
    done = Outcome(metadata="{}", notes=(), error="no engine", seconds=1.0)
    assert note.text(done, FIRST, "Job `a`").splitlines() == [
        *(FIRST, "**warmbuild**: `failed after 1.0 s, no steps`", ""),
        *("- error `no engine`", "", "Job `a`"),
    ]


@given(text=st.text(st.sampled_from("/@`|\\\n\r<>![](){}#a \u2028"), max_size=40))
def test_what_others_wrote_is_code_in_one_line(text: str) -> None:
    """GitLab obeys lines that begin with a slash, and notifies who is named outside of code."""
    failure = Failure(title=f"RUN {text}", error=text, tail=(), source="")
    done = replace(DONE, error=text, failure=failure, cache_read=(text,), tags=(text,), name=text)
    written = note.text(done, FIRST, note.job_link(text, "https://x/1", text))
    for line in written.split("\n"):
        assert not re.match(r"\s*/", line)
        assert not re.search("[@<#]", re.sub("`[^`]*`|<br>", "", line.removeprefix(FIRST)))
        assert line.isprintable() or "\\" in line or not line


class TestMarker:
    @pytest.mark.parametrize(
        ("job", "target"),
        [
            ("image", ""),
            ("build: [a, b]", "web"),
            ("-->", "<!--"),
            ("", "a b"),
            ("a ", "b"),
            ("a", "-->\n/merge"),
        ],
    )
    def test_nothing_ends_it_early(self, job: str, target: str) -> None:
        assert re.fullmatch(r"<!-- warmbuild [^<>\s]* [^<>\s]* -->", note.marker(job, target))

    def test_each_job_and_target_has_its_own(self) -> None:
        named = [("a", "b"), ("a b", ""), ("a", ""), ("", "a"), ("a%20b", "")]
        assert len({note.marker(*one) for one in named}) == len(named)


@pytest.mark.parametrize(
    ("page", "line"),
    [
        ("", "Job `image`, commit `5f0c`"),
        ("https://g.io/a/-/jobs/1", "Job [`image`](https://g.io/a/-/jobs/1), commit `5f0c`"),
        ("https://g.io/) /merge", "Job [`image`](https://g.io/%29%20/merge), commit `5f0c`"),
    ],
)
def test_the_job_is_a_link(page: str, line: str) -> None:
    assert note.job_link("image", page, "5f0c") == line


class TestOwnNote:
    @pytest.mark.parametrize(
        ("notes", "found"),
        [
            pytest.param([], 0, id="none"),
            pytest.param([{"id": 3, "body": f"{FIRST}\nold", "author": {"id": 9}}], 3, id="one"),
            pytest.param([{"id": 3, "body": FIRST, "author": {"id": 8}}], 0, id="somebody else's"),
            pytest.param([{"id": 3, "body": f"> {FIRST}", "author": {"id": 9}}], 0, id="a quote"),
            pytest.param([{"id": "3", "body": FIRST, "author": {"id": 9}}], 0, id="no number"),
            pytest.param([{"id": 3, "body": None, "author": [9]}, {}], 0, id="other types"),
        ],
    )
    def test_it_is_found(self, notes: list[dict[str, object]], found: int) -> None:
        assert note.own(notes, FIRST, 9) == found


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_says_what_to_do(status: int) -> None:
    assert "Set INPUT_MERGE_REQUEST_TOKEN" in note.refusal(status, is_of_job=True)
    assert "has the scope api" in note.refusal(status, is_of_job=False)


@pytest.mark.parametrize("status", [302, 400, 429, 500])
def test_another_status_is_said_as_it_is(status: int) -> None:
    assert note.refusal(status, is_of_job=True) == f"GitLab says {status}"
