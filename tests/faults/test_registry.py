"""What a registry answers to a login and to the question for a cache, however strange."""

from __future__ import annotations

import itertools
import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults import answers
from tests.faults.case import Case, at_once
from tests.integration.conftest import CACHE_CONFIG, Registry
from tests.integration.faults import proxied
from tests.integration.tokens import User, token_registry
from warmbuild.cache import probe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

    from tests.integration.conftest import Ended, Lab, Warmbuild

    # By the path of the request and the name of the answer.
    Runs = Mapping[tuple[str, str], Future[Ended]]

USERS = {"me": User(password="hunter2")}
ALL = {**answers.ENDLESS, **answers.BROKEN}
# A login needs no more of an answer than its status, and 400 refuses no login.
ACCEPTING = {
    *("a body without an end", "a length below 0", "an error that is deep"),
    *("an error of control characters", "an error that is long", "an error that is a list"),
}
QUESTIONS = tuple(itertools.product(("/manifests/", "/blobs/"), ALL))
LOGINS = tuple(itertools.product(("/v2/$", "/token"), ALL))
TOKENS = tuple(("/token", name) for name in answers.TOKENS)


def probed(runs: Warmbuild, place: Path, host: str, **inputs: str) -> Ended:
    """Ask a registry for caches, without a build."""
    return runs.build(
        place,
        plan_only="true",
        probe="true",
        image=f"{host}/a",
        **inputs,  # type: ignore[arg-type]  # texts
    )


@pytest.fixture(scope="module")
def cached(lab: Lab) -> str:
    """Have a cache, which no test changes; return its repository's path."""
    registry = Registry(host=lab.registry, access_log=Path(lab.env["WARMBUILD_LAB_REGISTRY_LOG"]))
    path = f"faults-{secrets.token_hex(4)}"
    config = {"layers": [], "records": [{"digest": probe.digest_of(b"x")}]}
    content = json.dumps(config).encode()
    registry.put_artifact(f"{lab.registry}/{path}:cache-main", CACHE_CONFIG, content)
    return path


@pytest.fixture(scope="module")
def questions(together: Warmbuild, lab: Lab, place: Path, cached: str) -> Iterator[Runs]:
    """Have questions for a cache, each of which gets another answer."""

    def one(case: tuple[str, str]) -> Ended:
        path, answer = case
        with proxied(lab.registry) as proxy:
            proxy.raw("GET", path, ALL[answer])
            ended = probed(together, place, proxy.host, cache_repository=f"{proxy.host}/{cached}")
            assert proxy.count("GET", path, "raw")
        return ended

    with at_once(one, QUESTIONS) as runs:
        yield runs


@pytest.mark.parametrize(("path", "answer"), QUESTIONS)
def test_a_question_for_a_cache(questions: Runs, cached: str, path: str, answer: str) -> None:
    """A strange answer costs the cache, and no more time than a probe may take."""
    case = Case(code=0, said=f"{cached}:cache-main is not read: ", seconds=40)
    case.check(questions[path, answer].result())


@pytest.fixture(scope="module")
def questions_with_a_token(
    together: Warmbuild, lab: Lab, place: Path, cached: str
) -> Iterator[Runs]:
    """Have questions for a cache that need a token, and get another answer each."""

    def one(case: tuple[str, str]) -> Ended:
        path, answer = case
        with token_registry(lab.registry, USERS) as registry:
            registry.raw("GET", path, answers.TOKENS[answer])
            login = {"registry": registry.host, "username": "me", "password": "hunter2"}
            repository = f"{registry.host}/{cached}"
            return probed(together, place, registry.host, cache_repository=repository, **login)

    with at_once(one, TOKENS) as runs:
        yield runs


@pytest.mark.parametrize(("path", "answer"), TOKENS)
def test_a_token_for_a_question(
    questions_with_a_token: Runs, cached: str, path: str, answer: str
) -> None:
    said = f"{cached}:cache-main is not read: "
    case = Case(code=0, said=said, not_said=("hunter2",), seconds=40)
    case.check(questions_with_a_token[path, answer].result())


@pytest.fixture(scope="module")
def logins(together: Warmbuild, lab: Lab, place: Path) -> Iterator[Runs]:
    """Have builds that push, each to a registry with another answer.

    Each has a repository of its own, because the registry answers 500 to who asks for a tag while
    another writes it.
    """

    def one(case: tuple[str, str]) -> Ended:
        path, answer = case
        repository = f"faults-login-{secrets.token_hex(4)}"
        with token_registry(lab.registry, USERS) as registry:
            registry.raw("GET", path, {**ALL, **answers.TOKENS}[answer])
            return together.build(
                place,
                image=f"{registry.host}/{repository}",
                username="me",
                password="hunter2",
                driver="docker",
                driver_opts="",
                buildkitd_config="",
                retry_timeout="1s",
                cache="off",
            )

    with at_once(one, [*LOGINS, *TOKENS]) as runs:
        yield runs


@pytest.mark.parametrize(("path", "answer"), [*LOGINS, *TOKENS])
def test_a_login_before_a_push(logins: Runs, path: str, answer: str) -> None:
    """A push needs its login, so a strange answer ends the run, by the registry's fault."""
    ended = logins[path, answer].result()
    if path == "/v2/$" and answer in ACCEPTING:
        Case(code=0, not_said=("hunter2", "\x1b[2J"), seconds=60).check(ended)
        return
    refused = Case(
        code=5,
        said="error: the registry 127.0.0.1:",
        not_said=("hunter2", "\x1b[2J", "+ docker buildx build "),
        seconds=60,
    )
    refused.check(ended)
