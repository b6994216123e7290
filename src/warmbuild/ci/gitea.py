"""Gitea Actions and Forgejo Actions: events, payloads and commands are GitHub's.

The runners of both set GITEA_ACTIONS beside GITHUB_ACTIONS; Forgejo's also sets FORGEJO_ACTIONS
since version 7. The registry is on the server's own host, but does not accept the job's token
(go-gitea/gitea#23642), so the user has to give a login. Neither has a merge queue or Dependabot.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from warmbuild.ci import github

_NAME: Final = "gitea"
PROVIDER: Final = replace(
    github.PROVIDER,
    name=_NAME,
    detect=lambda env: "true" in {env.get("GITEA_ACTIONS"), env.get("FORGEJO_ACTIONS")},
    context=lambda env, directory, read_text: replace(
        github.PROVIDER.context(env, directory, read_text), ci=_NAME
    ),
    known_inputs=lambda _env, _given: {},
)
