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

    from warmbuild.files import ReadText
    from warmbuild.run_context import RunContext

_NAME: Final = "gitea"
_MARKS: Final = ("GITEA_ACTIONS", "FORGEJO_ACTIONS")


def _context(env: Mapping[str, str], directory: str, read_text: ReadText) -> RunContext:
    return replace(github.PROVIDER.context(env, directory, read_text), ci=_NAME)


PROVIDER: Final = replace(
    github.PROVIDER,
    name=_NAME,
    detect=lambda env: any(env.get(name) == "true" for name in _MARKS),
    context=_context,
    known_inputs=plain.known_inputs,
)
