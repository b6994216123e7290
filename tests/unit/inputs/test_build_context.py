from __future__ import annotations

import json
from dataclasses import replace

import pytest

from warmbuild.ci import github
from warmbuild.inputs import build_context
from warmbuild.run_context import RunContext, is_false, is_true

URL = "https://github.com/me/app.git"
COMMIT = "860c1904a1ce19322e91ac35af1ab07466440c37"
HEAD = "f11797113e5a9b86bd976329c5dbb8a8bfdfadfa"
PULL = {"pull_request": {"head": {"sha": HEAD}}}
HEAD_REF = {"DOCKER_DEFAULT_GIT_CONTEXT_PR_HEAD_REF": "true"}
QUERY = {"BUILDX_SEND_GIT_QUERY_AS_INPUT": "1"}


def on_github(payload: object = None, **variables: str) -> RunContext:
    env = {
        "GITHUB_EVENT_PATH": "/event.json",
        "GITHUB_REPOSITORY": "me/app",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_SHA": COMMIT,
        **variables,
    }
    return github.PROVIDER.context(env, "/", {"/event.json": json.dumps(payload)}.get)


@pytest.mark.parametrize(
    ("ref", "variables", "expected"),
    [
        ("refs/heads/master", {}, f"{URL}#{COMMIT}"),
        ("master", {}, f"{URL}#{COMMIT}"),
        ("refs/tags/v1.0.0", {}, f"{URL}#{COMMIT}"),
        ("refs/pull/15/merge", {}, f"{URL}#{COMMIT}"),
        ("refs/pull/15/merge", HEAD_REF, f"{URL}#{HEAD}"),
        ("refs/heads/master", HEAD_REF, f"{URL}#{COMMIT}"),
        ("refs/heads/master", {"GITHUB_SHA": ""}, f"{URL}#refs/heads/master"),
        ("refs/heads/master", QUERY, f"{URL}?ref=refs/heads/master&checksum={COMMIT}"),
        ("master", QUERY, f"{URL}?ref=refs/heads/master&checksum={COMMIT}"),
        ("refs/tags/v1.0.0", QUERY, f"{URL}?ref=refs/tags/v1.0.0&checksum={COMMIT}"),
        ("refs/pull/15/merge", QUERY, f"{URL}?ref={COMMIT}"),
        ("refs/pull/15/merge", QUERY | HEAD_REF, f"{URL}?ref={HEAD}"),
        ("refs/heads/master", QUERY | {"GITHUB_SHA": ""}, f"{URL}?ref=refs/heads/master"),
        ("refs/heads/master", {"GITHUB_REPOSITORY": ""}, ""),
        (
            "refs/heads/master",
            {"GITHUB_SERVER_URL": "https://git.example.org:8443"},
            f"https://git.example.org:8443/me/app.git#{COMMIT}",
        ),
        ("refs/heads/master", {"GITHUB_SERVER_URL": ""}, f"{URL}#{COMMIT}"),
    ],
)
def test_the_commit_as_a_git_context(ref: str, variables: dict[str, str], expected: str) -> None:
    assert on_github(PULL, GITHUB_REF=ref, **variables).git_context == expected


def test_a_pull_requests_head_without_a_payload_is_a_ref() -> None:
    found = on_github({}, GITHUB_REF="refs/pull/15/merge", **HEAD_REF)
    assert found.git_context == f"{URL}#refs/pull/15/head"


@pytest.mark.parametrize(
    ("payload", "variables", "expected"),
    [
        ({"repository": {"private": False}}, {}, "mode=max"),
        ({"repository": {"private": True}}, {}, "mode=min,inline-only=true"),
        ({}, {}, "mode=min,inline-only=true"),
        ({"repository": {"private": False}}, {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}, ""),
        ({"repository": {"private": False}}, {"BUILDX_NO_DEFAULT_ATTESTATIONS": "0"}, "mode=max"),
    ],
)
def test_the_provenance_that_nobody_asked_for(
    payload: object, variables: dict[str, str], expected: str
) -> None:
    assert on_github(payload, **variables).provenance == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ""),
        ({"GITHUB_RUN_ID": "7"}, "https://github.com/me/app/actions/runs/7/attempts/1"),
        (
            {"GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "3"},
            "https://github.com/me/app/actions/runs/7/attempts/3",
        ),
    ],
)
def test_who_builds(variables: dict[str, str], expected: str) -> None:
    assert on_github({}, **variables).builder_id == expected


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (f"{URL}#{COMMIT}", "."),
        (f"{URL}#{COMMIT}:docker/app", "docker/app"),
        (f"{URL}#other", ""),
        ("https://github.com/you/app.git", ""),
        (".", ""),
    ],
)
def test_where_the_checkout_has_it(context: str, expected: str) -> None:
    assert build_context.checkout(context, on_github()) == expected
    assert build_context.checkout(context, RunContext(ci="gitlab")) == ""


