"""How the tests apply the rules to a Dockerfile."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from warmbuild import trust
from warmbuild.inputs import parsing
from warmbuild.lint import checking
from warmbuild.lint.case import Sources
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from warmbuild.finding import Finding
    from warmbuild.lint.case import Done

COMMIT = "5f0c3a1e9b7d42d8a6c1f4e2b3d59780c6e1a2f4"
MAIN = RunContext(
    ci="github", branch="main", default_branch="main", commit=COMMIT, trust=trust.TRUSTED
)
GIT = frozenset({".git", "Dockerfile"})


def check(
    text: str,
    given: dict[str, str] | None = None,
    sources: Sources | None = None,
    context: RunContext = MAIN,
    env: dict[str, str] | None = None,
    done: Done | None = None,
) -> tuple[Finding, ...]:
    asked = parsing.parse({"image": "r.io/a", **(given or {})}, {})
    found = replace(sources or Sources(), file="Dockerfile", text=text)
    return checking.check(asked, context, found, env or {}, done)


def lines(rule: str, found: tuple[Finding, ...]) -> list[int]:
    return [finding.line for finding in found if finding.rule == rule]
