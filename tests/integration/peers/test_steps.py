"""Jobs of Docker's actions in which a later step has the word, run by act.

A step that runs a command runs outside of warmbuild's container, in the job's own.
"""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING

import pytest

from tests.integration.clients import GITHUB_URL, git, version, with_inputs
from tests.integration.clients import repository as as_repository

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.integration.clients import Act
    from tests.integration.conftest import Registry

FILES = {
    "odd.Dockerfile": "FROM busybox:1.37\nENV A 1\n",
    "printing.Dockerfile": "FROM busybox:1.37\n"
    + "".join(
        f"ARG DOCKER_METADATA_OUTPUT_{name}\nRUN env | grep ^DOCKER_METADATA_OUTPUT_{name}=\n"
        for name in ("VERSION", "TAGS", "LABELS", "ANNOTATIONS", "JSON")
    ),
}
# The steps of several jobs: `json` of metadata-action, `registry-auth` of login-action, and of
# build-push-action `example`, `annotations` and `call-check`.
CHAIN = """\
name: peers
on: push
jobs:
  steps:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v6
      - uses: warmbuild/warmbuild@v$version
        id: meta
        with:
          plan-only: true
          images: $repository
          tags: |
            type=ref,event=branch
            type=sha
          labels: |
            maintainer=A User
      - run: |
          echo "maintainer is ${{ $labels['maintainer'] }}."
          echo "revision is ${{ $labels['org.opencontainers.image.revision'] }}."
          test -n "${{ $labels['org.opencontainers.image.created'] }}"
          test "${{ $labels['org.opencontainers.image.version'] }}" = main
      - uses: warmbuild/warmbuild@v$version
        id: build
        with:
          context: .
          push: true
          tags: ${{ steps.meta.outputs.tags }}
          labels: ${{ steps.meta.outputs.labels }}
          annotations: index:com.example.key=value
          registry-auth: |
            - registry: $registry
              username: ${{ github.actor }}
              password: ${{ toJSON(secrets.GITHUB_TOKEN) }}
      - run: |
          echo "pushed ${{ steps.meta.outputs.version }} as ${{ steps.build.outputs.digest }}."
          test -n "${{ steps.build.outputs.digest }}"
      - uses: warmbuild/warmbuild@v$version
        id: broken
        continue-on-error: true
        with:
          context: .
          file: odd.Dockerfile
          call: check
      - run: |
          test "${{ steps.broken.outcome }}" = failure
          test "${{ steps.broken.conclusion }}" = success
          echo it has failed.
"""
# `output-env` of metadata-action.
VARIABLES = """\
name: peers
on: push
jobs:
  steps:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v6
      - uses: warmbuild/warmbuild@v$version
        with:
          plan-only: true
          images: $repository
          labels: maintainer=A User
          annotations: maintainer=Another
      - run: printenv | grep ^DOCKER_METADATA_OUTPUT_
      - uses: warmbuild/warmbuild@v$version
        with:
          context: .
          file: printing.Dockerfile
          push: false
          build-args: |
            DOCKER_METADATA_OUTPUT_VERSION
            DOCKER_METADATA_OUTPUT_TAGS
            DOCKER_METADATA_OUTPUT_LABELS
            DOCKER_METADATA_OUTPUT_ANNOTATIONS
            DOCKER_METADATA_OUTPUT_JSON
"""


@pytest.fixture
def checkout(project: Callable[..., Path]) -> Path:
    return as_repository(project("FROM busybox:1.37\nRUN echo hello\n", FILES), GITHUB_URL)


@pytest.fixture
def filled(of_the_lab: Mapping[str, str], secured: str) -> Callable[[str], str]:
    """Fill in a workflow; what begins with a dollar and a brace is GitHub's own."""

    def fill(text: str) -> str:
        own = Template(text).safe_substitute(
            version=version(),
            repository=secured,
            registry=secured.partition("/")[0],
            labels="fromJSON(steps.meta.outputs.json).labels",
        )
        return with_inputs(own, of_the_lab)

    return fill


def test_what_a_step_says_is_used_by_the_next(
    act: Act,
    action: str,
    checkout: Path,
    filled: Callable[[str], str],
    auth_registry: Registry,
    secured: str,
    name: str,
) -> None:
    """The jobs print parts of the JSON, push what they were handed, and go on after a failure."""
    log = act.push(checkout, filled(CHAIN), name, action)
    commit = git(checkout, "rev-parse", "HEAD")
    assert "maintainer is A User." in log
    assert f"revision is {commit}." in log
    assert f"pushed main as {auth_registry.digest(f'{secured}:main')}." in log
    assert "it has failed." in log
    tags = [tag for tag in auth_registry.tags(secured) if not tag.startswith("cache-")]
    assert tags == ["main", f"sha-{commit[:7]}"]
    labels = auth_registry.config(f"{secured}:main")["config"]["Labels"]
    assert labels["maintainer"] == "A User"


def test_what_a_step_says_is_a_variable_of_the_next(
    act: Act, action: str, checkout: Path, filled: Callable[[str], str], name: str
) -> None:
    """The job has a build print the variables that it is handed as arguments."""
    log = act.push(checkout, filled(VARIABLES), name, action)
    assert "DOCKER_METADATA_OUTPUT_VERSION=main" in log
    assert '"maintainer":"A User"' in log
