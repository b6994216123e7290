"""The rule cache-from-only: a cache that is read but not written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.lint.case import Case, Found, Rule
from warmbuild.trust import Right

if TYPE_CHECKING:
    from collections.abc import Iterator


def _find(case: Case) -> Iterator[Found]:
    inputs, context = case.inputs, case.context
    # Another run writes the cache: the branch's own pipeline, or the default branch's.
    reads_only = (
        context.pull_request is not None
        or bool(context.tag or context.passing)
        or bool(context.trust.refuses(Right.WRITE_BY_DEFAULT))
        or (bool(context.default_branch) and context.branch != context.default_branch)
        or inputs.cache in {"off", "read-only"}
        or case.arguments.get("BUILDKIT_INLINE_CACHE", "") not in {"", "0", "false"}
    )
    if inputs.cache_from and not inputs.cache_to and not reads_only:
        yield Found(
            given=(*inputs.cache_from, "cache-from"),
            about="cache-from",
            text="cache-from is set but cache-to is not, so this build writes no cache, and the "
            "cache that it reads becomes outdated. Set cache-to too, or remove cache-from so that "
            "warmbuild chooses both. If this is intended, set cache: read-only.",
        )


RULE: Final = Rule(name="cache-from-only", severity="minor", find=_find)
