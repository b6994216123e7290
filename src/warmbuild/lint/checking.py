"""Applies the lint rules to a project."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild.finding import Finding
from warmbuild.inputs.table import LINT_RULES
from warmbuild.lint.case import Case, Done, Found, Rule, Sources
from warmbuild.project import dockerfile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from warmbuild.buildkit.progress import Step
    from warmbuild.inputs.values import Inputs
    from warmbuild.project.dockerfile import Instruction
    from warmbuild.run_context import RunContext


# Each rule is in the module with its name.
RULES: Final[tuple[Rule, ...]] = tuple(
    importlib.import_module(f"warmbuild.lint.rules.{name.replace('-', '_')}").RULE
    for name in LINT_RULES
)
# Seconds that are worth a word.
_WORTH: Final = 1.0
_COMMENT: Final = re.compile(r"warmbuild\s+ignore\s*=([\w,\s-]+)")


def check(
    inputs: Inputs,
    context: RunContext,
    sources: Sources,
    env: Mapping[str, str],
    done: Done | None = None,
) -> tuple[Finding, ...]:
    """Return what the enabled rules find, sorted by file and line.

    Before a build, when `done` is None, and after it, different rules apply.
    """
    if not inputs.lint:
        return ()
    case = Case(inputs=inputs, context=context, sources=sources, env=env, done=done)
    findings: dict[tuple[str, str, int, str], Finding] = {}
    for rule in (rule for rule in RULES if rule.needs_build == (done is not None)):
        for found in rule.find(case) if rule.name not in inputs.lint_ignore else ():
            if not (found.at and rule.name in _ignored(found.at)):
                finding = _finding(case, rule, found)
                key = (finding.file, rule.name, finding.line, finding.about)
                findings.setdefault(key, finding)
    return tuple(sorted(findings.values(), key=lambda finding: (finding.file, finding.line)))


def weighed(finding: Finding, steps: Iterable[Step]) -> Finding:
    """Return a finding with what it costs: the seconds of the steps that run again.

    A step from a cache counts as it took when it last ran, if a record tells that.
    """
    seconds = sum(
        step.usual if step.cached else step.seconds or 0.0
        for step in steps
        if " ".join(step.instruction.split()) in finding.again
    )
    if seconds < _WORTH:
        return finding
    return replace(finding, text=f"{finding.text} What runs again takes {seconds:.0f} s.")


def _finding(case: Case, rule: Rule, found: Found) -> Finding:
    file, line = case.sources.file, 1
    if found.at:
        line = found.at.line
    elif case.sources.pipeline_file:
        file = case.sources.pipeline_file
        line = _line_of(case.sources.pipeline, found.given)
    return Finding(
        rule=rule.name,
        severity=rule.severity,
        file=file,
        line=line,
        text=found.text,
        about=found.about,
        again=tuple(map(dockerfile.progress_text, found.again)),
    )


def _line_of(text: str, wanted: Sequence[str]) -> int:
    """Return the line that has the first of these texts, or else the next text; 1 without any."""
    for want in wanted:
        for number, line in enumerate(text.splitlines(), start=1):
            if want.lower() in line.lower().replace("_", "-"):
                return number
    return 1


def _ignored(at: Instruction) -> set[str]:
    """Return the rules that comments above an instruction switch off."""
    found = (_COMMENT.fullmatch(comment) for comment in at.comments)
    return {name.strip() for match in found if match for name in match[1].split(",")}
