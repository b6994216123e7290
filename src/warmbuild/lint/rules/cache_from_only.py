"""The rule cache-from-only: a cache that is read and never written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.lint.case import Case, Found, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator


def _find(case: Case) -> Iterator[Found]:
    inputs, context = case.inputs, case.context
    # Somebody else writes it: the branch's own pipeline, or whoever builds main.
    reads_only = (
        context.pull_request is not None
        or bool(context.tag or context.untrusted or context.passing)
        or context.ci == "local"
        or (bool(context.default_branch) and context.branch != context.default_branch)
        or inputs.cache in {"off", "read-only"}
        or case.arguments.get("BUILDKIT_INLINE_CACHE", "") not in {"", "0", "false"}
    )
    if inputs.cache_from and not inputs.cache_to and not reads_only:
        yield Found(
            given=(*inputs.cache_from, "cache-from"),
            about="cache-from",
            text="cache-from is given and cache-to is not, so this build writes no cache, and what "
            "it reads grows old. Give cache-to too, or neither, and the refs are chosen; "
            "cache: read-only says that it is meant so.",
        )


RULE: Final = Rule(name="cache-from-only", severity="minor", find=_find)
