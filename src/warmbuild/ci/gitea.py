"""Gitea Actions and Forgejo Actions: events, payloads and commands are GitHub's.

The runners of both set GITEA_ACTIONS beside GITHUB_ACTIONS; Forgejo's also sets FORGEJO_ACTIONS
since version 7. Comments and reviews of pull requests are events of their own, which anybody may
cause. The registry is on the server's own host, but does not accept the job's token
(go-gitea/gitea#23642), so the user has to give a login. Neither has a merge queue or Dependabot.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from warmbuild.ci import github

_NAME: Final = "gitea"
_TRUSTED: Final = frozenset(
    ("push", "create", "delete", "schedule", "workflow_dispatch", "release", "workflow_run")
) | {"pull_request"}
PROVIDER: Final = replace(
    github.PROVIDER,
    name=_NAME,
    detect=lambda env: "true" in {env.get("GITEA_ACTIONS"), env.get("FORGEJO_ACTIONS")},
    context=lambda env, _directory, read_text: github.context(_NAME, _TRUSTED, env, read_text),
    known_inputs=lambda _env, _given: {},
)
