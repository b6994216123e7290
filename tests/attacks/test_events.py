"""A stranger, or somebody who may push branches but not to main, causes a run: what does it do?

Each test plans a run with the event that the attacker causes, as the CI system describes it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from warmbuild import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Plan = Callable[..., dict[str, Any]]

IMAGE = "ghcr.io/harbour/shop"
SHA = "5f0c3a1e9b7d42d8a6c1f4e2b3d59780c6e1a2f4"
EVIL = "0000000000000000000000000000000000000bad"
HERE = {"full_name": "harbour/shop", "default_branch": "main", "private": False}
THEIRS = {"full_name": "stranger/shop"}
TOKEN = "ghs_0123456789"


@pytest.fixture
def planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Plan:
    """Return what plans a run on GitHub, or on another system if the variables say so."""

    def plan(
        event: str, ref: str, payload: object, env: Mapping[str, str] | None = None, **inputs: str
    ) -> dict[str, Any]:
        path = tmp_path / "event.json"
        path.write_text(json.dumps(payload))
        variables = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(path),
            "GITHUB_REF": ref,
            "GITHUB_REPOSITORY": "harbour/shop",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_SHA": SHA,
        }
        given = {"image": IMAGE, "context": "."} | inputs
        code = cli.main(
            ["plan", "--format", "json"],
            {
                **(variables if event else {}),
                **(env or {}),
                **{f"INPUT_{name.upper()}": value for name, value in given.items()},
            },
        )
        assert code == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return plan


def reads(found: dict[str, Any]) -> list[str]:
    """Return the tags of the caches that a run would read."""
    argv = found["commands"][0]
    sources = [value for flag, value in itertools.pairwise(argv) if flag == "--cache-from"]
    return [source.removeprefix(f"type=registry,ref={IMAGE}:") for source in sources]


def writes(found: dict[str, Any]) -> list[str]:
    """Return the tags of the caches that a run would write."""
    argv = [part for command in found["commands"] for part in command]
    given = [value for flag, value in itertools.pairwise(argv) if flag == "--cache-to"]
    return [value.partition(f"{IMAGE}:")[2].partition(",")[0] for value in given]


def pushes(found: dict[str, Any]) -> list[str]:
    """Return the tags that a run would push the image to."""
    argv = found["commands"][0]
    tags = [value for flag, value in itertools.pairwise(argv) if flag == "--tag"]
    return [tag.removeprefix(f"{IMAGE}:") for tag in tags] if "--push" in argv else []


def may_nothing(found: dict[str, Any]) -> bool:
    return not writes(found) and not pushes(found) and TOKEN not in json.dumps(found)


def test_push_by_commenting(planned: Plan) -> None:
    """They comment on their own pull request, which a workflow then builds."""
    issue = {"number": 7, "pull_request": {"url": "u"}}
    payload = {"repository": HERE, "issue": issue, "comment": {"body": "/build"}}
    found = planned("issue_comment", "refs/heads/main", payload, cache="read-write")
    assert may_nothing(found)


def test_push_by_an_event_that_the_list_of_bad_ones_lacked(planned: Plan) -> None:
    """They star the repository, edit its wiki, or wait for an event that GitHub adds later."""
    for event in ("watch", "gollum", "fork", "agent_task"):
        found = planned(event, "refs/heads/main", {"repository": HERE}, cache="read-write")
        assert may_nothing(found)


def test_push_by_a_comment_that_gitea_calls_by_another_name(planned: Plan) -> None:
    """They comment on a pull request on Gitea: an event that GitHub does not have."""
    pull = {"head": {"repo": HERE, "ref": "x"}}
    payload = {"repository": HERE, "issue": {"number": 7}, "pull_request": pull, "is_pull": True}
    gitea = {"GITEA_ACTIONS": "true"}
    for event in ("pull_request_comment", "pull_request_review_comment", "push"):
        assert may_nothing(planned(event, "refs/heads/main", payload, gitea, cache="read-write"))


def test_push_by_a_payload_that_is_no_object(planned: Plan) -> None:
    """They find an event whose payload warmbuild reads as if nothing were in it."""
    for payload in ([], None, "push", [{"repository": HERE}]):
        assert may_nothing(planned("push", "refs/heads/main", payload, cache="read-write"))


def test_push_by_a_chain_of_workflows(planned: Plan) -> None:
    """Their comment starts a workflow, which starts a second one, which starts the build."""
    run = {"event": "workflow_run", "head_branch": "main", "head_sha": SHA}
    payload = {"repository": HERE, "workflow_run": {**run, "head_repository": HERE}}
    assert may_nothing(planned("workflow_run", "refs/heads/main", payload, cache="read-write"))


def test_push_by_a_deployment_of_a_forks_commit(planned: Plan) -> None:
    """A preview service deploys the commit of their pull request, which no branch has."""
    payload = {"repository": HERE, "deployment": {"sha": EVIL}}
    for branch in ("", "main"):
        found = planned("deployment_status", "", payload, cache="read-write", branch=branch)
        assert may_nothing(found)


def test_push_by_the_name_of_a_change_request(planned: Plan) -> None:
    """Jenkins builds their fork's change, and the container is not given its CHANGE_ID."""
    env = {"JENKINS_URL": "https://j", "BRANCH_NAME": "PR-7", "GIT_COMMIT": EVIL}
    assert may_nothing(planned("", "", {}, env, cache="read-write"))


