"""RunContext: what a CI system knows about a run, in one vocabulary for all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Where a run stands; an empty text is "not known" or "there is none".

    `event` is the CI system's own word. `branch` is the branch whose sources are built: in a pull
    request its source. `untrusted` is the reason, as half a sentence, why the code may come from
    somebody who may not write to the repository, and is empty where it cannot; `passing` is the
    reason why trusted code that has a branch still has no cache of its own to write. `server` is
    the host of the git server that the CI system belongs to, and `registry` that of its registry.
    """

    ci: str
    event: str = ""
    branch: str = ""
    default_branch: str = ""
    target_branch: str = ""
    pull_request: int | None = None
    tag: str = ""
    commit: str = ""
    fork: bool = False
    untrusted: str = ""
    passing: str = ""
    server: str = ""
    registry: str = ""

    def told(self, *, branch: str, default_branch: str) -> RunContext:
        """Return the context with what the user says of it, where that is anything."""
        return replace(
            self,
            branch=branch or self.branch,
            default_branch=default_branch or self.default_branch,
        )
