"""The events that GitHub and GitLab were recorded to send, and what their tables share.

`tests/data/github` has the payload and the variables of each event, `tests/data/gitlab` the
variables of each kind of pipeline; all names and commits in them are made up.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.unit.ci.events import DEFAULT, DEVELOP, FORK, MAIN, OWN, SOCKS, TARGET, decide
from warmbuild import ci

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.ci.events import Fields
    from warmbuild.inputs.values import Inputs
    from warmbuild.run_context import RunContext

DATA = Path(__file__).parents[2] / "data"
IMAGE = "ghcr.io/me/app"
RELEASE = "cache-release-1.x-81caa6e9876b5588653c"
ON_SOCKS = [(SOCKS, OWN), (MAIN, DEFAULT)]
ON_MAIN = [(MAIN, OWN)]
SOCKS_INTO_DEVELOP = [(SOCKS, OWN), (DEVELOP, TARGET), (MAIN, DEFAULT)]
INTO_OTHERS = "a pull request also builds its target branch, and all read main's cache"
INTO_DEVELOP = [(DEVELOP, TARGET), (MAIN, DEFAULT)]
DEFAULT_ALONE = [(MAIN, DEFAULT)]

HATS: Fields = {
    "branch": "feature/hats",
    "target_branch": "develop",
    "pull_request": 43,
    "fork": True,
    "untrusted": FORK,
}


def names(system: str, suffix: str = "env") -> list[str]:
    """Return the names of the recorded events of a CI system."""
    return sorted(path.stem for path in (DATA / system).glob(f"*.{suffix}"))


def variables(file: str) -> dict[str, str]:
    lines = (DATA / f"{file}.env").read_text().splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def context(file: str) -> RunContext:
    """Return what the CI system that sent this file knows of the run."""
    env = variables(file)
    payload = DATA / f"{file}.json"
    files = {env["GITHUB_EVENT_PATH"]: payload.read_text()} if payload.exists() else {}
    return ci.detect(env).context(env, "/", files.get)


def check_trust(parsed: Callable[..., Inputs], run: RunContext, mode: str) -> None:
    """Fail if untrusted code may write a cache, whatever is asked for."""
    shared = "type=registry,ref=ghcr.io/me/app:cache-main\ntype=s3,bucket=b"
    for values in ({}, {"cache_fallback": "main"}, {"cache_to": shared}):
        for told in (run, run.told(branch="main", default_branch="main")):
            found = decide(parsed(cache=mode, **values), told)
            assert not (run.trust.is_untrusted and (found.write or found.destinations))
    assert not run.fork or run.trust.is_untrusted