def test_take_the_default_branchs_name_with_a_tag(planned: Plan) -> None:
    """They push a tag called main; the workflow that follows takes it for the branch."""
    run = {"event": "push", "head_branch": "main", "head_sha": EVIL, "head_repository": HERE}
    payload = {"repository": HERE, "workflow_run": run}
    found = planned("workflow_run", "refs/heads/main", payload, cache="read-write")
    assert writes(found) == []
    assert pushes(found) == [f"sha-{SHA[:7]}"]


def test_write_the_default_branchs_cache_from_a_pull_request(planned: Plan) -> None:
    """They open a pull request from main into a branch of theirs: main's name, their code."""
    pull = {"number": 7, "head": {"ref": "main", "repo": HERE}, "base": {"ref": "evil"}}
    payload = {"repository": HERE, "pull_request": pull}
    found = planned("pull_request", "refs/pull/7/merge", payload, cache="read-write")
    assert writes(found) == []
    assert pushes(found) == ["pr-7"]


def test_have_main_read_their_cache_by_a_commit_message(planned: Plan) -> None:
    """They write the message of a merge that never was."""
    commit = {"message": "Merge pull request #7 from harbour/evil\n\nFix a typo"}
    payload = {"repository": HERE, "head_commit": commit}
    assert reads(planned("push", "refs/heads/main", payload)) == ["cache-main"]
    told = planned("push", "refs/heads/main", payload, cache_trust_merged="true")
    assert reads(told) == ["cache-main", "cache-evil"]


def test_have_main_read_their_cache_by_a_message_on_gitlab(planned: Plan) -> None:
    """The same, where no owner is compared."""
    env = {
        "GITLAB_CI": "true",
        "CI_PIPELINE_SOURCE": "push",
        "CI_COMMIT_BRANCH": "main",
        "CI_DEFAULT_BRANCH": "main",
        "CI_COMMIT_MESSAGE": "Merge branch 'evil' into 'main'",
    }
    assert reads(planned("", "", {}, env)) == ["cache-main"]


def test_have_a_release_read_their_cache(planned: Plan) -> None:
    """They draft a release whose target_commitish is their branch, or push a tag from it."""
    release = {"tag_name": "v1", "target_commitish": "evil"}
    payload = {"repository": HERE, "release": release}
    assert reads(planned("release", "refs/tags/v1", payload)) == ["cache-main"]
    payload = {"repository": HERE, "base_ref": "refs/heads/evil"}
    assert reads(planned("push", "refs/tags/v1", payload)) == ["cache-main"]


def test_have_main_read_a_branch_that_is_called_master(planned: Plan) -> None:
    """They push a branch with the other usual name, where nobody names the default branch."""
    env = {"CIRCLECI": "true", "CIRCLE_BRANCH": "main", "CIRCLE_SHA1": SHA}
    assert reads(planned("", "", {}, env)) == ["cache-main"]
    tag = {"CIRCLECI": "true", "CIRCLE_TAG": "v1", "CIRCLE_SHA1": SHA}
    assert reads(planned("", "", {}, tag)) == []


def test_be_the_latest_by_creating_a_branch(planned: Plan) -> None:
    """They create a branch: an event that docker/metadata-action takes for the default branch."""
    rules = "type=raw,value=latest,enable={{is_default_branch}}\ntype=ref,event=branch"
    found = planned("create", "refs/heads/evil", {"repository": HERE}, tags=rules)
    assert pushes(found) == ["evil"]


def test_get_the_jobs_token_for_another_repository(planned: Plan) -> None:
    """They name a context of their own on the same server, or build in a fork's pull request."""
    mine = "https://github.com/harbour/shop.git"
    payload = {"repository": HERE}

    def has_token(found: dict[str, Any]) -> bool:
        return any("GIT_AUTH_TOKEN" in part for part in found["argv"])

    for context in (
        "https://github.com/stranger/shop.git",
        f"{mine}/../../../stranger/shop",
        "https://github.com/harbour/shop.git.evil",
        "https://github.com@evil.example/harbour/shop.git",
    ):
        found = planned("push", "refs/heads/main", payload, context=context, github_token=TOKEN)
        assert not has_token(found)
    assert has_token(planned("push", "refs/heads/main", payload, context=mine, github_token=TOKEN))
    pull = {"number": 7, "head": {"ref": "main", "repo": THEIRS}, "base": {"ref": "main"}}
    found = planned(
        "pull_request",
        "refs/pull/7/merge",
        {**payload, "pull_request": pull},
        context=mine,
        github_token=TOKEN,
    )
    assert not has_token(found)


