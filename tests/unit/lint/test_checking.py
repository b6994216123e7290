from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.lint.checked import COMMIT, GIT, check
from warmbuild.buildkit.progress import Step
from warmbuild.errors import InputError
from warmbuild.inputs import parsing, table
from warmbuild.lint import checking
from warmbuild.lint.case import OddModes, Sources


def test_a_rule_that_there_is_not_is_a_wrong_input() -> None:
    with pytest.raises(InputError) as raised:
        parsing.parse({"image": "a", "lint-ignore": "early-arg, early-copies"}, {})
    assert str(raised.value) == (
        "one input is not usable, so nothing was started:\n"
        "  lint-ignore: 'early-copies' is not accepted; use secret-build-arg, early-arg, "
        "early-copy, dockerignore, file-modes, cache-mount, mode-min, cache-from-only, "
        "copy-link or newest-version. Did you mean 'early-copy'?"
    )


BAD = """\
# syntax=docker/dockerfile:1
FROM node:22 AS build
ARG GIT_COMMIT
ARG NPM_TOKEN
COPY . .
RUN --mount=type=cache,target=/var/npm \\
    npm ci
FROM nginx
COPY --from=build /dist /usr/share/nginx/html
"""
BAD_INPUTS = {
    "build-args": f"GIT_COMMIT={COMMIT}\nNPM_TOKEN=hunter2",
    "cache-from": "r.io/cache",
    "cache-to": "",
}
BAD_SOURCES = Sources(
    in_context=GIT,
    odd_modes=OddModes(path="a.js", mode=0o664, stored=0o644, has_more=False),
    pipeline_file=".gitlab-ci.yml",
    pipeline="cache-from: r.io/cache",
)
BAD_FINDINGS = [
    (".gitlab-ci.yml", 1, "cache-from-only"),
    ("Dockerfile", 3, "early-arg"),
    ("Dockerfile", 4, "secret-build-arg"),
    ("Dockerfile", 5, "early-copy"),
    ("Dockerfile", 5, "dockerignore"),
    ("Dockerfile", 5, "file-modes"),
    ("Dockerfile", 6, "cache-mount"),
]


def found(**given: str) -> list[tuple[str, int, str]]:
    asked = BAD_INPUTS | {name.replace("_", "-"): value for name, value in given.items()}
    found = check(BAD, asked, BAD_SOURCES)
    return [(finding.file, finding.line, finding.rule) for finding in found]


def test_everything_is_said_in_the_order_of_its_place() -> None:
    assert found() == BAD_FINDINGS


def test_all_rules_can_be_switched_off() -> None:
    assert found(lint="false") == []


@pytest.mark.parametrize("rule", table.LINT_RULES)
def test_each_rule_can_be_switched_off(rule: str) -> None:
    assert found(lint_ignore=rule) == [row for row in BAD_FINDINGS if row[2] != rule]


@pytest.mark.parametrize(
    ("comment", "left"),
    [
        ("# warmbuild ignore=early-copy", ["dockerignore", "file-modes"]),
        ("# warmbuild ignore = dockerignore, file-modes", ["early-copy"]),
        (
            "# warmbuild ignore=early-copy\n# and another comment",
            ["dockerignore", "file-modes"],
        ),
        ("# hadolint ignore=early-copy", ["early-copy", "dockerignore", "file-modes"]),
    ],
)
def test_a_comment_switches_a_rule_off_for_one_instruction(comment: str, left: list[str]) -> None:
    text = BAD.replace("COPY . .", f"{comment}\nCOPY . .")
    at = text.splitlines().index("COPY . .") + 1
    found = check(text, BAD_INPUTS, BAD_SOURCES)
    assert [finding.rule for finding in found if finding.line == at] == left


@pytest.mark.parametrize(
    ("syntax", "is_read"),
    [
        ("docker/dockerfile:1", True),
        ("docker.io/docker/dockerfile-upstream:master-labs", True),
        ("mirror.corp/dockerfile@sha256:0", True),
        ("dockerfile", True),
        ("ghcr.io/someone/mockerfile:1", False),
    ],
)
def test_a_language_of_its_own_is_not_judged(
    syntax: str,
    is_read: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    text = BAD.replace("docker/dockerfile:1", syntax)
    assert bool(check(text, sources=BAD_SOURCES)) is is_read


@pytest.mark.parametrize(("target", "count"), [("build", 7), ("none", 1), ("1", 7)])
def test_the_target_says_which_stages_count(target: str, count: int) -> None:
    assert len(check(BAD, {**BAD_INPUTS, "target": target}, BAD_SOURCES)) == count


def test_no_finding_holds_a_secret() -> None:
    assert "hunter2" not in repr(check(BAD, BAD_INPUTS, BAD_SOURCES))


@given(st.text(alphabet="FROMARGUNCPY -=.\n\\$\"'<&{}#npmciab_TKE", max_size=200))
def test_no_dockerfile_is_too_strange(text: str) -> None:
    for finding in check(f"{BAD}{text}", BAD_INPUTS, BAD_SOURCES):
        assert finding.line >= 1


def step(instruction: str, seconds: float, *, cached: bool = False, usual: float = 0.0) -> Step:
    return Step(
        prefix="",
        position="",
        instruction=instruction,
        cached=cached,
        seconds=None if cached else seconds,
        error="",
        usual=usual,
    )


@pytest.mark.parametrize(
    ("text", "steps", "cost"),
    [
        (
            "FROM a\nCOPY . .\nRUN npm ci\nRUN make\n",
            [step("COPY . .", 1), step("RUN npm  ci", 20), step("RUN make", 5)],
            " What runs again takes 20 s.",
        ),
        (
            "FROM a\nARG GIT_COMMIT\nRUN npm ci\n",
            [step("RUN npm ci", 0, cached=True, usual=12.4)],
            " What runs again takes 12 s.",
        ),
        ("FROM a\nCOPY . .\nRUN npm ci\n", [step("RUN npm ci", 0.9)], ""),
        ("FROM a\nCOPY . .\nRUN npm ci\n", [step("RUN npm ci", 0, cached=True)], ""),
        ("FROM a\nCOPY . .\nRUN npm ci\n", [], ""),
    ],
    ids=["a step that ran", "a step from a cache", "a short step", "nothing known", "no steps"],
)
def test_a_finding_says_what_it_costs(text: str, steps: list[Step], cost: str) -> None:
    found = check(text, sources=Sources(ignore=".git"))[0]
    assert checking.weighed(found, steps).text == f"{found.text}{cost}"


def test_everything_below_a_copy_of_git_costs_its_time() -> None:
    text = "FROM a AS b\nRUN one\nCOPY . .\nRUN two\nFROM b\nRUN three\n"
    found = check(text, sources=Sources(in_context=frozenset({".git"})))[0]
    assert found.again == ("COPY . .", "RUN two", "RUN three")