def test_a_directory_of_a_query_is_in_the_checkout_too() -> None:
    run = on_github(**QUERY)
    assert build_context.checkout(build_context.below(run, "a/b"), run) == "a/b"


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("https://github.com/me/app.git", True),
        ("https://github.com/me/app.git#main:docs", True),
        ("https://github.com/me/app?ref=main", True),
        ("https://me:token@GitHub.com/Me/app.git/", True),
        ("https://github.com/me/apple.git", False),
        ("https://github.com/me/app.git/../../evil/app", False),
        ("https://github.com/evil/app.git", False),
        ("https://github.com", False),
        ("http://github.com/me/app.git", False),
        ("https://github.com:8443/me/app.git", False),
        ("https://github.com.evil.example/me/app.git", False),
        ("https://evil.example/?https://github.com/me/app.git", False),
        ("https://[/me/app.git", False),
        ("ssh://git@github.com/me/app.git", False),
        ("git@github.com:me/app.git", False),
        ("services/api", False),
        ("", False),
    ],
)
def test_only_contexts_of_the_own_repository_may_get_a_token(
    context: str, *, expected: bool
) -> None:
    assert build_context.is_of(on_github(), context) is expected
    assert build_context.is_of(replace(on_github(), git_context=""), context) is False


def test_variables_are_read_as_go_reads_them() -> None:
    assert [text for text in ("1", "t", "TRUE", "yes", "0", "") if is_true(text)] == [
        "1",
        "t",
        "TRUE",
    ]
    assert [text for text in ("0", "F", "false", "no", "") if is_false(text)] == ["0", "F", "false"]


@pytest.mark.parametrize(
    ("url", "directory", "expected"),
    [
        pytest.param("https://a.io/a.git", ".", "https://a.io/a.git", id="the root"),
        pytest.param("https://a.io/a.git", "./x/", "https://a.io/a.git#:x", id="no commit"),
        pytest.param("https://a.io/a.git#b", "x", "https://a.io/a.git#b:x", id="a commit"),
        pytest.param("https://a.io/a.git#b:y", "x", "https://a.io/a.git#b:y/x", id="a directory"),
        pytest.param("https://a.io/a.git#b:y", "../x", "https://a.io/a.git#b:x", id="beside it"),
        pytest.param(
            "https://a.io/a.git?ref=b&subdir=y",
            "x",
            "https://a.io/a.git?ref=b&subdir=y%2Fx",
            id="a directory in a query",
        ),
        pytest.param("https://a.io/a.git?ref=b", "x", "https://a.io/a.git?ref=b#:x", id="a query"),
    ],
)
def test_a_directory_within_a_git_url(url: str, directory: str, expected: str) -> None:
    assert build_context.within(url, directory) == expected


@pytest.mark.parametrize(
    ("context", "host", "is_on_it"),
    [
        ("https://github.com/other/app.git#x", "github.com", True),
        ("https://me:secret@GitHub.com/me/app.git", "github.com", True),
        ("http://github.com/me/app.git", "github.com", False),
        ("https://github.com:8443/me/app.git", "github.com:8443", False),
        ("https://github.com.example.com/me/app.git", "github.com.example.com", False),
        ("git@github.com:me/app.git", "", False),
        ("ssh://github.com/me/app.git", "", False),
        (".", "", False),
    ],
)
def test_the_server_of_a_context(context: str, host: str, *, is_on_it: bool) -> None:
    run = RunContext(ci="github", git_context="https://github.com/me/app.git#abc")
    assert build_context.host(context) == host
    assert build_context.is_on_server_of(run, context) is is_on_it
    assert not build_context.is_on_server_of(RunContext(ci="local"), context)