def test_have_a_cache_with_the_name_of_anothers(planned: Plan) -> None:
    """They look for a branch whose hash begins as another's: with 8 digits it took minutes."""
    ours, theirs = "feature/22106", "feature/74088"
    hashes = [hashlib.sha256(name.encode()).hexdigest() for name in (ours, theirs)]
    assert hashes[0][:8] == hashes[1][:8]
    (one,), (other,) = (
        writes(planned("push", f"refs/heads/{name}", {"repository": HERE}))
        for name in (ours, theirs)
    )
    assert one.endswith(f"-{hashes[0][:20]}")
    assert one.removesuffix(hashes[0][:20]) != other
    assert one != other


def test_push_an_image_over_the_default_branchs_cache(planned: Plan) -> None:
    """They push a branch, or a tag, that is called cache-main."""
    for ref in ("refs/heads/cache-main", "refs/tags/cache-main"):
        (tag,) = pushes(planned("push", ref, {"repository": HERE}))
        assert tag.startswith("image-cache-main-")
    rules = "type=ref,event=branch"
    (tag,) = pushes(planned("push", "refs/heads/cache-main", {"repository": HERE}, tags=rules))
    assert tag.startswith("image-cache-main-")


def test_push_an_image_over_the_default_branchs(planned: Plan) -> None:
    """They push a branch that is called main but for a sign that no tag may begin with."""
    for branch in ("+main", ".main", "@main", "!.main"):
        (tag,) = pushes(planned("push", f"refs/heads/{branch}", {"repository": HERE}))
        assert tag.startswith("main-")
        rules = "type=ref,event=branch"
        ref = f"refs/heads/{branch}"
        (tag,) = pushes(planned("push", ref, {"repository": HERE}, tags=rules))
        assert tag.startswith("main-")


def test_name_an_image_by_their_checkout(
    planned: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They check out a branch or tag called as a release, in a job that takes names from HEAD."""
    monkeypatch.chdir(tmp_path)
    git = tmp_path / ".git"
    for ref in ("refs/tags/v9.9.9", "refs/heads/main"):
        (git / ref).parent.mkdir(parents=True)
        (git / ref).write_text(f"{EVIL}\n")
    head = {"sha": EVIL, "ref": "x", "repo": THEIRS}
    pull = {"number": 7, "head": head, "base": {"ref": "main", "repo": HERE}}
    payload = {"repository": HERE, "number": 7, "pull_request": pull}
    rules = "type=ref,event=branch\ntype=ref,event=tag\ntype=ref,event=pr"
    for text in (EVIL, "ref: refs/heads/main"):
        (git / "HEAD").write_text(f"{text}\n")
        for event in ("pull_request", "pull_request_target"):
            found = planned(event, "refs/pull/7/merge", payload, context="git", tags=rules)
            assert found["tags"] == [f"{IMAGE}:pr-7"]
            assert not writes(found)
    # Who may push chooses the name, and no more: the cache is that of the event's branch.
    found = planned("push", "refs/heads/x", {"repository": HERE}, context="git", tags=rules)
    assert found["tags"] == [f"{IMAGE}:main"]
    assert writes(found) == ["cache-x"]


def test_read_a_file_by_a_dockerfile_beside_the_names(
    planned: Plan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Their Dockerfile is a link out of the checkout, in a job that takes names from HEAD."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    monkeypatch.chdir(checkout)
    (tmp_path / "secret").write_text("FROM scratch")
    (checkout / "Dockerfile").symlink_to(tmp_path / "secret")
    pull = {"number": 7, "head": {"sha": EVIL, "ref": "x", "repo": THEIRS}, "base": {"ref": "main"}}
    with pytest.raises(AssertionError):
        planned("pull_request", "refs/pull/7/merge", {"pull_request": pull}, context="git")
    assert "leads out of this directory by a link" in capsys.readouterr().err


@pytest.mark.parametrize(
    "builder",
    [
        {"driver": "remote", "endpoint": "tcp://buildkit.example.com:1234"},
        {"driver": "kubernetes", "builder": "ci"},
    ],
    ids=["remote", "kubernetes"],
)
def test_leave_layers_in_the_daemon_that_builds_main(
    planned: Plan, builder: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Their fork is built where main is, and fills a cache mount or a step that main then reads."""
    payload = {
        "repository": HERE,
        "pull_request": {
            "number": 7,
            "head": {"ref": "evil", "sha": EVIL, "repo": THEIRS},
            "base": {"ref": "main", "repo": HERE},
        },
    }
    event = ("pull_request", "refs/pull/7/merge", payload)
    with pytest.raises(AssertionError, match="2 == 0"):
        planned(*event, **builder)
    assert "untrusted-builder: is missing" in capsys.readouterr().err
    theirs = {**builder, "untrusted_builder": "{name: strangers, endpoint: 'tcp://theirs:1'}"}
    if builder["driver"] == "kubernetes":
        theirs["untrusted_builder"] = "name: strangers"
    found = planned(*event, **theirs)
    assert may_nothing(found)
    assert "untrusted-builder is used: the code comes from a fork" in json.dumps(found)
