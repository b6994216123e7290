"""Gitea Actions and Forgejo Actions: events, payloads and commands are GitHub's.

The runners of both set GITEA_ACTIONS beside GITHUB_ACTIONS, and Forgejo's FORGEJO_ACTIONS from its
version 7 on. The registry has the server's own host, but takes no login by a job's token
(go-gitea/gitea#23642), so that one has to be given. Neither has a merge queue or Dependabot.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild.ci import github, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.ci.base import ReadText
    from warmbuild.run_context import RunContext


NAME: Final = "gitea"
_MARKS: Final = ("GITEA_ACTIONS", "FORGEJO_ACTIONS")


def detect(env: Mapping[str, str]) -> bool:
    """Say whether this process runs in it."""
    return any(env.get(name) == "true" for name in _MARKS)


def context(env: Mapping[str, str], directory: str, read_text: ReadText) -> RunContext:
    """Read what the server knows about this run, from GitHub's variables and the payload."""
    return replace(github.context(env, directory, read_text), ci=NAME)


known_inputs = plain.known_inputs
inert = github.inert
open_group = github.open_group
close_group = github.close_group
warning = github.warning
fail = github.fail
mask = github.mask
later_file = github.later_file
publish = github.publish
publish_findings = github.publish_findings
output_files = github.output_files
pipeline_file = github.pipeline_file
